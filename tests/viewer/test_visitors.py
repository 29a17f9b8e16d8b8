"""Who may talk to the viewer: real requests on a real socket, with the headers that a browser would send."""

import contextlib
import socket
import threading

import pytest

from ttt3r.viewer import serve, serving

viser = pytest.importorskip("viser")
websockets = pytest.importorskip("websockets")
client_side = pytest.importorskip("websockets.sync.client")


@pytest.fixture(scope="module")
def port(stage):
    session = serve(stage)
    yield session.server.get_port()
    session.close()


def status(port, *headers, websocket=True):
    """The first line of the answer to a request with exactly these headers."""
    upgrade = (
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: viser-v{viser.__version__}",
    )
    lines = ["GET / HTTP/1.1", *headers, *(upgrade if websocket else ())]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection.recv(100).split(b"\r\n")[0].split()[1].decode()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_the_own_page_of_this_machine_may_come(port, host):
    assert status(port, f"Host: {host}:{port}", websocket=False) == "200"
    assert status(port, f"Host: {host}:{port}", f"Origin: http://{host}:{port}") == "101"
    assert status(port, f"Host: {host}:{port}") == "101"  # no browser
    assert status(port, f"Host: {host}:9000", f"Origin: http://{host}:9000") == "101"  # a tunnel from another port


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://evil.example",
        "http://evil.example:{port}",
        "http://localhost.evil.example:{port}",
        "http://127.0.0.1.evil.example:{port}",
        "http://localhost:{port}@evil.example",
        "http://evil.example/http://localhost:{port}",
        "http://localhost:1",  # another program of this machine
        "http://localhost",
        "https://localhost:{port}",
        "file://",
        "null",
        "",
        "http://192.168.0.2:{port}",
        "http://[::1",
        "http://localhost:99999",
    ],
)
def test_pages_of_other_places_may_not(port, origin):
    assert status(port, f"Host: localhost:{port}", "Origin: " + origin.format(port=port)) == "403"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "localhost.evil.example:{port}",
        "evil.example",
        "0.0.0.0:{port}",
        "192.168.0.2:{port}",
        "",
    ],
)
@pytest.mark.parametrize("websocket", [True, False])
def test_another_name_for_this_machine_is_refused(port, host, websocket):
    """A name of the web that was made to point here: the page and its origin agree with the host."""
    name = host.format(port=port)
    assert status(port, f"Host: {name}", f"Origin: http://{name}", websocket=websocket) == "403"


def test_headers_that_are_missing_or_given_twice(port):
    own, foreign = f"localhost:{port}", "evil.example"
    assert status(port) == "403"
    assert status(port, f"Host: {own}", f"Host: {foreign}") == "403"
    assert status(port, f"Host: {own}", f"Origin: http://{own}", f"Origin: http://{foreign}") == "403"


def test_a_client_of_the_library_gets_the_scene(port):
    protocol = [f"viser-v{viser.__version__}"]
    url = f"ws://127.0.0.1:{port}"
    with client_side.connect(url, subprotocols=protocol, origin=f"http://127.0.0.1:{port}", max_size=None) as client:
        assert len(client.recv(timeout=20)) > 0
    with pytest.raises(websockets.exceptions.InvalidStatus, match="403"):
        client_side.connect(url, subprotocols=protocol, origin="https://evil.example")


def test_a_server_that_cannot_be_guarded_does_not_stay(monkeypatch):
    @contextlib.contextmanager
    def nothing():
        yield threading.Event()

    monkeypatch.setattr(serving, "only_from_here", nothing)
    with pytest.raises(ImportError, match="cannot be kept to this machine"):
        serving.start(None)


def test_a_user_without_a_name_gets_a_tunnel(monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(serving.getpass, "getuser", nobody)
    assert "USER@" in serving.tunnel(8080)


def test_the_viewer_opens_at_the_last_step(stage):
    session = serve(stage)
    try:
        assert session.panel.controls.step.value == stage.steps - 1
        assert session.panel._drawing.shown.step == stage.steps - 1
    finally:
        session.close()
