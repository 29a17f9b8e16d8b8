import numpy as np
import pytest
import torch

from ttt3r import geometry
from ttt3r.evaluation.metrics.trajectory.relative import (
    frame_pairs,
    path_pairs,
    relative_errors,
    rotation_auc,
    segment_errors,
)


def _cameras(count, seed=0):
    poses = torch.as_tensor(np.random.default_rng(seed).normal(size=(count, 7)))
    return geometry.pose_encoding_to_camera(poses).numpy()


def _turned(degrees):
    """Cameras in one place, turned about z."""
    angle = np.radians(np.asarray(degrees, float))
    cameras = np.tile(np.eye(4), (len(angle), 1, 1))
    cameras[:, 0, 0] = cameras[:, 1, 1] = np.cos(angle)
    cameras[:, 1, 0], cameras[:, 0, 1] = np.sin(angle), -np.sin(angle)
    return cameras


def test_pairs_of_frames():
    assert frame_pairs(np.arange(4), 1).tolist() == [[0, 1], [1, 2], [2, 3]]
    assert frame_pairs(np.arange(4), 3).tolist() == [[0, 3]]
    assert frame_pairs(np.arange(4), 4).tolist() == []
    assert frame_pairs(np.array([0, 1, 3, 4, 6]), 1).tolist() == [[0, 1], [2, 3]]
    assert frame_pairs(np.array([0, 1, 3, 4, 6]), 3).tolist() == [[0, 2], [1, 3], [2, 4]]
    assert frame_pairs(np.zeros(0, np.int64), 1).tolist() == []


def test_relative_errors_equal_the_naive_form():
    predicted, truth = _cameras(12), _cameras(12, seed=1)
    pairs = frame_pairs(np.arange(12), 5)
    found = relative_errors(predicted, truth, pairs, scale=0.7)
    for (i, j), length, degrees in zip(pairs, found.translation, found.rotation_degrees, strict=True):
        motion = np.linalg.inv(predicted[i]) @ predicted[j]
        motion[:3, 3] *= 0.7
        error = np.linalg.inv(np.linalg.inv(truth[i]) @ truth[j]) @ motion
        np.testing.assert_allclose(length, np.linalg.norm(error[:3, 3]))
        np.testing.assert_allclose(degrees, np.degrees(np.arccos((np.trace(error[:3, :3]) - 1) / 2)))


def test_relative_errors_do_not_see_where_the_world_is():
    predicted, truth = _cameras(12), _cameras(12, seed=1)
    pairs, elsewhere = frame_pairs(np.arange(12), 1), _cameras(1, seed=2)[0]
    here, there = relative_errors(predicted, truth, pairs), relative_errors(elsewhere @ predicted, truth, pairs)
    np.testing.assert_allclose(here.translation, there.translation)
    np.testing.assert_allclose(here.rotation_degrees, there.rotation_degrees)


def _straight(count=401, step=1.0):
    cameras = np.tile(np.eye(4), (count, 1, 1))
    cameras[:, 2, 3] = step * np.arange(count)
    return cameras


def test_segments_of_a_straight_road():
    truth = _straight()
    found = segment_errors(1.02 * _straight() - 0.02 * np.eye(4), truth)  # two per cent too far, else equal
    # A segment ends at the first frame beyond its length, one metre later: 101 m for 100 m.
    lengths = np.array([100, 200, 300])
    begins = [sum(first + length + 1 <= 400 for first in range(0, 401, 10)) for length in lengths]
    errors = np.repeat(2 * (lengths + 1) / lengths, begins)
    assert found.segments == len(errors)
    np.testing.assert_allclose(found.translation_percent, errors.mean())
    np.testing.assert_allclose(found.rotation_degrees_per_metre, 0, atol=1e-12)
    np.testing.assert_allclose(segment_errors(_straight(step=0.5), truth, scale=2.0).translation_percent, 0, atol=1e-9)


def test_segments_of_a_turning_prediction():
    truth, predicted = _straight(), _straight()
    predicted[:, :3, :3] = _turned(0.01 * np.arange(401))[:, :3, :3]
    found = segment_errors(predicted, truth, lengths=(100.0,))
    np.testing.assert_allclose(found.rotation_degrees_per_metre, 0.01 * 101 / 100)
    np.testing.assert_allclose(found.translation_percent, 0, atol=1e-9)


def test_a_short_path_has_no_segments():
    found = segment_errors(_straight(50), _straight(50))
    assert found.segments == 0
    assert np.isnan(found.translation_percent)
    assert segment_errors(_straight(50), _straight(50), lengths=(10.0, 20.0)).segments > 0


def test_rotation_auc_by_hand():
    truth = _turned([0, 0, 0])
    # Errors of the pairs: 10, 25 and 15 degrees.
    expected = np.mean([1 - 10 / 30, 1 - 25 / 30, 1 - 15 / 30])
    np.testing.assert_allclose(rotation_auc(_turned([0, 10, 25]), truth), expected)
    np.testing.assert_allclose(rotation_auc(_turned([0, 10, 90]), truth), (1 - 10 / 30) / 3)
    assert rotation_auc(truth, truth) == 1
    assert np.isnan(rotation_auc(truth[:1], truth[:1]))


def test_rotation_auc_equals_all_pairs():
    truth = _cameras(9)
    wobble = np.random.default_rng(3).normal(size=(9, 7)) * [0, 0, 0, 0, 0.1, 0.1, 0.1] + [0, 0, 0, 1, 0, 0, 0]
    predicted = _cameras(1, seed=4) @ truth @ geometry.pose_encoding_to_camera(torch.as_tensor(wobble)).numpy()
    pairs = np.array([(i, j) for i in range(9) for j in range(i + 1, 9)])
    degrees = relative_errors(predicted, truth, pairs).rotation_degrees
    thresholds = np.linspace(0, 30, 200_001)
    curve = (np.sort(degrees).searchsorted(thresholds, side="right") / len(degrees)).mean()
    np.testing.assert_allclose(rotation_auc(predicted, truth), curve, atol=1e-5)
    assert 0.2 < rotation_auc(predicted, truth) < 0.9


def test_stretches_of_a_path():
    assert path_pairs(_straight(11), 3.0).tolist() == [[0, 3], [3, 6], [6, 9]]
    assert path_pairs(_straight(11, step=2.0), 3.0).tolist() == [[0, 2], [2, 4], [4, 6], [6, 8], [8, 10]]
    assert path_pairs(_straight(3), 30.0).tolist() == []


def _noisy(count):
    truth = _cameras(count)
    truth[:, :3, 3] = np.cumsum(truth[:, :3, 3], axis=0)
    noise = np.random.default_rng(3).normal(size=(count, 7)) * 0.1 + [0, 0, 0, 1, 0, 0, 0]
    return truth @ geometry.pose_encoding_to_camera(torch.as_tensor(noise)).numpy(), truth


@pytest.mark.parametrize("delta", [1, 5, 10])
def test_evo_agrees_at_several_distances(delta):
    trajectory = pytest.importorskip("evo.core.trajectory")
    from evo.core.metrics import RPE, PoseRelation, StatisticsType, Unit

    predicted, truth = _noisy(60)
    paths = [trajectory.PosePath3D(poses_se3=list(poses.copy())) for poses in (truth, predicted)]
    found = relative_errors(predicted, truth, frame_pairs(np.arange(60), delta))
    parts = {PoseRelation.translation_part: found.translation, PoseRelation.rotation_angle_deg: found.rotation_degrees}
    for relation, ours in parts.items():
        metric = RPE(relation, delta=delta, delta_unit=Unit.frames, all_pairs=True)
        metric.process_data(tuple(paths))
        np.testing.assert_allclose(np.sqrt((ours**2).mean()), metric.get_statistic(StatisticsType.rmse), rtol=1e-8)
