"""The tables of palindromes, and every single number."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ttt3r.evaluation.metrics.intervals import Interval, mean_interval
from ttt3r.evaluation.metrics.palindrome import Palindrome
from ttt3r.evaluation.report.palindrome.curves import (
    GLANCE,
    QUANTITIES,
    Quantity,
    bins_of,
    curve,
    over_segments,
    overall,
    rules_of,
)
from ttt3r.evaluation.report.tables import Cell, Column, Table
from ttt3r.files import write_sheet

COLUMNS = (
    *("rule", "control_of", "source", "segment", "frame", "k", "lag"),
    *("translation_per_path", "translation_per_first_view", "rotation_degrees", "log_depth"),
    *("path_per_first_view", "spread_per_first_view", "turn_degrees", "gain_mean", "restarts"),
    *("true_rotation_degrees", "true_translation_m", "note"),
)
"""Of the CSV. `k` counts within the segment, `frame` in the source; `path_per_first_view` to `restarts`: of the segment."""


def palindrome_tables(found: Sequence[Palindrome]) -> tuple[Table, ...]:
    """At a glance; then each error against lag."""
    return (_glance(found), *(_by_lag(found, quantity) for quantity in QUANTITIES))


def write_palindromes(found: Sequence[Palindrome], path: Path) -> None:
    """One row for each rule, segment and frame that was read twice; of a rule that stopped, one row that says why."""
    write_sheet(path, COLUMNS, (row for one in found for row in _rows(one)))


def _rows(one: Palindrome) -> Iterator[tuple[object, ...]]:
    for rule, errors in one.errors.items():
        true = one.truth.get(rule)
        path, note = errors.path, "; ".join(errors.notes)
        whole = (path.length, path.spread, path.turn_degrees, errors.gain, errors.restarts)
        for k, lag in enumerate(errors.lag):
            numbers = (errors.translation_per_path, errors.translation, errors.rotation_degrees, errors.log_depth)
            truth = ("", "") if true is None else (float(true.rotation_degrees[k]), float(true.translation[k]))
            keys = (rule, one.control_of.get(rule, ""), one.source, one.segment, one.frames[k], k, int(lag))
            yield (*keys, *(float(values[k]) for values in numbers), *whole, *truth, note)
    for rule, reason in one.stopped.items():
        blank = ("",) * (len(COLUMNS) - 5)
        yield (rule, one.control_of.get(rule, ""), one.source, one.segment, *blank, reason)


def _glance(found: Sequence[Palindrome]) -> Table:
    measured = [one for one in found if one.truth]
    columns = [Column("rule", numeric=False), *(Column(one.short, one.name) for one in GLANCE)]
    columns += [Column("path", "path_per_first_view"), Column("spread", "spread_per_first_view")]
    columns += [Column("turn", "turn_degrees"), Column("gain", "gain_mean")]
    columns += [Column("true deg", "true_rotation_degrees"), Column("ATE m", "ate")] if measured else []
    rows = []
    for rule in rules_of(found):
        cells = [_cell(overall(found, rule, one), one.digits) for one in GLANCE]
        cells += [
            _plain(over_segments(found, rule, lambda errors: errors.path.length), ".2f"),
            _plain(over_segments(found, rule, lambda errors: errors.path.spread), ".2f"),
            _plain(over_segments(found, rule, lambda errors: errors.path.turn_degrees), ".0f"),
            _plain(over_segments(found, rule, lambda errors: errors.gain), ".2f"),
        ]
        if measured:
            true = [one.truth[rule] for one in measured if rule in one.truth]
            cells += [_cell(mean_interval(np.array([one.rotation for one in true], np.float64)), 1)]
            cells += [_cell(mean_interval(np.array([one.ate for one in true], np.float64)), 3)]
        rows.append((Cell(rule), *cells))
    frames, count = len(found[0].frames), len(found)
    return Table(
        name="palindrome",
        title=f"{found[0].source}: {_segments(count)} of {frames} frames, forwards and backwards",
        columns=tuple(columns),
        rows=tuple(rows),
        keys=1,
        caption="Differences between the two readings of a frame, over all lags; less is better, unless the path hardly moves. "
        "t: translation over the length of the path, and over the mean distance of the first view, which is also the unit of "
        "path and spread. Path, spread and the largest turn (degrees): of the way there. "
        + _of_truth(bool(measured))
        + _intervals(count),
    )


def _by_lag(found: Sequence[Palindrome], quantity: Quantity) -> Table:
    rows = [
        (Cell(rule), *(_cell(value, quantity.digits) for value in curve(found, rule, quantity)))
        for rule in rules_of(found)
    ]
    return Table(
        name=f"by_lag_{quantity.name}",
        title=f"{quantity.heading}, by the frames between the two readings",
        columns=(Column("rule", numeric=False), *(Column(str(part)) for part in bins_of(found))),
        rows=tuple(rows),
        keys=1,
    )


def palindrome_notes(found: Sequence[Palindrome]) -> tuple[str, ...]:
    """What has to be known of single rules before their errors are read."""
    notes = []
    for rule in rules_of(found):
        here = [one.errors[rule] for one in found if rule in one.errors]
        for note in dict.fromkeys(note for errors in here for note in errors.notes):
            count = sum(note in errors.notes for errors in here)
            notes.append(f"{rule} {note}{_share(count, len(found))}: {_MEANING[note]}")
        if restarts := sum(errors.restarts for errors in here):
            notes.append(
                f"{rule} restarted {restarts} time{'s' * (restarts != 1)}: what it saw before is lost, cameras are chained "
                "through the frame at the restart, and depths are in the unit of the new chunk"
            )
        for one in found:
            if rule in one.stopped:
                notes.append(f"{rule} did not come to the end of segment {one.segment}: {one.stopped[rule]}")
    return tuple(notes)


_MEANING = {
    "never writes": "a memory that does not change answers twice alike, right or wrong",
    "hardly moves": "a path that stays in place comes back by itself",
    "straight": "its positions lie on a line",
}


def _share(count: int, segments: int) -> str:
    return "" if segments == 1 else f" in {count} of {segments} segments"


def _segments(count: int) -> str:
    return f"{count} segment{'s' * (count != 1)}"


def _intervals(count: int) -> str:
    if count == 1:
        return "One segment: no interval (--segments)."
    return "± 95 % over segments, which are of one video."


def _of_truth(there: bool) -> str:
    return "True deg, ATE: the way there against ground truth. " if there else ""


def _cell(value: Interval, digits: int) -> Cell:
    if np.isnan(value.mean) or np.isnan(value.half):
        return Cell(value.mean, f".{digits}f")
    return Cell(f"{value.mean:.{digits}f}±{value.half:.{digits}f}")


def _plain(value: Interval, form: str) -> Cell:
    return Cell(value.mean, form)
