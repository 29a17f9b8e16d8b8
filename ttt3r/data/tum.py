"""The layout of the TUM RGB-D benchmark (and of Bonn RGB-D): lists of time-stamped files, and a trajectory with its own clock.

    rgb.txt           timestamp file
    depth.txt         timestamp file        (optional; 16 bit, 5000 per metre)
    groundtruth.txt   timestamp tx ty tz qx qy qz qw        (camera to world, metres)

See https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ttt3r.data.clip import Layout, Record, Recording, read_intrinsics, read_numbers
from ttt3r.data.files import ImageFiles

MAX_GAP = 0.02
"""Seconds by which an image and its pose or depth may differ, as in the benchmark's own tools."""

_INTRINSICS = {  # fx, fy, cx, cy of the three cameras of the benchmark; lens distortion is not undone
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}


def associate(
    first: Float[np.ndarray, " first"], second: Float[np.ndarray, " second"], max_gap: float = MAX_GAP
) -> Int[np.ndarray, "pair 2"]:
    """Pairs of indices of times that belong together: closer than `max_gap` seconds, each time used at most once.

    The closest pairs are made first; the result is sorted by the first clock.
    """
    order = np.argsort(second, kind="stable")
    near = np.searchsorted(second[order], first - 2 * max_gap), np.searchsorted(second[order], first + 2 * max_gap)
    candidates = [
        (abs(first[i] - second[j]), first[i], second[j], i, j)
        for i, (low, high) in enumerate(zip(*near, strict=True))
        for j in order[low:high]
        if abs(first[i] - second[j]) < max_gap
    ]
    free_first, free_second, pairs = set(range(len(first))), set(range(len(second))), []
    for *_, i, j in sorted(candidates):
        if i in free_first and j in free_second:
            free_first.remove(i)
            free_second.remove(j)
            pairs.append((i, j))
    pairs.sort(key=lambda pair: first[pair[0]])
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def camera_to_world(poses: Float[np.ndarray, "frame 7"]) -> Float[np.ndarray, "frame 4 4"]:
    """Matrices of rows `tx ty tz qx qy qz qw`; the quaternions are normalised.

    Raises:
        ValueError: if a quaternion is zero.
    """
    norm = np.linalg.norm(poses[:, 3:], axis=1)
    if (norm == 0).any():
        raise ValueError(f"pose {int(np.argmin(norm))} has the quaternion 0 0 0 0; a rotation has one of length 1")
    x, y, z, w = (poses[:, 3:] / norm[:, None]).T
    matrices = np.tile(np.eye(4), (len(poses), 1, 1))
    matrices[:, :3, 0] = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=1)
    matrices[:, :3, 1] = np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], axis=1)
    matrices[:, :3, 2] = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=1)
    matrices[:, :3, 3] = poses[:, :3]
    return matrices


def read_trajectory(path: Path) -> tuple[Float[np.ndarray, " pose"], Float[np.ndarray, "pose 4 4"]]:
    """Times in seconds and camera_to_world of a trajectory file; rows that are not finite are left out.

    Raises:
        ValueError: if the rows are not `timestamp tx ty tz qx qy qz qw`.
    """
    rows = read_numbers(path)
    if rows.shape[1] != 8:
        raise ValueError(f"{path} must have rows of 8 numbers, timestamp tx ty tz qx qy qz qw; got {rows.shape[1]}")
    rows = rows[np.isfinite(rows).all(axis=1)]
    return rows[:, 0], camera_to_world(rows[:, 1:])


def read_list(path: Path) -> tuple[Float[np.ndarray, " frame"], list[Path]]:
    """Times in seconds and files of `rgb.txt` or `depth.txt`, in order of time.

    Raises:
        ValueError: if a row is not `timestamp file`.
    """
    rows = [
        line.split()
        for line in path.read_text("utf-8", "replace").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    try:
        entries = sorted((float(time), path.parent / file) for time, file in rows)
    except ValueError as error:
        raise ValueError(f"{path} must have rows of two entries, timestamp file ({error}); copy it again") from error
    return np.array([time for time, _ in entries], dtype=np.float64), [file for _, file in entries]


def read(folder: Path) -> Recording:
    """The frames of a sequence folder that have a pose within 0.02 s; the rest are left out. Depth likewise, where there is.

    Raises:
        FileNotFoundError: if `groundtruth.txt` is missing.
        ValueError: if a list is malformed or no image has a pose.
    """
    trajectory = folder / "groundtruth.txt"
    if not trajectory.is_file():
        raise FileNotFoundError(f"{folder} has rgb.txt but no groundtruth.txt; run it as a folder of images instead")
    times, images = read_list(folder / "rgb.txt")
    pose_times, poses = read_trajectory(trajectory)
    depth_times, depths = read_list(folder / "depth.txt") if (folder / "depth.txt").is_file() else (np.zeros(0), [])
    depth_of = {int(i): depths[j] for i, j in associate(times, depth_times)}
    records = [
        Record(images[i], float(times[i]), poses[j], depth_of.get(int(i))) for i, j in associate(times, pose_times)
    ]
    if not records:
        raise ValueError(
            f"none of the {len(times)} images of {folder} has a pose within {MAX_GAP} s in groundtruth.txt; are both from the"
            " same recording?"
        )
    return Recording(folder.resolve().name, tuple(records), 5000.0, intrinsics=_intrinsics(folder))


def images(folder: Path) -> ImageFiles:
    """The images that `rgb.txt` lists, with their times.

    Raises:
        FileNotFoundError: if one of them is missing.
        ValueError: if a row is not `timestamp file`.
    """
    times, paths = read_list(folder / "rgb.txt")
    return ImageFiles(str(folder), paths, times.tolist())


def _intrinsics(folder: Path) -> Float[np.ndarray, "3 3"] | None:
    for camera, (fx, fy, cx, cy) in _INTRINSICS.items():
        if camera in folder.resolve().name:
            return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return read_intrinsics(folder)


TUM = Layout(
    name="TUM RGB-D",
    needs="rgb.txt, groundtruth.txt, the images that rgb.txt lists, and depth.txt if there is depth",
    recognises=lambda folder: (folder / "rgb.txt").is_file(),
    read=read,
    images=images,
)
"""`rgb.txt`, `depth.txt`, `groundtruth.txt`."""
