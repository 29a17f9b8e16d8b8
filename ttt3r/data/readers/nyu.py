"""The layout of the synchronised NYU Depth v2 frames: colour and depth side by side, one folder a scene.

    kitchen_0028b/rgb_00045.jpg            640 x 480
    kitchen_0028b/sync_depth_00045.png     16 bit, millimetres, registered to the colours

There are no poses. The letter at the end of a folder's name counts the recordings of one scene.
See https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html
"""

import re
from functools import partial
from pathlib import Path

from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import Identity, Layout, holds, image_files, numbered
from ttt3r.data.sequences.poses import pinhole, read_camera_matrix
from ttt3r.data.sequences.recording import Recording

_RATE = 30.0
_INTRINSICS = pinhole(518.8579, 519.4696, 325.5824, 253.7362)  # of the colour camera, as in the dataset's toolbox
_COLOR = re.compile(r"rgb_(\d+)\.(?:jpg|png)")
_DEPTH = re.compile(r"sync_depth_(\d+)\.png")


def recognises(folder: Path) -> bool:
    """Whether it holds `sync_depth_NNNNN.png`."""
    return holds(folder, _DEPTH)


def identify(folder: Path) -> Identity:
    """`kitchen_0028b` shows `kitchen_0028`."""
    name = folder.resolve().name
    return Identity(name, re.sub(r"(_\d+)[a-z]$", r"\1", name))


def read(folder: Path) -> Recording:
    """The images of a folder, and the depth that belongs to them by number. Timestamps are numbers / 30 Hz.

    Raises:
        ValueError: if `camera-intrinsics.txt` is there and no 3x3 matrix.
    """
    identity = identify(folder)
    K = read_camera_matrix(folder)
    return Recording(
        identity.sequence,
        identity.scene,
        numbered(folder, _COLOR),
        partial(DepthFiles, per_metre=1000.0),
        depths=numbered(folder, _DEPTH),
        rate=_RATE,
        intrinsics=_INTRINSICS if K is None else K,
    )


def images(folder: Path) -> ImageFiles:
    """The colour images in the order of their numbers; timestamps are numbers / 30 Hz."""
    return image_files(folder, numbered(folder, _COLOR), _RATE)


NYU = Layout(
    name="NYU Depth v2",
    needs="folders with rgb_NNNNN.jpg and sync_depth_NNNNN.png",
    recognises=recognises,
    identify=identify,
    read=read,
    images=images,
)
"""`rgb_NNNNN.jpg`, `sync_depth_NNNNN.png`."""
