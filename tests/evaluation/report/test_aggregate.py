import dataclasses
import json
import math
import re

import numpy as np
import pytest
from report_rows import NAN, row, unit, units

from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.report.aggregate import (
    Aggregation,
    OfficialMean,
    StrictMean,
    aggregates,
    common_set,
    common_sets,
)
from ttt3r.evaluation.report.failing import failures
from ttt3r.evaluation.report.results import collect


def one(results, aggregation: Aggregation = StrictMean(), metric="ate", sequences=None):
    found = [entry for entry in aggregates(results, aggregation, sequences) if entry.metric == metric]
    assert len(found) == 1
    return found[0]


def test_strict_is_the_plain_mean_and_says_what_is_missing():
    rows = [row(index=0, value=0.1), row(index=1, value=0.3), row(index=2, value=9, status=Status.TOO_SHORT)]
    rows += [row(index=3, value=NAN, status=Status.DEGENERATE), row(index=4, value=NAN, status=Status.NON_FINITE)]
    found = one(collect([unit(*rows)]))
    assert found.value == 0.2
    assert (found.ok, found.total) == (2, 5)


def test_official_takes_short_sequences_and_drops_failed_ones():
    rows = [row(index=0, value=0.1), row(index=1, value=0.3), row(index=2, value=0.5, status=Status.TOO_SHORT)]
    rows += [row(index=3, value=NAN, status=Status.DEGENERATE), row(index=4, value=NAN, status=Status.OUT_OF_MEMORY)]
    found = one(collect([unit(*rows)]), OfficialMean())
    assert found.value == pytest.approx(0.3, abs=1e-12)
    assert (found.ok, found.total) == (3, 5)


@pytest.mark.parametrize("status", [Status.NON_FINITE, Status.UNREADABLE])
def test_what_stops_the_official_script_leaves_no_official_mean(status):
    found = one(collect([unit(row(index=0), row(index=1, value=NAN, status=status))]), OfficialMean())
    assert math.isnan(found.value)
    assert found.note == "the official script stops at sequence_1"


def test_official_poses_are_rounded_before_they_are_averaged():
    results = collect([unit(row(index=0, value=0.1234564), row(index=1, value=0.1234564))])
    assert one(results, OfficialMean()).value == 0.123456
    assert one(results, StrictMean()).value == 0.1234564
    depth = collect([unit(*(row(index=i, metric="depth_rmse", value=0.1234564) for i in range(2)))])
    assert one(depth, OfficialMean(), "depth_rmse").value == 0.1234564


def test_depth_without_pixel_counts_says_so():
    found = one(collect([unit(row(metric="depth_rmse", value=2.0))]), OfficialMean(), "depth_rmse")
    assert (found.value, found.note) == (2.0, "not weighted: the numbers of pixels are not known")


@pytest.mark.shared
def test_official_poses_agree_with_the_recorded_average(shared):
    folder = shared / "golden_eval/pose"
    expected = json.loads((folder / "metric_dir_expected.json").read_text())
    rows, names = [], ("ate", "rpe_translation", "rpe_rotation_degrees")
    full = json.loads((folder / "expected.json").read_text())
    for index, (case, *_) in enumerate(expected["process_directory"]):
        values = [full[case][name] for name in ("ate_rmse", "rpe_trans_rmse", "rpe_rot_deg_rmse")]
        rows += [row(index=index, metric=metric, value=value) for metric, value in zip(names, values, strict=True)]
    means = [one(collect([unit(*rows)]), OfficialMean(), metric).value for metric in names]
    np.testing.assert_allclose(means, expected["calculate_averages"], rtol=1e-12)


@pytest.mark.shared
def test_official_depth_agrees_with_the_recorded_average(shared):
    folder = shared / "golden_eval/depth"
    expected = json.loads((folder / "sequence_average_expected.json").read_text())
    cases = json.loads((folder / "expected.json").read_text())
    for mode, average in expected["average"].items():
        for key in ("Abs Rel", "RMSE", "δ < 1.25"):
            rows = []
            for index, (name, pixels) in enumerate(zip(expected["sequences"], expected["weights"], strict=True)):
                value = cases[name]["results"][f"bonn|{mode}"][key]
                rows += [row(index=index, metric="depth_rmse", value=value)]
                rows += [row(index=index, metric="depth_valid_pixels", value=float(pixels))]
            assert one(collect([unit(*rows)]), OfficialMean(), "depth_rmse").value == pytest.approx(
                average[key], rel=1e-12
            )


@pytest.mark.shared
def test_official_points_agree_with_the_recorded_average(shared):
    folder = shared / "golden_eval/recon"
    expected = json.loads((folder / "logs_mean_expected.json").read_text())
    rows = []
    for index, line in enumerate((folder / "logs_0.txt").read_text().splitlines()):
        acc, comp, nc1, nc2 = map(float, re.findall(r": (\d[\d.e-]*)", line)[:4])
        rows += [
            row(index=index, metric="points_accuracy", value=acc),
            row(index=index, metric="points_completeness", value=comp),
        ]
        rows += [row(index=index, metric="points_normal_consistency", value=(nc1 + nc2) / 2)]
    results = collect([unit(*rows)])
    for metric, key in (
        ("points_accuracy", "acc"),
        ("points_completeness", "comp"),
        ("points_normal_consistency", "nc"),
    ):
        assert one(results, OfficialMean(), metric).value == pytest.approx(expected[key], rel=1e-12)


def test_protocols_never_meet():
    first = row(value=1.0)
    other = dataclasses.replace(first, protocol_hash="of other settings", value=3.0)
    found = aggregates(collect([unit(first, other)]), StrictMean())
    assert sorted(entry.value for entry in found) == [1.0, 3.0]


def test_the_common_set_is_what_all_rules_have_at_the_largest_length():
    rows = []
    for rule in ("cut3r", "ttt3r"):
        for index in range(3):
            rows += [row(rule, index, length=50), row(rule, index, length=100, value=2.0)]
    rows[-1] = dataclasses.replace(rows[-1], status=Status.NON_FINITE, value=NAN)  # ttt3r, sequence 2, 100 frames
    results = collect([unit(*rows, row("frozen", 0, value=NAN, length=100, status=Status.OUT_OF_MEMORY))])
    found = common_set(results, results.slices[0], "ate", StrictMean())
    assert found.sequences == {"sequence_0", "sequence_1"}
    assert (found.absent, found.length) == (("frozen",), 100)
    fixed = {
        (e.rule, e.length): (e.ok, e.total)
        for e in aggregates(results, StrictMean(), common_sets(results, StrictMean()))
    }
    assert fixed["cut3r", 50] == fixed["ttt3r", 100] == (2, 2)
    changing = {(e.rule, e.length): (e.ok, e.total) for e in aggregates(results, StrictMean())}
    assert changing["cut3r", 50] == (3, 3)
    assert changing["ttt3r", 100] == (2, 3)


def test_failures_are_named_one_line_for_each_cause():
    rows = [row("cut3r", 0, length=50), row("cut3r", 1, length=50), row("ttt3r", 0, length=50)]
    rows += [row("cut3r", 0, length=n, value=NAN, status=Status.NON_FINITE, note="NaN at frame 70") for n in (100, 200)]
    found = {(f.rule, f.sequence, f.status): f for f in failures(collect([unit(*rows)]))}
    assert found["cut3r", "sequence_0", Status.NON_FINITE].lengths == (100, 200)
    assert found["cut3r", "sequence_0", Status.NON_FINITE].note == "NaN at frame 70"
    assert found["ttt3r", "sequence_1", None].lengths == (50, 100, 200)
    assert not failures(collect(units()))


def test_nothing_is_counted_twice():
    everything = units(sequences=2)
    assert collect(everything + everything) == collect(everything)
    with pytest.raises(ValueError, match="is given twice, as 1.0 and 2.0"):
        collect([unit(row(value=1.0)), unit(row(value=2.0))])
    with pytest.raises(ValueError, match="no rows"):
        collect([])


def test_repeats_are_averaged_and_remembered_and_one_failed_run_fails():
    results = collect([unit(row(value=1.0), repeat="a"), unit(row(value=2.0), repeat="b")])
    assert results.rows[0].value == 1.5
    assert list(results.repeats.values()) == [(1.0, 2.0)]
    broken = row(value=NAN, status=Status.NON_FINITE)
    results = collect([unit(row(value=1.0), repeat="a"), unit(broken, repeat="b")])
    assert results.rows[0].status is Status.NON_FINITE
    assert results.rows[0].note == "1 of 2 runs: non_finite"


def test_controls_stand_behind_their_gates_under_one_name():
    rows = [row("constant:rate=0.3", 0, control_of="ttt3r"), row("constant:rate=0.4", 1, control_of="ttt3r")]
    results = collect([unit(row("ttt3r"), row("ttt3r", 1), row("cut3r"), *rows)])
    assert results.rules == ("ttt3r", "control of ttt3r", "cut3r")
    assert results.asked == ("ttt3r", "cut3r")
