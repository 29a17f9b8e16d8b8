"""The scene as one HTML file that opens from disk: no server, nothing fetched. viser's own recording, with its player."""

from dataclasses import replace
from pathlib import Path

from ttt3r.files import replacing
from ttt3r.viewer.drawing import Drawing
from ttt3r.viewer.serving import start, stop
from ttt3r.viewer.settings import ViewSettings
from ttt3r.viewer.stage import SceneStage

PAUSE_AT_THE_END = 2.0
"""Seconds that the last step stays before the player begins again."""


def as_page(stage: SceneStage, settings: ViewSettings = ViewSettings(), speed: float = 8.0) -> str:
    """A page that plays all steps, with a scrubber; the panel and its pictures are not in it, the images of the cameras are.

    Args:
        stage: what there is to see.
        settings: how; its step does not matter.
        speed: steps a second.

    Raises:
        ImportError: if viser is not installed.
        ValueError: if the speed is not positive.
    """
    if not speed > 0:
        raise ValueError(f"speed must be more than 0 steps a second, got {speed}")
    server = start(None)
    try:
        drawing = Drawing(server, stage)
        drawing.look_from(settings)
        drawing.show(replace(settings, step=0))
        recording = server.get_scene_serializer()
        for step in range(1, stage.steps):
            recording.insert_sleep(1 / speed)
            drawing.show(replace(settings, step=step))
        recording.insert_sleep(PAUSE_AT_THE_END)
        return recording.as_html()
    finally:
        stop(server)


def write_page(path: str | Path, stage: SceneStage, settings: ViewSettings = ViewSettings(), speed: float = 8.0) -> int:
    """Write `as_page` to a file, replaced as a whole. Returns its size in bytes.

    Raises:
        OSError: if the file cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} for {path.name}; make it first")
    content = as_page(stage, settings, speed).encode()
    with replacing(path) as partial:
        partial.write_bytes(content)
    return len(content)
