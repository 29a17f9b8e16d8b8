"""The errors of a palindrome in closed form, and what is said of the predicted path."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ttt3r.evaluation.metrics.palindrome import LagBin, PredictedPath, lag_bins, palindrome_errors, true_errors
from ttt3r.evaluation.metrics.trajectory.errors import trajectory_errors


def cameras(positions, yaw=None):
    """Camera-to-world matrices from positions and angles in degrees."""
    made = np.tile(np.eye(4), (len(positions), 1, 1))
    made[:, :3, 3] = positions
    if yaw is not None:
        made[:, :3, :3] = Rotation.from_euler("y", np.asarray(yaw)[:, None], degrees=True).as_matrix()
    return made


def there_and_back(values):
    return [*values, *values[-2::-1]]


def walk(turn, seed=0):
    rng = np.random.default_rng(seed)
    places, angles = rng.normal(size=(turn + 1, 3)), rng.uniform(-90, 90, size=turn + 1)
    return np.array(there_and_back(list(places))), np.array(there_and_back(list(angles)))


def test_a_path_that_comes_back_has_no_error():
    found = palindrome_errors(cameras(*walk(5)), np.zeros(5))
    assert found.translation.tolist() == [0] * 5
    assert found.translation_per_path.tolist() == [0] * 5
    np.testing.assert_allclose(found.rotation_degrees, 0, atol=1e-6)
    assert found.lag.tolist() == [10, 8, 6, 4, 2]


def test_known_drift_gives_known_errors():
    """On the way back every frame is 0.1 farther to the right and 2 degrees farther turned than the one before."""
    turn, steps = 4, np.arange(9)
    late = np.maximum(steps - turn, 0)
    places = np.zeros((9, 3))
    places[:, 2] = np.minimum(steps, 2 * turn - steps) * 3.0  # forwards by 3 a frame: the way there is 12 long
    places[:, 0] = 0.1 * late
    found = palindrome_errors(cameras(places, 2.0 * late), np.linspace(0.4, 0.1, 4), first_view=5.0)
    np.testing.assert_allclose(found.translation, np.array([0.4, 0.3, 0.2, 0.1]) / 5)
    np.testing.assert_allclose(found.translation_per_path, np.array([0.4, 0.3, 0.2, 0.1]) / 12)
    np.testing.assert_allclose(found.rotation_degrees, [8, 6, 4, 2])
    np.testing.assert_allclose(found.log_depth, [0.4, 0.3, 0.2, 0.1])
    assert found.path.length == pytest.approx(12 / 5)
    assert found.path.note == "straight"


def test_a_rigid_motion_of_the_whole_changes_nothing():
    places, angles = walk(6)
    shown = cameras(places + np.random.default_rng(1).normal(0, 0.1, places.shape), angles + np.arange(13))
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = Rotation.random(rng=np.random.default_rng(3)).as_matrix(), (4, -2, 9)
    one, other = (palindrome_errors(part, np.zeros(6), 2.0) for part in (shown, motion @ shown))
    for name in ("translation", "translation_per_path", "rotation_degrees"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6)
    for name in ("length", "spread", "width", "turn_degrees"):
        assert getattr(one.path, name) == pytest.approx(getattr(other.path, name))


def test_the_unit_of_the_cameras_does_not_matter():
    places, angles = walk(6)
    places = places + np.random.default_rng(1).normal(0, 0.1, places.shape)
    one = palindrome_errors(cameras(places, angles), np.zeros(6), 2.0)
    other = palindrome_errors(cameras(7 * places, angles), np.zeros(6), 14.0)
    np.testing.assert_allclose(one.translation, other.translation)
    np.testing.assert_allclose(one.translation_per_path, other.translation_per_path)
    assert one.path.length == pytest.approx(other.path.length)


@pytest.mark.parametrize(("shown", "maps"), [(1, 0), (2, 1), (4, 2), (5, 3)])
def test_what_is_no_palindrome_is_refused(shown, maps):
    with pytest.raises(ValueError, match=r"palindrome shows 2 T \+ 1|2 frames are read twice"):
        palindrome_errors(cameras(np.zeros((shown, 3))), np.zeros(maps))


def test_two_frames_are_enough():
    found = palindrome_errors(cameras([(0, 0, 0), (1, 0, 0), (0.5, 0, 0)]), np.array([0.25]))
    assert found.lag.tolist() == [2]
    assert found.translation_per_path.tolist() == [0.5]
    assert found.notes == ()


def test_a_path_of_no_length_has_no_share_of_it():
    found = palindrome_errors(cameras(np.zeros((5, 3))), np.zeros(2))
    assert np.isnan(found.translation_per_path).all()
    assert found.translation.tolist() == [0, 0]
    assert found.path.note == "hardly moves"


@pytest.mark.parametrize(
    ("places", "note"),
    [
        ([(0, 0, 0), (1e-3, 0, 0), (0, 1e-3, 0), (1e-3, 1e-3, 0)], "hardly moves"),
        ([(0, 0, 0), (1, 0, 0), (2, 1e-3, 0), (3, 0, 0)], "straight"),
        ([(0, 0, 0), (1, 0, 0), (2, 0.5, 0), (2, 1, 0)], ""),
        ([(0, 0, 0), (1, 0, 0)], ""),
    ],
)
def test_degenerate_paths_are_named(places, note):
    assert PredictedPath.of(cameras(np.array(places, np.float64)), 1.0).note == note


def test_the_path_is_described():
    path = PredictedPath.of(cameras(np.array([(0, 0, 0), (2, 0, 0), (2, 2, 0), (0, 2, 0)]), [0, 30, 60, 20]), 2.0)
    assert path.length == pytest.approx(3)
    assert path.spread == pytest.approx(math.sqrt(2) / 2)
    assert path.width == pytest.approx(1)
    assert path.turn_degrees == pytest.approx(60)


def test_bins_hold_every_lag_once():
    for longest in range(2, 300, 2):
        lags = np.arange(2, longest + 1, 2)
        assert (np.sum([part.of(lags) for part in lag_bins(longest)], axis=0) == 1).all()
    assert [str(part) for part in lag_bins(64)] == ["2", "4-6", "8-14", "16-30", "32-62", "64"]
    assert LagBin(4, 6).of(np.array([2, 4, 6, 8])).tolist() == [False, True, True, False]


def test_the_way_there_against_the_truth():
    rng = np.random.default_rng(2)
    truth = cameras(rng.normal(size=(6, 3)), rng.uniform(-40, 40, 6))
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = Rotation.random(rng=np.random.default_rng(3)).as_matrix(), (4, -2, 9)
    same = true_errors(motion @ truth, truth)
    np.testing.assert_allclose(same.translation, 0, atol=1e-9)
    assert same.rotation == pytest.approx(0, abs=1e-5)
    turned = truth.copy()
    turned[1:, :3, :3] = truth[1:, :3, :3] @ Rotation.from_euler("x", 10, degrees=True).as_matrix()
    assert true_errors(turned, truth).rotation == pytest.approx(10)
    predicted = cameras(rng.normal(size=(6, 3)))
    assert true_errors(predicted, truth).ate == pytest.approx(trajectory_errors(predicted, truth).ate)
    truth[2] = math.nan
    found, known = true_errors(predicted, truth), [0, 1, 3, 4, 5]
    assert np.isnan(found.translation).tolist() == [False, False, True, False, False, False]
    assert found.ate == pytest.approx(trajectory_errors(predicted[known], truth[known]).ate)


def test_without_a_truth_or_with_a_path_that_fixes_nothing():
    path = cameras(np.random.default_rng(0).normal(size=(4, 3)))
    nowhere = true_errors(path, np.full((4, 4, 4), math.nan))
    assert math.isnan(nowhere.ate)
    assert math.isnan(nowhere.rotation)
    assert math.isnan(true_errors(cameras(np.zeros((4, 3))), path).ate)
