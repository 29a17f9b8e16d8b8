"""Worlds by name: what results say of them, the standing controls, and paired differences at every length."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from ttt3r.cli import main
from ttt3r.cli.choosing import longest_clip
from ttt3r.data.procedural import NANO_WORLD, WORLDS
from ttt3r.evaluation.engine.contenders import Contender, contenders_of
from ttt3r.evaluation.measures.gains import GainSummary
from ttt3r.evaluation.results.knowing_nothing import MEAN_DEPTH, NO_MOTION
from ttt3r.evaluation.worlds.controls import standing_controls, with_pose
from ttt3r.evaluation.worlds.difference_plot import plot_differences
from ttt3r.evaluation.worlds.differences import differences
from ttt3r.evaluation.worlds.rows import units_of
from ttt3r.evaluation.worlds.scores import WorldScores
from ttt3r.evaluation.worlds.study import WorldPlan, WorldStudy
from ttt3r.evaluation.worlds.tables import paired_tables, tables_of
from ttt3r.training import nano_recipe
from ttt3r.update_rules import (
    TTT3R,
    Anneal,
    ConstantRate,
    Every,
    EveryNth,
    Frozen,
    FullOverwrite,
    Never,
    PoseDamped,
    RuleLabel,
    Stride,
    TokenMean,
)

LENGTHS, COUNT = (8, 16, 64), 12


def study_of(gains, plan=WorldPlan(COUNT, LENGTHS), effect=None):
    """A study of made-up numbers: rules by name with their mean gain, and how it varies over tokens."""
    draw = np.random.default_rng(0)
    shape = (len(plan.lengths), COUNT)
    base = draw.uniform(5, 10, shape)
    errors = {name: base + 0.1 * draw.normal(size=shape) for name in gains}
    for name, by_length in (effect or {}).items():
        errors[name] = errors[name] + np.array(by_length)[:, None]
    table = {name: np.full(shape, mean) for name, (mean, _) in gains.items()}
    nothing = {NO_MOTION: base + 20}
    scores = WorldScores(
        plan.lengths, errors | nothing, errors | nothing, errors | nothing, errors | {MEAN_DEPTH: base + 5}, table
    )
    summaries = {
        name: (GainSummary(9, mean, spread**2, 0.0),) * len(plan.lengths) for name, (mean, spread) in gains.items()
    }
    return WorldStudy(scores, (), summaries, {}, plan)


def test_results_of_different_worlds_are_never_taken_for_each_other():
    plans = [
        WorldPlan(COUNT, LENGTHS),
        WorldPlan(COUNT, LENGTHS, WORLDS["room"]),
        WorldPlan(COUNT, LENGTHS, NANO_WORLD),
        WorldPlan(COUNT, LENGTHS, seed=7),
        WorldPlan(COUNT, LENGTHS, speed=0.5),
        WorldPlan(COUNT, LENGTHS, speed=2.0),
    ]
    units = [units_of(study_of({"cut3r": (1.0, 0.0)}, plan), {"network": "n"}) for plan in plans]
    hashes = [{row.protocol_hash for unit in some for row in unit.rows} for some in units]
    assert [len(some) for some in hashes] == [1] * len(plans)
    assert len(set.union(*hashes)) == len(plans)
    scenes = [some[3].rows[0].scene for some in units]
    expected = ["video 003", "room 003", "tour 003", "video 003", "video at 0.5x 003", "video at 2x 003"]
    assert scenes == expected
    assert {row.sequence for unit in units[1] for row in unit.rows} == {f"room {world:03d}" for world in range(COUNT)}
    named = [dict(some[0].settings) for some in units]
    assert [(one["world"], one["seed"], one["speed"]) for one in named[2:5]] == [
        ("tour", "900000000", "1"),
        ("video", "7", "1"),
        ("video at 0.5x", "900000000", "0.5"),
    ]
    assert len({one["world_config"] for one in named}) == len(plans) - 1  # another seed, the same world
    assert {one["network"] for one in named} == {"n"}


def test_the_same_film_has_the_same_hash_whatever_it_is_called():
    slow = WorldPlan(COUNT, LENGTHS, NANO_WORLD, speed=1 / 3)
    assert slow.filmed == WORLDS["video"]
    hashes = {
        units_of(study_of({"cut3r": (1.0, 0.0)}, plan), {})[0].rows[0].protocol_hash
        for plan in (slow, WorldPlan(COUNT, LENGTHS))
    }
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--world vidoe", "no world 'vidoe'; did you mean video? the worlds are video, room, orbit, tour"),
        ("--world Tour", "did you mean tour?"),
        ("--world ''", "no world ''; the worlds are video"),
        ("--speed 0", "--speed must be a finite number above 0, got 0"),
        ("--speed .nan", "--speed must be a finite number above 0"),
        ("--speed 1000", "speed 1000 is too far from 1 for this world: speed factor="),
        ("--lengths 1,8", "lengths must be at least 2 frames each"),
        ("--worlds 1", "--worlds must be a whole number of at least 2"),
    ],
)
def test_what_cannot_be_filmed_is_refused_in_one_line(words, message, capsys):
    arguments = [word.replace("''", "") for word in words.split(" ")]
    assert main(["compare", "worlds", "--network", "tiny-random", "--rules", "cut3r", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_the_list_of_standing_controls():
    rules = {
        "cut3r": FullOverwrite(),
        "ttt3r": TTT3R(),
        "constant:rate=0.3": ConstantRate(0.3),
        "ttsa3r+pose=0.5@8": PoseDamped(RuleLabel.parse("ttsa3r").make(), 0.5),
    }
    gains = {
        "cut3r": (1.0, 0.0),
        "ttt3r": (0.61, 0.3),
        "constant:rate=0.3": (0.3, 0.0),
        "ttsa3r+pose=0.5@8": (0.21, 0.1),
    }
    asked, often = contenders_of(rules, {"ttsa3r+pose=0.5@8": 8}), Every(8)
    never = Never()
    found = standing_controls(asked, gains, 64)
    assert {one.label: (one.rule, one.control_of, one.reset) for one in found} == {
        "control of ttt3r": (ConstantRate(0.61), "ttt3r", never),
        "control of ttt3r+pose": (PoseDamped(ConstantRate(0.61)), "ttt3r+pose", never),
        "token mean of ttt3r": (TokenMean(TTT3R()), "", never),
        "control of ttsa3r+pose=0.5@8": (PoseDamped(ConstantRate(0.21), 0.5), "ttsa3r+pose=0.5@8", often),
        "token mean of ttsa3r+pose=0.5@8": (TokenMean(rules["ttsa3r+pose=0.5@8"]), "", often),
        "stride:k=2": (Stride(2), "", never),  # 1 / 0.61 is 1.6
        "stride:k=3": (Stride(3), "", never),
        "stride:k=5@8": (Stride(5), "", often),
        "frozen": (Frozen(), "", None),
        "1/t": (Anneal(ConstantRate(1.0), horizon=1.0), "", None),
    }


def test_controls_that_were_asked_for_or_mean_nothing_are_not_run():
    rules = {
        "ttt3r": TTT3R(),
        "ttt3r+pose": PoseDamped(TTT3R()),
        "frozen": Frozen(),
        "stride:k=2": Stride(2),
        "every third": EveryNth(FullOverwrite(), 3),
        "my gate": TTT3R(gradient=True),
    }
    gains = {
        "ttt3r": (0.5, 0.2),
        "ttt3r+pose": (0.55, 0.2),
        "frozen": (0.0, 0.0),
        "stride:k=2": (0.49, 0.5),
        "every third": (0.01, 0.1),
        "my gate": (float("nan"), float("nan")),  # it failed
    }
    found = {one.label: one.rule for one in standing_controls(contenders_of(rules, None), gains, 64)}
    assert found["control of ttt3r+pose"] == PoseDamped(ConstantRate(0.55))  # of its own gain, not of ttt3r's
    assert not [label for label in found if label.startswith("stride") or label == "frozen" or "my gate" in label]
    twice = [Contender("ttt3r", TTT3R()), Contender("ttt3r@8", TTT3R(), Every(8))]
    labels = [one.label for one in standing_controls(twice, {"ttt3r": (0.5, 0.2), "ttt3r@8": (0.4, 0.2)}, 64)]
    assert labels == ["control of ttt3r", "control of ttt3r+pose", "token mean of ttt3r", "stride:k=2", "frozen", "1/t"]
    assert with_pose("every third") == "every third+pose"
    assert "control of every third+pose" in found


def test_paired_tables_have_every_length_and_the_intervals_of_scipy():
    gains = {"cut3r": (1.0, 0.0), "better": (0.5, 0.1), "alike": (0.5, 0.1)}
    study = study_of(gains, effect={"better": (0.0, -3.0, 0.0)})
    scores = study.scores
    for row in range(len(LENGTHS)):
        found = differences(scores, scores.rotation_degrees)["better"][row]
        mean, low, high = scipy_interval(scores.rotation_degrees["better"][row] - scores.rotation_degrees["cut3r"][row])
        assert (found.interval.mean, found.interval.low, found.interval.high) == pytest.approx((mean, low, high))
    tables = paired_tables(scores)
    assert [[column.heading for column in table.columns] for table in tables] == [["rule", "8", "16", "64"]] * 4
    assert [table.title.split(": ")[1].split(",")[0] for table in tables] == [
        "rotation deg",
        "translation / first view",
        "ATE / first view",
        "AbsRel",
    ]
    rows = {row[0].text: row[1:] for row in tables[0].rows}
    assert list(rows) == ["better", "alike", NO_MOTION]
    assert [cell.sure for cell in rows["better"]] == [False, True, False]
    assert rows["better"][1].text.startswith(("-3.0", "-2.9"))
    assert [cell.sure for cell in rows["alike"]] == [False] * 3
    assert all(cell.sure for cell in rows[NO_MOTION])
    assert [row[0].text for row in tables[3].rows] == ["better", "alike", MEAN_DEPTH]


def scipy_interval(values):
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    return values.mean(), low, high


def test_many_rules_at_many_lengths_print_within_a_hundred_columns():
    lengths = (8, 16, 32, 64, 128, 256, 512)
    gains = {"cut3r": (1.0, 0.0), "learned_token:weights=runs/a/very/long/path.safetensors+pose=0.123@100": (0.5, 0.1)}
    from rich.console import Console

    for table in tables_of(study_of(gains, WorldPlan(COUNT, lengths), {"cut3r": (0, 50, 9, 99, 100, 100, 100)})):
        for part in table.rich(100):
            console = Console(width=200)
            with console.capture() as captured:
                console.print(part, width=100)
            assert max(map(len, captured.get().splitlines())) <= 100


def test_the_summary_is_bold_where_a_rule_is_surely_better_than_the_first():
    study = study_of({"cut3r": (1.0, 0.0), "a": (0.5, 0.1), "b": (0.5, 0.1)}, effect={"a": (0, -3, 0), "b": (0, 3, 0)})
    summary = tables_of(study)[0]
    assert {row[0].text: [cell.sure for cell in row[1:4]] for row in summary.rows} == {
        "cut3r": [False] * 3,
        "a": [False, True, False],
        "b": [False] * 3,
        NO_MOTION: [False] * 3,
        "scene average": [False] * 3,
    }
    assert summary.title == "At a glance: 12 held-out worlds (video), mean and 95 % interval"


def test_the_length_of_the_training_is_that_of_the_networks_own_recipe(tmp_path):
    (tmp_path / "network").mkdir()
    assert longest_clip(str(tmp_path / "network")) is None
    assert longest_clip("tiny-random") is None
    assert longest_clip("nano") == 8
    recipe = asdict(nano_recipe(0))
    (tmp_path / "recipe.txt").write_text(f"{json.dumps({'image_size': 64})}\ncut3r\n{recipe}\nNone\n")
    assert longest_clip(str(tmp_path / "network")) == max(stage["frames"][1] for stage in recipe["stages"])
    study = study_of({"cut3r": (1.0, 0.0)})
    assert "trained on at most 24 frames" in tables_of(study, 24)[1].caption
    assert "trained" not in tables_of(study)[1].caption


def test_differences_of_a_rule_without_numbers_can_be_shown(tmp_path):
    study = study_of({"cut3r": (1.0, 0.0), "a": (0.5, 0.1)})
    for table in (study.scores.rotation_degrees, study.scores.depth_abs_rel):
        table["a"][:] = np.nan
    assert [cell.text for cell in paired_tables(study.scores)[0].rows[0][1:]] == ["-"] * 3
    plot_differences(tmp_path / "differences.png", study.scores, None, ["cut3r", "a"])
    assert (tmp_path / "differences.png").stat().st_size > 10_000


def test_the_command_says_which_world_and_shows_every_length(tmp_path, capsys):
    out = tmp_path / "out"
    words = "compare worlds --network tiny-random --device cpu --rules cut3r,ttt3r+pose --worlds 2 --lengths 2,4,6"
    assert main([*words.split(), "--world", "orbit", "--speed", "2", "--controls", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "2 held-out worlds (orbit at 2x)" in " ".join(printed.split())
    assert "trained on at most" not in printed
    assert "--world orbit --speed 2 --lengths 2,4,6 --controls -->" in (out / "summary.md").read_text()
    assert (out / "differences.png").stat().st_size > 10_000
    page, text = (out / "report/report.html").read_text(), (out / "tables.md").read_text()
    for name in ("paired_rotation_degrees", "paired_ate_per_first_view"):
        assert f'id="table-{name}"' in page
        assert (out / f"report/{name}.csv").read_text().splitlines()[0] == "rule,2,4,6"
    assert "| control of ttt3r+pose |" in text
    assert "| stride:k=2 |" in text
    assert "orbit at 2x" in page
    assert not (out / "report/table.csv").read_text().count("world 000")
