"""The layouts of VBR, a vision benchmark in Rome: as the dataset's own tool converts it, and as aligned for evaluations.

As `vbr download` and `vbr convert kitti` leave it:

    spagna/spagna_train0_kitti/camera_left/data/0000000000.png, timestamps.txt     one time a row: 1970-01-01T00:06:06.660458140
    spagna/spagna_train0/spagna_train0_gt.txt                                      time tx ty tz qx qy qz qw of the body
    spagna/spagna_train0/vbr_calib.yaml                                            the left camera is cam_l

Of cam_l the intrinsics, distortion_coeffs, resolution and T_b are read. Ground truth and calibration may also lie in the
converted folder, or beside it. `T_b` takes points from the camera to the body, so that camera to world = body to world T_b. An
image has the pose that is nearest in time, within 0.05 s. The lens is radial-tangential; that is noted and not undone.

Aligned, as the evaluation of LoGeR prepares it (LingBot-Map and ABot-Recon use the same):

    spagna_train0_processed_aligned/rgb/*.png                in natural order
    spagna_train0_processed_aligned/camera_pose.txt          frame tx ty tz qx qy qz qw of the camera, frames from 0
    spagna_train0_processed_aligned/intrinsics.txt           3x3

`spagna_train0` shows `spagna`; there is no depth. See https://www.rvp-group.net/slam-dataset.html and Brizi et al., ICRA 2024.
The key names of the calibration were taken from descriptions of the dataset, not tried.
"""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity, unreadable
from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.sequences.cameras import Camera
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import Identity, Layout, holds, image_files, numbered, read_or_note, timed_poses
from ttt3r.data.sequences.listed import pictures
from ttt3r.data.sequences.pairing import ByNumber, ByTime
from ttt3r.data.sequences.poses import read_camera_matrix, read_lines, read_numbers, read_trajectory_rows
from ttt3r.data.sequences.recording import Files, Poses, Recording
from ttt3r.data.sequences.rigs import Calibration, lens_camera, on_body, with_camera

MAX_GAP = 0.05
"""Seconds by which an image and its pose may differ."""

_RATE = 10.0
_NUMBER = re.compile(r"(\d+)\.(?:png|jpg)")
_ENDING = re.compile(r"_(processed_aligned|kitti)$")
_CAMERA = "camera_left"


def _is_aligned(folder: Path) -> bool:
    return (folder / "camera_pose.txt").is_file() and (folder / "rgb").is_dir()


def recognises(folder: Path) -> bool:
    """Whether there are images in `camera_left/data/`; or `rgb/` and `camera_pose.txt`."""
    return holds(folder / _CAMERA / "data", _NUMBER) or _is_aligned(folder)


def identify(folder: Path) -> Identity:
    """`spagna_train0_kitti` is `spagna_train0` and shows `spagna`; one bag of it is `spagna_train0_01`."""
    name = _ENDING.sub("", folder.resolve().name)
    return Identity(name, re.sub(r"_(train|test)\d+(_\d\d)?$", "", name))


def read(folder: Path) -> Recording:
    """The images of the left camera with its poses.

    Raises:
        ValueError: if `camera-intrinsics.txt` is there and no 3x3 matrix.
    """
    return _read_aligned(folder) if _is_aligned(folder) else _read_converted(folder)


def _read_aligned(folder: Path) -> Recording:
    identity, own = identify(folder), read_camera_matrix(folder)
    (poses, lost), unread = read_or_note(folder / "camera_pose.txt", _read_truth, (Poses(), []))
    K, broken = read_or_note(folder / "intrinsics.txt", _read_matrix, None)
    return Recording(
        identity.sequence,
        identity.scene,
        _ranked(folder),
        partial(DepthFiles, per_metre=1000.0),
        poses,
        pairing=ByNumber(),
        rate=_RATE,
        intrinsics=K if own is None else own,
        findings=(*unread, *lost, *broken),
    )


def _ranked(folder: Path) -> Files:
    paths = pictures(folder / "rgb")
    return Files(tuple(paths), np.arange(len(paths), dtype=np.float64))


def _read_matrix(path: Path) -> Float[np.ndarray, "3 3"] | None:
    matrix = read_numbers(path)
    if matrix.size != 9:
        raise ValueError(f"{path} must hold a 3x3 camera matrix, got {matrix.size} numbers; copy it again")
    return matrix.reshape(3, 3)


def _read_converted(folder: Path) -> Recording:
    identity = identify(folder)
    truth, calibration = _beside(folder)
    (body, lost), unread = read_or_note(truth, _read_truth, (Poses(), []))
    sensor, broken = read_or_note(calibration, _read_sensor, None)
    files, untimed = _timed(folder / _CAMERA)
    recording = Recording(
        identity.sequence,
        identity.scene,
        files,
        partial(DepthFiles, per_metre=1000.0),
        Poses() if sensor is None else on_body(body, sensor[1]),
        pairing=ByTime(MAX_GAP),
        findings=(*untimed, *unread, *lost, *broken),
    )
    if any(finding.severity is Severity.ERROR for finding in untimed):
        recording = replace(recording, poses=Poses())  # numbers are no times
    return with_camera(recording, folder, Camera(None) if sensor is None else sensor[0], calibration)


def _beside(folder: Path) -> tuple[Path, Path]:
    """Ground truth and calibration: in the folder, in that of the download beside it, or right beside it."""
    place, name = folder.resolve(), re.sub(r"(\d)_\d\d$", r"\1", identify(folder).sequence)
    homes = (place, place.parent / name, place.parent)

    def found(file: str) -> Path:
        return next((home / file for home in homes if (home / file).is_file()), homes[1] / file)

    return found(f"{name}_gt.txt"), found("vbr_calib.yaml")


def _timed(folder: Path) -> tuple[Files, list[Finding]]:
    """The images with the times of `timestamps.txt`, row N of image N; numbers / 10 Hz and a finding without."""
    files, path = numbered(folder / "data", _NUMBER), folder / "timestamps.txt"
    try:
        times = np.array([_seconds(line) for line in read_lines(path)], dtype=np.float64)
        found = Files(files.paths, times[files.stamps.astype(np.int64)])
    except (OSError, ValueError, IndexError) as error:
        problem = ValueError(
            f"{path} has no time for every image ({error}); copy it again: without it no pose is known"
        )
        return Files(files.paths, files.stamps / _RATE), [unreadable(str(path), problem)]
    if len(found) == len(times):
        return found, []
    detail = f"{len(times) - len(found)} of {len(times)} times of {path} have no image"
    gone = Finding(
        Problem.MISSING_FILE, str(path), Severity.WARNING, detail, "convert the bags again, or copy the images"
    )
    return found, [gone]


def _seconds(text: str) -> float:
    """Seconds of a time like 1970-01-01T00:06:06.660458140, or of a plain number."""
    if "T" not in text:
        return float(text)
    whole, _, part = text.partition(".")
    return float(np.datetime64(whole, "s").astype(np.int64)) + float(f"0.{part or 0}")


def _read_truth(path: Path) -> tuple[Poses, list[Finding]]:
    return timed_poses(read_trajectory_rows(path), path)


def _read_sensor(path: Path) -> tuple[Camera, Float[np.ndarray, "4 4"]] | None:
    """The left camera, and what takes points from it to the body."""
    left = Calibration.read(path).part("cam_l")
    width, height = left.numbers("resolution", (2,)).astype(int).tolist()
    terms = left.numbers("distortion_coeffs", (0, 4, 5))
    model = left.text("distortion_model") or "radtan"
    return lens_camera(left.numbers("intrinsics", (4,)), (width, height), model, terms), left.rigid("T_b")


def images(folder: Path) -> ImageFiles:
    """The images of the left camera; of aligned ones the times are ranks / 10 Hz."""
    if _is_aligned(folder):
        return image_files(folder, _ranked(folder), _RATE)
    return image_files(folder, _timed(folder / _CAMERA)[0])


VBR = Layout(
    name="VBR",
    needs=f"NAME_kitti/{_CAMERA}/{{data/, timestamps.txt}}, NAME/NAME_gt.txt and NAME/vbr_calib.yaml beside it; or "
    "NAME_processed_aligned/{rgb/, camera_pose.txt, intrinsics.txt}",
    recognises=recognises,
    identify=identify,
    read=read,
    images=images,
    beside=lambda folder: () if _is_aligned(folder) else _beside(folder),
)
"""`camera_left/`, `NAME_gt.txt`, `vbr_calib.yaml`; or `rgb/`, `camera_pose.txt`, `intrinsics.txt`."""
