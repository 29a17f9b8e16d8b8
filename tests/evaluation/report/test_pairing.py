import math

import numpy as np
import pytest
from report_rows import row, unit, units

from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.report.aggregate import StrictMean
from ttt3r.evaluation.report.metrics import core_metrics, metric_named, primary_metric
from ttt3r.evaluation.report.pairing import Comparing, baseline_of, pairs_of
from ttt3r.evaluation.report.results import collect

STRICT = Comparing(StrictMean())


def test_the_baseline_and_the_control_are_always_there():
    results = collect(units())
    assert baseline_of(results) == "cut3r"
    assert pairs_of(results, "cut3r") == (
        ("ttt3r", "cut3r"),
        ("ttt3r", "control of ttt3r"),
        ("constant:rate=0.1", "cut3r"),
    )


def test_a_ratio_is_found_again():
    found = STRICT.compare_all(collect(units()), "ate")
    assert [one.length for one in found] == [200] * 3
    mean, low, high = found[0].effect
    assert low < -40 < high  # the rows were made with a factor of 0.6
    assert mean == pytest.approx(-40, abs=3)
    assert (found[0].wins, found[0].losses) == (8, 0)
    assert found[0].test.p == 2 / 256
    assert found[0].p_corrected == pytest.approx(3 * 2 / 256)
    assert found[0].family == 3
    assert found[0].sure


def test_fractions_are_compared_by_difference():
    found = STRICT.compare_all(collect(units()), "depth_delta_125/scale")[0]
    assert not found.ratio
    assert found.effect[0] == pytest.approx(np.mean(found.values - found.others))
    assert found.better
    assert found.wins == 8


def test_holm_goes_over_all_data_sets():
    results = collect([*units(), *units(protocol="bonn/500", sequences=5)])
    found = STRICT.compare_all(results, "ate")
    assert len(found) == 6
    assert {one.family for one in found} == {6}
    bonn = [one for one in found if one.slice.dataset == "bonn"]
    assert all(one.test.smallest == 0.0625 for one in bonn)
    assert not any(one.sure for one in bonn)  # five sequences cannot be


def test_only_sequences_of_both_are_paired():
    rows = [row("cut3r", 0, value=2.0), row("cut3r", 1, value=4.0), row("ttt3r", 1, value=2.0)]
    rows += [row("ttt3r", 0, value=math.nan, status=Status.DEGENERATE)]
    found = STRICT.compare_all(collect([unit(*rows)]), "ate")[0]
    assert found.sequences == ("sequence_1",)
    assert found.interval.mean == pytest.approx(math.log(0.5))
    nothing = STRICT.compare_all(collect([unit(rows[0], rows[3])]), "ate")[0]
    assert nothing.sequences == ()
    assert nothing.family == 0
    assert not nothing.sure


def test_a_zero_error_cannot_be_a_ratio():
    rows = [row("cut3r", 0, value=0.0), row("ttt3r", 0, value=0.5)]
    found = STRICT.compare_all(collect([unit(*rows)]), "ate")[0]
    assert not found.ratio
    assert (found.effect[0], found.effect_unit) == (0.5, "m")


def test_the_noise_floor_comes_from_repeats():
    found = STRICT.compare_all(collect(units(repeats=3)), "ate")[0]
    assert found.noise.degrees == 2 * 8 * 2
    assert found.noise.deviation == pytest.approx(0.05, rel=0.35)  # as the rows were made
    assert found.noise_of_mean == pytest.approx(found.noise.deviation * math.sqrt(2 / 24))
    assert math.isnan(STRICT.compare_all(collect(units()), "ate")[0].noise_of_mean)


def test_a_difference_within_the_noise_is_not_sure():
    rows = []
    for repeat, shift in (("0", 1.0), ("1", 1.5)):
        for index in range(8):
            rows.append(unit(row("cut3r", index, value=1.00 * shift), repeat=repeat))
            rows.append(unit(row("ttt3r", index, value=0.99 * shift), repeat=repeat))
    found = STRICT.compare_all(collect(rows), "ate")[0]
    assert found.p_corrected < 0.05
    assert not found.above_noise
    assert not found.sure


def test_slices_are_not_mixed():
    results = collect([*units(), *units(protocol="bonn/500", sequences=5)])
    with pytest.raises(ValueError, match="one data set under one protocol, got 2"):
        STRICT.compare(results, "ate", 200, ("ttt3r", "cut3r"))


@pytest.mark.parametrize(
    ("name", "label", "higher_is_better"),
    [
        ("ate", "ATE m", False),
        ("ate/se3", "ATE se3 m", False),
        ("rpe_rotation_degrees", "RPE deg", False),
        ("depth_abs_rel/median", "AbsRel median", False),
        ("depth_delta_125/scale", "d<1.25 scale", True),
        ("official/points_normal_consistency", "NC official", True),
        ("points_f_score_0.05/icp", "F 0.05 icp", True),
        ("rpe_translation/10", "RPE 10 m", False),
        ("drift", "drift m", False),
        ("state_drift", "state drift", None),
        ("gain_std_tokens", "SD tokens", None),
        ("something_new", "something new", None),
    ],
)
def test_numbers_of_this_package_are_read_as_they_are_declared(name, label, higher_is_better):
    metric = metric_named(name)
    assert (metric.label, metric.higher_is_better) == (label, higher_is_better)
    assert metric.better(1.0, 2.0) == (higher_is_better is False)
    assert metric.better(2.0, 1.0) == (higher_is_better is True)
    assert not metric.better(math.nan, 1.0)


def test_the_verdict_goes_by_the_trajectory_first():
    assert primary_metric(["gain_mean", "depth_abs_rel/scale", "ate"]) == "ate"
    assert primary_metric(["gain_mean", "points_f_score"]) == "points_f_score"
    with pytest.raises(ValueError, match="which way is better"):
        primary_metric(["gain_mean"])


def test_a_first_look_has_one_variant_of_each_core_metric():
    names = [
        "ate/se3",
        "official/ate",
        "ate",
        "ate_per_path",
        "rpe_translation",
        "rpe_translation/10",
        "scale_error",
        "drift",
    ]
    assert core_metrics(names) == names  # few enough
    many = [*names, "depth_abs_rel/metric", "depth_abs_rel/l1", "points_f_score_0.05/icp", "depth_delta_125_2/metric"]
    assert core_metrics(many) == ["ate", "rpe_translation", "depth_abs_rel/metric", "points_f_score_0.05/icp"]
    assert primary_metric(many) == "ate"
