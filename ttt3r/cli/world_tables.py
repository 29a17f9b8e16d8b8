"""The tables of `ttt3r compare worlds`, on the terminal and as CSV."""

import csv
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttt3r.data.procedural.presets import TRAINING_LENGTH
from ttt3r.evaluation.forgetting import RecallScores
from ttt3r.evaluation.intervals import mean_interval
from ttt3r.evaluation.world_plots import BINS, bin_name, table_of_recall
from ttt3r.evaluation.world_study import WorldStudy
from ttt3r.evaluation.worlds import NO_MOTION, WINDOW, WorldScores


def print_tables(study: WorldStudy, console: Console) -> None:
    """Errors by length, what the memories answer, and the paired differences at the largest length."""
    console.print(_errors(study))
    if study.asked:
        console.print(_recalled(study))
    if len(study.scores.gain) > 1:
        console.print(_paired(study.scores))


def _errors(study: WorldStudy) -> Table:
    scores = study.scores
    worlds = len(next(iter(scores.gain.values()))[0])
    table = Table(
        title=f"{worlds} held-out worlds: mean and 95 % interval",
        caption=f"last {WINDOW} frames before each length; lengths in units of the first view's mean distance; "
        f"trained on at most {TRAINING_LENGTH} frames",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("frames", justify="right")
    table.add_column("rule", overflow="fold")
    for heading in ("rotation deg", "translation", "AbsRel", "gain"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row, length in enumerate(scores.lengths):
        for rule in [*scores.gain, NO_MOTION]:
            fields = (scores.rotation_degrees, scores.translation, scores.depth_abs_rel)
            cells = [str(mean_interval(field[rule][row])) if rule in field else "-" for field in fields]
            gain = f"{np.nanmean(scores.gain[rule][row]):.2f}" if rule in scores.gain else "-"
            table.add_row(str(length), escape(rule), *cells, gain)
        table.add_section()
    return table


def _recalled(study: WorldStudy) -> Table:
    table = Table(
        title="Recall: asked for an earlier frame by its rays",
        caption="explained variance of its colours, by frames since the view was last seen; 0 is the view's mean colour",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("memory", overflow="fold")
    for ends in BINS:
        table.add_column(bin_name(*ends), justify="right")
    for name, cells in table_of_recall(study.asked).items():
        table.add_row(escape(name), *("-" if np.isnan(cell.mean) else f"{cell.mean:.2f}" for cell in cells))
    return table


def _paired(scores: WorldScores) -> Table:
    """Every rule against the first, world by world, at the largest length."""
    first, *others = scores.gain
    table = Table(
        title=f"Against {escape(first)} at {scores.lengths[-1]} frames, world by world",
        caption="mean difference and 95 % interval; below 0 is better than it; * where the interval excludes 0",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("rule", overflow="fold")
    for heading in ("rotation deg", "translation", "ATE", "AbsRel"):
        table.add_column(heading, justify="right", no_wrap=True)
    for rule in others:
        cells = []
        for field in (scores.rotation_degrees, scores.translation, scores.ate, scores.depth_abs_rel):
            difference = mean_interval(field[rule][-1] - field[first][-1])
            cells.append(f"{difference}{'*' if difference.excludes_zero else ' '}")
        table.add_row(escape(rule), *cells)
    return table


def write_tables(study: WorldStudy, errors: Path, answers: Path) -> None:
    """One row for each rule, length and world; and one for each memory, question and world."""
    scores = study.scores
    with open(errors, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["rule", "frames", "world", "rotation_degrees", "translation", "ate", "depth_abs_rel", "gain"])
        tables = (scores.rotation_degrees, scores.translation, scores.ate, scores.depth_abs_rel, scores.gain)
        for rule in dict.fromkeys(name for table in tables for name in table):
            for row, length in enumerate(scores.lengths):
                cells = [table[rule][row] if rule in table else None for table in tables]
                worlds = len(next(cell for cell in cells if cell is not None))
                for world in range(worlds):
                    writer.writerow(
                        [rule, length, world, *("" if cell is None else float(cell[world]) for cell in cells)]
                    )
    with open(answers, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["memory", "after", "frame", "world", "frames_since_seen", "variance", "color_error", "points"])
        for asked in study.asked:
            writer.writerows(_answers(asked))


def _answers(asked: RecallScores) -> list[tuple[object, ...]]:
    rows = []
    for name, error in asked.color_error.items():
        for row, frame in enumerate(asked.frames):
            for world, value in enumerate(error[row]):
                numbers = (asked.variance[row, world], value, asked.points[name][row, world])
                rows.append(
                    (name, asked.asked_after, frame, world, int(asked.unseen[row, world]), *map(float, numbers))
                )
    return rows
