"""The tables of the experiment on procedural worlds: for the terminal, for Markdown, and every single number as CSV."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ttt3r.evaluation.metrics.intervals import Interval, mean_interval
from ttt3r.evaluation.report.tables import Cell, Column, Table
from ttt3r.evaluation.results.knowing_nothing import MEAN_DEPTH, NO_MOTION, SCENE_AVERAGE
from ttt3r.evaluation.worlds.controls import PLAIN_AVERAGE
from ttt3r.evaluation.worlds.differences import Difference, differences, measured
from ttt3r.evaluation.worlds.forgetting import RecallScores
from ttt3r.evaluation.worlds.plots import BINS, bin_name, table_of_recall
from ttt3r.evaluation.worlds.scores import WINDOW, WorldScores
from ttt3r.evaluation.worlds.study import WorldStudy
from ttt3r.files import write_sheet
from ttt3r.update_rules.naming.labels import Control


def tables_of(study: WorldStudy, trained: int | None = None) -> tuple[Table, ...]:
    """At a glance; errors by length; differences with the first rule by length; recall; gains.

    Args:
        study: of the rules.
        trained: frames of the longest clip that the network was trained on, where that is known.
    """
    tables = [summary_table(study), _errors(study, trained)]
    if len(study.scores.gain) > 1:
        tables += paired_tables(study.scores)
    if study.asked:
        tables.append(_recalled(study))
    return (*tables, _gains(study))


def summary_table(study: WorldStudy) -> Table:
    """Rotations at up to four lengths, and what memories recall: a line for each rule, and for trivial predictors."""
    scores = study.scores
    lengths = list(scores.lengths if len(scores.lengths) <= 4 else (*scores.lengths[:3], scores.lengths[-1]))
    bins = BINS[:3] if study.asked else ()
    recalled = table_of_recall(study.asked) if study.asked else {}
    turned, better = scores.rotation_degrees, differences(scores, scores.rotation_degrees)
    rows = []
    further = (Control.TOKEN_MEAN,)  # in the tables below
    rules = [name for name in scores.gain if name != PLAIN_AVERAGE and Control.split(name)[0] not in further]
    for rule in [*rules, NO_MOTION, SCENE_AVERAGE]:
        cells = []
        for place in map(scores.lengths.index, lengths):
            cell = _short(mean_interval(turned[rule][place]) if rule in turned else None, 1)
            cells.append(replace(cell, sure=rule in better and better[rule][place].better))
        cells += [_short(recalled[rule][place] if rule in recalled else None, 2) for place in range(len(bins))]
        rows.append((Cell(rule), *cells))
    headings = [f"rotation deg after {lengths[0]}", *(str(length) for length in lengths[1:])]
    headings += ["recall of what is in view", *(f"{bin_name(*ends)} frames after" for ends in bins[1:])][: len(bins)]
    return Table(
        name="summary",
        title=f"At a glance: {_worlds(study)}, mean and 95 % interval",
        columns=(Column("rule", numeric=False), *map(Column, headings)),
        rows=tuple(rows),
        keys=1,
        caption="Rotation: error in degrees, not aligned, over the last frames before each length; bold: surely better than "
        f"{next(iter(scores.gain))}, world by world. Recall: explained variance of the colours of earlier views; 1 is perfect, "
        "0 the view's mean colour.",
    )


def _worlds(study: WorldStudy) -> str:
    count = next(iter(study.scores.gain.values())).shape[1]
    return f"{count} held-out worlds ({study.plan.name})"


def _short(value: Interval | None, digits: int) -> Cell:
    if value is None or np.isnan(value.mean):
        return Cell("-")
    return Cell(f"{value.mean:.{digits}f}±{value.half:.{digits}f}")


def _errors(study: WorldStudy, trained: int | None) -> Table:
    scores, columns = study.scores, (Column("frames"), Column("rule", numeric=False))
    errors = measured(scores)
    rows = []
    for row, length in enumerate(scores.lengths):
        for rule in [*scores.gain, NO_MOTION, MEAN_DEPTH]:
            cells = [_cell(mean_interval(table[rule][row])) if rule in table else Cell("-") for _, table in errors]
            if any(cell.value != "-" for cell in cells):
                rows.append((Cell(str(length)), Cell(rule), *cells))
    return Table(
        name="errors",
        title=f"{_worlds(study)}: mean and 95 % interval",
        columns=(*columns, *(Column(metric.label) for metric, _ in errors)),
        rows=tuple(rows),
        keys=2,
        caption=f"Means over the last {WINDOW} frames before each length (ATE: over all, after Sim(3)); lengths in units of "
        f"the first view's mean distance{'' if trained is None else f'; trained on at most {trained} frames'}.",
    )


def paired_tables(scores: WorldScores) -> list[Table]:
    """Every rule against the first, world by world, at every length: a table for each error."""
    first = next(iter(scores.gain))
    return [
        Table(
            name=f"paired_{metric.name}",
            title=f"Against {first}, world by world: {metric.label}, after so many frames",
            columns=(Column("rule", numeric=False), *(Column(str(length)) for length in scores.lengths)),
            rows=tuple((Cell(rule), *map(_paired_cell, row)) for rule, row in differences(scores, table).items()),
            keys=1,
            caption="Mean difference and 95 % interval; below 0 is better. Bold: sure, by the interval and by the sign-flip "
            "test after Holm's correction over the column.",
        )
        for metric, table in measured(scores)
    ]


def _paired_cell(found: Difference) -> Cell:
    if np.isnan(found.interval.mean):
        return Cell("-")
    digits = 2 if abs(found.interval.mean) + found.interval.half >= 1 else 3
    return Cell(f"{found.interval.mean:+.{digits}f}±{found.interval.half:.{digits}f}", sure=found.sure)


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
    for rule, summaries in study.gain_summaries.items():
        last = summaries[-1]
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
    columns = ("rule", "frames", "world", "rotation_degrees", "translation", "ate", "depth_abs_rel", "gain")
    write_sheet(errors, columns, _numbers(study.scores))
    columns = ("memory", "after", "frame", "world", "frames_since_seen", "variance", "color_error", "points")
    write_sheet(answers, columns, (answer for asked in study.asked for answer in _answers(asked)))


def _numbers(scores: WorldScores) -> Iterator[tuple[object, ...]]:
    tables = (scores.rotation_degrees, scores.translation, scores.ate, scores.depth_abs_rel, scores.gain)
    for rule in dict.fromkeys(name for table in tables for name in table):
        cells = [table.get(rule) for table in tables]
        places = np.ndindex(next(cell.shape for cell in cells if cell is not None))
        for row, world in places:
            numbers = ("" if cell is None else float(cell[row, world]) for cell in cells)
            yield (rule, scores.lengths[row], world, *numbers)


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
