"""The tables of the experiment on procedural worlds: for the terminal, for Markdown, and every single number as CSV."""

import csv
from pathlib import Path

import numpy as np

from ttt3r.data.procedural.presets import TRAINING_LENGTH
from ttt3r.evaluation.forgetting import RecallScores
from ttt3r.evaluation.intervals import Interval, mean_interval
from ttt3r.evaluation.report.tables import Cell, Column, Table
from ttt3r.evaluation.world_plots import BINS, bin_name, table_of_recall
from ttt3r.evaluation.world_study import WorldStudy
from ttt3r.evaluation.worlds import MEAN_DEPTH, NO_MOTION, WINDOW, WorldScores
from ttt3r.files import replacing, sheet_cell


def tables_of(study: WorldStudy) -> tuple[Table, ...]:
    """Errors by length, paired differences with the first rule at the largest length, recall, and the books of the gains."""
    tables = [_errors(study.scores)]
    if len(study.scores.gain) > 1:
        tables.append(_paired(study.scores))
    if study.asked:
        tables.append(_recalled(study))
    return (*tables, _gains(study))


def _errors(scores: WorldScores) -> Table:
    worlds = next(iter(scores.gain.values())).shape[1]
    columns = (Column("frames"), Column("rule", numeric=False))
    measured = (
        ("rotation deg", scores.rotation_degrees),
        ("translation", scores.translation),
        ("ATE", scores.ate),
        ("AbsRel", scores.depth_abs_rel),
    )
    rows = []
    for row, length in enumerate(scores.lengths):
        for rule in [*scores.gain, NO_MOTION, MEAN_DEPTH]:
            cells = [_cell(mean_interval(table[rule][row])) if rule in table else Cell("-") for _, table in measured]
            if any(cell.value != "-" for cell in cells):
                rows.append((Cell(str(length)), Cell(rule), *cells))
    return Table(
        name="errors",
        title=f"{worlds} held-out worlds: mean and 95 % interval",
        columns=(*columns, *(Column(heading) for heading, _ in measured)),
        rows=tuple(rows),
        keys=2,
        caption=f"Means over the last {WINDOW} frames before each length (ATE: over all, after Sim(3)); lengths in units of "
        f"the first view's mean distance; trained on at most {TRAINING_LENGTH} frames.",
    )


def _paired(scores: WorldScores) -> Table:
    """Every rule against the first, world by world, at the largest length."""
    first, *others = scores.gain
    measured = (
        ("rotation deg", scores.rotation_degrees),
        ("translation", scores.translation),
        ("ATE", scores.ate),
        ("AbsRel", scores.depth_abs_rel),
    )
    rows = []
    for rule in others:
        found = [mean_interval(table[rule][-1] - table[first][-1]) for _, table in measured]
        rows.append((Cell(rule), *(Cell(f"{one}{' *' if one.excludes_zero else ''}") for one in found)))
    return Table(
        name="paired",
        title=f"Against {first} at {scores.lengths[-1]} frames, world by world",
        columns=(Column("rule", numeric=False), *(Column(heading) for heading, _ in measured)),
        rows=tuple(rows),
        keys=1,
        caption="Mean difference and 95 % interval, not corrected for the number of comparisons; below 0 is better; * where "
        "the interval leaves 0 out.",
    )


def _recalled(study: WorldStudy) -> Table:
    rows = [
        (Cell(name), *(Cell("-" if np.isnan(cell.mean) else f"{cell.mean:.2f}±{cell.half:.2f}") for cell in cells))
        for name, cells in table_of_recall(study.asked).items()
    ]
    return Table(
        name="recall",
        title="Recall: asked for an earlier frame by its rays",
        columns=(Column("memory", numeric=False), *(Column(bin_name(*ends)) for ends in BINS)),
        rows=tuple(rows),
        keys=1,
        caption="Explained variance of its colours, by frames since the view was last seen; sums over worlds are divided.",
    )


def _gains(study: WorldStudy) -> Table:
    rows = []
    for rule, books in study.books.items():
        last = books[-1]
        mean = study.scores.gain[rule][-1].mean()
        numbers = (mean, last.gain_std_tokens, last.gain_std_frames, last.memory_age, last.norm_ratio)
        rows.append((Cell(rule), *(Cell(float(number), ".3f") for number in numbers)))
    headings = ("gain", "SD tokens", "SD frames", "memory age", "norm ratio")
    return Table(
        name="gains",
        title=f"What the rules do, over {study.scores.lengths[-1]} frames",
        columns=(Column("rule", numeric=False), *(Column(heading) for heading in headings)),
        rows=tuple(rows),
        keys=1,
        caption="Gain over tokens, worlds and frames; its spread within a frame and between frames (first worlds); mean age of "
        "what the memory holds, frames; length of the state over that of the candidate.",
    )


def _cell(value: Interval) -> Cell:
    return Cell(str(value))


def write_tables(study: WorldStudy, errors: Path, answers: Path) -> None:
    """One row for each rule, length and world; and one for each memory, question and world."""
    scores = study.scores
    with replacing(errors) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["rule", "frames", "world", "rotation_degrees", "translation", "ate", "depth_abs_rel", "gain"])
        tables = (scores.rotation_degrees, scores.translation, scores.ate, scores.depth_abs_rel, scores.gain)
        for rule in dict.fromkeys(name for table in tables for name in table):
            for row, length in enumerate(scores.lengths):
                cells = [table[rule][row] if rule in table else None for table in tables]
                worlds = len(next(cell for cell in cells if cell is not None))
                for world in range(worlds):
                    writer.writerow(
                        [
                            sheet_cell(rule),
                            length,
                            world,
                            *("" if cell is None else float(cell[world]) for cell in cells),
                        ]
                    )
    with replacing(answers) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["memory", "after", "frame", "world", "frames_since_seen", "variance", "color_error", "points"])
        for asked in study.asked:
            writer.writerows(map(sheet_cell, answer) for answer in _answers(asked))


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
