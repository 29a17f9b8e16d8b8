"""The layout of KITTI odometry: numbered images of four cameras, and one file of poses a sequence.

    sequences/06/image_2/000000.png     left colour; else image_0 (left grey), image_3, image_1
    sequences/06/calib.txt              P0 ... P3
    sequences/06/times.txt              seconds     (optional; else 10 Hz)
    poses/06.txt                        12 numbers a row: 3x4 camera to world of the left grey camera, metres

The poses are taken as they are for every camera: the left colour camera sits 6 cm beside the left grey one. No depth.
See https://www.cvlibs.net/datasets/kitti/eval_odometry.php
"""

import re
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity, unreadable
from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import Identity, Layout, holds, image_files, numbered
from ttt3r.data.sequences.poses import read_lines, read_matrix_rows, read_numbers
from ttt3r.data.sequences.recording import Files, Poses, Recording

_RATE = 10.0  # frames per second
_NUMBER = re.compile(r"(\d+)\.(?:png|jpg)")
_CAMERAS = (2, 0, 3, 1)


def recognises(folder: Path) -> bool:
    """Whether it is a folder `sequences/NN` with images `image_2/NNNNNN.png` or those of another camera."""
    return folder.resolve().parent.name == "sequences" and any(holds(folder / f"image_{i}", _NUMBER) for i in _CAMERAS)


def identify(folder: Path) -> Identity:
    """`06`; each sequence is a scene."""
    name = folder.resolve().name
    return Identity(name, name)


def _camera(folder: Path) -> int:
    return next((i for i in _CAMERAS if len(numbered(folder / f"image_{i}", _NUMBER))), _CAMERAS[0])


def _images(folder: Path) -> tuple[Files, list[Finding]]:
    """Images with their times, and what is wrong with the times."""
    files = numbered(folder / f"image_{_camera(folder)}", _NUMBER)
    path = folder / "times.txt"
    if not path.is_file():
        return Files(files.paths, files.stamps / _RATE), []
    try:
        times = read_numbers(path)[:, 0]
        return Files(files.paths, times[files.stamps.astype(np.int64)]), []
    except (ValueError, IndexError) as error:
        problem = ValueError(f"{path} has no time for every image ({error}); 10 Hz is assumed")
        return Files(files.paths, files.stamps / _RATE), [unreadable(str(path), problem)]


def read(folder: Path) -> Recording:
    """The images of a sequence; image N has the N-th pose, whatever its time."""
    files, findings = _images(folder)
    numbers = numbered(folder / f"image_{_camera(folder)}", _NUMBER).stamps
    poses, lost = _read_poses(folder, files, numbers)
    identity = identify(folder)
    return Recording(
        identity.sequence,
        identity.scene,
        files,
        partial(DepthFiles, per_metre=256.0),
        poses,
        intrinsics=_intrinsics(folder),
        findings=(*findings, *lost),
    )


def _pose_file(folder: Path) -> Path:
    place = folder.resolve()
    return place.parent.parent / "poses" / f"{place.name}.txt"


def _read_poses(folder: Path, files: Files, numbers: Float[np.ndarray, " file"]) -> tuple[Poses, list[Finding]]:
    """The poses of the images, with the images' own times."""
    path = _pose_file(folder)
    if not path.is_file():
        cure = "get the ground-truth poses of KITTI odometry (sequences 00 to 10 have some) and put poses/ beside sequences/"
        return Poses(), [Finding(Problem.MISSING_POSES, str(path), Severity.WARNING, f"no file {path}", cure)]
    try:
        rows = read_matrix_rows(path)
    except ValueError as error:
        return Poses(), [unreadable(str(path), error)]
    here = [i for i, number in enumerate(numbers) if number < len(rows)]
    poses = Poses(rows[numbers[here].astype(np.int64)], files.stamps[here])
    if len(here) == len(rows):
        return poses, []
    detail = f"{len(rows) - len(here)} of {len(rows)} poses of {path} have no image"
    cure = "the sequence is not whole: copy its images again if it should be"
    return poses, [Finding(Problem.MISSING_FILE, str(path), Severity.WARNING, detail, cure)]


def _intrinsics(folder: Path) -> Float[np.ndarray, "3 3"] | None:
    path = folder / "calib.txt"
    lines = read_lines(path) if path.is_file() else []
    rows = [line.split()[1:] for line in lines if line.startswith(f"P{_camera(folder)}:")]
    if not rows or len(rows[0]) != 12:
        return None
    return np.array(rows[0], dtype=np.float64).reshape(3, 4)[:, :3].copy()


def images(folder: Path) -> ImageFiles:
    """The images of the left colour camera, or of the first other one that is there, with their times."""
    return image_files(folder, _images(folder)[0])


KITTI_ODOMETRY = Layout(
    name="KITTI odometry",
    needs="sequences/NN/image_2/NNNNNN.png (or image_0), calib.txt, and poses/NN.txt beside sequences/",
    recognises=recognises,
    identify=identify,
    read=read,
    images=images,
    beside=lambda folder: (_pose_file(folder),),
)
"""`sequences/NN/image_2/`, `calib.txt`, `times.txt`, `poses/NN.txt`."""
