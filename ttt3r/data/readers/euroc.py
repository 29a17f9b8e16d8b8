"""The layout of the EuRoC MAV datasets (ASL format): cameras, an IMU and ground truth, each with a list and a calibration.

    MH_01_easy/mav0/cam0/data.csv              #timestamp [ns],filename
    MH_01_easy/mav0/cam0/data/*.png            grey, 752 x 480, 20 Hz
    MH_01_easy/mav0/cam0/sensor.yaml           T_BS, intrinsics, resolution, distortion_model, distortion_coefficients
    MH_01_easy/mav0/state_groundtruth_estimate0/data.csv
                                               timestamp [ns], p_RS_R (3), q_RS (w x y z), ... of the body, 200 Hz

The left camera (cam0) is read. Ground truth is of the body B, which is the IMU; `T_BS` takes points from the sensor to the
body, so that camera to world = body to world T_BS. An image has the pose that is nearest in time, within 0.02 s.
The lens is radial-tangential; that is noted and not undone. Without `data.csv` the names of the images are their times.
See https://projects.asl.ethz.ch/datasets/doku.php?id=kmavvisualinertialdatasets and Burri et al., IJRR 2016.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.sequences.cameras import Camera
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import (
    Identity,
    Layout,
    image_files,
    numbered,
    present,
    read_or_note,
    timed_poses,
)
from ttt3r.data.sequences.pairing import ByTime
from ttt3r.data.sequences.poses import read_lines, read_numbers
from ttt3r.data.sequences.recording import Files, Poses, Recording
from ttt3r.data.sequences.rigs import Calibration, lens_camera, on_body, with_camera

_SECOND = 1e9  # nanoseconds
_IMAGE = re.compile(r"(\d{15,20})\.(?:png|jpg)")
_ROOM = re.compile(r"(MH|V\d+)_\d+")
_TRUTH = "state_groundtruth_estimate0"


def _mav(folder: Path) -> Path:
    """The folder `mav0` of a sequence, or that folder itself."""
    return folder if folder.resolve().name == "mav0" else folder / "mav0"


def recognises(folder: Path) -> bool:
    """Whether there is a folder `mav0/cam0` with a list, a calibration or images."""
    camera = _mav(folder) / "cam0"
    return any((camera / name).exists() for name in ("data.csv", "sensor.yaml", "data"))


def identify(folder: Path) -> Identity:
    """`MH_01_easy` shows `MH`, the machine hall; `V1_02_medium` shows `V1`."""
    place = folder.resolve()
    name = place.parent.name if place.name == "mav0" else place.name
    room = _ROOM.match(name)
    return Identity(name, room[1] if room else name)


def read(folder: Path) -> Recording:
    """The images of cam0 with the poses of that camera.

    Raises:
        ValueError: if a list is malformed.
    """
    camera_folder, identity = _mav(folder) / "cam0", identify(folder)
    listed, unlisted = _listed(camera_folder)
    files, gone = present(listed, camera_folder / "data.csv")
    path, truth = camera_folder / "sensor.yaml", _mav(folder) / _TRUTH / "data.csv"
    sensor, broken = read_or_note(path, _read_sensor, None)
    (body, lost), unread = read_or_note(truth, _read_truth, (Poses(), []))
    recording = Recording(
        identity.sequence,
        identity.scene,
        files,
        partial(DepthFiles, per_metre=1000.0),
        Poses() if sensor is None else on_body(body, sensor[1]),
        pairing=ByTime(),
        findings=(*unlisted, *gone, *broken, *unread, *lost),
    )
    return with_camera(recording, folder, Camera(None) if sensor is None else sensor[0], path)


def _listed(folder: Path) -> tuple[Files, list[Finding]]:
    """The images that `data.csv` lists, with their times."""
    path = folder / "data.csv"
    if not path.is_file():
        named = numbered(folder / "data", _IMAGE)
        detail, cure = f"there is no {path}", "the names of the images are taken for their times"
        note = Finding(Problem.MISSING_FILE, str(path), Severity.NOTE, detail, cure)
        return Files(named.paths, named.stamps / _SECOND), [note]
    rows = [line.split(",") for line in read_lines(path)]
    try:
        entries = sorted((int(time) / _SECOND, folder / "data" / name.strip()) for time, name in rows)
    except ValueError as error:
        raise ValueError(f"{path} must have rows of a time in ns and a file ({error}); copy it again") from error
    return Files(tuple(file for _, file in entries), np.array([time for time, _ in entries], dtype=np.float64)), []


def _read_sensor(path: Path) -> tuple[Camera, Float[np.ndarray, "4 4"]] | None:
    """The camera, and T_BS, which takes points from it to the body."""
    sensor = Calibration.read(path)
    width, height = sensor.numbers("resolution", (2,)).astype(int).tolist()
    terms = sensor.numbers("distortion_coefficients", (0, 4, 5))
    model = sensor.text("distortion_model")
    return lens_camera(sensor.numbers("intrinsics", (4,)), (width, height), model, terms), sensor.rigid("T_BS")


def _read_truth(path: Path) -> tuple[Poses, list[Finding]]:
    """The poses of the body."""
    rows = read_numbers(path)
    if rows.shape[1] < 8:
        raise ValueError(f"{path} must have rows of at least 8 numbers, time in ns, position, quaternion w x y z")
    return timed_poses(np.concatenate([rows[:, :1] / _SECOND, rows[:, [1, 2, 3, 5, 6, 7, 4]]], axis=1), path)


def images(folder: Path) -> ImageFiles:
    """The images of cam0 with their times."""
    return image_files(folder, _listed(_mav(folder) / "cam0")[0])


EUROC = Layout(
    name="EuRoC MAV",
    needs=f"NAME/mav0/cam0/{{data.csv, data/, sensor.yaml}} and NAME/mav0/{_TRUTH}/data.csv",
    recognises=recognises,
    identify=identify,
    read=read,
    images=images,
)
"""`mav0/cam0/`, `mav0/state_groundtruth_estimate0/`."""
