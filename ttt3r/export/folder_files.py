"""Which files belong to a run, and how old ones are cleared. Nothing else in the folder is ever deleted."""

import re
from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ttt3r.export.colmap import FILES as COLMAP
from ttt3r.export.point_selection import PointSelection
from ttt3r.export.points import PointCloud
from ttt3r.export.run_record import FILE
from ttt3r.files import LOCK, is_partial, replacing

MEMORY = "memory.safetensors"
"""File of the saved memory."""
_TOP = {
    FILE,
    MEMORY,
    "trajectory.txt",
    "intrinsics.csv",
    "gains.csv",
    "frames.csv",
    "points.ply",
    "points.glb",
    "trajectory.png",
    "points.png",
}
_FRAME = re.compile(r"frame_(\d{6,})\.(png|npz|npz\.partial|jpg)")
_CLOUD = re.compile(r"points_\d{6,}\.npz(\.partial)?")
# What a kill in the middle of a save left behind in releases before `ttt3r.files`; the first form is that of safetensors.
_LEFTOVER = re.compile(
    r"\.tmp[A-Za-z0-9]{6}|(points_\d{6,}\.npz|" + "|".join(map(re.escape, sorted(_TOP))) + r")\.partial"
)


def stem(frame: int) -> str:
    """File name of a frame without ending."""
    return f"frame_{frame:06d}"


def cloud_name(frames: int) -> str:
    """File of the cloud after `frames` frames."""
    return f"points_{frames:06d}.npz"


def load_cloud(path: Path, frames: int, selection: PointSelection) -> PointCloud:
    """The cloud that a run saved after a number of frames; empty after none.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is damaged, or of another run.
    """
    if frames == 0:
        return PointCloud.empty(selection)
    file = path / cloud_name(frames)
    if not file.exists():
        raise FileNotFoundError(f"{file}, the cloud at the last checkpoint, is missing; start again with --overwrite")
    cloud = PointCloud.load(file)
    if cloud.selection != selection or (len(cloud) and cloud.frame.max() >= frames):
        raise ValueError(f"{file} is not the cloud of this run at {frames} frames; start again with --overwrite")
    return cloud


def make(path: Path) -> None:
    """Make a folder that can be written to, if it is not there.

    Raises:
        OSError: if it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(f"cannot write to the output folder {path} ({reason}); choose another with --out") from error


def prepare(path: Path, overwrite: bool) -> None:
    """Make an empty, writable folder.

    Raises:
        FileExistsError: if it is not empty and may not be, or cannot be, cleared of an older run.
        OSError: if it cannot be made or written to.
    """
    make(path)
    if not any(file.name != LOCK for file in path.iterdir()):
        return
    if not (path / FILE).is_file():
        raise FileExistsError(f"{path} is not empty and holds no run of ttt3r; choose an empty folder with --out")
    if not overwrite:
        raise FileExistsError(f"{path} already holds a run; go on with --resume, or replace it with --overwrite")
    _clear(path)


def _clear(path: Path) -> None:
    remove_leftovers(path)
    remove_from(path, 0)
    remove_clouds_but(path, None)
    for name in _TOP - {FILE}:
        (path / name).unlink(missing_ok=True)
    for file in [path / "depth" / "scale.json", *(path / "colmap" / name for name in COLMAP)]:
        file.unlink(missing_ok=True)
    for name in ("depth", "images", "colmap", "gains"):
        folder = path / name
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    (path / FILE).unlink()  # last: a kill before this leaves a folder that --overwrite still knows


def remove_from(path: Path, frames: int) -> None:
    """Delete the depth maps, images and gains of frame number `frames` and later."""
    for folder in (path / "depth", path / "images", path / "gains"):
        for file in folder.iterdir() if folder.is_dir() else ():
            match = _FRAME.fullmatch(file.name)
            if match and int(match[1]) >= frames:
                file.unlink()


def remove_clouds_but(path: Path, kept: str | None) -> None:
    """Delete saved clouds other than `kept`."""
    for file in path.iterdir():
        if _CLOUD.fullmatch(file.name) and file.name != kept:
            file.unlink()


def remove_leftovers(path: Path) -> None:
    """Delete the unfinished files that a kill in the middle of a save leaves behind."""
    folders = [path, *(path / name for name in ("depth", "gains", "images", "colmap"))]
    for file in (file for folder in folders if folder.is_dir() for file in folder.iterdir()):
        if (is_partial(file.name) or _LEFTOVER.fullmatch(file.name)) and file.is_file():
            file.unlink()


def write_image(path: Path, image: Float[Tensor, "rgb=3 height width"]) -> None:
    """A prepared image, colours in [-1, 1], as JPEG of high quality."""
    path.parent.mkdir(exist_ok=True)
    colors = ((image.detach().cpu().float() + 1) * 127.5).round().clamp(0, 255).byte()
    with replacing(path) as partial:
        Image.fromarray(colors.permute(1, 2, 0).contiguous().numpy()).save(partial, quality=95, subsampling=0)


def only(batch: Float[Tensor, "batch ..."]) -> Float[Tensor, "..."]:
    """The one sequence of a batch.

    Raises:
        ValueError: if there are more.
    """
    if batch.shape[0] != 1:
        raise ValueError(
            f"a run folder holds one sequence, got a batch of {batch.shape[0]}; write each to its own folder"
        )
    return batch[0]
