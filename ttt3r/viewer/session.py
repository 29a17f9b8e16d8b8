"""A running viewer."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ttt3r.viewer.serving as serving
from ttt3r.viewer.panel import Panel
from ttt3r.viewer.stage import SceneStage

if TYPE_CHECKING:
    import viser


@dataclass(frozen=True)
class Session:
    """A viewer that runs until `close`. Made by `serve`.

    Args:
        server: of viser.
        panel: the elements beside the scene.
        playback: the thread that plays.
        ended: set when it is to end.
    """

    server: "viser.ViserServer"
    panel: Panel
    playback: threading.Thread
    ended: threading.Event

    @property
    def address(self) -> str:
        """For a browser on this machine."""
        return serving.address(self.server.get_port())

    @property
    def tunnel(self) -> str:
        """The ssh line for a browser elsewhere."""
        return serving.tunnel(self.server.get_port())

    def wait(self) -> None:
        """Stay until another thread closes it, or until Ctrl-C."""
        self.ended.wait()

    def close(self) -> None:
        """Stop playback and server."""
        self.ended.set()
        self.playback.join(timeout=5)
        serving.stop(self.server)


def serve(stage: SceneStage, port: int | None = None) -> Session:
    """Show a stage on 127.0.0.1; returns at once, while a thread serves.

    Args:
        stage: what there is to see.
        port: where; `None` for the first free one from 8080.

    Raises:
        ImportError: if viser is not installed.
        OSError: if the port is taken.
    """
    server = serving.start(port)
    panel, ended = Panel(server, stage), threading.Event()

    def play() -> None:
        while not ended.wait(panel.pause):
            panel.tick()

    playback = threading.Thread(target=play, daemon=True, name="ttt3r playback")
    playback.start()
    return Session(server, panel, playback, ended)
