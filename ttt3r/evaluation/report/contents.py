"""The tables of means: by length and rule, and of gains."""

from collections.abc import Sequence
from dataclasses import dataclass

from ttt3r.evaluation.measures.metric import Family, Metric
from ttt3r.evaluation.report.aggregate import Aggregate, Aggregation, aggregates, common_sets
from ttt3r.evaluation.report.metrics import core_metrics
from ttt3r.evaluation.report.pair_table import FRAMES, RULE, Sure, frames_cell, sure_means
from ttt3r.evaluation.report.pairing import PairedComparison
from ttt3r.evaluation.report.results import Results, Slice
from ttt3r.evaluation.report.tables import Cell, Column, Table

NAN = float("nan")


@dataclass(frozen=True)
class Means:
    """All means of a report, over two sets of sequences.

    Args:
        results: what they are taken of.
        aggregation: how.
        common: over the sequences that are valid for every rule at the largest length: comparable along a curve.
        changing: over whatever is valid at each length.
    """

    results: Results
    aggregation: Aggregation
    common: tuple[Aggregate, ...]
    changing: tuple[Aggregate, ...]

    @classmethod
    def of(cls, results: Results, aggregation: Aggregation) -> "Means":
        """Take them.

        Args:
            results: of any number of slices.
            aggregation: how.
        """
        common = aggregates(results, aggregation, common_sets(results, aggregation))
        return cls(results, aggregation, common, aggregates(results, aggregation))

    @property
    def headline(self) -> tuple[Aggregate, ...]:
        """Over the set that the aggregation is meant for."""
        return self.common if self.aggregation.fixed_set else self.changing

    def differ(self, part: Slice) -> bool:
        """Whether the two sets are not the same on a slice."""
        common, changing = (
            {(one.rule, one.length, one.metric): one.ok for one in means if one.slice == part and one.ok}
            for means in (self.common, self.changing)
        )
        return common != changing

    def value(self, part: Slice, rule: str, length: int, metric: str) -> float:
        """A headline mean; NaN if there is none."""
        found = [
            one
            for one in self.headline
            if (one.slice, one.rule, one.length, one.metric) == (part, rule, length, metric)
        ]
        return found[0].value if found else NAN


def _shown(means: Sequence[Aggregate], families: Sequence[Family]) -> list[Metric]:
    return list(dict.fromkeys(one.declared for one in means if one.declared.family in families))


RESULTS = (Family.TRAJECTORY, Family.DEPTH, Family.POINTS, Family.RECALL, Family.OTHER)
"""Families in the tables of means; gains and costs have tables of their own."""


def means_table(
    means: Sequence[Aggregate], rules: Sequence[str], metrics: Sequence[Metric], name: str, title: str, sure: Sure
) -> Table:
    """Means of one slice: a line for each length and rule, a column for each metric, in bold what is sure.

    Args:
        means: of one slice and one set of sequences.
        rules: in the order of the lines.
        metrics: in the order of the columns.
        name: of the table.
        title: of the table.
        sure: what is bold.
    """
    by_place = {(one.length, one.rule, one.metric): one for one in means}
    rows = []
    for length in sorted({one.length for one in means}):
        for rule in [rule for rule in rules if any((length, rule, metric.name) in by_place for metric in metrics)]:
            here = [by_place.get((length, rule, metric.name)) for metric in metrics]
            cells = [
                Cell(
                    NAN if one is None else one.value,
                    f".{metric.digits}f",
                    sure=one is not None and (one.slice, length, rule, metric.name) in sure,
                )
                for metric, one in zip(metrics, here, strict=True)
            ]
            rows.append((frames_cell(length), Cell(rule), Cell(_counted([one for one in here if one])), *cells))
    columns = [Column(metric.label, metric.name) for metric in metrics]
    notes = dict.fromkeys(one.note for one in means if one.note and one.declared in metrics)
    if any("-" in row[2].text for row in rows):
        notes["ok: fewest and most, as the metrics differ"] = None
    return Table(name, title, (FRAMES, RULE, Column("ok", "ok"), *columns), tuple(rows), 2, "; ".join(notes))


def _counted(means: Sequence[Aggregate]) -> str:
    """Sequences that were counted of those asked for; a range where the metrics differ."""
    counts = _oks(means)
    low, high = min(counts, default=0), max(counts, default=0)
    total = max((one.total for one in means), default=0)
    return f"{low}/{total}" if low == high else f"{low}-{high}/{total}"


def _oks(means: Sequence[Aggregate]) -> list[int]:
    """The counts of what has a direction, or else of all."""
    return [one.ok for one in means if one.declared.directed] or [one.ok for one in means]


def summary_tables(means: Means, comparisons: Sequence[PairedComparison], baseline: str) -> tuple[Table, ...]:
    """For each slice the headline means, and behind them those over the other set of sequences where it differs.

    With many metrics the first table has those that a first look needs, and a table of its own has the rest.

    Args:
        means: of all slices.
        comparisons: of all metrics, corrected; decide what is bold.
        baseline: the rule that others were compared with.
    """
    sure, bold = sure_means(comparisons, baseline), f"bold: surely better than {baseline}"
    nothing = means.results.knowing_nothing
    bold += f" and than the trivial predictors ({', '.join(nothing)})" if nothing else ""
    bold += ", tested at the largest length; no bold, not sure"
    kinds = [(means.common, "over the sequences that every rule has at the largest length")]
    kinds += [(means.changing, "over all that is valid at each length: lines may be over different sequences")]
    if not means.aggregation.fixed_set:
        kinds.reverse()
    made = []
    for number, part in enumerate(means.results.slices, start=1):
        rules, end = means.results.of(part).rules, "" if len(means.results.slices) == 1 else f"_{number}"
        differ = means.differ(part)
        shown = _shown([one for one in means.changing if one.slice == part], RESULTS)
        core = core_metrics([metric.name for metric in shown], means.results.metric)
        first, rest = ([one for one in shown if (one.name in core) is chosen] for chosen in (True, False))
        for rank, (chosen, words) in enumerate(kinds if differ else kinds[:1]):
            local = [one for one in chosen if one.slice == part]
            # The tests are made on the headline means, so the other set of sequences has nothing in bold.
            marked, caption = (sure, bold) if rank == 0 else (frozenset(), "")
            caption = "; ".join(part for part in (words * differ, caption) if part)
            name = f"{'other_set' if rank else 'summary'}{end}"
            title = f"{part.label}: {means.aggregation.name} means{', the other set of sequences' if rank else ''}"
            made.append(_captioned(means_table(local, rules, first, name, title, marked), caption))
            if rest and rank == 0:
                table = means_table(local, rules, rest, f"other_means{end}", f"{title}, other metrics", marked)
                made.append(_captioned(table, caption))
    return tuple(made)


def _captioned(table: Table, words: str) -> Table:
    caption = "; ".join(part for part in (words, table.caption) if part)
    return Table(table.name, table.title, table.columns, table.rows, table.keys, caption)


def gain_tables(means: Means) -> tuple[Table, ...]:
    """What each rule really wrote, at the largest length; controls stand behind their gates."""
    made = []
    for number, part in enumerate(means.results.slices, start=1):
        local = [one for one in means.common if one.slice == part and one.declared.family is Family.GAIN]
        longest = max((one.length for one in local), default=0)
        chosen = [one for one in local if one.length == longest]
        end = "" if len(means.results.slices) == 1 else f"_{number}"
        if chosen:
            rules = means.results.of(part).rules
            metrics = _shown(chosen, (Family.GAIN,))
            title = f"{part.label}: what the rules wrote"
            table = means_table(chosen, rules, metrics, f"gains{end}", title, frozenset())
            made.append(_captioned(table, "a gate is interesting if it beats the constant of the same mean gain"))
    return tuple(made)


def overall_table(means: Means) -> Table:
    """Everything in one sheet, for machines: both sets of sequences, all slices, all metrics."""
    metrics = list(dict.fromkeys(one.declared for one in means.changing))
    heads = ("protocol", "protocol_hash", "dataset", "set", "frames", "rule")
    columns = [Column(head, head, head == "frames") for head in heads]
    columns += [Column(metric.name, metric.name) for metric in metrics]
    columns += [Column("ok", "ok"), Column("total", "total")]
    rows = []
    for name, chosen in (("common", means.common), ("changing", means.changing)):
        by_place = {(one.slice, one.length, one.rule, one.metric): one for one in chosen}
        for part, length, rule in dict.fromkeys((one.slice, one.length, one.rule) for one in chosen):
            found = [by_place.get((part, length, rule, metric.name)) for metric in metrics]
            cells = [
                Cell(NAN if one is None else one.value, f".{metric.digits}f")
                for metric, one in zip(metrics, found, strict=True)
            ]
            there = [one for one in found if one is not None]
            counts = _oks(there)
            keys = (part.protocol, part.protocol_hash, part.dataset, name)
            ends = (Cell(float(min(counts)), ".0f"), Cell(float(there[0].total), ".0f"))
            rows.append((*map(Cell, keys), frames_cell(length), Cell(rule), *cells, *ends))
    return Table("table", "All means", tuple(columns), tuple(rows), len(heads))
