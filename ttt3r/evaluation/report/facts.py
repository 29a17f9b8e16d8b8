"""The tables beside the results: costs, what failed, what the numbers depend on, and the published values."""

import math
from collections.abc import Mapping, Sequence

from ttt3r.evaluation.paper import AgainstPaper
from ttt3r.evaluation.report.failing import Failure
from ttt3r.evaluation.report.pair_table import RULE, frames_cell
from ttt3r.evaluation.report.results import Results, rule_of
from ttt3r.evaluation.report.tables import Cell, Column, Table
from ttt3r.evaluation.rows import FINDINGS, ResultRow, Status, UnitResult

BYTES = 1024**3
TOTAL = ("seconds_per_frame", "seconds_per_frame/network")
"""The cost that stands for a rule in words and pictures: the first of these that was measured."""


def mean_costs(units: Sequence[UnitResult]) -> dict[str, dict[str, float]]:
    """By rule and cost, the mean over the units that measured it; a peak is the largest one."""
    found: dict[str, dict[str, list[float]]] = {}
    for unit in units:
        for rule in dict.fromkeys(rule_of(row) for row in unit.rows):
            for name, value in unit.costs.items():
                if math.isfinite(value):
                    found.setdefault(rule, {}).setdefault(name, []).append(value)
    return {
        rule: {name: max(v) if name.startswith("peak") else math.fsum(v) / len(v) for name, v in costs.items()}
        for rule, costs in found.items()
    }


def main_cost(costs: Mapping[str, float]) -> float:
    """Seconds per frame: the first of `TOTAL` that is there; else the sum of what is called seconds; NaN without any."""
    for name in TOTAL:
        if name in costs:
            return costs[name]
    parts = [value for name, value in costs.items() if name.startswith("seconds")]
    return math.fsum(parts) if parts else math.nan


def cost_table(units: Sequence[UnitResult], rules: Sequence[str]) -> Table:
    """Seconds per frame by part and peak memory, a line for each rule.

    Args:
        units: with costs.
        rules: in the order of the lines.
    """
    costs = mean_costs(units)
    names = list(dict.fromkeys(name for rule in costs.values() for name in rule))
    rows = []
    for rule in [rule for rule in rules if rule in costs]:
        rows.append((Cell(rule), *(_cost(name, costs[rule].get(name, math.nan)) for name in names)))
    caption = "seconds for each frame, means over sequences; rules that ran in one pass share its times"
    columns = [Column(_cost_heading(name), name) for name in names]
    return Table("costs", "Costs", (RULE, *columns), tuple(rows), 1, caption if rows else "")


def _cost(name: str, value: float) -> Cell:
    if "bytes" in name:
        return Cell(value / 1024, ".1f") if "per_frame" in name else Cell(value / BYTES, ".2f")
    return Cell(value, ".4f" if name.startswith("seconds") else ".4g")


def _cost_heading(name: str) -> str:
    words = name.replace("seconds_per_frame/", "s/frame ").replace("seconds_per_frame", "s/frame").replace("_", " ")
    return words.replace("bytes", "KiB" if "per_frame" in name else "GiB")


LONGEST = 240
"""Letters of a setting that are shown."""
NAMED = 12
"""Names that a cell of the table of failures lists."""


def failure_table(found: Sequence[Failure]) -> Table:
    """What is missing or short, a line for each cause, with the sequences, rules and metrics that it struck."""
    causes: dict[tuple[str, str, str], list[Failure]] = {}
    for one in found:
        status = "no result" if one.status is None else one.status.value
        causes.setdefault((one.slice.label, status, one.note), []).append(one)
    rows = []
    for (data, status, note), struck in causes.items():
        lengths = sorted({length for one in struck for length in one.lengths})
        rows.append(
            (
                Cell(data),
                Cell(status),
                Cell(_names([one.sequence for one in struck])),
                Cell(_names([one.rule for one in struck])),
                Cell(", ".join(frames_cell(length).text for length in lengths)),
                Cell(_names([metric for one in struck for metric in one.metrics]) or "all"),
                Cell(note),
            )
        )
    heads = ("data", "status", "sequence", "rule", "frames", "metric", "note")
    columns = tuple(Column(head, head, numeric=False) for head in heads)
    return Table("failures", "What failed or fell short", columns, tuple(rows), 2)


def _names(everyone: Sequence[str]) -> str:
    names = list(dict.fromkeys(everyone))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def remark_table(rows: Sequence[ResultRow], units: Sequence[UnitResult] = ()) -> Table:
    """Notes on numbers that are there, and findings about the files, each said once with the number of rules it concerns."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        if row.note and row.status is Status.OK:
            found.setdefault((row.protocol, row.sequence, row.note), set()).add(row.rule)
    for unit in units:
        for finding in unit.findings:
            for row in unit.rows[:1]:
                found.setdefault((row.protocol, row.sequence, finding), set()).add(row.rule)
    lines = [(*map(Cell, key), Cell(str(len(rules)))) for key, rules in found.items()]
    columns = [Column(name, name, numeric=False) for name in ("data", "sequence", "note", "rules")]
    return Table("remarks", "Remarks on numbers that count", tuple(columns), tuple(lines), 2)


def setting_table(units: Sequence[UnitResult], results: Results) -> Table:
    """What the numbers depend on: protocols with their hashes, and every setting that all units share, or how it varies."""
    lines = []
    for part in results.slices:
        local = results.of(part)
        lengths = ", ".join(frames_cell(length).text for length in local.lengths)
        words = f"hash {part.protocol_hash[:16]}; {len(local.sequences)} sequences; frames {lengths}"
        lines.append((Cell(f"protocol {part.label}"), Cell(words)))
    values: dict[str, dict[str, None]] = {}
    for unit in units:
        for name, value in unit.settings.items():
            if name == FINDINGS:
                continue  # they are remarks
            values.setdefault(name, {})[value] = None
    for name, found in values.items():
        few = "; ".join(_cut(value) for value in list(found)[:6]) + (
            f"; and {len(found) - 6} more" if len(found) > 6 else ""
        )
        lines.append((Cell(name.replace("_", " ")), Cell(few)))
    columns = (Column("setting", "setting", numeric=False), Column("value", "value", numeric=False))
    return Table("settings", "What the numbers depend on", columns, tuple(lines), 1)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... (whole in the results of the units)"


def paper_table(found: Sequence[AgainstPaper]) -> Table:
    """Ours, theirs, difference, and the band of what others got."""
    rows = []
    for one in found:
        form = f".{one.metric.digits}f"
        low, high = one.band
        rows.append(
            (
                Cell(one.ours.slice.label),
                Cell(one.ours.rule),
                Cell(one.metric.label),
                frames_cell(one.ours.length),
                Cell(one.ours.value, form),
                Cell(one.published, form),
                Cell(one.difference, f"+{form}"),
                Cell(one.percent, "+.1f"),
                Cell(low, form),
                Cell(high, form),
                Cell(f"{one.ours.ok}/{one.ours.total}"),
            )
        )
    columns = [Column("data", "protocol", False), Column("rule", "rule", False), Column("metric", "metric", False)]
    columns += [Column("frames", "frames"), Column("ours", "ours"), Column("paper", "paper")]
    columns += [
        Column("diff", "difference"),
        Column("%", "percent"),
        Column("low", "band_low"),
        Column("high", "band_high"),
    ]
    caption = (
        "official means; paper: the authors' number; low, high: all numbers printed by anyone for these weights; "
        "the difference is to the paper, or where it has none to the middle of the band"
    )
    return Table("paper", "Against published numbers", (*columns, Column("ok", "ok")), tuple(rows), 3, caption)
