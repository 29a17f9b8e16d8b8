"""The layout of ScanNet v2, as exported from its `.sens` files: one folder a scan.

    scene0707_00/color/0.jpg         1296 x 968
    scene0707_00/depth/0.png         640 x 480, 16 bit, millimetres
    scene0707_00/pose/0.txt          4x4 camera to world, metres; -inf where the tracking was lost
    scene0707_00/intrinsic/          intrinsic_color.txt, intrinsic_depth.txt   (4x4)

Colour and depth are of two cameras and not registered. The last two digits count the scans of one scene.
See http://www.scan-net.org
"""

import re
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity, unreadable
from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import Identity, Layout, holds, image_files, numbered, pose_files
from ttt3r.data.sequences.poses import read_numbers
from ttt3r.data.sequences.recording import Files, Recording

_RATE = 30.0  # frames per second
_COLOR = re.compile(r"(\d+)\.(?:jpg|jpeg|png)")
_DEPTH = re.compile(r"(\d+)\.png")
_POSE = re.compile(r"(\d+)\.txt")


def recognises(folder: Path) -> bool:
    """Whether there are folders `color/` and `pose/` (or `depth/`), and `color/` holds images called by numbers."""
    beside = (folder / "pose").is_dir() or (folder / "depth").is_dir()
    return beside and holds(folder / "color", _COLOR)


def identify(folder: Path) -> Identity:
    """`scene0707_00` is the first scan of `scene0707`."""
    name = folder.resolve().name
    return Identity(name, re.sub(r"_\d\d$", "", name))


def _colors(folder: Path) -> Files:
    return numbered(folder / "color", _COLOR)


def read(folder: Path) -> Recording:
    """All colour images of a scan; poses and depths belong to them by number. Times are numbers / 30 Hz."""
    poses, findings = pose_files(numbered(folder / "pose", _POSE))
    if not len(poses) and not findings:
        detail = f"no pose in {folder / 'pose'}"
        findings = [
            Finding(
                Problem.MISSING_POSES, str(folder), Severity.WARNING, detail, "export the poses of the .sens file too"
            )
        ]
    matrices = []
    for kind in ("color", "depth"):
        try:
            matrices.append(_intrinsics(folder / "intrinsic" / f"intrinsic_{kind}.txt"))
        except ValueError as error:
            matrices.append(None)
            findings.append(unreadable(str(folder / "intrinsic"), error))
    identity = identify(folder)
    return Recording(
        identity.sequence,
        identity.scene,
        _colors(folder),
        partial(DepthFiles, per_metre=1000.0, invalid=(65535,)),
        poses,
        numbered(folder / "depth", _DEPTH),
        rate=_RATE,
        intrinsics=matrices[0],
        depth_intrinsics=matrices[1],
        findings=tuple(findings),
    )


def images(folder: Path) -> ImageFiles:
    """The colour images in the order of their numbers; timestamps are numbers / 30 Hz."""
    return image_files(folder, _colors(folder), _RATE)


def _intrinsics(path: Path) -> Float[np.ndarray, "3 3"] | None:
    if not path.is_file():
        return None
    matrix = read_numbers(path)
    if matrix.shape not in ((3, 3), (4, 4)):
        raise ValueError(f"{path} must hold a 3x3 or 4x4 camera matrix, got {matrix.shape}; copy it again")
    return matrix[:3, :3]


SCANNET = Layout(
    name="ScanNet",
    needs="folders sceneNNNN_NN with color/N.jpg, pose/N.txt, depth/N.png, and intrinsic/ if there is one",
    recognises=recognises,
    identify=identify,
    read=read,
    images=images,
)
"""`color/N.jpg`, `depth/N.png`, `pose/N.txt`, `intrinsic/`."""
