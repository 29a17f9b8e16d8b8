"""Poses in every file format, against what the published readers gave."""

import json

import numpy as np
import pytest

from ttt3r.data.sequences.poses import (
    from_opengl,
    inverse,
    read_cam,
    read_known_poses,
    read_matrix_blocks,
    read_matrix_rows,
)


def xyz_wxyz(poses):
    from scipy.spatial.transform import Rotation

    quaternions = Rotation.from_matrix(poses[:, :3, :3]).as_quat()[:, [3, 0, 1, 2]]
    return np.concatenate([poses[:, :3, 3], quaternions], axis=1)


def same_poses(got, expected, atol):
    expected = np.array(expected)
    signs = np.sign((got[:, 3:] * expected[:, 3:]).sum(1, keepdims=True))  # q and -q are one rotation
    np.testing.assert_allclose(got[:, :3], expected[:, :3], atol=atol)
    np.testing.assert_allclose(got[:, 3:], signs * expected[:, 3:], atol=atol)


@pytest.fixture(scope="module")
def recorded(shared):
    folder = shared / "golden_eval/pose"
    return folder / "gt_files", json.loads((folder / "gt_files_expected.json").read_text())


@pytest.mark.shared
def test_lists_of_scannet_poses(recorded):
    folder, expected = recorded
    same_poses(
        xyz_wxyz(read_matrix_rows(folder / "scannet_pose_12.txt")),
        expected["scannet_pose_12.txt"]["traj_xyz_wxyz"],
        1e-9,
    )
    lost = ~np.isfinite(read_matrix_rows(folder / "scannet_pose_12_with_invalid.txt")).all((1, 2))
    assert lost.tolist() == [i == 4 for i in range(12)]  # on which the published script gives up the scene


@pytest.mark.shared
def test_cameras_of_sintel(recorded):
    folder, expected = recorded
    files = sorted((folder / "sintel_cam").iterdir())
    poses = np.stack([read_cam(path)[1] for path in files])
    poses[:, :3, 3] -= poses[:, :3, 3].mean(0)  # as the published reader does
    same_poses(xyz_wxyz(poses), expected["sintel_cam"]["traj_xyz_wxyz"], 1e-9)


@pytest.mark.shared
def test_trajectories_of_tum(recorded):
    folder, expected = recorded
    times, poses = read_known_poses(folder / "tum_groundtruth.txt")
    quaternions = np.array(expected["tum_groundtruth.txt"]["traj_xyz_wxyz"])
    quaternions[:, 3:] /= np.linalg.norm(quaternions[:, 3:], axis=1, keepdims=True)  # the file has four digits
    same_poses(xyz_wxyz(poses), quaternions, 1e-9)
    np.testing.assert_array_equal(times, expected["tum_groundtruth.txt"]["timestamps"])


def test_opengl_cameras_look_along_minus_z():
    pose = from_opengl(np.eye(4)[None])[0]
    np.testing.assert_array_equal(pose @ [0, 0, 1, 1], [0, 0, -1, 1])  # ahead of the camera
    np.testing.assert_array_equal(pose @ [0, 1, 0, 1], [0, -1, 0, 1])  # down in the image


def test_the_inverse_undoes():
    from scipy.spatial.transform import Rotation

    poses = np.tile(np.eye(4), (5, 1, 1))
    poses[:, :3, :3] = Rotation.from_rotvec(np.random.default_rng(1).normal(size=(5, 3))).as_matrix()
    poses[:, :3, 3] = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(inverse(poses) @ poses, np.tile(np.eye(4), (5, 1, 1)), atol=1e-12)


def test_malformed_files_are_refused(tmp_path):
    path = tmp_path / "poses.txt"
    path.write_text("1 2 3\n")
    with pytest.raises(ValueError, match="rows of 12 or 16 numbers.*got 3"):
        read_matrix_rows(path)
    with pytest.raises(ValueError, match="4x4 matrices one below the other, got 1 rows of 3"):
        read_matrix_blocks(path)
    path.write_bytes(b"no camera")
    with pytest.raises(ValueError, match=r"is no \.cam file"):
        read_cam(path)
