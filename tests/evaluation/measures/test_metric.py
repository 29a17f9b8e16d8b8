"""Metrics declare themselves: what a number means is data, and a name means nothing."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from report_rows import row

import ttt3r
from ttt3r.data.procedural import sample_clips
from ttt3r.data.procedural.presets import NANO_WORLD
from ttt3r.data.procedural.recordings import write_tum
from ttt3r.evaluation import Cameras, Contender, Evaluation, Measure, Measurement, Metric, Protocol, evaluate
from ttt3r.evaluation.measures.base import measurement
from ttt3r.evaluation.measures.cost import CostMeter
from ttt3r.evaluation.measures.metric import Family
from ttt3r.evaluation.measures.trajectory import StrictTrajectory
from ttt3r.evaluation.measures.trajectory_official import OfficialTrajectory
from ttt3r.evaluation.protocols.sources import FolderSequences
from ttt3r.evaluation.protocols.table import PROTOCOLS
from ttt3r.evaluation.report.metrics import built_in, metric_named
from ttt3r.evaluation.report.writing import ReportSettings, make_report, write_report
from ttt3r.evaluation.results.files import read_results
from ttt3r.evaluation.results.format import BrokenResult, Content, parse, text_of
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.evaluation.tasks.cameras import CameraTask
from ttt3r.evaluation.tasks.gains import GainTask

NAMES = (
    *("ate_within_5cm", "ate/within", "ate", "official/share", "drift_free", "rpe_translation_kept", "gain_mean"),
    *(
        "depth_delta_mine",
        "depth_abs_rel/mine",
        "points_accuracy_error",
        "error",
        "Error rate",
        "accuracy",
        "1 - delta",
    ),
    *("seconds_per_frame_saved", "peak_memory_saved", "bytes", "recall", "精度", "精度/5cm", "a/b/c", "/", "=1+1"),
    *(
        "[bold]x",
        "a|b",
        "<b>",
        "x" * 200,
        "lower is better",
        "higher",
        "loss",
        "rmse",
        "$\\frac$",
        '"quoted"',
        "two\nlines",
    ),
)
"""Names that begin or end like those of this package, or look like a direction, a path, a formula or markup."""


def made(name, values, **declared):
    """Two rules on eight sequences: the value of `first` and of `second`, and some noise."""
    noise = np.linspace(-0.02, 0.02, 8)
    rows = [
        row(rule, i, name, value + noise[i] * (1 + n))
        for n, (rule, value) in enumerate(values.items())
        for i in range(8)
    ]
    return [UnitResult(tuple(rows), metrics=(Metric(name, **declared),))]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("higher_is_better", [True, False, None])
def test_the_better_rule_wins_whatever_the_metric_is_called(name, higher_is_better):
    units = made(name, {"cut3r": 0.2, "ttt3r": 0.9}, higher_is_better=higher_is_better)
    (verdict,) = make_report(units, ReportSettings(primary=name)).verdicts
    winner = {True: "ttt3r won", False: "cut3r won", None: "Nothing says whether"}[higher_is_better]
    assert verdict.headline.startswith(winner)
    assert verdict.sure == (higher_is_better is not None)


@pytest.mark.parametrize("name", NAMES)
def test_one_heading_one_unit_and_one_bold_mean_in_every_form(name):
    declared = {"heading": "within 5 cm", "unit": "%", "higher_is_better": True, "digits": 1}
    report = make_report(made(name, {"cut3r": 0.2, "ttt3r": 0.9}, **declared))
    table = next(table for table in report.tables if table.name == "summary")
    assert table.columns[3].heading == "within 5 cm %"
    assert table.columns[3].name == name
    cells = {line[1].text: line[3] for line in table.rows}
    assert {rule: cell.text for rule, cell in cells.items()} == {"cut3r": "0.2", "ttt3r": "0.9"}
    assert {rule: cell.sure for rule, cell in cells.items()} == {"cut3r": False, "ttt3r": True}
    assert r"\textbf{0.9}" in table.latex()
    assert "**0.9**" in table.markdown()


def test_a_default_heading_is_one_line_and_breaks_no_page_and_no_picture(tmp_path):
    pytest.importorskip("matplotlib")
    name = '<b>x_"$\\frac$\n'
    report = write_report(made(name, {"cut3r": 0.2, "ttt3r": 0.9}, higher_is_better=True), tmp_path)
    assert report.results.metric(name).heading == '<b>x "$\\frac$\\n'
    assert "<b>x" not in (tmp_path / "report.html").read_text()
    assert (tmp_path / "figures/errors.png").exists()
    write_report(made("=1+1", {"cut3r": 0.2, "ttt3r": 0.9}, higher_is_better=True), tmp_path / "formula")
    assert ",'=1+1," in (tmp_path / "formula/table.csv").read_text().splitlines()[0]


def test_what_nobody_declared_has_no_direction():
    rows = tuple(row(rule, i, "ate_within_5cm", v) for rule, v in (("cut3r", 0.2), ("ttt3r", 0.9)) for i in range(8))
    with pytest.raises(ValueError, match="declare it"):
        make_report([UnitResult(rows)])
    (verdict,) = make_report([UnitResult(rows)], ReportSettings(primary="ate_within_5cm")).verdicts
    assert not verdict.sure
    assert verdict.headline.startswith("Nothing says whether a higher or a lower ate within 5cm is better")


def test_a_name_that_is_declared_in_two_ways_is_refused():
    first, second = (made("share", {"cut3r": 0.2, "ttt3r": 0.9}, higher_is_better=way)[0] for way in (True, False))
    other = dataclasses.replace(second, rows=tuple(dataclasses.replace(r, protocol_hash="x") for r in second.rows))
    with pytest.raises(ValueError, match="'share' is declared in two ways: higher is better.*lower is better"):
        make_report([first, other])
    of_this_package = UnitResult((row("cut3r", 9, "ate"),))
    with pytest.raises(ValueError, match="in two ways: lower is better, in m, and higher is better"):
        make_report([of_this_package, *made("ate", {"cut3r": 0.2}, higher_is_better=True)])


def test_numbers_of_one_s_own_do_not_take_the_place_of_published_ones():
    from ttt3r.evaluation.report.against import against_paper
    from ttt3r.evaluation.report.results import collect

    rows = tuple(row("ttt3r", i, name, 0.1, length=1000) for name in ("official/ate", "ate/se3") for i in range(3))
    found = against_paper(collect([UnitResult(rows)]))
    assert "official/ate" in {one.ours.metric for one in found}
    own = (
        Metric("official/ate", unit="m", higher_is_better=False),
        Metric("ate/se3", unit="m", higher_is_better=False),
    )
    assert against_paper(collect([UnitResult(rows, metrics=own)])) == ()


def test_every_number_of_this_package_is_declared_once():
    for protocol in PROTOCOLS.values():
        for task in protocol.tasks:
            assert task.names == tuple(metric.name for metric in task.metrics)
            assert all(metric_named(metric.name) == metric for metric in task.metrics)
    assert metric_named("official/ate").official
    assert metric_named("official/ate").published == metric_named("ate").published == "ate"
    assert metric_named("depth_abs_rel/metric").published == "depth_abs_rel/metric"
    assert metric_named("depth_abs_rel/median").published == ""
    assert metric_named("ate_within_5cm") == Metric("ate_within_5cm")
    assert {metric.higher_is_better for metric in GainTask().metrics} == {None}
    assert len(built_in()) > 150


def test_a_measure_declares_and_one_with_names_alone_has_no_direction():
    @dataclass(frozen=True)
    class Named(Measure[Cameras]):
        @property
        def names(self):
            return ("ate_like",)

        def __call__(self, sample):
            return measurement({"ate_like": 1.0}, len(sample.truth))

    @dataclass(frozen=True)
    class Nothing(Measure[Cameras]):
        def __call__(self, sample):
            return measurement({}, 0)

    assert Named().metrics == (Metric("ate_like"),)
    with pytest.raises(TypeError, match="Nothing declares no numbers; give it a property `metrics`"):
        _ = Nothing().names
    with pytest.raises(ValueError, match="measures two numbers called 'official/ate'"):
        Protocol("mine", "mine", FolderSequences(), tasks=(CameraTask((OfficialTrajectory(), OfficialTrajectory())),))
    with pytest.raises(ValueError, match="digits=40; give 0 to 17"):
        Metric("x", digits=40)


def test_costs_are_read_as_they_are_declared():
    meter = CostMeter(warm_up=0)
    with meter.part("encode"):
        pass
    meter.end_frame()
    summary = meter.summary()
    assert {metric.name for metric in summary.metrics} == set(summary.as_costs())
    own = (
        Metric("peak_season", "seasons"),
        Metric("seconds_hand", "hands"),
        Metric("rise", "rise", "bytes", peak=True),
    )
    costs = [{"peak_season": 1.0, "seconds_hand": 7.0, "rise": 2.0**30}, {"peak_season": 3.0, "rise": 2.0**31}]
    units = [
        UnitResult((row(rule, i),), {}, {**cost, "seconds_per_frame": 0.5}, metrics=own)
        for rule in ("cut3r", "ttt3r")
        for i, cost in enumerate(costs)
    ]
    report = make_report(units)
    table = next(table for table in report.tables if table.name == "costs")
    found = dict(zip([column.heading for column in table.columns], table.rows[0], strict=True))
    assert {name: cell.text for name, cell in found.items()} == {
        "rule": "cut3r",
        "seasons": "2",
        "hands": "7",
        "rise GiB": "2.00",
        "s/frame": "0.5000",
    }


@dataclass(frozen=True)
class Within(Measure[Cameras]):
    """Share of frames whose centre lies within a limit of the true one, first cameras laid on each other."""

    limit: float = 0.05

    @property
    def metrics(self):
        return (Metric("ate_within_5cm", "within 5 cm", higher_is_better=True, family=Family.TRAJECTORY),)

    def __call__(self, sample: Cameras) -> Measurement:
        start = sample.truth[0] @ np.linalg.inv(sample.predicted[0])
        away = np.linalg.norm((start @ sample.predicted - sample.truth)[:, :3, 3], axis=1)
        return measurement({self.metrics[0].name: float((away < self.limit).mean())}, len(away))


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Two rules by a protocol with a metric of one's own, on disk."""
    folder = tmp_path_factory.mktemp("own")
    write_tum(sample_clips(NANO_WORLD, batch=1, frames=6, seed=3), folder / "data/one")
    protocol = Protocol("mine", "mine", FolderSequences(), tasks=(CameraTask((StrictTrajectory(), Within())),))
    rules = (Contender("cut3r", ttt3r.update_rules.FullOverwrite()), Contender("frozen", ttt3r.update_rules.Frozen()))
    network = ttt3r.load_network("tiny-random")
    evaluate(network, Evaluation(protocol.sized(64), folder / "data", rules, "tiny"), folder / "out")
    return folder / "out"


def test_declarations_are_stored_with_the_results(evaluated):
    for unit in read_results(evaluated):
        declared = {metric.name: metric for metric in unit.metrics}
        assert {row.metric for row in unit.rows} | set(unit.costs) == set(declared)
        assert declared["ate_within_5cm"] == Within().metrics[0]
    (verdict,) = make_report(read_results(evaluated), ReportSettings(primary="ate_within_5cm")).verdicts
    assert "best first" in verdict.sentences[0]


def test_the_table_of_the_command_shows_a_metric_of_one_s_own(evaluated, tmp_path, capsys):
    from ttt3r.cli.main import main

    assert main(["evaluate", "--aggregate", str(evaluated), "--out", str(tmp_path)]) == 0
    heading = next(line for line in capsys.readouterr().out.splitlines() if "ATE m" in line)
    assert heading.split("  ")[-3:] == ["gain", "within 5 cm", "n"] or "within 5 cm" in heading


def _files(out: Path):
    return sorted((out / "units").glob("*.json"))


def test_results_of_older_releases_open_and_are_read_as_this_package_s_own(evaluated, tmp_path):
    (tmp_path / "units").mkdir()
    for path in _files(evaluated):
        stored = json.loads(path.read_text())
        del stored["metrics"]
        (tmp_path / "units" / path.name).write_text(json.dumps(stored))
    report = make_report(read_results(tmp_path))
    assert report.primary == "ate"
    assert report.results.metric("ate").label == "ATE m"
    assert report.results.metric("ate_within_5cm").higher_is_better is None
    costs = next(table for table in report.tables if table.name == "costs")
    assert [column.heading for column in costs.columns][-1] == "peak memory GiB"


DAMAGE = {
    "no list": {},
    "no object": ["ate"],
    "a field too few": [{"name": "x"}],
    "one name twice": [dataclasses.asdict(Metric("x")) | {"family": "other"}] * 2,
    **{
        f"{name} is {value!r}"[:60]: [dataclasses.asdict(Metric("x")) | {"family": "other", name: value}]
        for name, value in (
            *(("name", 3), ("heading", None), ("unit", ["m"]), ("family", "unknown"), ("higher_is_better", "yes")),
            *(
                ("higher_is_better", 1),
                ("ratio", 0),
                ("digits", 10**9),
                ("digits", -1),
                ("digits", 2.0),
                ("peak", None),
            ),
        )
    },
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_declaration_is_a_broken_result(kind):
    content = Content("key", (), UnitResult((row(),), metrics=(Metric("ate", "ATE", "m", False),)))
    stored = json.loads(text_of(content))
    assert parse(json.dumps(stored)) == content
    with pytest.raises(BrokenResult, match="metric"):
        parse(json.dumps(stored | {"metrics": DAMAGE[kind]}))
