"""The tables beside the results: what failed, what the numbers depend on, and the published values."""

from collections.abc import Sequence

from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.report.against import AgainstPaper
from ttt3r.evaluation.report.failing import Failure
from ttt3r.evaluation.report.pair_table import frames_cell
from ttt3r.evaluation.report.results import Results
from ttt3r.evaluation.report.tables import Cell, Column, Table
from ttt3r.evaluation.results.rows import FINDINGS, ResultRow, UnitResult

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
