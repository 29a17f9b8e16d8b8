"""The layout of the rendered Replica rooms that SLAM methods use: a trajectory, and images and depth in one folder.

    Replica/cam_params.json                w, h, fx, fy, cx, cy, scale (values of a metre in the depth images)
    Replica/room0/traj.txt                 16 numbers a row: camera to world, metres, OpenCV axes
    Replica/room0/results/frame000000.jpg  1200 x 680
    Replica/room0/results/depth000000.png  16 bit, 6553.5 per metre

See https://github.com/cvg/nice-slam (the rooms) and https://github.com/facebookresearch/Replica-Dataset (the scenes).
"""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import (
    Layout,
    counted_poses,
    holds,
    image_files,
    named_after_folder,
    numbered,
    read_or_note,
)
from ttt3r.data.sequences.poses import pinhole, read_camera_matrix, read_matrix_rows
from ttt3r.data.sequences.recording import Poses, Recording
from ttt3r.files import read_text

_RATE = 30.0
_CAMERA = pinhole(600, 600, 599.5, 339.5)
_PER_METRE = 6553.5
_IMAGE = re.compile(r"frame(\d+)\.(?:jpg|png)")
_DEPTH = re.compile(r"depth(\d+)\.png")


def recognises(folder: Path) -> bool:
    """Whether there are `traj.txt` and images `results/frameN.jpg`."""
    return (folder / "traj.txt").is_file() and holds(folder / "results", _IMAGE)


def read(folder: Path) -> Recording:
    """The images of a room with their poses (image N has the N-th pose) and depths. Timestamps are numbers / 30 Hz.

    Raises:
        ValueError: if `camera-intrinsics.txt` is there and no 3x3 matrix.
    """
    poses, no_poses = read_or_note(folder / "traj.txt", _poses, Poses())
    path = next((place / "cam_params.json" for place in (folder, folder.resolve().parent) if _has(place)), None)
    usual = (_CAMERA, _PER_METRE)
    (K, per_metre), no_camera = (usual, []) if path is None else read_or_note(path, _read_camera, usual)
    own = read_camera_matrix(folder)
    identity = named_after_folder(folder)
    return Recording(
        identity.sequence,
        identity.scene,
        numbered(folder / "results", _IMAGE),
        partial(DepthFiles, per_metre=per_metre),
        poses,
        numbered(folder / "results", _DEPTH),
        rate=_RATE,
        intrinsics=K if own is None else own,
        findings=(*no_poses, *no_camera),
    )


def _poses(path: Path) -> Poses:
    return counted_poses(read_matrix_rows(path))


def _has(folder: Path) -> bool:
    return (folder / "cam_params.json").is_file()


def _read_camera(path: Path) -> tuple[Float[np.ndarray, "3 3"], float]:
    try:
        camera = json.loads(read_text(path))["camera"]
        fx, fy, cx, cy, scale = (float(camera[key]) for key in ("fx", "fy", "cx", "cy", "scale"))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} must hold a camera with fx, fy, cx, cy, scale ({error!r}); copy it again") from error
    if not scale > 0:
        raise ValueError(f"{path} has scale {scale:g}, values of a metre must be positive; copy it again")
    return pinhole(fx, fy, cx, cy), scale


def images(folder: Path) -> ImageFiles:
    """The images in the order of their numbers; timestamps are numbers / 30 Hz."""
    return image_files(folder, numbered(folder / "results", _IMAGE), _RATE)


REPLICA = Layout(
    name="Replica",
    needs="folders with traj.txt, results/frameN.jpg and results/depthN.png, and cam_params.json beside them",
    recognises=recognises,
    identify=named_after_folder,
    read=read,
    images=images,
)
"""`traj.txt`, `results/frameN.jpg`, `results/depthN.png`, `../cam_params.json`."""
