"""The server: this machine only, ports, the exported page, and errors of the command line in one line."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from ttt3r.cli import main
from ttt3r.viewer import Coloring, ViewSettings, as_page, serve, write_page
from ttt3r.viewer.serving import HOST

pytest.importorskip("viser")


@pytest.fixture
def taken():
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        yield other.getsockname()[1]


def test_only_this_machine_is_served(stage):
    session = serve(stage)
    try:
        assert session.server.get_host() == "127.0.0.1"
        port = session.server.get_port()
        assert session.address == f"http://127.0.0.1:{port}"
        assert session.tunnel.startswith(f"ssh -N -L {port}:127.0.0.1:{port} ")
        with urllib.request.urlopen(session.address) as page:
            assert b"<html" in page.read().lower()
        assert session.server.request_share_url() is None  # what a page could ask for: an address open to everybody
    finally:
        session.close()


def test_the_panel_drives_the_scene(stage):
    session = serve(stage)
    try:
        controls, drawing = session.panel.controls, session.panel._drawing
        controls.step.value = 4
        controls.coloring.value = str(Coloring.GAIN)
        controls.token.value = "token 1"
        controls.run.value = stage.runs[1].label
        session.panel.refresh()
        shown = drawing.shown
        assert (shown.step, shown.coloring, shown.token, shown.run) == (4, Coloring.GAIN, 1, 1)
        clouds = drawing._runs[1]._clouds
        assert [cloud.visible for cloud in clouds] == [True] * 5 + [False] * 2
        controls.growing.value = False
        session.panel.refresh()
        assert [cloud.visible for cloud in drawing._runs[1]._clouds] == [False] * 4 + [True] + [False] * 2
        controls.min_confidence.value = stage.confidence_range[1]
        session.panel.refresh()
        left = sum(len(cloud.points) for drawn in drawing._runs for cloud in drawn._clouds if cloud is not None)
        assert left < sum(len(run.cloud) for run in stage.runs) / 10
        controls.min_confidence.value = 1e6  # nothing is left
        session.panel.refresh()
        assert drawing._runs[0]._clouds == [None] * stage.steps
    finally:
        session.close()


def test_a_page_stands_alone(stage, tmp_path):
    size = write_page(tmp_path / "scene.html", stage, ViewSettings(point_size=stage.point_size))
    assert (tmp_path / "scene.html").stat().st_size == size
    assert [item.name for item in tmp_path.iterdir()] == ["scene.html"]
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_page(tmp_path / "none/scene.html", stage)
    with pytest.raises(ValueError, match="0 steps a second"):
        as_page(stage, speed=0)


def test_fewer_points_make_a_smaller_page(runs, tmp_path):
    sizes = []
    for points in ("100", "20000"):
        file = tmp_path / f"{points}.html"
        assert main(["view", str(runs / "a"), "--points", points, "--export", str(file), "--color", "gain"]) == 0
        sizes.append(file.stat().st_size)
    assert sizes[0] < sizes[1]


def test_the_command_says_where_to_look_and_ends_on_request(runs):
    words = [sys.executable, "-u", "-m", "ttt3r", "view", str(runs / "a"), "--points", "100"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        said = [command.stdout.readline() for _ in range(3)]
        assert "100 of" in said[0]
        port = re.search(r"open http://127\.0\.0\.1:(\d+) ", said[1])[1]
        assert f"ssh -N -L {port}:127.0.0.1:{port} " in said[2]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}") as page:
            assert page.status == 200
        command.send_signal(signal.SIGINT)
        try:
            assert command.wait(timeout=30) == 0
        finally:
            command.kill()  # or the block would wait for it for ever
        assert "has ended" in command.stdout.read()


def errors(words, capsys):
    assert main(["view", *words]) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return text


def test_wrong_input_gives_one_line(runs, taken, tmp_path, capsys):
    assert "holds no run.json, so it is no run" in errors([str(tmp_path)], capsys)
    assert "does not exist" in errors([str(tmp_path / "none")], capsys)
    assert f"port {taken} cannot be used" in errors([str(runs / "a"), "--port", str(taken)], capsys)
    assert "from 1 to 65535" in errors([str(runs / "a"), "--port", "0"], capsys)
    assert "--points must be a whole number of at least 1" in errors([str(runs / "a"), "--points", "0"], capsys)
    (tmp_path / "run.json").write_text("{}")
    assert "is not the record of a run" in errors([str(tmp_path)], capsys)
