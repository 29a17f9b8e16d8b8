"""A viser server that only this machine can reach."""

import contextlib
import getpass
import io
import socket
from typing import TYPE_CHECKING

from ttt3r.viewer.visitors import only_from_here

if TYPE_CHECKING:
    import viser

HOST = "127.0.0.1"
"""The only address that is served."""
FIRST_PORT = 8080
"""First port that is tried."""


def start(port: int | None) -> "viser.ViserServer":
    """A server on 127.0.0.1, at this port or at the first free one from 8080. It never opens a public address.

    Requests for another host name, and websockets from pages of other places, are refused (see `visitors`).

    Raises:
        ImportError: if viser is not installed, or is of a release that cannot be guarded.
        OSError: if the port is taken or may not be used.
        ValueError: if it is no port.
    """
    try:
        import viser
    except ImportError as error:
        raise ImportError("the viewer needs viser; install it: pip install 'ttt3r[viewer]'") from error

    class LocalServer(viser.ViserServer):
        """Never opens a public address: viser itself would, through a server of its makers."""

        def request_share_url(self, verbose: bool = True) -> str | None:
            """No address."""
            return None

    chosen = _first_free() if port is None else port
    if port is not None:
        _require_free(port)
    # viser prints its address; the command line prints its own.
    with contextlib.redirect_stdout(io.StringIO()), only_from_here() as checked:
        server = LocalServer(host=HOST, port=chosen, label="ttt3r", verbose=False)
    if not checked.is_set():
        stop(server)
        raise ImportError(
            "this release of viser cannot be kept to this machine; install another: pip install 'viser==1.1.1'"
        )
    return server


def stop(server: "viser.ViserServer") -> None:
    """End a server, without a message."""
    with contextlib.redirect_stdout(io.StringIO()):
        server.stop()


def tunnel(port: int) -> str:
    """The ssh line that brings a remote viewer to a browser at home."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = "USER"
    return f"ssh -N -L {port}:{HOST}:{port} {user}@{socket.gethostname()}"


def address(port: int) -> str:
    """Where a browser on this machine finds the viewer."""
    return f"http://{HOST}:{port}"


def _require_free(port: int) -> None:
    if not 1 <= port <= 65535:
        raise ValueError(f"a port is a number from 1 to 65535, got {port}; leave --port out for a free one")
    if (reason := _why_not(port)) is not None:
        raise OSError(
            f"port {port} cannot be used ({reason}); choose another with --port, or leave it out for a free one"
        )


def _first_free() -> int:
    for port in range(FIRST_PORT, FIRST_PORT + 1000):
        if _why_not(port) is None:
            return port
    raise OSError(f"no free port from {FIRST_PORT} to {FIRST_PORT + 999}; choose one with --port")


def _why_not(port: int) -> str | None:
    """Why a port cannot be bound; `None` if it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.strerror or str(error)
    return None
