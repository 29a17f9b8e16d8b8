import math

import pytest
from report_rows import row, unit

from ttt3r.evaluation.protocols.paper import protocol_key, published_values
from ttt3r.evaluation.report.against import against_paper
from ttt3r.evaluation.report.metrics import metric_named
from ttt3r.evaluation.report.results import collect


def values(method, protocol, length, metric, kind="paper"):
    return [
        entry.value
        for entry in published_values()
        if (entry.method, entry.protocol, entry.length, entry.metric, entry.kind, entry.statistic)
        == (method, protocol, length, metric, kind, "mean")
    ]


@pytest.mark.parametrize(
    ("method", "protocol", "length", "metric", "value"),
    [
        ("TTT3R", "tum/1000", 1000, "ate", 0.106),
        ("CUT3R", "tum/1000", 1000, "rpe_rotation_degrees", 0.494),
        ("TTT3R", "tum/stride3-90", 90, "ate", 0.028),
        ("CUT3R", "scannet/first270-stride3", 0, "rpe_translation", 0.022),
        ("StreamVGGT", "sintel/pose", 0, "rpe_rotation_degrees", 1.894),
        ("TTT3R", "kitti-depth/500", 500, "depth_delta_125/metric", 0.869),
        ("CUT3R", "bonn/110", 110, "depth_abs_rel/scale", 0.078),
        ("MASt3R", "kitti-depth/110", 110, "depth_abs_rel/metric", 0.467),
    ],
)
def test_the_printed_tables_are_there(method, protocol, length, metric, value):
    assert values(method, protocol, length, metric) == [value]


def test_every_number_has_a_source_and_a_known_metric():
    for entry in published_values():
        assert entry.source
        assert entry.place
        assert math.isfinite(entry.value)
        assert entry.value > 0
        assert metric_named(entry.metric).directed, entry.metric
        assert entry.kind in ("paper", "rerun", "log")
        if "delta" in entry.metric or entry.metric == "points_normal_consistency":
            assert entry.value < 1  # a fraction
    keys = [
        (e.method, e.protocol, e.length, e.sequence, e.metric, e.statistic, e.remark, e.place)
        for e in published_values()
        if e.kind == "paper"
    ]
    assert len(keys) == len(set(keys))


def test_the_whole_short_pose_table_is_there():
    table = [entry for entry in published_values() if entry.place == "table 6"]
    assert len(table) == 12 * 9
    assert sum(
        entry.value for entry in table if entry.protocol == "sintel/pose" and entry.metric == "ate"
    ) == pytest.approx(0.417 + 0.185 + 0.111 + 0.110 + 0.189 + 0.172 + 0.329 + 0.213 + 0.351 + 0.251 + 0.213 + 0.201)


def test_one_run_serves_all_lengths():
    assert protocol_key("tum/1000", 90) == protocol_key("tum/90", 90)
    assert protocol_key("tum/1000", 90) != protocol_key("tum/stride3-90", 90)
    assert protocol_key("tum/stride3-90", 0) == ("tum/stride3-", 90)
    assert protocol_key("folder", 0) == ("folder", 0)
    assert protocol_key("7scenes/stride200", 0) == ("7scenes/stride200", 0)


def test_ours_stands_beside_theirs_and_the_band():
    rows = [row("ttt3r", index, value=0.11, length=1000) for index in range(8)]
    rows += [row("ttt3r", 0, "something_else", 1.0, length=1000), row("constant", 0, value=0.1, length=1000)]
    (found,) = against_paper(collect([unit(*rows)]))
    assert found.published == 0.106
    assert found.others == (0.103,)
    assert found.band == (0.103, 0.106)
    assert found.difference == pytest.approx(0.004)
    assert found.percent == pytest.approx(100 * (0.11 / 0.106 - 1))
    assert not found.inside


def test_where_only_others_printed_a_number_their_middle_is_taken():
    (found,) = against_paper(collect([unit(row("cut3r", value=0.05, length=200))]))
    assert math.isnan(found.published)
    assert found.theirs == 0.056
    assert found.band == (0.056, 0.056)


def test_published_metrics_are_matched_and_look_alikes_are_not():
    """The published scale and shift comes from an unfinished descent, the exact one is another number."""
    names = (
        "depth_abs_rel/scale_shift",
        "official/depth_abs_rel/scale_shift",
        "depth_abs_rel/metric",
        "depth_abs_rel/median",
    )
    rows = [row("ttt3r", 0, name, 0.1, length=500, protocol="bonn/500") for name in names]
    found = against_paper(collect([unit(*rows)]))
    assert {one.ours.metric for one in found} == {"official/depth_abs_rel/scale_shift", "depth_abs_rel/metric"}


def test_the_official_number_goes_before_the_exact_one():
    for names in (("ate", "official/ate"), ("official/ate", "ate")):
        rows = [row("cut3r", 0, name, 0.17, length=1000) for name in names]
        (found,) = against_paper(collect([unit(*rows)]))
        assert found.ours.metric == "official/ate"


def test_a_protocol_without_a_number_is_matched_at_its_largest_length():
    rows = [row("ttt3r", 0, value=0.2, length=length, protocol="sintel/pose") for length in (25, 50)]
    (found,) = against_paper(collect([unit(*rows)]))
    assert (found.ours.length, found.published) == (50, 0.201)
    assert found.band == (0.201, 0.21)
