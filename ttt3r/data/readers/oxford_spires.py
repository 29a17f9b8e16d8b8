"""The layouts of the Oxford Spires dataset: as published, and as rectified for the evaluations of 2026.

As published, with `raw/images.zip` unpacked:

    sequences/2024-03-12-keble-college-02/raw/images/cam0/1710256011.042997000.jpg     seconds.nanoseconds
    sequences/2024-03-12-keble-college-02/processed/trajectory/gt-tum.txt              time tx ty tz qx qy qz qw of the base
    calibration/cam0.yaml, calibration/cam-lidar-imu.yaml

Images may also lie in `raw/cam0` or `images/cam0`; the calibration in a folder of `calibration/`, and that in the sequence's
folder or up to two folders above.

`cam0.yaml` has camera_matrix, distortion_model, distortion_coefficients, image_width, image_height. `cam-lidar-imu.yaml` has
cam0 with T_cam_lidar, which takes points from lidar to camera (4x4; or as t_xyz_q_xyzw, seven numbers). The base sees the lidar
at T_base_lidar = (0, 0, 0.124) turned by 180 degrees about z, unless the file says otherwise. So

    camera to world = base to world T_base_lidar T_cam_lidar^-1

An image has the pose that is nearest in time, within 0.025 s, as the dataset's own tools have it. cam0 is a fisheye.

Rectified, as the evaluation kits of LingBot-Map and ABot-Recon prepare it; frames without a pose are left out there:

    keble-college-02/images/000000.png       perspective
    keble-college-02/poses_c2w.txt           16 numbers a row: 4x4 camera to world, metres; row N of image N
    keble-college-02/intrinsics.txt          fx fy cx cy width height
    keble-college-02/depth/000000.npy        metres, sparse                            (optional)

Names have no date here, so that both are `keble-college-02`, which shows `keble-college`.
See https://dynamic.robots.ox.ac.uk/datasets/oxford-spires/ and Tao et al., IJRR 2025. How the published folders are unpacked
was taken from their description, not tried.
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
    children,
    counted_poses,
    holds,
    image_files,
    numbered,
    read_or_note,
    timed_poses,
)
from ttt3r.data.sequences.pairing import ByNumber, ByTime
from ttt3r.data.sequences.poses import camera_to_world, inverse, read_matrix_rows, read_numbers, read_trajectory_rows
from ttt3r.data.sequences.recording import Files, Poses, Recording
from ttt3r.data.sequences.rigs import Calibration, lens_camera, on_body, with_camera

MAX_GAP = 0.025
"""Seconds by which an image and its pose may differ."""

_RATE = 20.0  # frames per second of the cameras; the rectified form gives no times
_PLACES = ("raw/images/cam0", "raw/cam0", "images/cam0")
_TIMED = re.compile(r"(\d{9,11})\.(\d{1,9})\.(?:jpg|png)")
_RECTIFIED = re.compile(r"(\d+)\.(?:png|jpg)")
_DEPTH = re.compile(r"(\d+)\.npy")
_TRUTH = "processed/trajectory/gt-tum.txt"
_BASE_LIDAR = np.array([[0.0, 0, 0.124, 0, 0, 1, 0]])
_EXTRINSICS = ("T_cam_lidar_t_xyz_q_xyzw_overwrite", "T_cam_lidar_t_xyz_q_xyzw", "T_cam_lidar")


def _is_rectified(folder: Path) -> bool:
    return (folder / "poses_c2w.txt").is_file() and holds(folder / "images", _RECTIFIED)


def _images_folder(folder: Path) -> Path:
    return next((folder / place for place in _PLACES if holds(folder / place, _TIMED)), folder / _PLACES[0])


def recognises(folder: Path) -> bool:
    """Whether there are images called by seconds and nanoseconds in a folder `cam0`; or `poses_c2w.txt` beside `images/`."""
    return holds(_images_folder(folder), _TIMED) or _is_rectified(folder)


def identify(folder: Path) -> Identity:
    """`2024-03-12-keble-college-02` is `keble-college-02` and shows `keble-college`."""
    name = re.sub(r"^\d{4}-\d{2}-\d{2}-", "", folder.resolve().name)
    return Identity(name, re.sub(r"-\d+$", "", name))


def read(folder: Path) -> Recording:
    """The images of cam0 with the poses of that camera.

    Raises:
        ValueError: if `camera-intrinsics.txt` is there and no 3x3 matrix.
    """
    return _read_published(folder) if holds(_images_folder(folder), _TIMED) else _read_rectified(folder)


def _read_rectified(folder: Path) -> Recording:
    identity = identify(folder)
    poses, unread = read_or_note(folder / "poses_c2w.txt", _read_rows, Poses())
    camera, broken = read_or_note(folder / "intrinsics.txt", _read_pinhole, Camera(None))
    recording = Recording(
        identity.sequence,
        identity.scene,
        numbered(folder / "images", _RECTIFIED),
        partial(DepthFiles, per_metre=1000.0),
        poses,
        numbered(folder / "depth", _DEPTH),
        ByNumber(),
        _RATE,
        plausible_depth=(0.5, 200.0),
        findings=(*unread, *broken),
    )
    return with_camera(recording, folder, camera, folder / "intrinsics.txt")


def _read_rows(path: Path) -> Poses:
    return counted_poses(read_matrix_rows(path))


def _read_pinhole(path: Path) -> Camera:
    numbers = read_numbers(path).ravel()
    if len(numbers) != 6 or not (np.isfinite(numbers).all() and (numbers[[0, 1, 4, 5]] > 0).all()):
        raise ValueError(f"{path} must hold six numbers, fx fy cx cy width height; copy it again")
    return lens_camera(numbers[:4], (int(numbers[4]), int(numbers[5])), "none", np.zeros(0))


def _read_published(folder: Path) -> Recording:
    identity, place = identify(folder), _calibration(folder)
    (base, lost), unread = read_or_note(folder / _TRUTH, _read_truth, (Poses(), []))
    extrinsic, unfixed = read_or_note(place / "cam-lidar-imu.yaml", _read_extrinsic, None)
    camera, broken = read_or_note(place / "cam0.yaml", _read_camera, Camera(None))
    files = _timed(_images_folder(folder))
    recording = Recording(
        identity.sequence,
        identity.scene,
        files,
        partial(DepthFiles, per_metre=1000.0),
        Poses() if extrinsic is None else on_body(base, extrinsic),
        pairing=ByTime(MAX_GAP),
        findings=(*unread, *lost, *unfixed, *broken, *_gaps(files, base, folder / _TRUTH)),
    )
    return with_camera(recording, folder, camera, place / "cam0.yaml")


def _gaps(files: Files, base: Poses, path: Path) -> list[Finding]:
    """A finding for poses between the first and the last image that have no image near them: some are missing."""
    if len(files) == 0:
        return []
    during = base.stamps[(base.stamps >= files.stamps[0]) & (base.stamps <= files.stamps[-1])]
    after = np.searchsorted(files.stamps, during).clip(1, max(1, len(files) - 1))
    near = np.minimum(np.abs(files.stamps[after - 1] - during), np.abs(files.stamps[after % len(files)] - during))
    alone = int((near >= MAX_GAP).sum())
    if not alone:
        return []
    detail = f"{alone} of {len(base)} poses of {path} have no image within {MAX_GAP:g} s"
    return [Finding(Problem.MISSING_FILE, str(path), Severity.WARNING, detail, "unpack raw/images.zip again")]


def _timed(folder: Path) -> Files:
    """The images of a folder with their times."""
    names = [path for path in folder.iterdir() if _TIMED.fullmatch(path.name)] if folder.is_dir() else []
    entries = sorted((_time(path.name), path) for path in names)
    return Files(tuple(path for _, path in entries), np.array([time for time, _ in entries], dtype=np.float64))


def _time(name: str) -> float:
    match = _TIMED.fullmatch(name)
    return int(match[1]) + int(match[2]) / 1e9 if match else 0.0


def _calibration(folder: Path) -> Path:
    """The folder of `cam-lidar-imu.yaml`: `calibration/`, or one in it, from the sequence's folder upwards."""
    homes = [folder.resolve(), *folder.resolve().parents[:2]]
    places = [place for home in homes for place in (home / "calibration", *children(home / "calibration"))]
    wanted = homes[min(2, len(homes) - 1)] / "calibration"
    return next((place for place in places if (place / "cam-lidar-imu.yaml").is_file()), wanted)


def _read_truth(path: Path) -> tuple[Poses, list[Finding]]:
    return timed_poses(read_trajectory_rows(path), path)


def _read_extrinsic(path: Path) -> Float[np.ndarray, "4 4"] | None:
    """Takes points from camera to base."""
    whole = Calibration.read(path)
    camera = whole.part("cam0")
    key = camera.first_of(_EXTRINSICS)
    lidar_to_camera = camera.rigid(key) if key == "T_cam_lidar" else _seven(camera, key)
    base = "T_base_lidar_t_xyz_q_xyzw"
    lidar_to_base = _seven(whole, base) if base in whole.entries else camera_to_world(_BASE_LIDAR)[0]
    return lidar_to_base @ inverse(lidar_to_camera[None])[0]


def _seven(calibration: Calibration, key: str) -> Float[np.ndarray, "4 4"]:
    matrix = camera_to_world(calibration.numbers(key, (7,))[None])[0]
    if not np.isfinite(matrix).all():
        raise ValueError(f"{calibration.path}: {key} has the quaternion 0 0 0 0; copy it again")
    return matrix


def _read_camera(path: Path) -> Camera:
    camera = Calibration.read(path)
    K = camera.numbers("camera_matrix", (9,))
    size = camera.numbers("image_width", (1,)), camera.numbers("image_height", (1,))
    terms = camera.numbers("distortion_coefficients", (0, 4, 5))
    width, height = (int(side[0]) for side in size)
    return lens_camera(K[[0, 4, 2, 5]], (width, height), camera.text("distortion_model"), terms)


def images(folder: Path) -> ImageFiles:
    """The images of cam0; their times are those in their names, of rectified ones numbers / 20 Hz."""
    if _is_rectified(folder):
        return image_files(folder, numbered(folder / "images", _RECTIFIED), _RATE)
    return image_files(folder, _timed(_images_folder(folder)))


OXFORD_SPIRES = Layout(
    name="Oxford Spires",
    needs=f"NAME/raw/images/cam0/ (SECONDS.NANOSECONDS.jpg), NAME/{_TRUTH} and calibration/; or rectified, NAME/images/, "
    "poses_c2w.txt and intrinsics.txt",
    recognises=recognises,
    identify=identify,
    read=read,
    images=images,
    beside=lambda folder: () if _is_rectified(folder) else (_calibration(folder),),
)
"""`raw/images/cam0/`, `processed/trajectory/gt-tum.txt`, `calibration/`; or `images/`, `poses_c2w.txt`, `intrinsics.txt`."""
