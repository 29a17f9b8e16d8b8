"""`ttt3r evaluate --aggregate`: what the files of an evaluation say, whichever of them are there."""

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ttt3r.evaluation.measures.depth import ABS_REL
from ttt3r.evaluation.measures.gains import GAIN_MEAN
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.measures.trajectory import ATE, RPE_ROTATION, RPE_TRANSLATION
from ttt3r.evaluation.report.aggregate import StrictMean, aggregates
from ttt3r.evaluation.report.contents import means_table
from ttt3r.evaluation.report.metrics import built_in, metric_named
from ttt3r.evaluation.report.results import Results, collect, slice_of
from ttt3r.evaluation.report.writing import ReportSettings, write_report
from ttt3r.evaluation.results.files import FolderReading, read_folder
from ttt3r.evaluation.results.rows import ResultRow, UnitResult
from ttt3r.files import escaped, write_sheet

CSV, REPORT = "rows.csv", "report"
NAMED = 3
"""Sequences named in a line about a failure; `rows.csv` names all."""
SHOWN = (ATE, RPE_TRANSLATION, RPE_ROTATION, ABS_REL.variant("median"), GAIN_MEAN)
"""The metrics of the short table; a user's own metrics with a direction are added."""


def aggregate(out: Path, console: Console, to: Path | None = None) -> int:
    """Read the results of the newest experiments in a folder, print their means, name what failed, and write `rows.csv`.

    Args:
        out: folder of the results.
        console: prints to the terminal.
        to: folder of what is written; by default that of the results. Where it cannot be written to, a line says so.

    Raises:
        FileNotFoundError: if there are no results.
    """
    show(read_folder(out), to or out, console)
    return 0


def show(reading: FolderReading, to: Path, console: Console) -> bool:
    """Print and write what was read; whether it could be written."""
    units = reading.units
    rows = [row for unit in units for row in unit.rows]
    results = collect(units) if rows else Results((), {}, (), {})
    for part in sorted(results.slices):
        local, title = results.of(part), f"{part.protocol} {part.protocol_hash[:12]}"
        means_table(aggregates(local, StrictMean()), local.rules, _shown(local), "means", title, frozenset()).show(
            console
        )
        concerned = [unit for unit in units if any(slice_of(row) == part for row in unit.rows)]
        own = [row for row in rows if slice_of(row) == part]
        for line in (*_failures(own), *_findings(concerned)):
            console.print(f"[yellow]{escape(line)}[/]", highlight=False, soft_wrap=True)
    for line in reading.aside:
        console.print(f"[yellow]{escape(line)}[/]", highlight=False, soft_wrap=True)
    for line in reading.broken:
        console.print(f"[red]{escape(escaped(line))}[/]", highlight=False, soft_wrap=True)
    try:
        to.mkdir(parents=True, exist_ok=True)
        _write(rows, to / CSV)
        console.print(f"{len(units)} results, every number: [bold]{escape(str(to / CSV))}[/]", highlight=False)
    except OSError as error:
        console.print(f"{len(units)} results; {escape(_unwritten(to, error))}", highlight=False, soft_wrap=True)
        return False
    return True


def _unwritten(to: Path, error: OSError) -> str:
    return f"nothing is written to {to} ({error.strerror or error}); --out OTHER takes it elsewhere"


def report(out: Path, console: Console, to: Path | None = None) -> int:
    """As `aggregate`, and write the report: tables, figures, one HTML page; published numbers beside ours where there are any.

    Returns:
        The exit code: 1 if none of the results can be read, or if nothing can be written to a folder that was asked for.

    Raises:
        FileNotFoundError: if there are no results.
    """
    reading, unwritten = read_folder(out), 0 if to is None else 1
    to = to or out
    if not show(reading, to, console):
        return unwritten if reading.units else 1
    if not reading.units:
        console.print("no report: none of the results can be read", highlight=False)
        return 1
    settings = ReportSettings(against=True, notes=(*reading.aside, *map(escaped, reading.broken)))
    try:
        written = write_report(reading.units, to / REPORT, settings)
    except OSError as error:
        console.print(f"no report: {escape(_unwritten(to / REPORT, error))}", highlight=False, soft_wrap=True)
        return unwritten
    for line in written.settings.notes[len(settings.notes) :]:
        console.print(f"[red]{escape(line)}[/]", highlight=False, soft_wrap=True)
    for verdict in written.verdicts:
        console.print(escape(verdict.headline), highlight=False, soft_wrap=True)
    console.print(f"the report: [bold]{escape(str(to / REPORT / 'report.html'))}[/]", highlight=False)
    return 0


def _shown(results: Results) -> list[Metric]:
    """The metrics that are shown. There is little room: a variant has the heading of its quantity."""
    built = [(metric, results.metric(metric.name)) for metric in SHOWN if metric.name in results.metrics]
    shown = [replace(m, heading=metric_named(m.quantity).heading) if m == metric else m for metric, m in built]
    own = [results.metric(name) for name in results.metrics if name not in built_in()]
    return shown + [metric for metric in own if metric.directed]


def _failures(rows: Sequence[ResultRow]) -> list[str]:
    """One line for each status and note, with the sequences and rules that it concerns."""
    found: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        if row.status is not Status.OK or row.note:
            sequences, rules = found.setdefault((row.status.value, row.note), ({}, {}))
            sequences[row.sequence] = rules[row.rule] = None
    everyone = len({row.rule for row in rows})
    return [
        f"{status}: {note} ({_listed(sequences)}; {'all rules' if len(rules) == everyone else ', '.join(rules)})"
        for (status, note), (sequences, rules) in found.items()
    ]


def _findings(units: Sequence[UnitResult]) -> list[str]:
    """One line for each thing that is not as it should be with the files, with its sequences."""
    found: dict[str, dict[str, None]] = {}
    for unit in units:
        for finding in unit.findings:
            found.setdefault(finding, {})[unit.rows[0].sequence] = None
    return [f"files: {finding} ({_listed(sequences)})" for finding, sequences in found.items()]


def _listed(names: Collection[str]) -> str:
    """The first few names, and how many more there are."""
    first = ", ".join([*names][:NAMED])
    return first if len(names) <= NAMED else f"{first} and {len(names) - NAMED} more"


def _write(rows: Sequence[ResultRow], path: Path) -> None:
    """All rows, numbers in full."""
    names = [field.name for field in fields(ResultRow)]
    write_sheet(path, names, ([_plain(getattr(row, name)) for name in names] for row in rows))


def _plain(value: object) -> object:
    return value.value if isinstance(value, Status) else value
