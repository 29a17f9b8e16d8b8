"""The layout of KITTI depth completion: annotated depth by drive, images in the raw recordings beside it.

    val/2011_09_26_drive_0002_sync/proj_depth/groundtruth/image_02/0000000005.png     16 bit, 256 per metre, sparse
    2011_09_26/2011_09_26_drive_0002_sync/image_02/data/0000000005.png                (also below raw/, or in val/DRIVE)
    2011_09_26/calib_cam_to_cam.txt                                                    P_rect_02

or, as gathered by others:

    image_gathered/2011_09_26_drive_0002_sync_02/0000000005.png
    groundtruth_depth_gathered/2011_09_26_drive_0002_sync_02/0000000005.png

The left colour camera (02) only. The first and last five frames of a drive have no annotated depth; there are no poses.
See https://www.cvlibs.net/datasets/kitti/eval_depth.php?benchmark=depth_completion
"""

import re
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import Identity, Layout, holds, image_files, numbered
from ttt3r.data.sequences.poses import read_lines
from ttt3r.data.sequences.recording import Recording

_RATE = 10.0  # frames per second
_NUMBER = re.compile(r"(\d+)\.(?:png|jpg)")
_ANNOTATED = Path("proj_depth/groundtruth/image_02")
_GATHERED, _GATHERED_DEPTH = "image_gathered", "groundtruth_depth_gathered"


def recognises(folder: Path) -> bool:
    """Whether it is a drive with annotated depth, or a folder of `image_gathered/`."""
    return (folder / _ANNOTATED).is_dir() or (_is_gathered(folder) and holds(folder, _NUMBER))


def _is_gathered(folder: Path) -> bool:
    return folder.resolve().parent.name == _GATHERED


def identify(folder: Path) -> Identity:
    """`2011_09_26_drive_0002_sync_02`, in both forms; each drive is a scene."""
    name = folder.resolve().name
    sequence = f"{name}_02" if name.endswith("_sync") else name
    return Identity(sequence, sequence)


def _folders(folder: Path) -> tuple[Path, Path]:
    """Where images and depths of a sequence lie."""
    place = folder.resolve()
    if _is_gathered(folder):
        return place, place.parent.parent / _GATHERED_DEPTH / place.name
    drive, date, split = place.name, place.name[:10], place.parent
    roots = (split.parent, split.parent / "raw", split.parent / "raw_data", split, split.parent.parent)
    candidates = [root / date / drive / "image_02" / "data" for root in roots]
    candidates += [place / "image_02" / "data", place / "image_02"]
    return next((path for path in candidates if path.is_dir()), candidates[0]), place / _ANNOTATED


def _beside(folder: Path) -> tuple[Path, ...]:
    color, depth = _folders(folder)
    return color, depth, color.parent.parent.parent / "calib_cam_to_cam.txt"


def read(folder: Path) -> Recording:
    """All images of a drive, and the annotated depth that belongs to them by number. Timestamps are numbers / 10 Hz."""
    color, depth = _folders(folder)
    images, depths = numbered(color, _NUMBER), numbered(depth, _NUMBER)
    findings = []
    if not len(images):
        detail = f"no image of {folder.name} in {color}"
        cure = "get the raw recordings (synced and rectified) of this drive, and put the folder of its date beside val/"
        findings.append(Finding(Problem.MISSING_FILE, str(color), Severity.ERROR, detail, cure))
    if not len(depths):
        detail, cure = f"no annotated depth in {depth}", "get the annotated depth maps of KITTI depth completion"
        findings.append(Finding(Problem.MISSING_DEPTH, str(depth), Severity.ERROR, detail, cure))
    identity = identify(folder)
    return Recording(
        identity.sequence,
        identity.scene,
        images,
        partial(DepthFiles, per_metre=256.0),
        depths=depths,
        rate=_RATE,
        intrinsics=_intrinsics(color.parent.parent.parent / "calib_cam_to_cam.txt"),
        plausible_depth=(2.0, 80.0),
        findings=tuple(findings),
    )


def _intrinsics(path: Path) -> Float[np.ndarray, "3 3"] | None:
    lines = read_lines(path) if path.is_file() else []
    rows = [line.split()[1:] for line in lines if line.startswith("P_rect_02:")]
    if not rows or len(rows[0]) != 12:
        return None
    return np.array(rows[0], dtype=np.float64).reshape(3, 4)[:, :3].copy()


def images(folder: Path) -> ImageFiles:
    """The images of a drive in the order of their numbers; timestamps are numbers / 10 Hz."""
    return image_files(folder, numbered(_folders(folder)[0], _NUMBER), _RATE)


KITTI_DEPTH = Layout(
    name="KITTI depth",
    needs="val/DRIVE/proj_depth/groundtruth/image_02/N.png and DATE/DRIVE/image_02/data/N.png beside val/, or as gathered",
    recognises=recognises,
    identify=identify,
    read=read,
    images=images,
    beside=_beside,
)
"""Annotated depth beside the raw recordings, or `image_gathered/` and `groundtruth_depth_gathered/`."""
