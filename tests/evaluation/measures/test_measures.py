"""Every way to measure: names, statuses, and agreement with the functions behind it."""

import math

import numpy as np
import pytest
import torch

from ttt3r.evaluation.measures.depth import OfficialDepth, StrictDepth
from ttt3r.evaluation.measures.points import OfficialPoints, StrictPoints
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.measures.trajectory import Cameras, StrictTrajectory
from ttt3r.evaluation.measures.trajectory_official import OfficialTrajectory
from ttt3r.evaluation.metrics.depth.alignment import MedianScale
from ttt3r.evaluation.metrics.depth.errors import depth_errors
from ttt3r.evaluation.metrics.depth.pixels import DepthPixels
from ttt3r.evaluation.metrics.points.errors import SceneViews
from ttt3r.evaluation.metrics.trajectory.errors import last_window_error, trajectory_errors
from ttt3r.evaluation.metrics.trajectory.relative import rotation_auc, segment_errors
from ttt3r.geometry import (
    default_principal_point,
    intrinsics_matrix,
    pose_encoding_to_camera,
    transform_points,
    unproject,
)

pytest.importorskip("scipy")


def _cameras(frames=120, noise=0.05):
    random = np.random.default_rng(0)
    poses = random.normal(size=(frames, 7))
    truth = pose_encoding_to_camera(torch.as_tensor(poses)).numpy()
    predicted = pose_encoding_to_camera(torch.as_tensor(poses + noise * random.normal(size=poses.shape))).numpy()
    predicted[:, :3, 3] *= 0.5
    return Cameras(predicted, truth)


def _depth(frames=3):
    random = np.random.default_rng(0)
    truth = random.uniform(0.5, 5, size=(frames, 6, 8))
    return (0.7 * truth * random.uniform(0.9, 1.1, size=truth.shape)).astype(np.float32), truth


def _scene(views=2, size=24):
    generator = torch.Generator().manual_seed(0)
    depth = 1.5 + 0.3 * torch.rand(views, 4, 4, generator=generator)
    depth = torch.nn.functional.interpolate(depth[:, None], (size, size), mode="bicubic")[:, 0]
    intrinsics = intrinsics_matrix(torch.full((views,), 30.0), default_principal_point(size, size))
    camera = torch.eye(4).repeat(views, 1, 1)
    camera[:, 0, 3] = torch.linspace(0.1, 0.3, views)
    points = transform_points(camera, unproject(depth, intrinsics))
    in_first = points - camera[0, :3, 3]
    valid = torch.ones(views, size, size, dtype=torch.bool)
    valid[:, 0] = False
    return SceneViews(points, valid, camera[0], in_first)


SAMPLES = {
    StrictTrajectory(): _cameras(),
    StrictTrajectory(segments=(5.0, 10.0), distances=(2, 3), auc_degrees=15.0): _cameras(),
    OfficialTrajectory(): _cameras(),
    StrictDepth(): DepthPixels.of(*_depth()),
    OfficialDepth(): DepthPixels.of(*_depth()),
    StrictPoints(voxel=0.05): _scene(),
    OfficialPoints(crop=16): _scene(),
}
every_measure = pytest.mark.parametrize("measure", SAMPLES, ids=lambda measure: type(measure).__name__)


@every_measure
def test_every_name_has_a_number(measure):
    found = measure(SAMPLES[measure])
    assert tuple(number.metric for number in found.numbers) == measure.names
    assert len(set(measure.names)) == len(measure.names)
    for number in found.numbers:
        assert number.status is Status.OK, number
        assert math.isfinite(number.value)
    assert found.frames == len(getattr(SAMPLES[measure], "truth", [None] * 2)) or found.frames in (2, 3)
    with pytest.raises(ValueError, match="there is no 'speed'"):
        found.value("speed")


@every_measure
def test_settings_print_compare_and_hash(measure):
    assert hash(measure) == hash(
        type(measure)(**{name: getattr(measure, name) for name in measure.__dataclass_fields__})
    )
    assert type(measure).__name__ in repr(measure)


def test_trajectory_numbers_are_those_of_the_functions():
    sample = SAMPLES[StrictTrajectory()]
    found, errors = StrictTrajectory()(sample), trajectory_errors(sample.predicted, sample.truth)
    assert found.value("ate") == pytest.approx(errors.ate, rel=1e-12)
    assert found.value("ate_per_path") == pytest.approx(errors.ate_per_path, rel=1e-12)
    assert found.value("scale_error") == pytest.approx(np.log(2), abs=0.05)
    assert found.value("rpe_translation") == pytest.approx(errors.rpe_translation, rel=1e-12)
    assert found.value("rpe_rotation_degrees") == pytest.approx(errors.rpe_rotation_degrees, rel=1e-12)
    assert found.value("rotation_auc_30") == rotation_auc(sample.predicted, sample.truth)
    assert found.value("drift") == last_window_error(sample.predicted, sample.truth)
    assert found.value("ate/se3") > 2 * found.value("ate")
    assert found.value("ate/scale") > found.value("ate")
    official = OfficialTrajectory()(sample)
    assert official.value("official/ate") == round(errors.ate, 6)
    segments = StrictTrajectory(segments=(5.0,))(sample).value("segment_translation_percent")
    expected = segment_errors(sample.predicted, sample.truth, errors.scale, (5.0,)).translation_percent
    assert segments == pytest.approx(expected, rel=1e-12)


def test_frames_without_a_true_pose_are_left_out_and_named():
    sample = _cameras()
    truth = sample.truth.copy()
    truth[[3, 50]] = -np.inf
    found = StrictTrajectory()(Cameras(sample.predicted, truth))
    assert found.frames == 118
    assert all(number.status is Status.OK for number in found.numbers)
    assert "2 of 120 frames" in found.numbers[0].note
    kept = np.setdiff1d(np.arange(120), [3, 50])
    expected = trajectory_errors(sample.predicted[kept], truth[kept])
    assert found.value("ate") == pytest.approx(expected.ate, rel=1e-12)
    # Neighbours are neighbours in time: 2-4 and 49-51 are no pairs, so nothing is as in the list without gaps.
    assert found.value("rpe_rotation_degrees") != pytest.approx(expected.rpe_rotation_degrees, rel=1e-9)
    lost = OfficialTrajectory()(Cameras(sample.predicted, truth))
    assert {number.status for number in lost.numbers} == {Status.INVALID_TRUTH}


def test_bad_cameras_have_a_status():
    sample, measures = _cameras(), (StrictTrajectory(), OfficialTrajectory())
    bad = sample.predicted.copy()
    bad[7, 0, 0] = np.nan
    still = np.tile(np.eye(4), (120, 1, 1))
    for measure in measures:
        assert {number.status for number in measure(Cameras(bad, sample.truth)).numbers} == {Status.NON_FINITE}
        assert measure(Cameras(sample.predicted, still)).numbers[0].status is Status.DEGENERATE
    turning = StrictTrajectory()(Cameras(still, still))
    assert turning.value("rotation_auc_30") == 1  # rotations can be judged where positions cannot
    assert turning.value("rpe_rotation_degrees") == 0
    lost = StrictTrajectory()(Cameras(sample.predicted, np.full_like(still, np.nan)))
    assert {number.status for number in lost.numbers} == {Status.INVALID_TRUTH}
    with pytest.raises(ValueError, match="119 true ones"):
        Cameras(sample.predicted, sample.truth[:119])


def test_a_short_sequence_keeps_what_it_can_tell():
    sample = _cameras(20)
    found = {number.metric: number for number in StrictTrajectory(segments=(1e6,))(sample).numbers}
    assert found["ate"].status is found["rpe_translation/10"].status is Status.OK
    for name in ("rpe_translation/50", "drift", "segment_translation_percent"):
        assert found[name].status is Status.TOO_SHORT
    one = StrictTrajectory()(_cameras(1))
    assert {number.status for number in one.numbers} == {Status.TOO_SHORT}


def test_depth_numbers_are_those_of_the_functions():
    predicted, truth = _depth()
    found, errors = StrictDepth()(DepthPixels.of(predicted, truth)), depth_errors(predicted, truth, MedianScale())
    assert found.value("depth_abs_rel/median") == errors.abs_rel
    assert found.value("depth_delta_125_3/median") == errors.delta_125_3
    assert found.value("depth_scale/median") == errors.scale
    assert found.value("depth_pixels") == truth.size


def test_bad_depth_has_a_status():
    predicted, truth = _depth()
    nowhere = DepthPixels.of(predicted, 0 * truth)
    for measure in (StrictDepth(), OfficialDepth()):
        assert {number.status for number in measure(nowhere).numbers} == {Status.INVALID_TRUTH}
    found = {number.metric: number for number in StrictDepth()(DepthPixels.of(-predicted, truth)).numbers}
    assert found["depth_abs_rel/median"].status is Status.NON_FINITE
    assert "behind the camera" in found["depth_abs_rel/median"].note
    assert found["depth_abs_rel/metric"].value > 1
    assert found["depth_scale_log_std"].status is Status.TOO_SHORT
    predicted[0, 0, 0] = np.nan
    broken = StrictDepth()(DepthPixels.of(predicted, truth))
    assert {number.status for number in broken.numbers} == {Status.NON_FINITE}
    assert broken.numbers[0].note == "1 of 144 predicted depths are not finite"
    published = {n.metric: n for n in OfficialDepth()(DepthPixels.of(predicted, truth)).numbers}
    assert published["official/depth_abs_rel/metric"].status is Status.NON_FINITE
    assert published["official/depth_delta_125/metric"].status is Status.OK  # a NaN is "not within"


def test_points_after_each_alignment():
    exact = _scene()
    measure = StrictPoints(voxel=0.02)
    found = measure(exact)
    for name in ("metric", "umeyama", "icp"):
        assert found.value(f"points_f_score_0.01/{name}") == 1
        assert found.value(f"points_accuracy/{name}") < 1e-5
    scaled = SceneViews(exact.points_world, exact.valid, exact.camera_to_world, 0.8 * exact.predicted)
    found = measure(scaled)
    assert found.value("points_accuracy/metric") > 0.1
    assert found.value("points_accuracy/umeyama") < 1e-5
    assert found.value("points_f_score_0.01/metric") < 0.5


def test_bad_points_have_a_status():
    good = _scene()
    lost = SceneViews(good.points_world, torch.zeros_like(good.valid), good.camera_to_world, good.predicted)
    broken = SceneViews(good.points_world, good.valid, good.camera_to_world, good.predicted * math.nan)
    flat = SceneViews(good.points_world, good.valid, good.camera_to_world, 0 * good.predicted)
    for measure in (StrictPoints(voxel=0.05), OfficialPoints()):
        assert {number.status for number in measure(lost).numbers} == {Status.INVALID_TRUTH}
        assert {number.status for number in measure(broken).numbers} == {Status.NON_FINITE}
    found = {number.metric: number.status for number in StrictPoints(voxel=0.05)(flat).numbers}
    assert found["points_accuracy/umeyama"] is Status.DEGENERATE
    assert found["points_accuracy/metric"] is Status.OK
