"""The layout of the TUM RGB-D benchmark: lists of time-stamped files, and a trajectory with its own clock.

    rgb.txt           timestamp file
    depth.txt         timestamp file        (optional; 16 bit, 5000 per metre)
    groundtruth.txt   timestamp tx ty tz qx qy qz qw        (camera to world, metres)

Where there is no `rgb.txt`, the names of the files in `rgb/` and `depth/` are their times.
See https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats
"""

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity, unreadable
from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.frames.images import IMAGE_SUFFIXES
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import Layout, image_files, named_after_folder, present, timed_poses
from ttt3r.data.sequences.pairing import MAX_GAP as MAX_GAP
from ttt3r.data.sequences.pairing import ByTime
from ttt3r.data.sequences.pairing import match_times as match_times
from ttt3r.data.sequences.poses import (
    camera_to_world as camera_to_world,
)
from ttt3r.data.sequences.poses import (
    pinhole,
    read_camera_matrix,
    read_lines,
    read_trajectory_rows,
)
from ttt3r.data.sequences.poses import read_known_poses as read_known_poses
from ttt3r.data.sequences.recording import Files, Poses, Recording

_INTRINSICS = {  # of the three cameras of the benchmark; lens distortion is not undone
    "freiburg1": pinhole(517.3, 516.5, 318.6, 255.3),
    "freiburg2": pinhole(520.9, 521.0, 325.1, 249.7),
    "freiburg3": pinhole(535.4, 539.2, 320.1, 247.6),
}


def read_list(path: Path) -> tuple[Float[np.ndarray, " frame"], list[Path]]:
    """Times in seconds and files of `rgb.txt` or `depth.txt`, in order of time.

    Raises:
        ValueError: if a row is not `timestamp file`.
    """
    entries = sorted(_rows(path))
    return np.array([time for time, _ in entries], dtype=np.float64), [file for _, file in entries]


def _rows(path: Path) -> list[tuple[float, Path]]:
    rows = [line.split() if "," not in line.split()[0] else line.split(",", 1) for line in read_lines(path)]
    try:
        return [(float(time), path.parent / file.strip().replace("\\", "/")) for time, file in rows]
    except ValueError as error:
        raise ValueError(f"{path} must have rows of two entries, timestamp file ({error}); copy it again") from error


def files_of_kind(folder: Path, kind: str) -> Files:
    """The files that `KIND.txt` lists; without `rgb.txt`, those in the folder `KIND/`, called by their times; in order of time.

    Raises:
        ValueError: if a row of the list is not `timestamp file`.
    """
    if (folder / f"{kind}.txt").is_file():
        times, paths = read_list(folder / f"{kind}.txt")
        return Files(tuple(paths), times)
    if (folder / "rgb.txt").is_file():
        return Files()
    named = [path for path in _inside(folder / kind) if _time(path) is not None and path.suffix in IMAGE_SUFFIXES]
    entries = sorted((_time(path) or 0.0, path) for path in named)
    return Files(tuple(path for _, path in entries), np.array([time for time, _ in entries], dtype=np.float64))


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _time(path: Path) -> float | None:
    try:
        return float(path.stem)
    except ValueError:
        return None


def read(folder: Path) -> Recording:
    """All images of a sequence folder, with the poses and depths of `groundtruth.txt` and `depth.txt`.

    A pose or depth belongs to an image within 0.02 s, one to one.

    Raises:
        ValueError: if `rgb.txt` is malformed.
    """
    images, findings = present(files_of_kind(folder, "rgb"), folder / "rgb.txt")
    depths, poses = Files(), Poses()
    try:
        depths, gone = present(files_of_kind(folder, "depth"), folder / "depth.txt")
        findings += [*gone, *_unlisted_depth(folder, depths)]
    except ValueError as error:
        findings.append(unreadable(str(folder / "depth.txt"), error))
    try:
        poses, lost = _read_poses(folder)
        findings += lost
    except (OSError, ValueError) as error:
        findings.append(unreadable(str(folder / "groundtruth.txt"), error))
    identity = named_after_folder(folder)
    return Recording(
        identity.sequence,
        identity.scene,
        images,
        partial(DepthFiles, per_metre=5000.0),
        poses,
        depths,
        ByTime(MAX_GAP),
        intrinsics=_intrinsics(folder),
        findings=(*findings, *_order(folder / "rgb.txt")),
    )


def _read_poses(folder: Path) -> tuple[Poses, list[Finding]]:
    path = folder / "groundtruth.txt"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has images but no groundtruth.txt; run it as a folder of images instead")
    return timed_poses(read_trajectory_rows(path), path)


def _unlisted_depth(folder: Path, depths: Files) -> list[Finding]:
    held = 0 if len(depths) else len(_inside(folder / "depth"))
    if not held:
        return []
    detail = f"{folder / 'depth'} holds {held} files and {folder / 'depth.txt'} lists none"
    cure = "write depth.txt (rows of timestamp and file): without it no depth is read"
    return [Finding(Problem.MISSING_DEPTH, str(folder / "depth.txt"), Severity.WARNING, detail, cure)]


def _order(path: Path) -> list[Finding]:
    if not path.is_file():
        detail, cure = f"there is no {path}", "the names of the files in rgb/ and depth/ are taken for their times"
        return [Finding(Problem.MISSING_FILE, str(path), Severity.NOTE, detail, cure)]
    rows = _rows(path)
    places = [i for i, (row, after) in enumerate(zip(rows, rows[1:], strict=False)) if after[0] < row[0]]
    if not places:
        return []
    detail = f"row {places[0] + 2} of {path} is earlier than the row before it"
    return [
        Finding(Problem.UNSORTED, str(path), Severity.NOTE, detail, "the images are read in the order of their times")
    ]


def images(folder: Path) -> ImageFiles:
    """The images that `rgb.txt` lists, with their times.

    Raises:
        FileNotFoundError: if one of them is missing.
        ValueError: if a row is not `timestamp file`.
    """
    return image_files(folder, files_of_kind(folder, "rgb"))


def _intrinsics(folder: Path) -> Float[np.ndarray, "3 3"] | None:
    known = (K for camera, K in _INTRINSICS.items() if camera in folder.resolve().name)
    return next(known, None) if not (folder / "camera-intrinsics.txt").is_file() else read_camera_matrix(folder)


def recognises(folder: Path) -> bool:
    """Whether there is an `rgb.txt`, or a folder `rgb/` beside a `groundtruth.txt`."""
    listed = (folder / "rgb.txt").is_file()
    return listed or (
        (folder / "rgb").is_dir() and (folder / "groundtruth.txt").is_file() and len(files_of_kind(folder, "rgb")) > 0
    )


TUM = Layout(
    name="TUM RGB-D",
    needs="rgb.txt, groundtruth.txt, the images that rgb.txt lists, and depth.txt if there is depth",
    recognises=recognises,
    identify=named_after_folder,
    read=read,
    images=images,
)
"""`rgb.txt`, `depth.txt`, `groundtruth.txt`."""
