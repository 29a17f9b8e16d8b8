import dataclasses
import math

import numpy as np
import pytest
from report_rows import NAN, row, unit, units

from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.report.writing import ReportSettings, make_report
from ttt3r.evaluation.results.rows import UnitResult


def verdict(made, **settings):
    (found,) = make_report(made, ReportSettings(**settings)).verdicts
    return found, " ".join(found.sentences)


def two_rules(factors, second="ttt3r", sequences=8):
    """`second` has `factors[i]` times the error of cut3r on sequence i."""
    rows = [row("cut3r", i, value=1.0 + i / 10) for i in range(sequences)]
    return [unit(*rows, *(row(second, i, value=(1.0 + i / 10) * factor) for i, factor in enumerate(factors)))]


def test_a_winner_by_how_much_how_sure_and_at_what_cost():
    found, text = verdict(units())
    assert found.sure
    assert found.headline.startswith("ttt3r won on tum/1000 at 200 frames: ttt3r's ATE is 4")
    assert found.headline.endswith("% lower than cut3r's.")
    assert "better on 8 of 8" in text
    assert "p = 0.0078, after Holm's correction for 3 comparisons 0.023; sure" in text
    assert "it matters where and when the gate writes" in text
    assert "ttt3r takes 0.096 s a frame, cut3r 0.1 s (-4.0 %)" in text
    assert "Nothing was repeated" in text
    assert "Nothing failed: every rule has a number on all 8 sequences" in text


def test_chance_is_called_chance():
    found, text = verdict(two_rules([0.9, 1.05, 0.97, 1.1, 0.8, 1.02, 0.99, 0.95]))
    assert not found.sure
    assert found.headline.startswith("No sure winner")
    assert "not sure at the 5 % level" in text


def test_a_bad_newcomer_loses():
    found, _ = verdict(two_rules(np.linspace(1.3, 1.6, 8)))
    assert found.sure
    assert found.headline.startswith("cut3r won")
    assert "ttt3r's ATE is" in found.headline
    assert "higher than cut3r's" in found.headline


def test_one_hard_sequence_cannot_make_a_winner_against_all_others():
    """The mean speaks for ttt3r, because of one sequence with a large error; the other nine speak against it."""
    rows = []
    for index in range(10):
        first = (100.0, 90.0) if index == 0 else (1.0, 1.5)
        rows += [row(rule, index, value=value) for rule, value in zip(("cut3r", "ttt3r"), first, strict=True)]
    found, _ = verdict([unit(*rows)])
    assert not found.sure
    assert found.headline.startswith("No clear winner")


def test_few_scenes_are_said_to_be_few():
    found, text = verdict(two_rules([0.5] * 4, sequences=4))
    assert not found.sure
    assert "4 scenes cannot give less than p = 0.12 before the correction" in text
    assert "With so few scenes the interval is too narrow" in text


def test_scenes_are_counted_and_not_only_sequences():
    rows = []
    for index in range(8):
        for rule, value in (("cut3r", 1.0), ("ttt3r", 0.5 + index / 100)):
            rows.append(row(rule, index, value=value, scene=f"scene {index % 2}"))
    found, text = verdict([unit(*rows)])
    assert not found.sure
    assert "Over 8 sequences of 2 scenes" in text


def test_a_gate_that_only_writes_less_is_found_out():
    made = two_rules([0.6 + i / 100 for i in range(8)])
    factors = [(0.6 + i / 100) * (1 + (-1) ** i / 50) for i in range(8)]
    control = [row("constant", i, value=(1 + i / 10) * factors[i], control_of="ttt3r") for i in range(8)]
    found, text = verdict([*made, unit(*control)])
    assert found.sure
    assert "it is not shown that the gate does more than write less" in text


def test_failures_are_counted_and_named():
    made = two_rules([0.5 + i / 100 for i in range(8)])
    rows = list(made[0].rows)
    rows[-1] = dataclasses.replace(rows[-1], value=NAN, status=Status.NON_FINITE, note="NaN at frame 7")
    _, text = verdict([unit(*rows)])
    assert "1 result failed or fell short: ttt3r on sequence_7" in text


def test_one_rule_alone_and_none_at_all():
    found, _ = verdict([unit(row("cut3r", 0), row("cut3r", 1))])
    assert "nothing to compare" in found.headline
    found, text = verdict([unit(row("cut3r", value=NAN, status=Status.OUT_OF_MEMORY))])
    assert found.headline == "No rule has a single ATE on tum/1000 at 200 frames."
    assert "cut3r on sequence_0" in text


def test_higher_is_better_where_it_is():
    rows = [row("cut3r", i, "points_f_score", 0.5 + i / 50) for i in range(8)]
    rows += [row("ttt3r", i, "points_f_score", 0.6 + i / 50 + i / 90) for i in range(8)]
    found, _ = verdict([unit(*rows)])
    assert found.headline == "ttt3r won on tum/1000 at 200 frames: ttt3r's F is 0.139 higher than cut3r's."


def test_whole_sequences_are_not_called_zero_frames():
    rows = [row(rule, i, value=value, length=0) for i in range(3) for rule, value in (("cut3r", 1.0), ("ttt3r", 0.5))]
    found, text = verdict([unit(*rows)])
    assert "0 frames" not in found.headline + text


@pytest.mark.parametrize(("name", "value"), [("primary", "nonsense"), ("baseline", "nonsense")])
def test_unknown_names_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is 'nonsense', and the rows know only"):
        verdict(units(), **{name: value})


def test_another_metric_and_baseline_may_be_asked_for():
    found, text = verdict(units(), primary="depth_abs_rel/scale", baseline="constant:rate=0.1")
    assert "AbsRel scale is" in found.headline
    assert "than constant:rate=0.1's" in found.headline
    assert not math.isnan(float(text.split("p = ")[1].split(",")[0]))


def test_times_of_one_pass_are_not_separated():
    rows = two_rules([0.5] * 8)[0].rows
    _, text = verdict([UnitResult(rows, {}, {"seconds_per_frame": 0.3, "rules_in_pass": 3.0})])
    assert "ttt3r and cut3r ran in one pass of 3 rules, 0.3 s a frame for all together" in text


def beside_nothing(rule, nothing, scenes=8):
    """Recalls of cut3r, of a rule that is surely better, and of a predictor that knows nothing."""
    rows = []
    for index in range(scenes):
        values = {"cut3r": -1.0, "constant": rule, "scene average": nothing}
        rows += [row(name, index, "recall_color", value + index / 100) for name, value in values.items()]
    return [unit(*rows)]


def test_nothing_wins_that_does_not_beat_what_knows_nothing():
    found, text = verdict(beside_nothing(-0.35, -0.22))
    assert not found.sure
    assert found.headline.startswith("No rule won on tum/1000 at 200 frames")
    assert "does not beat scene average" in found.headline
    assert "Trivial predictors: scene average -0.185." in text
    found, _ = verdict(beside_nothing(0.3, -0.22))
    assert found.sure
    assert found.headline.startswith("constant won")
    report = make_report(beside_nothing(-0.35, -0.22))
    (table,) = [table for table in report.tables if table.name == "summary"]
    bold = {line[1].text: [cell.sure for cell in line[3:]] for line in table.rows}
    assert bold == {"cut3r": [False], "constant": [False], "scene average": [False]}
    assert report.results.asked == ("cut3r", "constant")
    (table,) = [table for table in make_report(beside_nothing(0.3, -0.22)).tables if table.name == "summary"]
    assert {line[1].text: line[3].sure for line in table.rows} == {
        "cut3r": False,
        "constant": True,
        "scene average": False,
    }


def test_a_lead_over_what_knows_nothing_that_may_be_chance_is_no_win():
    made = beside_nothing(0.3, -0.22)
    rows = [row("scene average", i, "recall_color", 0.3 + i / 100 + (-0.1) ** (i % 2 + 1)) for i in range(8)]
    found, _ = verdict([unit(*(r for r in made[0].rows if r.rule != "scene average"), *rows)])
    assert not found.sure
    assert "scene average" in found.headline


def test_the_best_of_a_table_is_not_bold_unless_it_is_sure():
    report = make_report(two_rules([0.9, 1.05, 0.97, 1.1, 0.8, 1.02, 0.99, 0.95]))
    assert not any(cell.sure for table in report.written for line in table.rows for cell in line)
    sure = make_report(two_rules([0.6 + i / 100 for i in range(8)]))
    (table,) = [table for table in sure.tables if table.name == "summary"]
    assert [line[1].text for line in table.rows if line[3].sure] == ["ttt3r"]
