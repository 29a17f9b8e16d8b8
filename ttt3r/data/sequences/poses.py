"""Camera poses as files hold them. All become camera_to_world, metres, OpenCV axes, float64.

Whether they are rigid motions is checked in one place for all formats: see `rigid.py`.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.files import read_text
from ttt3r.geometry import invert_rigid, quaternion_to_matrix, rigid

_CAM_TAG = 202021.25
_LENGTH = 0.01  # a quaternion may be off from length 1 by this much without a finding: files have few digits


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that say something, without blanks around them; those that begin with # are comments."""
    lines = (line.strip() for line in read_text(path, "replace").split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def read_numbers(path: Path) -> Float[np.ndarray, "row column"]:
    """The numbers of a text file, row by row, between blanks, tabs or commas; what follows a # is a comment.

    Raises:
        ValueError: if the file holds anything else, rows of different lengths, or nothing.
    """
    rows = [line.split("#", 1)[0].replace(",", " ").split() for line in read_lines(path)]
    try:
        numbers = np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{path} must hold rows of numbers ({error}); copy it again") from error
    if numbers.ndim != 2:
        raise ValueError(f"{path} holds no numbers; copy it again")
    return numbers


def read_camera_matrix(folder: Path) -> Float[np.ndarray, "3 3"] | None:
    """The camera matrix in `camera-intrinsics.txt` of a sequence, if there is such a file.

    Raises:
        ValueError: if it is not 3x3.
    """
    path = folder / "camera-intrinsics.txt"
    if not path.is_file():
        return None
    matrix = read_numbers(path)
    if matrix.shape != (3, 3):
        raise ValueError(f"{path} must hold a 3x3 camera matrix, got {matrix.shape[0]}x{matrix.shape[1]} numbers")
    return matrix


def pinhole(fx: float, fy: float, cx: float, cy: float) -> Float[np.ndarray, "3 3"]:
    """Camera matrix in pixels; the centre of the first pixel is (0, 0)."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=np.float64)


def camera_to_world(poses: Float[np.ndarray, "frame 7"]) -> Float[np.ndarray, "frame 4 4"]:
    """Matrices of rows `tx ty tz qx qy qz qw`; the quaternions are normalised. NaN for 0 0 0 0, which is no rotation."""
    rows = torch.from_numpy(poses)
    # Scaled first, or the square of a long quaternion would overflow.
    quaternion = torch.nn.functional.normalize(rows[:, [6, 3, 4, 5]], dim=1, eps=1e-300)
    length = quaternion.norm(dim=1, keepdim=True)
    usable = quaternion.where(length.isfinite() & (length > 0), torch.nan)
    return rigid(quaternion_to_matrix(usable), rows[:, :3]).numpy()


def from_opengl(camera_to_world: Float[np.ndarray, "frame 4 4"]) -> Float[np.ndarray, "frame 4 4"]:
    """Poses of cameras that look along -z with y up (OpenGL, NeRF, Blender) as poses of cameras with OpenCV axes."""
    return camera_to_world * np.array([1.0, -1, -1, 1])


def check_quaternions(poses: Float[np.ndarray, "frame 7"], where: str) -> list[Finding]:
    """A finding if quaternions of rows `tx ty tz qx qy qz qw` are far from length 1, which `camera_to_world` makes good."""
    length = np.linalg.norm(poses[:, 3:], axis=1)
    odd = np.flatnonzero(np.isfinite(length) & (length != 0) & (np.abs(length - 1) > _LENGTH))
    if not len(odd):
        return []
    detail = f"{len(odd)} of {len(poses)} quaternions of {where} are not of length 1, such as that of row {odd[0] + 1}"
    detail += f" with {length[odd[0]]:.4g}"
    cure = "they are normalised; check that the columns are tx ty tz qx qy qz qw"
    return [Finding(Problem.NOT_RIGID, where, Severity.WARNING, detail, cure)]


def inverse(poses: Float[np.ndarray, "frame 4 4"]) -> Float[np.ndarray, "frame 4 4"]:
    """World to camera as camera to world, and back: (R, t) becomes (R^T, -R^T t)."""
    return invert_rigid(torch.from_numpy(poses)).numpy()


def read_known_poses(path: Path) -> tuple[Float[np.ndarray, " pose"], Float[np.ndarray, "pose 4 4"]]:
    """Times in seconds and camera_to_world of a trajectory file; rows that are not finite, or no rotation, are left out.

    Raises:
        ValueError: if the rows are not `timestamp tx ty tz qx qy qz qw`.
    """
    rows = read_trajectory_rows(path)
    poses = camera_to_world(rows[:, 1:])
    known = np.isfinite(rows).all(axis=1) & np.isfinite(poses).all(axis=(1, 2))
    return rows[known, 0], poses[known]


def read_trajectory_rows(path: Path) -> Float[np.ndarray, "pose 8"]:
    """The rows `timestamp tx ty tz qx qy qz qw` of a trajectory file as they are.

    Raises:
        ValueError: if they are of another length.
    """
    rows = read_numbers(path)
    if rows.shape[1] != 8:
        raise ValueError(f"{path} must have rows of 8 numbers, timestamp tx ty tz qx qy qz qw; got {rows.shape[1]}")
    return rows


def read_matrix(path: Path) -> Float[np.ndarray, "4 4"]:
    """The one 4x4 camera_to_world of a text file; it may be NaN or infinite where the tracking was lost.

    Raises:
        ValueError: if it is not 4x4.
    """
    pose = read_numbers(path)
    if pose.shape != (4, 4):
        raise ValueError(f"{path} must hold a 4x4 camera_to_world, got {pose.shape[0]}x{pose.shape[1]} numbers")
    return pose


def read_matrix_rows(path: Path) -> Float[np.ndarray, "pose 4 4"]:
    """camera_to_world, one pose a row: the 12 numbers of its first three rows (KITTI), or all 16 (ScanNet lists, Replica).

    Raises:
        ValueError: if the rows have another number of entries.
    """
    rows = read_numbers(path)
    if rows.shape[1] not in (12, 16):
        raise ValueError(f"{path} must have rows of 12 or 16 numbers, a 3x4 or 4x4 matrix; got {rows.shape[1]}")
    matrices = np.tile(np.eye(4), (len(rows), 1, 1))
    matrices[:, : rows.shape[1] // 4] = rows.reshape(len(rows), -1, 4)
    return matrices


def read_matrix_blocks(path: Path) -> Float[np.ndarray, "pose 4 4"]:
    """4x4 matrices one below the other, four rows each, as in `poses.txt` of Neural RGB-D. NaN stays NaN.

    Raises:
        ValueError: if the rows are not of four numbers, or their number is no multiple of four.
    """
    rows = read_numbers(path)
    if rows.shape[1] != 4 or len(rows) % 4:
        raise ValueError(
            f"{path} must hold 4x4 matrices one below the other, got {len(rows)} rows of {rows.shape[1]} numbers"
        )
    return rows.reshape(-1, 4, 4)


def read_cam(path: Path) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "4 4"]]:
    """Camera matrix (pixels) and camera_to_world of a `.cam` file of MPI Sintel.

    The file holds a float32 tag, K (9 float64) and world to camera (12 float64), little endian. NaN if that has no inverse.

    Raises:
        ValueError: if the file is cut short or no `.cam` file.
    """
    data = path.read_bytes()
    if len(data) < 4 + 21 * 8 or np.frombuffer(data, "<f4", 1)[0] != _CAM_TAG:
        raise ValueError(f"{path} is no .cam file (tag {_CAM_TAG}, K, world to camera); copy it again")
    numbers = np.frombuffer(data, "<f8", 21, offset=4)
    world_to_camera = np.eye(4)
    world_to_camera[:3] = numbers[9:].reshape(3, 4)
    K = numbers[:9].reshape(3, 3).copy()
    try:
        return K, np.linalg.inv(world_to_camera)  # rotations of six digits are not quite such
    except np.linalg.LinAlgError:
        return K, np.full((4, 4), np.nan)
