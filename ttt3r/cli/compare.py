"""Compare rules side by side on sequences with ground truth, all in one pass: a table, a CSV file, pictures.

Reads the datasets of `ttt3r data list`; `ttt3r data demo DIR` makes a sequence to try things on.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from rich.markup import escape

import ttt3r.cli.choosing as choosing
import ttt3r.cli.comparison_folder as comparison_folder
from ttt3r.cli.compare_settings import CompareSettings
from ttt3r.cli.published import compare_with_paper
from ttt3r.cli.run import frame_progress
from ttt3r.cli.worlds import compare_worlds
from ttt3r.data import Clip, Severity, open_clip
from ttt3r.evaluation.engine.compare import compare
from ttt3r.evaluation.engine.comparison import Comparison, ComparisonRow
from ttt3r.evaluation.measures.depth import ABS_REL
from ttt3r.evaluation.measures.gains import GAIN_MEAN, MEMORY_AGE
from ttt3r.evaluation.measures.trajectory import ATE, RPE_ROTATION, RPE_TRANSLATION
from ttt3r.evaluation.plots.plots import plot_gains, plot_trajectories
from ttt3r.evaluation.report.tables import Cell, Column, Table
from ttt3r.evaluation.worlds.study import WorldPlan
from ttt3r.export import TrajectoryWriter
from ttt3r.files import escaped, locked, replacing
from ttt3r.types import LengthUnit
from ttt3r.update_rules import StateUpdateRule


def execute(settings: CompareSettings, console: Console) -> int:
    """Run `ttt3r compare`."""
    rules = choosing.parse_rules(settings.rules)
    lengths = choosing.parse_lengths(settings.lengths)
    if settings.out is None:
        return _compare(settings, rules, lengths, console)
    comparison_folder.make_folder(settings.out)
    with locked(settings.out, "comparison"):
        comparison_folder.prepare(settings.out, _table_of(settings), settings.overwrite)
        return _compare(settings, rules, lengths, console)


def _table_of(settings: CompareSettings) -> str:
    if settings.against is not None:
        return comparison_folder.PAPER
    return comparison_folder.WORLDS if settings.path == ("worlds",) else comparison_folder.CLIPS


def _compare(
    settings: CompareSettings, rules: dict[str, StateUpdateRule], lengths: tuple[int, ...], console: Console
) -> int:
    if settings.against is not None:
        return compare_with_paper(settings.path, settings.out, console)
    if settings.path == ("worlds",):
        return compare_worlds(settings, lengths or WorldPlan.lengths, console)
    network = choosing.load(settings, console)
    policy, sampling = choosing.policy(settings, network), choosing.sampling(settings)
    clips = [
        open_clip(path, policy=policy, sampling=sampling, skip_broken=settings.skip_broken) for path in settings.path
    ]
    result, failed = Comparison(), False
    for clip in (replace(clip, name=escaped(clip.name)) for clip in clips):
        if clip.name in result.truth:
            raise ValueError(f"two sequences are called {clip.name}; compare them one by one")
        with frame_progress(console) as progress, choosing.precision(settings):
            total = min(len(clip.timestamps), max(lengths or (len(clip.timestamps),)))
            task = progress.add_task(escape(clip.name), total=2 * total if settings.controls else total)
            found = compare(
                network,
                rules,
                [clip],
                lengths=lengths or None,
                reset_every=choosing.parse_resets(rules, settings.reset_every),
                controls=settings.controls,
                chunk=settings.chunk,
                on_frame=lambda *_, task=task, progress=progress: progress.advance(task),
            )
        _report(clip, found, console)
        failed |= any((row.clip, row.rule) not in found.cameras for row in found.rows)
        if settings.out is not None:  # after every clip: an error in the next one loses nothing
            if not result.rows:
                comparison_folder.clear(settings.out, comparison_folder.CLIPS)
            result.extended(found).write_csv(settings.out / comparison_folder.CLIPS)  # it names all other files
            _write(found, settings.out, network.config.unit, console)
        result = result.extended(found)
    if choosing.is_toy(settings.network, network):
        console.print("[yellow]numbers of an untrained or tiny network: they say nothing about the rules[/]")
    if settings.out is not None:
        console.print(f"the table: [bold]{settings.out / comparison_folder.CLIPS}[/]", highlight=False)
    return 1 if failed else 0


def _report(clip: Clip, result: Comparison, console: Console) -> None:
    """The table of one clip, and what has to be said beside it."""
    rules = list(dict.fromkeys(row.control_of or row.rule for row in result.rows))
    rows = sorted(result.rows, key=lambda row: (row.frames, rules.index(row.control_of or row.rule)))
    _table(clip.name, rows).show(console)
    notes: dict[tuple[str, str], list[str]] = {}
    for row in result.rows:
        if row.note:
            what = "no trajectory errors" if math.isnan(row.ate) else "trajectory errors"
            notes.setdefault((what, row.note), []).append(f"{row.rule} at {row.frames} frames")
    for (what, note), rows in notes.items():
        console.print(f"[yellow]{what}[/] ({escape(', '.join(rows))}): {escape(note)}", highlight=False)
    for finding in dict.fromkeys(clip.findings):
        colour = "dim" if finding.severity is Severity.NOTE else "yellow"
        console.print(f"[{colour}]{finding.what.value}[/]: {escape(str(finding))}", highlight=False)
    for name, reason in clip.source.skipped:
        console.print(f"[yellow]skipped[/] {escape(f'{name}: {reason}')}", highlight=False)


def _table(clip: str, rows: list[ComparisonRow]) -> Table:
    """One clip: shorter prefixes first, rules in the order in which they were named, controls below their gates."""
    measured = [metric.label for metric in (ATE, RPE_TRANSLATION, RPE_ROTATION, ABS_REL, GAIN_MEAN)]
    return Table(
        name="comparison",
        title=clip,
        columns=(Column("frames"), Column("rule", numeric=False), *map(Column, (*measured, MEMORY_AGE.heading))),
        rows=tuple((Cell(str(row.frames)), Cell(row.rule), *_numbers(row)) for row in rows),
        keys=2,
        caption=f"one pass for all rules: {rows[0].seconds_per_frame:.3f} s a frame",
    )


def _numbers(row: ComparisonRow) -> list[Cell]:
    values = [row.ate, row.rpe_translation, row.rpe_rotation_degrees, row.depth_abs_rel]
    return [*map(Cell, values), Cell(f"{row.gain_mean:.2f}±{row.gain_std:.2f}"), Cell(row.memory_age, ".1f")]


def _write(result: Comparison, out: Path, unit: LengthUnit, console: Console) -> None:
    """A TUM trajectory for each clip and rule, and pictures of each clip where matplotlib is installed."""
    made = []
    for clip, truth in result.truth.items():
        paths = {rule: cameras for (name, rule), cameras in result.cameras.items() if name == clip}
        for rule, cameras in paths.items():
            made.append(comparison_folder.trajectory_of(clip, rule))
            _write_trajectory(out / made[-1], unit, result.timestamps[clip], cameras)
        pictures = [comparison_folder.picture_of(clip), comparison_folder.gains_of(clip)]
        try:
            plot_trajectories(out / pictures[0], paths, truth)
            plot_gains(out / pictures[1], {rule: g for (name, rule), g in result.gains.items() if name == clip})
            made += pictures
        except ImportError as error:
            console.print(f"no pictures: {escape(str(error))}", highlight=False)
    console.print(f"[bold]{out}[/]: {', '.join(made)}", highlight=False)


def _write_trajectory(
    path: Path, unit: LengthUnit, timestamps: Float[np.ndarray, " frame"], cameras: Float[np.ndarray, "frame 4 4"]
) -> None:
    with replacing(path) as partial:
        writer = TrajectoryWriter(partial, unit)
        for timestamp, camera in zip(timestamps, cameras, strict=True):
            writer.write(float(timestamp), torch.from_numpy(camera))
