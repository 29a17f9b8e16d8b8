"""The experiment on procedural worlds: prefixes, controls and questions, checked against plain forms and closed cases."""

import csv
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

import ttt3r
from ttt3r.cli import main
from ttt3r.data.procedural import ClipTruth, LookAround, WorldConfig, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, NANO_WORLD
from ttt3r.evaluation.metrics.intervals import mean_interval, pooled_ratio_interval, ratio_interval
from ttt3r.evaluation.report.writing import make_report
from ttt3r.evaluation.results.knowing_nothing import (
    ANOTHER_SCENE,
    KNOWS_NOTHING,
    MEAN_DEPTH,
    NO_MOTION,
    NOTHING_SEEN,
    SCENE_AVERAGE,
)
from ttt3r.evaluation.worlds.forgetting import (
    RecallScores,
    ask_recall,
    frames_since_seen,
    questions_after,
    with_controls,
)
from ttt3r.evaluation.worlds.plots import recall_intervals
from ttt3r.evaluation.worlds.rows import units_of
from ttt3r.evaluation.worlds.running import score_worlds
from ttt3r.evaluation.worlds.scores import WINDOW, WorldScores, mean_depth_image
from ttt3r.evaluation.worlds.study import WorldPlan, run_study
from ttt3r.evaluation.worlds.tables import tables_of
from ttt3r.geometry import rotation_degrees
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.types import Frame, Outputs
from ttt3r.update_rules import RULES

WORLD = WorldConfig(path=LookAround(speed=(0.0, 0.0), turn=(20.0, 20.0)), rooms=(1, 1), field_of_view=(75.0, 75.0))


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


@pytest.fixture(scope="module")
def truth():
    return ClipTruth.of(sample_clips(WORLD, batch=3, frames=14, seed=2))


def some(*names):
    return {name: RULES[name]() for name in names}


def test_scores_are_those_of_a_plain_run(network, truth):
    scores, summaries = score_worlds(network, some("cut3r", "ttt3r"), truth, [2, 12])
    steps = list(rollout(Reconstructor(network, RULES["ttt3r"]()), (Frame(image=i) for i in truth.image[:12])))
    cameras = torch.stack([camera for step in steps if (camera := step.reconstruction.camera_to_world) is not None])
    errors = rotation_degrees(cameras, truth.camera_to_world[:12])
    expected = torch.stack([errors[1], errors[12 - WINDOW :].mean(dim=0)])
    np.testing.assert_allclose(scores.rotation_degrees["ttt3r"], expected.detach().numpy(), rtol=1e-3, atol=1e-2)
    still = rotation_degrees(torch.eye(4).expand(12, 3, 4, 4), truth.camera_to_world[:12])[12 - WINDOW :].mean(dim=0)
    np.testing.assert_allclose(scores.rotation_degrees[NO_MOTION][1], still.numpy(), rtol=1e-4)
    gains = torch.stack([step.gain.mean(dim=(1, 2)) for step in steps[1:]]).mean(dim=0)
    np.testing.assert_allclose(scores.gain["ttt3r"][1], gains.detach().numpy(), rtol=1e-4)
    assert summaries["ttt3r"][1].gain_mean == pytest.approx(float(gains.mean()), rel=1e-4)
    assert scores.gain["cut3r"] == pytest.approx(1)


def test_a_prefix_equals_a_shorter_run_and_worlds_can_be_joined(network, truth):
    long, _ = score_worlds(network, some("ttt3r"), truth, [4, 10])
    short, _ = score_worlds(network, some("ttt3r"), truth, [4])
    np.testing.assert_allclose(long.ate["ttt3r"][0], short.ate["ttt3r"][0], rtol=1e-4)
    both = WorldScores.joined([long, long])
    assert both.depth_abs_rel["ttt3r"].shape == (2, 6)
    more, _ = score_worlds(network, some("cut3r"), truth, [4, 10])
    assert list(long.with_rules(more).ate) == ["ttt3r", NO_MOTION, "cut3r"]


def test_the_mean_depth_image_scores_as_by_hand(network, truth):
    mean = mean_depth_image(truth)
    scores, _ = score_worlds(network, some("frozen"), truth, [2])
    scores = scores.with_mean_depth(mean, truth)
    depth = truth.points_camera[1, 0, ..., 2].numpy()
    scale = np.sort((depth / mean.numpy()).ravel())[(depth.size - 1) // 2]  # the lower middle, as torch has it
    expected = (np.abs(scale * mean.numpy() - depth) / depth).mean()
    assert scores.depth_abs_rel[MEAN_DEPTH][0, 0] == pytest.approx(expected, rel=1e-4)


def test_lengths_that_cannot_be_judged_are_refused(network, truth):
    with pytest.raises(ValueError, match="make longer clips"):
        score_worlds(network, some("cut3r"), truth, [15])
    with pytest.raises(ValueError, match="at least 2 frames"):
        score_worlds(network, some("cut3r"), truth, [1, 4])


def test_a_view_is_last_seen_when_the_camera_looks_that_way(truth):
    """On the spot, a view is in sight as long as the camera has turned by less than about half its field of view."""
    for index in (0, 3, 7):
        since = frames_since_seen(truth, index, 14)
        turned = rotation_degrees(
            truth.camera_to_world[index:14], truth.camera_to_world[index].expand(14 - index, 3, 4, 4)
        )
        for world in range(3):
            last = 13 - int(since[world])
            assert turned[last - index, world] < 50
            assert (turned[last - index + 1 :, world] > 25).all()
    assert (frames_since_seen(truth, 13, 14) == 0).all()


def test_questions_reach_back_to_the_first_frame():
    assert questions_after(1) == (0,)
    assert questions_after(8) == (0, 3, 5, 6, 7)
    assert questions_after(512)[:2] == (0, 255)


def test_answers_equal_single_questions_and_controls_know_another_world(network, truth):
    model = Reconstructor(network, RULES["cut3r"]())
    *_, last = rollout(model, (Frame(image=image) for image in truth.image[:5]))
    everyone = with_controls(network, {"cut3r": last.memory})
    assert list(everyone) == ["cut3r", ANOTHER_SCENE, NOTHING_SEEN]
    scores = ask_recall(network, everyone, truth, 5, [1, 4])
    with torch.no_grad():
        answer = model.query(last.memory, truth.ray_map[1])
    image = truth.image[1].permute(0, 2, 3, 1)
    error = (answer.color - image).square().mean(dim=(1, 2, 3))
    spread = (image - image.mean(dim=(1, 2), keepdim=True)).square().mean(dim=(1, 2, 3))
    np.testing.assert_allclose(scores.color_error["cut3r"][0], error.numpy(), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(scores.variance[0], spread.numpy(), rtol=1e-3)
    only_first = np.array([[True] * 3, [False] * 3])
    np.testing.assert_allclose(
        scores.explained("cut3r", only_first), (1 - error / spread).numpy(), rtol=1e-3, atol=1e-3
    )
    assert torch.equal(everyone[ANOTHER_SCENE].state[1], last.memory.state[0])
    constant = (truth.image[:5].mean(dim=(0, 3, 4))[:, None, None, :] - image).square().mean(dim=(1, 2, 3))
    np.testing.assert_allclose(scores.color_error[SCENE_AVERAGE][0], constant.numpy(), rtol=1e-3)
    assert np.isnan(scores.points[SCENE_AVERAGE]).all()


@pytest.mark.parametrize(("frames", "reset", "began"), [(8, 3, 5), (7, 3, 5), (6, 3, 5), (3, None, 0), (9, 9, 8)])
def test_a_restarted_memory_is_asked_as_one_that_began_there(network, frames, reset, began):
    """The oracle is the clip cut at the boundary: its truth has that frame's world and unit, and its memory no resets."""
    clip = sample_clips(WORLD, batch=3, frames=9, seed=4)
    truth, cut = ClipTruth.of(clip), ClipTruth.of(clip.select(slice(began, None)))
    model = Reconstructor(network, RULES["ttt3r"]())
    *_, last = rollout(model, (Frame(image=image) for image in truth.image[:frames]), reset_every=reset)
    *_, alone = rollout(model, (Frame(image=image) for image in truth.image[began:frames]))
    found = ask_recall(network, with_controls(network, {"ttt3r": last.memory}), truth, frames, range(began, frames))
    expected = ask_recall(network, {"ttt3r": alone.memory}, cut, frames - began, range(frames - began))
    np.testing.assert_allclose(found.color_error["ttt3r"], expected.color_error["ttt3r"], rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(found.unseen, expected.unseen)
    with torch.no_grad():  # points, by hand: moved into the first view's world, in its unit
        answer = model.query(alone.memory, cut.ray_map[0]).points_world
        assert answer is not None
    unit = truth.points_camera[began].norm(dim=-1).mean(dim=(1, 2))
    place = truth.camera_to_world[began]
    moved = torch.einsum("bij,bhwj->bhwi", place[:, :3, :3], unit[:, None, None, None] * answer)
    moved = moved + place[:, None, None, :3, 3]
    where = truth.points_world[began]
    error = ((moved - where).norm(dim=-1) / (1 + where.norm(dim=-1))).mean(dim=(1, 2))
    np.testing.assert_allclose(found.points["ttt3r"][0], error.numpy(), rtol=1e-3)


def test_recall_after_resets_of_the_bundled_network():
    """The memory holds the five frames of its last chunk, and no more."""
    model = Reconstructor(ttt3r.load_network("nano"), RULES["ttt3r"]())
    truth = ClipTruth.of(sample_clips(NANO_WORLD, batch=16, frames=60, seed=HELD_OUT_SEED))
    *_, last = rollout(model, (Frame(image=image) for image in truth.image), reset_every=8, outputs=Outputs.CAMERA)
    asked = ask_recall(model.network, {"ttt3r@8": last.memory}, truth, 60, [59, 57, 56, 55])
    found = 1 - asked.color_error["ttt3r@8"].sum(axis=1) / asked.variance.sum(axis=1)
    assert found == pytest.approx([0.51, 0.30, 0.15, 0.03], abs=0.012)


def test_groups_are_even_and_no_world_stands_alone():
    assert WorldPlan(worlds=9).groups == ((0, 4), (4, 5))
    assert WorldPlan(worlds=32).groups == tuple((8 * group, 8) for group in range(4))
    for worlds in range(2, 40):
        groups = WorldPlan(worlds=worlds).groups
        assert sum(batch for _, batch in groups) == worlds
        assert all(2 <= batch <= 8 for _, batch in groups)
    with pytest.raises(ValueError, match="at least 2"):
        WorldPlan(worlds=1)
    with pytest.raises(ValueError, match="lengths"):
        WorldPlan(lengths=(1, 8))


def test_groups_run_side_by_side_and_give_what_each_gives_alone(network, monkeypatch):
    monkeypatch.setattr("ttt3r.evaluation.worlds.study.GROUP", 2)
    plan = WorldPlan(worlds=6, lengths=(3, 4), world=WORLD)
    alone = run_study(network, some("ttt3r"), plan)
    at_work, frames = set(), []
    together = threading.Barrier(2, timeout=60)  # broken after a minute if nobody else is at work

    def note(count):
        if threading.get_ident() not in at_work:
            at_work.add(threading.get_ident())
            together.wait()
        frames.append(count)

    torch.set_num_threads(2)
    try:
        both = run_study(network, some("ttt3r"), plan, on_frame=note)
    finally:
        torch.set_num_threads(1)
    assert len(at_work) == 2
    assert sum(frames) == 6 * 4
    np.testing.assert_array_equal(both.scores.ate["ttt3r"], alone.scores.ate["ttt3r"])
    np.testing.assert_array_equal(both.asked[1].color_error["ttt3r"], alone.asked[1].color_error["ttt3r"])


def test_a_study_in_groups_is_that_of_one_group_and_its_controls_have_the_gates_gain(network, monkeypatch):
    plan = WorldPlan(worlds=4, lengths=(3, 5), world=WORLD)
    rules = some("cut3r", "ttt3r")
    whole = run_study(network, rules, plan)
    monkeypatch.setattr("ttt3r.evaluation.worlds.study.GROUP", 2)
    parts = run_study(network, rules, plan)
    np.testing.assert_allclose(parts.scores.ate["ttt3r"], whole.scores.ate["ttt3r"], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        parts.asked[1].explained("cut3r"), whole.asked[1].explained("cut3r"), rtol=1e-3, atol=1e-4
    )
    controls = run_study(network, rules, plan, controls=True)
    gate = ["control of ttt3r", "control of ttt3r+pose", "token mean of ttt3r"]
    assert list(controls.scores.gain) == [*rules, *gate, "stride:k=2", "frozen", "1/t"]
    assert controls.control_of == {"control of ttt3r": "ttt3r", "control of ttt3r+pose": "ttt3r+pose"}
    mean = parts.scores.gain["ttt3r"][-1].mean()
    for control in gate[:2]:
        np.testing.assert_allclose(controls.scores.gain[control], mean, rtol=1e-6)
    # The controls restart as their gate does; the plain average does not.
    resets = run_study(network, rules, plan, resets={"ttt3r": 2}, controls=True)
    ages = {name: summaries[-1].memory_age for name, summaries in resets.gain_summaries.items()}
    assert max(ages[name] for name in (*gate, "stride:k=2")) < ages["1/t"] == pytest.approx(2)
    units = units_of(whole, {})
    assert len(units) == (2 + len(KNOWS_NOTHING)) * 4
    rows = {(row.rule, row.metric, row.length, row.sequence): row.value for unit in units for row in unit.rows}
    clip = ClipTruth.of(sample_clips(WORLD, batch=4, frames=5, seed=plan.seed))
    away = clip.camera_to_world[:, 1, :3, 3] - clip.camera_to_world[:, 1, :3, 3].mean(dim=0)
    assert rows[NO_MOTION, "ate_per_first_view", 5, "world 001"] == pytest.approx(
        float(away.square().sum(1).mean().sqrt())
    )
    assert rows["ttt3r", "recall_color", 5, "world 002"] == pytest.approx(whole.asked[1].explained("ttt3r")[2])


def test_numbers_of_worlds_say_which_worlds_they_are_of_and_in_which_unit(network):
    rules, world = some("cut3r"), replace(WORLD, rooms=(1, 2))
    plans = [WorldPlan(2, (3,), WORLD), WorldPlan(2, (3,), WORLD, seed=1), WorldPlan(2, (3,), world)]
    studies = [run_study(network, rules, plan) for plan in plans]
    assert [study.plan for study in studies] == plans
    units = [units_of(study, {}) for study in studies]
    hashes = [{row.protocol_hash for unit in some for row in unit.rows} for some in units]
    assert len(set.union(*hashes)) == 3  # another seed, another world: other numbers
    assert {
        row.protocol_hash for unit in units_of(run_study(network, rules, plans[0]), {}) for row in unit.rows
    } == hashes[0]
    with pytest.raises(ValueError, match=r"other worlds \(world and world, seeds .* and 1\)"):
        studies[0].with_rules(studies[1])
    labels = {metric.name: metric.label for metric in units[0][0].metrics}
    assert labels["ate_per_first_view"] == "ATE / first view"
    assert {row.metric for unit in units[0] for row in unit.rows} <= set(labels)
    headings = [column.heading for table in tables_of(studies[0])[1:2] for column in table.columns]
    assert headings == ["frames", "rule", "rotation deg", "translation / first view", "ATE / first view", "AbsRel"]
    report = make_report(units[0])
    assert not [column.heading for table in report.tables for column in table.columns if column.heading.endswith(" m")]


def test_recall_is_sorted_into_bins():
    unseen, variance = np.array([[0, 40], [2, 40]]), np.array([[1.0, 3.0], [1.0, 1.0]])
    asked = RecallScores(9, (1, 2), unseen, variance, {"a": np.array([[0.0, 1.0], [0.5, 1.0]])}, {})
    found = recall_intervals([asked], "a")
    assert [found[0].mean, found[1].mean] == [1.0, 0.5]
    assert found[5].mean == 0.5  # errors of 2 over variances of 4: not the mean of 2/3 and 0
    assert found[0].count == 1
    both = recall_intervals([asked, RecallScores(9, (1,), unseen[:1] * 0, variance[:1], {"a": variance[:1]}, {})], "a")
    assert both[0].mean == pytest.approx(1 - 4 / 5)  # over both worlds: errors of 0 + 4, variances of 1 + 4
    assert both[0].count == 2


def test_the_interval_of_a_pooled_ratio_is_that_of_a_mean_where_denominators_are_alike_and_covers_the_truth():
    generator = np.random.default_rng(0)
    values = generator.normal(1.0, 2.0, 12)
    alike, plain = pooled_ratio_interval(3 * values, np.full(12, 3.0)), mean_interval(values)
    assert (alike.mean, alike.half, alike.count) == pytest.approx((plain.mean, plain.half, 12))
    hits = 0
    for _ in range(400):
        sizes = generator.lognormal(0, 0.7, 25)
        found = pooled_ratio_interval(sizes * generator.normal(0.4, 0.3, 25), sizes)
        hits += found.low <= 0.4 <= found.high
    assert 0.9 < hits / 400 < 0.99
    assert np.isnan(pooled_ratio_interval(np.ones(1), np.ones(1)).half)


def test_intervals_are_those_of_scipy():
    from scipy import stats

    values = np.random.default_rng(0).normal(1.0, 2.0, 12)
    found = mean_interval(np.append(values, np.nan))
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.count == 12
    assert np.isnan(mean_interval(np.array([1.0])).half)
    ratio, low, high = ratio_interval(values**2 + 4, values**2 + 2)
    assert low < ratio < high


def test_the_command_writes_tables_and_pictures(tmp_path, capsys):
    words = "compare worlds --network tiny-random --device cpu --rules cut3r,ttt3r,ttt3r@3 --worlds 3 --lengths 4,6 --controls"
    assert main([*words.split(), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "token mean of ttt3r" in printed
    assert "trained in metres with rays of the form official" in " ".join(printed.split())
    with open(tmp_path / "out" / "worlds.csv") as file:
        rows = list(csv.DictReader(file))
    assert {row["rule"] for row in rows} >= {"cut3r", "ttt3r@3", "control of ttt3r", "1/t", NO_MOTION, MEAN_DEPTH}
    assert len([row for row in rows if row["rule"] == "ttt3r"]) == 2 * 3
    for name in ("errors", "differences", "recall", "forgetting"):
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 10_000
    with open(tmp_path / "out" / "recall.csv") as file:
        assert {row["memory"] for row in csv.DictReader(file)} >= {ANOTHER_SCENE, NOTHING_SEEN, SCENE_AVERAGE, "1/t"}
    assert main([*words.replace("ttt3r@3", "ttt3r@x").split()]) == 2
    page = (tmp_path / "out/report/report.html").read_text()
    for name in KNOWS_NOTHING:
        assert f">{name}</li>" in page  # in the legend, and so in the figures
        assert f'data-value="{name}">' in page
        assert name in (tmp_path / "out/tables.md").read_text()
    assert "ATE / first view" in page
    assert "ATE m" not in page
    first, *rest = (tmp_path / "out/summary.md").read_text().splitlines()
    assert (
        first == "<!-- ttt3r compare worlds --network tiny-random --rules cut3r,ttt3r,ttt3r@3 --worlds 3 --world video "
        "--lengths 4,6 --controls -->"
    )
    assert any(line.startswith("| no motion |") for line in rest)
