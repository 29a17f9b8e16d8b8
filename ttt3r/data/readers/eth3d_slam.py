"""The layout of the ETH3D SLAM benchmark: that of TUM RGB-D, with a file for the camera.

    cables_1/rgb.txt, rgb/             timestamp file                                   (undistorted, global shutter)
    cables_1/depth.txt, depth/         timestamp file, 16 bit, 5000 per metre           (archives *_rgbd.zip)
    cables_1/groundtruth.txt           timestamp tx ty tz qx qy qz qw, camera to world  (training sequences)
    cables_1/calibration.txt           fx fy cx cy

The second camera (`rgb2/`, archives *_stereo.zip) and the IMU are not read. A number at the end of a name counts recordings of
one scene. See https://www.eth3d.net/slam_documentation
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

import ttt3r.data.readers.tum as tum
from ttt3r.data.sequences.layout import Identity, Layout, read_or_note
from ttt3r.data.sequences.poses import pinhole, read_camera_matrix, read_numbers
from ttt3r.data.sequences.recording import Recording


def recognises(folder: Path) -> bool:
    """Whether it is a folder in TUM layout with a `calibration.txt`; those of TUM RGB-D have names with `freiburg`."""
    own = (folder / "calibration.txt").is_file() and "freiburg" not in folder.resolve().name
    return own and tum.recognises(folder)


def identify(folder: Path) -> Identity:
    """`cables_1` shows `cables`."""
    name = folder.resolve().name
    return Identity(name, re.sub(r"_\d+$", "", name))


def read(folder: Path) -> Recording:
    """As `tum.read`, with the camera of `calibration.txt`.

    Raises:
        ValueError: if `rgb.txt` is malformed, or `camera-intrinsics.txt` is there and no 3x3 matrix.
    """
    recording, own, identity = tum.read(folder), read_camera_matrix(folder), identify(folder)
    K, broken = read_or_note(folder / "calibration.txt", _read_calibration, None)
    return replace(
        recording,
        name=identity.sequence,
        scene=identity.scene,
        intrinsics=K if own is None else own,
        findings=(*recording.findings, *broken),
    )


def _read_calibration(path: Path) -> Float[np.ndarray, "3 3"] | None:
    numbers = read_numbers(path).ravel()
    if len(numbers) != 4:
        raise ValueError(f"{path} must hold four numbers, fx fy cx cy, got {len(numbers)}; copy it again")
    return pinhole(*numbers.tolist())


ETH3D_SLAM = Layout(
    name="ETH3D SLAM",
    needs="rgb.txt and its images, calibration.txt (fx fy cx cy), groundtruth.txt, and depth.txt if there is depth",
    recognises=recognises,
    identify=identify,
    read=read,
    images=tum.images,
)
"""The layout of TUM RGB-D with `calibration.txt`."""
