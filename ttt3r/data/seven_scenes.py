"""The layout of the 7-Scenes benchmark: per frame an image, a depth map and a camera matrix.

    frame-000000.color.png (or .jpg)
    frame-000000.depth.png    16 bit, millimetres; 0 and 65535 where nothing was measured   (optional)
    frame-000000.pose.txt     4x4 camera to world, metres

Depth comes from the Kinect's own camera and is not registered to the colours: edges are some pixels off.
See https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes/
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.clip import Layout, Record, Recording, read_intrinsics, read_numbers
from ttt3r.data.files import ImageFiles

_RATE = 30.0  # frames per second of the Kinect; the benchmark gives no times
_INTRINSICS = np.array([[585.0, 0, 320], [0, 585, 240], [0, 0, 1]])
_COLOR = re.compile(r"frame-(\d+)\.color\.(?:png|jpg)")
_NUMBER = re.compile(r"frame-(\d+)\.pose\.txt")


def read(folder: Path) -> Recording:
    """The frames of a sequence folder, or of a scene folder with a single sequence. Frames without a finite pose are left out.

    Timestamps are frame numbers / 30 Hz, as the benchmark gives none.

    Raises:
        FileNotFoundError: if a frame has no image.
        ValueError: if a scene has several sequences, a pose is not 4x4, or no pose is finite.
    """
    folder = _sequence_folder(folder)
    poses = sorted((int(match[1]), path) for path in folder.iterdir() if (match := _NUMBER.fullmatch(path.name)))
    records = []
    for number, path in poses:
        pose = _read_pose(path)
        if np.isfinite(pose).all():
            depth = path.with_name(path.name.replace(".pose.txt", ".depth.png"))
            records.append(Record(_image_of(path), number / _RATE, pose, depth if depth.is_file() else None))
    if not records:
        raise ValueError(f"none of the {len(poses)} poses in {folder} is finite; the tracking was lost throughout")
    K = read_intrinsics(folder)
    name = folder.resolve()
    return Recording(
        f"{name.parent.name}/{name.name}" if name.name.startswith("seq-") else name.name,
        tuple(records),
        depth_per_metre=1000.0,
        depth_invalid=(65535,),
        intrinsics=_INTRINSICS if K is None else K,
    )


def images(folder: Path) -> ImageFiles:
    """The colour images of a sequence, without the depth maps beside them; timestamps are frame numbers / 30 Hz.

    Raises:
        ValueError: if a scene has several sequences, or there is no colour image.
    """
    folder = _sequence_folder(folder)
    found = sorted((int(match[1]), path) for path in folder.iterdir() if (match := _COLOR.fullmatch(path.name)))
    return ImageFiles(str(folder), [path for _, path in found], [number / _RATE for number, _ in found])


def recognises(folder: Path) -> bool:
    """Whether the folder, or a folder `seq-*` in it, holds poses of frames."""
    return _has_poses(folder) or any(_has_poses(path) for path in folder.glob("seq-*"))


def _has_poses(folder: Path) -> bool:
    return folder.is_dir() and any(_NUMBER.fullmatch(path.name) for path in folder.glob("frame-*.pose.txt"))


def _sequence_folder(folder: Path) -> Path:
    if _has_poses(folder):
        return folder
    sequences = sorted(path for path in folder.glob("seq-*") if _has_poses(path))
    if len(sequences) > 1:
        names = ", ".join(path.name for path in sequences)
        raise ValueError(f"{folder} holds {len(sequences)} sequences ({names}); give one of these folders")
    return sequences[0]


def _image_of(pose: Path) -> Path:
    for suffix in (".color.png", ".color.jpg"):
        image = pose.with_name(pose.name.replace(".pose.txt", suffix))
        if image.is_file():
            return image
    raise FileNotFoundError(f"{pose} has a pose but no image {pose.name.replace('.pose.txt', '.color.png')} beside it")


def _read_pose(path: Path) -> Float[np.ndarray, "4 4"]:
    pose = read_numbers(path)
    if pose.shape != (4, 4):
        raise ValueError(f"{path} must hold a 4x4 camera_to_world, got {pose.shape[0]}x{pose.shape[1]} numbers")
    return pose


SEVEN_SCENES = Layout(
    name="7-Scenes",
    needs="frame-NNNNNN.pose.txt and frame-NNNNNN.color.png or .jpg for each frame, and .depth.png if there is depth",
    recognises=recognises,
    read=read,
    images=images,
)
"""`frame-NNNNNN.color.png`, `.depth.png`, `.pose.txt`."""
