"""Rules in pairs: the table of comparisons, and what is printed bold in all tables."""

from collections.abc import Sequence

from ttt3r.evaluation.report.pairing import PairedComparison
from ttt3r.evaluation.report.results import Slice
from ttt3r.evaluation.report.tables import Cell, Column, Table
from ttt3r.evaluation.results.knowing_nothing import KNOWS_NOTHING

FRAMES, RULE = Column("frames", "frames"), Column("rule", "rule", numeric=False)


def frames_cell(length: int) -> Cell:
    """A length; 0 stands for whole sequences."""
    return Cell(float(length), ".0f") if length else Cell("all")


Sure = frozenset[tuple[Slice, int, str, str]]
"""(slice, length, rule, metric) of the means that are printed bold, see `sure_means`."""


def sure_means(comparisons: Sequence[PairedComparison], baseline: str) -> Sure:
    """The rules that are surely better than the baseline and than all trivial predictors.

    Args:
        comparisons: corrected, of any metrics.
        baseline: the rule that others were compared with.
    """
    judged: dict[tuple[Slice, int, str, str], list[PairedComparison]] = {}
    for one in comparisons:
        if one.against == baseline or one.against in KNOWS_NOTHING:
            judged.setdefault((one.slice, one.length, one.rule, one.metric.name), []).append(one)
    won = {key for key, pairs in judged.items() if all(pair.sure and pair.better for pair in pairs)}
    return frozenset(key for key in won if any(pair.against == baseline for pair in judged[key]))


def comparison_table(comparisons: Sequence[PairedComparison], name: str, title: str) -> Table:
    """Paired comparisons, a line each: how large, how sure.

    Args:
        comparisons: corrected.
        name: of the table.
        title: of the table.
    """
    several = len({one.slice for one in comparisons}) > 1
    metrics = len({one.metric for one in comparisons}) > 1
    keys = [Column("data", "protocol", False)] * several + [Column("metric", "metric", False)] * metrics
    keys += [RULE, Column("against", "against", numeric=False)]
    numbers = _numbers()
    rows = []
    for one in comparisons:
        form = "+.1f" if one.ratio else f"+.{one.metric.digits}f"
        first = [Cell(one.slice.label)] * several + [Cell(one.metric.heading)] * metrics
        mean, low, high = one.effect
        noise = 100 * one.noise_of_mean if one.ratio else one.noise_of_mean
        rows.append(
            (
                *first,
                Cell(one.rule),
                Cell(one.against),
                frames_cell(one.length),
                Cell(float(len(one.sequences)), ".0f"),
                Cell(float(one.interval.clusters), ".0f"),
                Cell(mean, form, sure=one.sure),
                Cell(one.effect_unit),
                Cell(low, form),
                Cell(high, form),
                Cell(f"{one.wins}/{len(one.sequences)}"),
                Cell(one.test.p, ".4f"),
                Cell(one.p_corrected, ".4f", sure=one.sure),
                Cell(one.test.smallest, ".4f"),
                Cell(noise, form.lstrip("+")),
            )
        )
    family = max((one.family for one in comparisons), default=0)
    caption = (
        "difference: of means of ln ratios, in % of the other rule, or plain; low, high: 95 % bootstrap interval by scene; "
        f"p: sign flips by scene; Holm over the {family} comparisons of a metric, "
        "those with trivial predictors apart; least p: smallest that the scenes allow; "
        "noise: standard deviation of the difference between runs, - where nothing was repeated; bold: sure"
    )
    return Table(name, title, (*keys, *numbers), tuple(rows), len(keys), caption)


def _numbers() -> list[Column]:
    return [
        FRAMES,
        Column("n", "sequences"),
        Column("scenes", "scenes", aside=True),
        Column("difference", "difference"),
        Column("unit", "unit", False),
        Column("low", "low"),
        Column("high", "high"),
        Column("better", "better_on"),
        Column("p", "p", aside=True),
        Column("p Holm", "p_holm"),
        Column("least p", "smallest_p", aside=True),
        Column("noise", "noise_sd", aside=True),
    ]
