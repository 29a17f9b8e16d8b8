"""Rules side by side: one pass equals many, prefixes equal shorter runs, and every number comes out by another way."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ttt3r.data import Clip, CropToPatches, Sampling, StretchToPatches, open_clip, open_source, write_demo_sequence
from ttt3r.data.sequences.clip import DepthFiles
from ttt3r.evaluation.engine.compare import compare
from ttt3r.evaluation.measures.trajectory import Cameras, StrictTrajectory
from ttt3r.evaluation.report.writing import ReportSettings, make_report
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.types import Reconstruction
from ttt3r.update_rules import RULES, ConstantRate

POLICY = CropToPatches(64)
FIELDS = ("ate", "rpe_translation", "rpe_rotation_degrees", "depth_abs_rel", "gain_mean", "gain_std")


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    return write_demo_sequence(tmp_path_factory.mktemp("compare") / "room", frames=8, size=(80, 60))


@pytest.fixture(scope="module")
def clip(sequence):
    return open_clip(sequence, policy=POLICY)


def some(*names):
    return {name: RULES[name]() for name in names}


def equal(a, b):
    """Two rows agree in every number but the time, up to float noise."""
    for field in FIELDS:
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), rtol=2e-4, atol=1e-6, err_msg=field)


def test_all_rules_in_one_pass_equal_separate_runs(network, clip):
    together = compare(network, some("cut3r", "ttt3r", "constant"), [clip])
    assert [row.rule for row in together.rows] == ["cut3r", "ttt3r", "constant"]
    for row in together.rows:
        equal(row, compare(network, some(row.rule), [clip]).rows[0])
        assert 0 < row.seconds_per_frame < 5


def test_prefixes_equal_separate_shorter_runs(network, clip, sequence):
    long = compare(network, some("ttt3r"), [clip], lengths=[3, 5, 100], reset_every=4)
    assert [row.frames for row in long.rows] == [3, 5, 8]
    for row in long.rows:
        part = open_clip(sequence, policy=POLICY, sampling=Sampling(stop=row.frames))
        equal(row, compare(network, some("ttt3r"), [part], reset_every=4).rows[0])


def test_only_as_many_frames_are_read_as_are_judged(network, clip):
    seen = []
    compare(network, some("frozen"), [clip], lengths=[3], on_frame=lambda name, steps: seen.append(name))
    assert seen == ["room"] * 3


def test_trajectory_numbers_are_those_of_evo(network, clip):
    metrics = pytest.importorskip("evo.core.metrics")
    trajectory = pytest.importorskip("evo.core.trajectory")
    result = compare(network, some("ttt3r"), [clip])
    truth = trajectory.PosePath3D(poses_se3=list(result.truth["room"]))
    found = trajectory.PosePath3D(poses_se3=list(result.cameras["room", "ttt3r"]))
    found.align(truth, correct_scale=True)
    absolute = metrics.APE(metrics.PoseRelation.translation_part)
    absolute.process_data((truth, found))
    np.testing.assert_allclose(result.rows[0].ate, absolute.get_statistic(metrics.StatisticsType.rmse), rtol=1e-6)
    for relation, value in (
        (metrics.PoseRelation.translation_part, result.rows[0].rpe_translation),
        (metrics.PoseRelation.rotation_angle_deg, result.rows[0].rpe_rotation_degrees),
    ):
        relative = metrics.RPE(relation, delta=1, delta_unit=metrics.Unit.frames, all_pairs=False)
        relative.process_data((truth, found))
        np.testing.assert_allclose(value, relative.get_statistic(metrics.StatisticsType.rmse), rtol=1e-4)


def test_depth_and_gain_by_hand(network, sequence):
    # Stretched, so that every true pixel is seen; small enough that every pixel is judged.
    clip = open_clip(sequence, policy=StretchToPatches(64))
    row = compare(network, some("ttt3r"), [clip]).rows[0]
    predicted, truth, gains = [], [], []
    images = (frame.image for frame in clip.source)
    for index, step in enumerate(rollout(Reconstructor(network, RULES["ttt3r"]()), images)):
        measured = clip.depth(index)
        depth = torch.nn.functional.interpolate(step.reconstruction.depth[None], measured.shape, mode="bicubic")[0, 0]
        predicted.append(depth.numpy()[measured > 0])
        truth.append(measured[measured > 0])
        if index > 0:
            gains.append(step.gain.numpy().ravel())
    p, g = np.sort(np.concatenate(predicted)), np.sort(np.concatenate(truth))
    scale = g[(len(g) - 1) // 2] / p[(len(p) - 1) // 2]
    errors = np.abs(scale * np.concatenate(predicted) - np.concatenate(truth)) / np.concatenate(truth)
    np.testing.assert_allclose(row.depth_abs_rel, errors.mean(), rtol=1e-4)
    np.testing.assert_allclose(row.gain_mean, np.concatenate(gains).mean(), rtol=1e-5)
    np.testing.assert_allclose(row.gain_std, np.concatenate(gains).std(), rtol=1e-3)


class Ramp:
    """A network whose depth is a ramp over the columns of what it sees: 1 m at the left edge, 2 m at the right."""

    def __init__(self, network):
        self._network = network
        self.initial_memory, self.encode, self.propose = network.initial_memory, network.encode, network.propose

    def readout(self, features, outputs):
        answer = self._network.readout(features, outputs)
        batch, height, width, _ = answer.points_camera.shape
        depth = 1 + (torch.arange(width) + 0.5) / width
        points = torch.zeros(batch, height, width, 3)
        points[..., 2] = depth
        return Reconstruction(answer.camera_to_world, points, torch.ones(batch, height, width))


@pytest.mark.parametrize("policy", [CropToPatches(64), StretchToPatches(64)])
def test_true_depth_is_cut_to_what_the_prepared_frame_shows(network, tmp_path, policy):
    """Closed form: the truth is a ramp over exactly the columns that the policy keeps, nonsense beside them."""
    folder, (width, height) = tmp_path, (200, 60)  # far too wide: a crop takes the margins off
    plan = policy.plan(width, height)
    scale = plan.original[0] / plan.resized[0]
    left, right = round(plan.box[0] * scale), round(plan.box[2] * scale)
    column = np.arange(width)
    depth = np.where((column >= left) & (column < right), 2 * (1 + (column - left + 0.5) / (right - left)), 900.0)
    for i in range(3):
        Image.new("RGB", (width, height), (80 * i, 0, 0)).save(folder / f"{i}.png")
        raw = np.broadcast_to(np.round(depth * 70), (height, width)).astype(np.uint16)
        Image.fromarray(raw).save(folder / f"depth{i}.png")
    source = open_source([folder / f"{i}.png" for i in range(3)], policy=policy)
    truth = np.tile(np.eye(4), (3, 1, 1))
    depths = DepthFiles(tuple(folder / f"depth{i}.png" for i in range(3)), 70.0)
    clip = Clip("ramp", source, np.arange(3.0), truth, None, depths, policy)
    row = compare(Ramp(network), some("cut3r"), [clip]).rows[0]
    assert row.depth_abs_rel < 0.01  # rounding of the truth, and the ends of the bicubic kernel
    assert row.note  # the true cameras all stand in one place: no alignment
    assert math.isnan(row.ate)


def test_a_skipped_frame_keeps_cameras_and_truth_in_step(network, tmp_path):
    folder = write_demo_sequence(tmp_path / "room", frames=6, size=(80, 60))
    broken = sorted((folder / "rgb").iterdir())[2]
    broken.write_bytes(b"")
    clip = open_clip(folder, policy=POLICY, skip_broken=True)
    result = compare(network, some("cut3r"), [clip], lengths=[4, 6])
    kept = [0, 1, 3, 4, 5]
    assert [row.frames for row in result.rows] == [4, 5]
    np.testing.assert_array_equal(result.truth["room"], clip.camera_to_world[kept])
    np.testing.assert_array_equal(result.timestamps["room"], clip.timestamps[kept])
    assert len(result.cameras["room", "cut3r"]) == 5
    assert math.isfinite(result.rows[1].depth_abs_rel)


def test_without_depth_the_number_is_missing_and_the_rest_is_there(network, sequence, tmp_path):
    source = open_clip(sequence, policy=POLICY)
    bare = Clip("bare", source.source, source.timestamps, source.camera_to_world)
    row = compare(network, some("ttt3r"), [bare]).rows[0]
    assert math.isnan(row.depth_abs_rel)
    assert math.isfinite(row.ate)


def unknown(clip, *frames, value=np.nan):
    cameras = clip.camera_to_world.copy()
    cameras[list(frames)] = value
    return replace(clip, camera_to_world=cameras)


@pytest.mark.parametrize(("frames", "value"), [((3,), np.nan), ((0, 5), -np.inf), ((7,), np.inf)])
def test_frames_without_a_true_pose_are_left_out_as_an_evaluation_does(network, clip, frames, value):
    clip = unknown(clip, *frames, value=value)
    result = compare(network, some("cut3r", "ttt3r"), [clip], lengths=[3, 8])
    for row in result.rows:
        predicted, truth = result.cameras["room", row.rule][: row.frames], clip.camera_to_world[: row.frames]
        judged = StrictTrajectory(distances=(1,))(Cameras(predicted, truth))
        missing = sum(frame < row.frames for frame in frames)
        if row.frames - missing < 3:
            assert math.isnan(row.ate)
        else:
            for name in ("ate", "rpe_translation", "rpe_rotation_degrees"):
                assert getattr(row, name) == judged.value(name)
        assert (f"{missing} of {row.frames} frames have no true pose and are left out" in row.note) == (missing > 0)
        assert math.isfinite(row.depth_abs_rel)
    whole = compare(network, some("cut3r", "ttt3r"), [unknown(clip)], lengths=[3, 8])
    for row, same in zip(result.rows, whole.rows, strict=True):
        assert (row.depth_abs_rel, row.gain_mean) == (same.depth_abs_rel, same.gain_mean)


def test_the_error_of_the_known_frames_is_that_of_evo(network, clip):
    metrics = pytest.importorskip("evo.core.metrics")
    trajectory = pytest.importorskip("evo.core.trajectory")
    result = compare(network, some("ttt3r"), [unknown(clip, 2, 4)])
    known = [0, 1, 3, 5, 6, 7]
    truth = trajectory.PosePath3D(poses_se3=list(result.truth["room"][known]))
    found = trajectory.PosePath3D(poses_se3=list(result.cameras["room", "ttt3r"][known]))
    found.align(truth, correct_scale=True)
    absolute = metrics.APE(metrics.PoseRelation.translation_part)
    absolute.process_data((truth, found))
    np.testing.assert_allclose(result.rows[0].ate, absolute.get_statistic(metrics.StatisticsType.rmse), rtol=1e-6)
    moves = []  # of 0-1, 5-6, 6-7: the others are no neighbours
    for i in (0, 3, 4):
        step = np.linalg.inv(truth.poses_se3[i]) @ truth.poses_se3[i + 1]
        guess = np.linalg.inv(found.poses_se3[i]) @ found.poses_se3[i + 1]
        moves.append((np.linalg.inv(step) @ guess)[:3, 3])
    np.testing.assert_allclose(result.rows[0].rpe_translation, np.sqrt(np.square(moves).sum(axis=1).mean()), rtol=1e-4)


def test_a_clip_whose_poses_are_all_unknown_has_gains_and_depth(network, clip):
    row = compare(network, some("ttt3r"), [unknown(clip, *range(8))]).rows[0]
    assert math.isnan(row.ate)
    assert "8 of 8 frames have no true pose" in row.note
    assert math.isfinite(row.depth_abs_rel)
    alternate = compare(network, some("ttt3r"), [unknown(clip, 1, 3, 5, 7)]).rows[0]
    assert math.isfinite(alternate.ate)
    assert math.isnan(alternate.rpe_translation)
    assert "no two of the others are neighbours" in alternate.note


def test_a_clip_without_cameras_is_refused_before_the_first_frame(network, clip):
    seen = []
    bare = Clip("bare", clip.source, clip.timestamps)
    with pytest.raises(ValueError, match="bare has no true cameras"):
        compare(network, some("cut3r"), [clip, bare], on_frame=lambda *_: seen.append(1))
    assert not seen


def test_the_csv_holds_every_number_in_full(network, clip, tmp_path):
    result = compare(network, some("cut3r", "ttt3r"), [clip], lengths=[4, 8])
    result.write_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open() as file:
        read = list(csv.DictReader(file))
    assert len(read) == 4
    for row, line in zip(result.rows, read, strict=True):
        assert (line["clip"], line["rule"], int(line["frames"])) == (row.clip, row.rule, row.frames)
        assert [float(line[field]) for field in FIELDS] == [getattr(row, field) for field in FIELDS]


def test_a_report_is_made_of_a_comparison(network, clip, tmp_path):
    other = replace(clip, name="hall", camera_to_world=clip.camera_to_world[::-1].copy())
    result = compare(network, some("cut3r", "ttt3r"), [clip, other], lengths=[4, 8], controls=True)
    numbers = {(row.sequence, row.rule, row.length, row.metric): row.value for u in result.units for row in u.rows}
    for row in result.rows:
        assert numbers[row.clip, row.rule, row.frames, "depth_abs_rel/median"] == row.depth_abs_rel
        assert numbers[row.clip, row.rule, row.frames, "ate"] == row.ate
    report = make_report(result.units, ReportSettings(baseline="cut3r"))
    assert {"cut3r", "ttt3r", "control of ttt3r"} == {*report.results.rules}
    mean = np.mean([row.ate for row in result.rows if (row.rule, row.frames) == ("ttt3r", 8)])
    part = report.results.slices[0]
    assert report.means.value(part, "ttt3r", 8, "ate") == pytest.approx(mean, rel=1e-12)


def test_controls_are_constants_of_the_gates_mean_gain_and_reset_as_they_do(network, clip):
    rules = some("ttt3r", "cut3r", "constant")
    resets = {"ttt3r": 4, "cut3r": None}
    with_controls = compare(network, rules, [clip], lengths=[4, 8], reset_every=resets, controls=True)
    assert with_controls.rows[:6] == tuple(
        replace(row, seconds_per_frame=own.seconds_per_frame)
        for row, own in zip(
            compare(network, rules, [clip], lengths=[4, 8], reset_every=resets).rows,
            with_controls.rows[:6],
            strict=True,
        )
    )
    found = with_controls.rows[6:]
    gate = next(row for row in with_controls.rows if row.rule == "ttt3r" and row.frames == 8)
    assert [(row.rule, row.control_of, row.frames) for row in found] == [
        ("control of ttt3r", "ttt3r", 4),
        ("control of ttt3r", "ttt3r", 8),
    ]
    assert {row.control_of for row in with_controls.rows[:6]} == {""}
    np.testing.assert_allclose([row.gain_mean for row in found], gate.gain_mean, rtol=1e-6)
    alone = compare(network, {"c": ConstantRate(gate.gain_mean)}, [clip], lengths=[4, 8], reset_every=4)
    for row, same in zip(found, alone.rows, strict=True):
        equal(row, same)
    assert len(with_controls.gains["room", "control of ttt3r"]) == 8


def test_without_a_gate_there_is_no_second_pass(network, clip):
    seen = []
    result = compare(
        network, some("cut3r", "frozen"), [clip], lengths=[3], controls=True, on_frame=lambda *_: seen.append(1)
    )
    assert len(seen) == 3
    assert {row.rule for row in result.rows} == {"cut3r", "frozen"}


def test_the_books_stand_in_the_table(network, clip):
    row = compare(network, some("frozen"), [clip]).rows[0]
    assert (row.gain_mean, row.gain_std_tokens, row.gain_std_frames) == (0, 0, 0)
    assert (row.memory_age, row.drift) == (7, 0)
    assert row.norm_ratio == pytest.approx(1, abs=0.2)


def test_wrong_questions_are_refused(network, clip):
    with pytest.raises(ValueError, match="at least 2 frames"):
        compare(network, some("cut3r"), [clip], lengths=[1, 5])
    with pytest.raises(ValueError, match="two clips are called room"):
        compare(network, some("cut3r"), [clip, clip])
    bare = Clip("bare", clip.source, clip.timestamps)
    with pytest.raises(ValueError, match="bare has no true cameras"):
        compare(network, some("cut3r"), [bare])


@pytest.mark.shared
@pytest.mark.parametrize(
    "path", ["tum/rgbd_dataset_freiburg3_cabinet", "7scenes_layout/redkitchen", "rgbd_7scenes_redkitchen_0000_0159"]
)
def test_real_sequences_of_both_layouts_give_every_number(shared, network, path):
    clip = open_clip(shared / "data" / path, policy=CropToPatches(64))
    for row in compare(network, some("cut3r", "ttt3r"), [clip], lengths=[4]).rows:
        assert all(math.isfinite(getattr(row, field)) for field in FIELDS)
        assert row.note == ""
