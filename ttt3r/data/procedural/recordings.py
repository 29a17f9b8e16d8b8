"""Procedural clips as recordings: in memory for `ttt3r.compare`, or as files in the layout of TUM RGB-D."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ttt3r.data.frames.memory import DepthInMemory, FramesInMemory
from ttt3r.data.procedural.clips import ClipBatch
from ttt3r.data.sequences.clip import Clip
from ttt3r.files import read_text
from ttt3r.geometry import camera_to_pose_encoding

RATE = 10.0
"""Frames per second that the timestamps are made for."""
PER_METRE = 5000
"""Value of one metre in depth images: they reach 13.1 m, what lies beyond is written as 0, not measured."""
MARK = "# a sequence made by ttt3r"


def as_clips(clips: ClipBatch, name: str = "world") -> tuple[Clip, ...]:
    """Each clip of the batch as a sequence with ground truth, in memory: what `ttt3r.compare` takes.

    Args:
        clips: any batch; it is moved to the CPU.
        name: the clips are called `name 0`, `name 1`, ...
    """
    times = 1000 + np.arange(clips.frames) / RATE
    return tuple(
        Clip(
            f"{name} {item}",
            FramesInMemory(f"{name} {item}", clips.image[:, item].cpu(), times),
            times,
            clips.camera_to_world[:, item].double().cpu().numpy(),
            clips.intrinsics[item].double().cpu().numpy(),
            DepthInMemory(clips.depth[:, item].cpu()),
        )
        for item in range(clips.batch)
    )


def write_tum(clip: ClipBatch | Iterable[ClipBatch], folder: str | Path) -> Path:
    """Write a clip to a folder (made if missing) and return it; `open_clip` reads it.

    Holds rgb/, depth/ (16 bit, z-depth, 5000 per metre), rgb.txt, depth.txt, groundtruth.txt (camera to world) and
    camera-intrinsics.txt. A folder in use is left alone unless it holds such a sequence, which is replaced.

    Args:
        clip: a batch of one, or its pieces in order, as `stream_clips` makes them.
        folder: where to write.

    Raises:
        ValueError: if the batch holds more than one clip.
        FileExistsError: if the folder holds anything else.
    """
    folder = Path(folder)
    _clear(folder)
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows: list[str] = []
    for piece in [clip] if isinstance(clip, ClipBatch) else clip:
        if piece.batch != 1:
            raise ValueError(
                f"a folder holds one clip and this batch has {piece.batch}; write clip.item(0), item(1), ..."
            )
        rows += _write_frames(piece, folder, start=len(rows))
        np.savetxt(folder / "camera-intrinsics.txt", piece.intrinsics[0].double().cpu().numpy(), fmt="%.6f")
    times = [row.split()[0] for row in rows]
    for name in ("rgb", "depth"):
        listing = "".join(f"{time} {name}/{time}.png\n" for time in times)
        (folder / f"{name}.txt").write_text(f"{MARK}\n# timestamp filename\n{listing}")
    (folder / "groundtruth.txt").write_text("# timestamp tx ty tz qx qy qz qw\n" + "".join(rows))
    return folder


def _write_frames(clip: ClipBatch, folder: Path, start: int) -> list[str]:
    """Images and depth of all frames; returns their rows of `groundtruth.txt`."""
    colors = ((clip.image[:, 0] + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    depth = (clip.depth[:, 0] * PER_METRE).round()
    depths = torch.where(depth < 65536, depth, 0).cpu().numpy().astype(np.uint16)
    poses = camera_to_pose_encoding(clip.camera_to_world[:, 0].double().cpu()).tolist()
    rows = []
    for index, (x, y, z, *quaternion) in enumerate(poses):
        time = f"{1000 + (start + index) / RATE:.6f}"
        Image.fromarray(colors[index]).save(folder / "rgb" / f"{time}.png", compress_level=1)
        Image.fromarray(depths[index]).save(folder / "depth" / f"{time}.png")
        numbers = [x, y, z, *quaternion[1:], quaternion[0]]
        rows.append(" ".join([time, *(f"{number:.12f}" for number in numbers)]) + "\n")
    return rows


def _clear(folder: Path) -> None:
    """Remove the images of an older sequence; nobody else's recording is written over."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    listing = folder / "rgb.txt"
    if not (listing.is_file() and read_text(listing, "replace").startswith(MARK)):
        raise FileExistsError(f"{folder} is not empty and holds no demo sequence; give another folder")
    for image in [*folder.glob("rgb/*.png"), *folder.glob("depth/*.png")]:
        image.unlink()
