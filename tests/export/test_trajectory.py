import numpy as np
import pytest
import torch

from ttt3r import geometry
from ttt3r.export.trajectory import TrajectoryWriter, read_trajectory


def _poses(count):
    return geometry.pose_encoding_to_camera(torch.randn(count, 7))


def test_there_and_back(tmp_path):
    poses = _poses(5)
    writer = TrajectoryWriter(tmp_path / "trajectory.txt")
    for index, pose in enumerate(poses):
        writer.write(1305031102.175304 + index / 30, pose)
    timestamps, found = read_trajectory(tmp_path / "trajectory.txt")
    assert found.dtype == timestamps.dtype == np.float64
    np.testing.assert_allclose(timestamps, 1305031102.175304 + np.arange(5) / 30, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found, poses.double().numpy(), rtol=0, atol=1e-6)


def test_the_scalar_comes_last(tmp_path):
    pose = geometry.rigid(torch.diag(torch.tensor([1.0, -1, -1])), torch.tensor([1.0, 2, 3]))
    TrajectoryWriter(tmp_path / "t.txt").write(0.5, pose)
    lines = (tmp_path / "t.txt").read_text().splitlines()
    assert lines[0] == "# timestamp tx ty tz qx qy qz qw"
    assert "camera_to_world" in lines[1]
    assert [float(n) for n in lines[2].split()] == [0.5, 1, 2, 3, 1, 0, 0, 0]


def test_evo_reads_what_we_write(tmp_path):
    interface = pytest.importorskip("evo.tools.file_interface")
    poses = _poses(4)
    writer = TrajectoryWriter(tmp_path / "t.txt")
    for index, pose in enumerate(poses):
        writer.write(index / 30, pose)
    read = interface.read_tum_trajectory_file(str(tmp_path / "t.txt"))
    np.testing.assert_allclose(np.stack(read.poses_se3), poses.numpy(), atol=1e-6)


@pytest.mark.shared
def test_a_recorded_tum_file_is_read(shared):
    timestamps, poses = read_trajectory(shared / "golden_eval/pose/gt_files/tum_groundtruth.txt")
    assert len(timestamps) == len(poses) > 0
    np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1)


def test_a_row_cut_by_a_kill_is_left_out(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("# header\n0 0 0 0 0 0 0 1\n1 0 0 0")
    assert len(read_trajectory(path)[0]) == 1


@pytest.mark.parametrize("row", ["0 1 2 3 0 0 0", "0 1 2 3 0 0 zero 1", "0 1 2 3 0 0 0 1 9"])
def test_a_bad_row_is_named(tmp_path, row):
    path = tmp_path / "t.txt"
    path.write_text(f"# header\n0 0 0 0 0 0 0 1\n{row}\n")
    with pytest.raises(ValueError, match="line 3"):
        read_trajectory(path)


def test_a_file_without_poses_is_refused(tmp_path):
    (tmp_path / "t.txt").write_text("# header\n")
    with pytest.raises(ValueError, match="no pose"):
        read_trajectory(tmp_path / "t.txt")


def test_truncate(tmp_path):
    path = tmp_path / "t.txt"
    writer = TrajectoryWriter(path)
    writer.truncate(3)  # nothing there: nothing to do
    for pose in _poses(5):
        writer.write(0.0, pose)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole) + b"0.1 2.")
    writer.truncate(3)
    assert path.read_bytes() == b"".join(whole[:5])
    with pytest.raises(ValueError, match="3 rows, but 4"):
        writer.truncate(4)
