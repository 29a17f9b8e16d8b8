"""The layout of the Neural RGB-D (NRGBD) scenes: rendered rooms with numbered files.

    images/img0.png        640 x 480
    depth/depth0.png       16 bit, millimetres    (depth_filtered/ and depth_with_noise/ are not read)
    poses.txt              four rows a pose: camera to world, metres, OpenGL axes; nan where there is none
    focal.txt              focal length in pixels (else 554.2562584220408)

See https://github.com/dazinovic/neural-rgbd-surface-reconstruction
"""

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
from ttt3r.data.sequences.poses import from_opengl, pinhole, read_matrix_blocks, read_numbers
from ttt3r.data.sequences.recording import Poses, Recording

_RATE = 30.0
_FOCAL = 554.2562584220408
_IMAGE = re.compile(r"img(\d+)\.(?:png|jpg)")
_DEPTH = re.compile(r"depth(\d+)\.png")


def recognises(folder: Path) -> bool:
    """Whether there are `poses.txt` and images `images/imgN.png`."""
    return (folder / "poses.txt").is_file() and holds(folder / "images", _IMAGE)


def read(folder: Path) -> Recording:
    """The images of a scene with their poses (image N has the N-th pose) and depths. Timestamps are numbers / 30 Hz."""
    poses, no_poses = read_or_note(folder / "poses.txt", _poses, Poses())
    K, no_focal = read_or_note(folder / "focal.txt", _intrinsics, pinhole(_FOCAL, _FOCAL, 320, 240))
    identity = named_after_folder(folder)
    return Recording(
        identity.sequence,
        identity.scene,
        numbered(folder / "images", _IMAGE),
        partial(DepthFiles, per_metre=1000.0),
        poses,
        numbered(folder / "depth", _DEPTH),
        rate=_RATE,
        intrinsics=K,
        findings=(*no_poses, *no_focal),
    )


def _poses(path: Path) -> Poses:
    return counted_poses(from_opengl(read_matrix_blocks(path)))


def _intrinsics(path: Path) -> Float[np.ndarray, "3 3"]:
    focal = float(read_numbers(path)[0, 0]) if path.is_file() else _FOCAL
    return pinhole(focal, focal, 320, 240)


def images(folder: Path) -> ImageFiles:
    """The images in the order of their numbers; timestamps are numbers / 30 Hz."""
    return image_files(folder, numbered(folder / "images", _IMAGE), _RATE)


NEURAL_RGBD = Layout(
    name="Neural RGB-D",
    needs="poses.txt and images/imgN.png, and depth/depthN.png, focal.txt if there are any",
    recognises=recognises,
    identify=named_after_folder,
    read=read,
    images=images,
)
"""`images/imgN.png`, `depth/depthN.png`, `poses.txt`, `focal.txt`."""
