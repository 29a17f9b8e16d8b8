import json

import numpy as np
import pytest
import torch

from ttt3r.evaluation.metrics.points.alignment import iterated_closest_points
from ttt3r.evaluation.metrics.points.errors import Cloud, point_errors
from ttt3r.evaluation.metrics.points.normals import estimated_normals, thinned
from ttt3r.evaluation.metrics.trajectory.similarity import NotFinite, Similarity
from ttt3r.geometry import quaternion_to_matrix

pytest.importorskip("scipy")


def _plane(count=400, seed=0):
    """Points of the plane z = 2 and their normals."""
    random = np.random.default_rng(seed)
    points = np.concatenate([random.uniform(-1, 1, size=(count, 2)), np.full((count, 1), 2.0)], axis=1)
    return points, np.tile([0.0, 0, 1], (count, 1))


def _small_motion():
    turn = quaternion_to_matrix(torch.tensor([1.0, 0.01, -0.008, 0.012], dtype=torch.float64)).numpy()
    return Similarity(turn, np.array([0.01, -0.02, 0.015]), 1.0)


def _surface(count, seed):
    random = np.random.default_rng(seed)
    x, y = random.uniform(-1, 1, size=(2, count))
    return np.stack([x, y, 0.3 * np.sin(3 * x) + 0.2 * np.cos(4 * y)], axis=1)


def test_errors_by_hand():
    predicted = Cloud(np.array([[0.0, 0, 0], [1, 0, 0.02]]), np.array([[0.0, 0, 1], [0, 1, 0]]))
    truth = Cloud(np.array([[0.0, 0, 0.04], [1, 0, 0], [5, 0, 0]]), np.array([[0, 0, -1.0], [0, 0.6, 0.8], [1, 0, 0]]))
    errors = point_errors(predicted, truth, thresholds=(0.03, 0.05))
    np.testing.assert_allclose([errors.accuracy, errors.accuracy_median], 0.03)
    far = np.hypot(4, 0.02)
    np.testing.assert_allclose([errors.completeness, errors.completeness_median], [(0.06 + far) / 3, 0.04])
    np.testing.assert_allclose([errors.normals_accuracy, errors.normals_completeness], [0.8, 1.6 / 3])
    np.testing.assert_allclose([errors.normals_accuracy_median, errors.normals_completeness_median], [0.8, 0.6])
    assert errors.precision == (0.5, 1.0)
    np.testing.assert_allclose(errors.recall, (1 / 3, 2 / 3))
    np.testing.assert_allclose(errors.f_score, (0.4, 0.8))
    np.testing.assert_allclose(errors.chamfer, (0.03 + (0.06 + far) / 3) / 2)
    np.testing.assert_allclose(errors.normal_consistency, (0.8 + 1.6 / 3) / 2)
    np.testing.assert_allclose(errors.normal_consistency_median, 0.7)


def test_errors_equal_all_distances():
    predicted, truth = _surface(50, 0), _surface(70, 1)
    distance = np.linalg.norm(predicted[:, None] - truth, axis=-1)
    errors = point_errors(Cloud(predicted), Cloud(truth), thresholds=(0.1,))
    np.testing.assert_allclose(errors.accuracy, distance.min(axis=1).mean())
    np.testing.assert_allclose(errors.completeness_median, np.median(distance.min(axis=0)))
    np.testing.assert_allclose(errors.recall, (distance.min(axis=0) < 0.1).mean())
    assert np.isnan(errors.normal_consistency)
    assert point_errors(Cloud(predicted), Cloud(truth + 9), thresholds=(0.1,)).f_score == (0.0,)


def test_bad_clouds_are_named():
    with pytest.raises(ValueError, match="without points"):
        Cloud(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="2 normals meet 3 points"):
        Cloud(np.zeros((3, 3)), np.zeros((2, 3)))
    with pytest.raises(NotFinite, match="not finite"):
        Cloud(np.full((3, 3), np.nan))


def test_normals_of_a_plane():
    points, normals = _plane()
    np.testing.assert_allclose(np.abs((estimated_normals(points) * normals).sum(axis=1)), 1)
    turn = quaternion_to_matrix(torch.tensor([0.3, 0.2, -0.5, 0.1], dtype=torch.float64)).numpy()
    turned = estimated_normals(points @ turn.T, neighbours=5)
    np.testing.assert_allclose(np.abs((turned * (normals @ turn.T)).sum(axis=1)), 1)
    with pytest.raises(ValueError, match="at least 3 neighbours"):
        estimated_normals(points[:2])


def test_thinning():
    points = np.array([[0.01, 0.01, 0.01], [0.03, 0.05, 0.09], [-0.01, 0.01, 0.01], [1.05, 0.01, 0.01]])
    expected = [[-0.01, 0.01, 0.01], [0.02, 0.03, 0.05], [1.05, 0.01, 0.01]]
    np.testing.assert_allclose(thinned(points, 0.1), expected)
    np.testing.assert_array_equal(thinned(points[::-1], 0.1), thinned(points, 0.1))
    assert thinned(points[:0], 0.1).shape == (0, 3)
    for voxel, message in ((0.0, "must be positive"), (1e-12, "take larger ones")):
        with pytest.raises(ValueError, match=message):
            thinned(points, voxel)


def test_thinning_makes_density_the_same():
    points = _surface(20_000, 0)
    many, few = thinned(points, 0.1), thinned(points[:10_000], 0.1)
    assert abs(len(many) - len(few)) < 0.05 * len(many)


def test_closest_points_find_a_small_motion():
    truth, motion = _surface(3000, 0), _small_motion()
    moved = (truth[:1500] - motion.translation) @ motion.rotation
    found = iterated_closest_points(moved, truth, radius=0.1, iterations=200)
    np.testing.assert_allclose(found.motion.points(moved), truth[:1500], atol=1e-4)
    assert (found.fitness, found.inlier_rmse) == (1.0, pytest.approx(0, abs=1e-4))
    started = iterated_closest_points(moved, truth, start=motion)
    np.testing.assert_allclose(started.motion.points(moved), truth[:1500], atol=1e-12)


def test_closest_points_repair_no_large_error():
    truth = _surface(500, 0)
    found = iterated_closest_points(truth + [0, 0, 5], truth, radius=0.1)
    assert (found.fitness, found.inlier_rmse, found.iterations) == (0, 0, 0)
    np.testing.assert_array_equal(found.motion.rotation, np.eye(3))


@pytest.mark.shared
def test_recorded_clouds(shared):
    recorded = np.load(shared / "golden_eval/recon/clouds.npz")
    expected = json.loads((shared / "golden_eval/recon/clouds_expected.json").read_text())
    for name, values in expected.items():
        predicted, truth = (
            Cloud(recorded[f"{name}/{which}_points"], recorded[f"{name}/{which}_normals"]) for which in ("pred", "gt")
        )
        errors = point_errors(predicted, truth, thresholds=(0.05,))
        found = {
            **{"acc": errors.accuracy, "acc_med": errors.accuracy_median},
            **{"comp": errors.completeness, "comp_med": errors.completeness_median},
            **{"nc1": errors.normals_accuracy, "nc1_med": errors.normals_accuracy_median},
            **{"nc2": errors.normals_completeness, "nc2_med": errors.normals_completeness_median},
            **{"nc_mean_of_scene": errors.normal_consistency, "nc_med_of_scene": errors.normal_consistency_median},
            "chamfer": errors.chamfer,
        }
        for key, value in found.items():
            np.testing.assert_allclose(value, values[key], rtol=1e-9, atol=1e-12, err_msg=f"{name} {key}")
        # It was recorded as a mean in float32.
        np.testing.assert_allclose(errors.recall[0], values["completion_ratio_5cm"], rtol=1e-7)


@pytest.mark.shared
def test_recorded_closest_points_and_normals(shared):
    recorded = np.load(shared / "golden_eval/recon/icp_normals.npz")
    expected = json.loads((shared / "golden_eval/recon/icp_normals_expected.json").read_text())
    predicted, truth = recorded["pred_points"], recorded["gt_points"]
    found = iterated_closest_points(predicted, truth, radius=expected["threshold"])
    np.testing.assert_allclose(found.motion.rotation, recorded["transformation"][:3, :3], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.motion.translation, recorded["transformation"][:3, 3], rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        [found.fitness, found.inlier_rmse], [expected["fitness"], expected["inlier_rmse"]], rtol=1e-9
    )
    moved = found.motion.points(predicted)
    np.testing.assert_allclose(moved, recorded["pred_points_after"], rtol=0, atol=1e-9)
    clouds = Cloud(moved, estimated_normals(moved)), Cloud(truth, estimated_normals(truth))
    for cloud, name in zip(clouds, ("pred_normals", "gt_normals"), strict=True):
        np.testing.assert_allclose(np.abs((cloud.normals * recorded[name]).sum(axis=1)), 1, atol=1e-9)
    errors = point_errors(*clouds)
    ours = [errors.accuracy, errors.completeness, errors.normals_accuracy, errors.normals_completeness]
    np.testing.assert_allclose(ours, [expected[name] for name in ("acc", "comp", "nc1", "nc2")], rtol=1e-8)
    ours = [errors.accuracy_median, errors.completeness_median]
    np.testing.assert_allclose(ours, [expected["acc_med"], expected["comp_med"]], rtol=1e-8)
    ours = [errors.normals_accuracy_median, errors.normals_completeness_median]
    np.testing.assert_allclose(ours, [expected["nc1_med"], expected["nc2_med"]], rtol=1e-8)
