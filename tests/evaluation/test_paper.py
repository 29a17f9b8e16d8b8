import math

import pytest

from evaluation.report.rows import row, unit
from ttt3r.evaluation.paper import against_paper, protocol_key, published_values
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
        ("CUT3R", "scannet/stride3-90", 90, "rpe_translation", 0.022),
        ("StreamVGGT", "sintel/50", 50, "rpe_rotation_degrees", 1.894),
        ("TTT3R", "kitti-depth/500", 500, "depth_delta_125/metric", 0.869),
        ("CUT3R", "bonn-depth/110", 110, "depth_abs_rel/scale", 0.078),
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
        if "delta" in entry.metric or entry.metric == "normal_consistency":
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
        entry.value for entry in table if entry.protocol == "sintel/50" and entry.metric == "ate"
    ) == pytest.approx(0.417 + 0.185 + 0.111 + 0.110 + 0.189 + 0.172 + 0.329 + 0.213 + 0.351 + 0.251 + 0.213 + 0.201)


def test_one_run_serves_all_lengths():
    assert protocol_key("tum/1000", 90) == protocol_key("tum/90", 90)
    assert protocol_key("tum/1000", 90) != protocol_key("tum/stride3-90", 90)
    assert protocol_key("tum/stride3-90", 0) == ("tum/stride3-", 90)
    assert protocol_key("folder", 0) == ("folder", 0)


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
