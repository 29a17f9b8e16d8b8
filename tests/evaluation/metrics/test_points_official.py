"""The published evaluation of scenes against its recorded values."""

import json
import re

import numpy as np
import pytest
import torch

from ttt3r.evaluation.metrics.points.errors import SceneViews
from ttt3r.evaluation.metrics.points.official import (
    OfficialSceneMeans,
    official_scene_errors,
    official_scene_means,
    shift_and_scale,
)

RECORDED = {
    "acc": "accuracy",
    "comp": "completeness",
    "nc1": "normals_accuracy",
    "nc2": "normals_completeness",
    "acc_med": "accuracy_median",
    "comp_med": "completeness_median",
    "nc1_med": "normals_accuracy_median",
    "nc2_med": "normals_completeness_median",
    "nc": "normal_consistency",
    "nc_med": "normal_consistency_median",
}


@pytest.mark.shared
def test_recorded_shift_and_scale(shared):
    recorded = np.load(shared / "golden_eval/recon/scale_shift_alignment.npz")
    expected = json.loads((shared / "golden_eval/recon/scale_shift_alignment_expected.json").read_text())

    def stack(name):
        return torch.from_numpy(np.stack([recorded[f"{view}/{name}"] for view in range(4)]))

    views = SceneViews(stack("pts3d"), stack("valid_mask"), stack("camera_pose")[0], stack("pred"))
    before = views.predicted.clone()
    found = shift_and_scale(views)
    ours = [found.true_shift, found.predicted_shift, found.true_scale, found.predicted_scale]
    theirs = [expected[name] for name in ("gt_shift_z", "pred_shift_z", "gt_scale", "pred_scale")]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    valid = views.valid
    np.testing.assert_allclose(found.truth[valid], stack("out_gt_pts")[valid], rtol=0, atol=2e-6)
    np.testing.assert_allclose(found.predicted[valid], stack("out_pred_pts")[valid], rtol=0, atol=2e-6)
    assert torch.equal(views.predicted, before)  # the recorded code writes into its input


def world_points(depth, K, cameras):
    """Points of the depth maps, bit for bit as the recorded run had them: pixels in float64, then float32, x first, t last."""
    row, column = np.indices(depth.shape[1:])
    exact = depth.astype(np.float64)
    x, y = (column - K[0, 2]) * exact / K[0, 0], (row - K[1, 2]) * exact / K[1, 1]
    points, moved = np.stack([x, y, exact], axis=-1).astype(np.float32), []
    for camera, view in zip(cameras, points, strict=True):
        total = view[..., 0:1] * camera[:3, 0]
        for axis in (1, 2):
            total = total + view[..., axis : axis + 1] * camera[:3, axis]
        moved.append(total + camera[:3, 3])
    return torch.from_numpy(np.stack(moved))


@pytest.mark.shared
def test_recorded_scene(shared):
    recorded = np.load(shared / "golden_eval/recon/scene_2frames_228x232.npz")
    expected = json.loads((shared / "golden_eval/recon/scene_2frames_228x232_expected.json").read_text())
    depth = torch.from_numpy(recorded["depth_mm"].astype(np.float32) / 1000)
    cameras = torch.from_numpy(recorded["cam2world"])
    points = world_points(depth.numpy(), recorded["K"].astype(np.float64), recorded["cam2world"])
    predicted = torch.from_numpy(recorded["pred_pts3d_in_other_view_f16"].astype(np.float32))
    found = official_scene_errors(SceneViews(points, depth > 0, cameras[0], predicted))
    scales = found.alignment
    ours = [scales.true_shift, scales.predicted_shift, scales.true_scale, scales.predicted_scale]
    theirs = [expected[name] for name in ("gt_shift_z", "pred_shift_z", "gt_scale", "pred_scale")]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert int((depth > 0).sum()) == expected["n_valid_full"]
    assert len(found.truth) == len(found.predicted) == expected["n_masked_points"]
    sample = expected["sample_indices"]
    np.testing.assert_allclose(found.predicted[sample], expected["pts_masked_samples"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.truth[sample], expected["pts_gt_masked_samples"], rtol=0, atol=1e-6)
    matrix = np.array(expected["icp_transformation"])
    np.testing.assert_allclose(found.closest.motion.rotation, matrix[:3, :3], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.closest.motion.translation, matrix[:3, 3], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.closest.fitness, expected["icp_fitness"], rtol=1e-6)
    np.testing.assert_allclose(found.closest.inlier_rmse, expected["icp_inlier_rmse"], rtol=1e-6)
    for theirs, ours in list(RECORDED.items())[:8]:
        np.testing.assert_allclose(getattr(found.errors, ours), expected[theirs], rtol=1e-9, err_msg=ours)


@pytest.mark.shared
def test_recorded_means(shared):
    expected = json.loads((shared / "golden_eval/recon/logs_mean_expected.json").read_text())
    lines = (shared / "golden_eval/recon/logs_0.txt").read_text().splitlines()
    scenes = [OfficialSceneMeans(*map(float, re.findall(r": ([0-9.]+)", line))) for line in lines]
    found = official_scene_means(scenes)
    for theirs, ours in RECORDED.items():
        np.testing.assert_allclose(getattr(found, ours), expected[theirs], rtol=1e-12, err_msg=ours)
    with pytest.raises(ValueError, match="no scenes"):
        official_scene_means([])


def test_no_valid_pixel_is_named():
    points = torch.rand(1, 8, 8, 3)
    views = SceneViews(points, torch.zeros(1, 8, 8, dtype=torch.bool), torch.eye(4), points)
    with pytest.raises(ValueError, match="no pixel of the middle"):
        official_scene_errors(views)
    with pytest.raises(ValueError, match="no pixel of 1 views"):
        shift_and_scale(views)
