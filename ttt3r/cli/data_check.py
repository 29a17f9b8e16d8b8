"""The report of `ttt3r data check` on a folder of datasets: every sequence, what is wrong, what is missing, where to get it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from ttt3r.data import DATASETS, SELECTIONS, Dataset, Finding, Place, ResizePolicy, Severity
from ttt3r.data.checks.inspection import Inspection, inspect_sequence

MOST_SHOWN = 5
"""Findings of one kind that are shown for a dataset."""

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def check_datasets(
    root: str, found: Mapping[str, Sequence[Place]], every_file: bool, policy: ResizePolicy, console: Console
) -> int:
    """Report on all sequences of all datasets below a root.

    Args:
        root: where they were found, for messages.
        found: places by the name of the dataset.
        every_file: decode all images and depth maps.
        policy: how frames would be prepared.
        console: to print to.

    Returns:
        1 if there was an error, else 0.
    """
    failed = False
    for name, places in found.items():
        dataset = DATASETS[name]
        inspections = _inspect(dataset, places, every_file, console)
        console.print(_table(dataset, inspections, policy))
        _print_findings([finding for item in inspections for finding in item.findings], console)
        if [place.folder for place in places] != [Path(root)]:  # of a single sequence nobody expects a whole dataset
            _print_protocols(dataset, places, console)
        failed |= any(f.severity is Severity.ERROR for item in inspections for f in item.findings)
    console.print(
        f"{escape(root)}: {sum(map(len, found.values()))} sequences of {len(found)} datasets"
        + ("; [red]some cannot be used as they are[/]" if failed else ""),
        highlight=False,
        soft_wrap=True,
    )
    return int(failed)


def _inspect(dataset: Dataset, places: Sequence[Place], every_file: bool, console: Console) -> list[Inspection]:
    done = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(dataset.name, total=len(places))
        for place in places:
            done.append(inspect_sequence(dataset.layout, place, every_file))
            progress.advance(task)
    return done


def _table(dataset: Dataset, inspections: Sequence[Inspection], policy: ResizePolicy) -> Table:
    title = f"{dataset.name} ({dataset.layout.name})"
    table = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("sequence", overflow="fold", min_width=16)
    for heading in ("frames", "poses", "depth"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("pixels", no_wrap=True)
    table.add_column("findings", overflow="fold", min_width=12)
    for item in inspections:
        kinds = dict.fromkeys(f"[{_COLOURS[f.severity]}]{f.what.value}[/]" for f in item.findings)
        counts = (str(count) if count else "-" for count in (item.frames, item.poses, item.depths))
        table.add_row(escape(item.place.name), *counts, _sizes(item.size, policy), ", ".join(kinds) or "none")
    return table


def _sizes(size: tuple[int, int] | None, policy: ResizePolicy) -> str:
    """The size on disk, and below it the size as prepared for a network."""
    if size is None:
        return "?"
    try:
        width, height = policy.plan(*size).prepared
    except ValueError:
        return f"{size[0]} x {size[1]}\n-> too narrow"
    return f"{size[0]} x {size[1]}" + ("" if (width, height) == size else f"\n-> {width} x {height}")


def _print_findings(findings: Sequence[Finding], console: Console) -> None:
    """The heaviest first; of each kind not more than a few."""
    kinds: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.severity, finding.what.value), []).append(finding)
    for (severity, what), group in sorted(kinds.items(), key=lambda item: -item[0][0]):
        for finding in group[:MOST_SHOWN] if severity is not Severity.NOTE else group[:1]:
            console.print(
                f"[{_COLOURS[severity]}]{severity.name.lower()}: {what}[/]: {escape(str(finding))}", highlight=False
            )
        left = len(group) - (MOST_SHOWN if severity is not Severity.NOTE else 1)
        if left > 0:
            console.print(f"  ... and {left} more of this kind", highlight=False)


def _print_protocols(dataset: Dataset, places: Sequence[Place], console: Console) -> None:
    """How many of the sequences that the published evaluations ask for are here, and where to get the others."""
    here = {place.name for place in places}
    wanted: dict[tuple[str, ...], list[str]] = {}
    for name, selection in SELECTIONS.items():
        if selection.dataset == dataset.name and selection.sequences:
            wanted.setdefault(selection.sequences, []).append(name)
    for sequences, names in wanted.items():
        missing = [sequence for sequence in sequences if sequence not in here]
        label = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        console.print(
            f"{label}: {len(sequences) - len(missing)} of {len(sequences)} sequences are here", highlight=False
        )
        if missing:
            some = ", ".join(missing[:3]) + (f", ... ({len(missing)})" if len(missing) > 3 else "")
            console.print(f"  missing: {some}", highlight=False)
            console.print(f"  to do: {dataset.obtain} ({dataset.home})", highlight=False)
    console.print()
