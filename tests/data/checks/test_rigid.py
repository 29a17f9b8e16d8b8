"""Ground truth that is no rigid motion, in every format: a scale is taken out, zeros are lost, a mirror is an error."""

import numpy as np
import pytest
from layouts_on_disk import FRAMES, LAYOUTS, cameras, make_world
from scipy.spatial.transform import Rotation

from ttt3r.data import DATASETS, BadSequence, CropToPatches, Problem, Severity, open_clip
from ttt3r.data.checks.inspection import inspect_sequence
from ttt3r.data.checks.rigid import check

POLICY = CropToPatches(64)
POSED = [kind for kind, layout in LAYOUTS.items() if layout.poses]
SCALE, MIRROR = np.diag([2.0, 2, 2, 1]), np.diag([1.0, 1, -1, 1])


def poses(count=8):
    result = np.tile(np.eye(4), (count, 1, 1))
    result[:, :3, :3] = Rotation.from_rotvec(np.random.default_rng(1).normal(size=(count, 3))).as_matrix()
    result[:, :3, 3] = np.random.default_rng(0).normal(size=(count, 3))
    return result


@pytest.fixture
def changed(tmp_path, monkeypatch):
    """A sequence of any layout whose poses, as written, are changed; its folder."""

    def write(kind, change):
        world = make_world

        def other(*args, **more):
            made = world(*args, **more)
            made.camera_to_world[:] = change(made.camera_to_world)
            return made

        monkeypatch.setattr("layouts_on_disk.make_world", other)
        monkeypatch.setattr("layouts_on_disk.quaternion", lambda pose: "0 0 0 0 0 0 1")  # of a file that is not kept
        LAYOUTS[kind].write(tmp_path)
        monkeypatch.setattr("layouts_on_disk.make_world", world)
        return tmp_path / LAYOUTS[kind].folder

    return write


QUATERNIONS = ("tum", "bonn", "colmap", "trajectory.txt", "eth3d-slam", "euroc", "oxford-spires", "vbr", "vbr aligned")
MATRICES = [kind for kind in POSED if kind not in QUATERNIONS]


@pytest.mark.parametrize("kind", MATRICES)
def test_a_scale_is_taken_out_and_said(changed, kind):
    folder = changed(kind, lambda matrices: matrices @ SCALE)
    clip = open_clip(folder, policy=POLICY)
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world[-len(clip.timestamps) :], atol=1e-7)
    (finding,) = [finding for finding in clip.findings if finding.what is Problem.NOT_RIGID]
    assert "have length 2" in finding.detail or "have length 0.5" in finding.detail  # 0.5 where the inverse is written
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("kind", MATRICES)
def test_a_mirror_is_an_error_with_its_cure(changed, kind):
    folder = changed(kind, lambda matrices: matrices @ MIRROR)
    with pytest.raises(ValueError, match=r"poses of .* are no rigid motions.*mirrors.*negate one axis"):
        open_clip(folder, policy=POLICY)


@pytest.mark.parametrize("kind", [kind for kind in MATRICES if kind not in ("sintel", "kitti-odometry", "nerfstudio")])
def test_transposed_matrices_are_an_error_with_their_cure(changed, kind):
    folder = changed(kind, lambda matrices: np.swapaxes(matrices, 1, 2).copy())
    with pytest.raises(ValueError, match="last row is .* transpose them"):
        open_clip(folder, policy=POLICY)


def test_twelve_numbers_by_columns_are_an_error_with_their_cure(tmp_path):
    LAYOUTS["kitti-odometry"].write(tmp_path)
    rows = np.swapaxes(make_world().camera_to_world[:, :3], 1, 2).reshape(FRAMES, 12)
    np.savetxt(tmp_path / "poses/06.txt", rows)
    with pytest.raises(ValueError, match="write 3 rows of 4"):
        open_clip(tmp_path / LAYOUTS["kitti-odometry"].folder, policy=POLICY)


@pytest.mark.parametrize("kind", [kind for kind in MATRICES if kind != "sintel"])
@pytest.mark.parametrize("whole", [True, False])
def test_zeros_are_a_lost_pose(changed, kind, whole):
    def lose(matrices):
        matrices[7, : 4 if whole else 3, : 4 if whole else 3] = 0
        return matrices

    folder = changed(kind, lose)
    clip = open_clip(folder, policy=POLICY)
    assert len(clip.timestamps) == FRAMES - 1
    assert LAYOUTS[kind].names()[7] in str(next(f for f in clip.findings if f.what is Problem.LOST_POSES))


@pytest.mark.parametrize("kind", ["tum", "trajectory.txt"])
def test_quaternions_of_other_lengths(tmp_path, kind):
    LAYOUTS[kind].write(tmp_path)
    folder = tmp_path / LAYOUTS[kind].folder
    path = folder / {"tum": "groundtruth.txt"}.get(kind, kind)
    rows = np.loadtxt(path)
    rows[:, 4:] *= 3
    rows[4, 4:] = 0
    np.savetxt(path, rows)
    clip = open_clip(folder, policy=POLICY)
    np.testing.assert_allclose(cameras(clip), np.delete(make_world().camera_to_world, 4, axis=0), atol=1e-7)
    found = {finding.what: finding.detail for finding in clip.findings}
    assert "11 of 12 quaternions" in found[Problem.NOT_RIGID]
    assert "with 3" in found[Problem.NOT_RIGID]
    assert Problem.LOST_POSES in found


def test_what_is_rigid_stays_bit_for_bit():
    for digits in (17, 6):
        good = poses().round(digits)
        result, found = check(good, "x")
        np.testing.assert_array_equal(result, good)
        assert found == []


def test_few_digits_give_the_nearest_rotation():
    rough = poses().round(2)
    result, (finding,) = check(rough, "x")
    nearest = Rotation.from_matrix(rough[:, :3, :3]).as_matrix()
    np.testing.assert_allclose(result[:, :3, :3], nearest, atol=0.01)
    squares = result[:, :3, :3] @ np.swapaxes(result[:, :3, :3], 1, 2)
    np.testing.assert_allclose(squares, np.tile(np.eye(3), (8, 1, 1)), atol=1e-12)
    assert finding.severity is Severity.NOTE


def test_shears_homogeneous_numbers_and_places_out_of_this_world():
    matrices = poses()
    matrices[0, 0] *= 1.5
    matrices[1] *= 4
    matrices[2, 0, 3] = 1e30
    matrices[3, 1, 1] = np.inf
    result, found = check(matrices, "x")
    assert np.isnan(result).all((1, 2)).tolist() == [True, False, True, True] + 4 * [False]
    np.testing.assert_allclose(result[1], poses()[1])
    assert [finding.severity for finding in found] == [Severity.ERROR, Severity.WARNING]
    assert "1e+30 of pose 2" in found[1].detail


def test_if_most_poses_are_wrong_none_is_used():
    matrices = poses()
    matrices[2:] = matrices[2:] @ MIRROR
    assert np.isnan(check(matrices, "x")[0]).all()
    assert check(np.zeros((0, 4, 4)), "x")[1] == []


def test_the_check_of_data_and_the_evaluation_say_it(changed, tmp_path):
    changed("scannet", lambda matrices: matrices @ MIRROR)
    dataset = DATASETS["scannet"]
    (place,) = dataset.sequences(tmp_path)
    found = inspect_sequence(dataset.layout, place)
    assert found.poses == 0
    assert Problem.NOT_RIGID in {finding.what for finding in found.findings}
    with pytest.raises(BadSequence, match="mirrors"):
        dataset.open(tmp_path, place.name, POLICY)
