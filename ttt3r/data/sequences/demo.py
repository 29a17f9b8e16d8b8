"""A small RGB-D sequence that the package makes by itself, so that the first run works on any machine, offline."""

from pathlib import Path

from ttt3r.data.procedural.camera_motion import Handheld
from ttt3r.data.procedural.clips import stream_clips
from ttt3r.data.procedural.config import Lights, WorldConfig
from ttt3r.data.procedural.paths import Orbit
from ttt3r.data.procedural.recordings import write_tum


def write_demo_sequence(
    folder: str | Path, frames: int = 24, size: tuple[int, int] = (320, 240), seed: int = 0
) -> Path:
    """Write a slow hand-held walk around the largest room of a procedural house to `folder`, for `open_clip` to read.

    The folder is made if missing, and returned. A folder in use is left alone unless it holds such a sequence, which is
    replaced; see `procedural.write_tum` for what it holds. The same arguments give the same files; the motion is the same
    at any number of frames.

    Args:
        folder: where to write.
        frames: number of frames, 10 per second.
        size: (width, height) in pixels.
        seed: of the house and of the camera's path.

    Raises:
        ValueError: if there is no frame or no pixel to make.
        FileExistsError: if the folder holds anything else.
    """
    if frames < 1 or min(size) < 1:
        raise ValueError(f"frames={frames} and size={size} must be positive")
    return write_tum(stream_clips(demo_world(size), batch=1, frames=frames, seed=seed, chunk=16), folder)


def demo_world(size: tuple[int, int]) -> WorldConfig:
    """The world of the demo sequence for images of (width, height)."""
    return WorldConfig(
        *size,
        path=Handheld(Orbit(speed=(0.04, 0.08)), shift=0.006, tilt=0.4),
        rooms=(2, 2),
        solids=(5, 10),
        scale=(4.5, 6.5),
        lights=Lights(shadows=True),
        field_of_view=(65.0, 75.0),
        supersample=2,
        patch=1,
    )
