"""From rows to one number for each rule and length: as the official scripts do it, or strictly.

StrictMean()     float64, plain mean over sequences that are whole and finite; what is missing is counted and named
OfficialMean()   what the published tables contain: failed sequences leave the mean, poses are rounded, depth is weighted
"""

import abc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttt3r.evaluation.measures.metric import Family, Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.report.results import Results, Slice, slice_of
from ttt3r.evaluation.results.rows import ResultRow

_COUNTED = (Status.OK, Status.TOO_SHORT)
_DROPPED = (Status.DEGENERATE, Status.INVALID_TRUTH, Status.OUT_OF_MEMORY)
"""What the official scripts count, and what they drop and log; at everything else they stop."""


@dataclass(frozen=True)
class Aggregate:
    """One number for one rule at one length.

    Args:
        slice: data set and protocol.
        rule: label.
        length: frames asked for.
        declared: the metric.
        value: the mean; NaN if there is none.
        ok: sequences that were counted.
        total: sequences that were asked for.
        note: what has to be known beside the number.
    """

    slice: Slice
    rule: str
    length: int
    declared: Metric
    value: float
    ok: int
    total: int
    note: str = ""

    @property
    def metric(self) -> str:
        """Its name."""
        return self.declared.name


class Aggregation(abc.ABC):
    """How the numbers of sequences become one."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """For people."""

    @property
    @abc.abstractmethod
    def fixed_set(self) -> bool:
        """Whether its numbers are meant over the common set of sequences, or over whatever is valid at each length."""

    @abc.abstractmethod
    def counts(self, row: ResultRow) -> bool:
        """Whether the row enters the mean."""

    @abc.abstractmethod
    def mean(self, metric: Metric, rows: Sequence[ResultRow], pixels: Mapping[str, float]) -> tuple[float, str]:
        """The number of all `rows` of one metric, and a note.

        Args:
            metric: of the rows.
            rows: one for each sequence, failed ones among them.
            pixels: judged pixels by sequence, where they are known.
        """


@dataclass(frozen=True)
class StrictMean(Aggregation):
    """The plain mean in float64 over sequences with status OK and a finite number.

    A sequence that is shorter than asked for is not counted at that length. Nothing is rounded; nothing is weighted.
    """

    @property
    def name(self) -> str:
        """For people."""
        return "strict"

    @property
    def fixed_set(self) -> bool:
        """A curve over a fixed set."""
        return True

    def counts(self, row: ResultRow) -> bool:
        """Whether the row enters the mean."""
        return row.status is Status.OK and math.isfinite(row.value)

    def mean(self, metric: Metric, rows: Sequence[ResultRow], pixels: Mapping[str, float]) -> tuple[float, str]:
        """The plain mean of the rows that count."""
        values = [row.value for row in rows if self.counts(row)]
        return (math.fsum(values) / len(values) if values else math.nan), ""


@dataclass(frozen=True)
class OfficialMean(Aggregation):
    """As in the published evaluation scripts, quirks and all.

    - A sequence with a degenerate trajectory, invalid truth or too little memory leaves the mean; the set shrinks with length.
    - A short sequence stands in the column of the length that was asked for.
    - What makes the official script stop (a prediction that is not finite, a missing file) leaves no mean at all: NaN, and
      a note names the sequence.
    - Pose errors are rounded to 6 decimals before they are averaged, because the scripts read them from a text.
    - Depth errors are weighted by judged pixels, roots of mean squares too (they are not pooled).
    - Everything else is a plain mean over sequences.
    """

    pose_decimals: int = 6

    @property
    def name(self) -> str:
        """For people."""
        return "official"

    @property
    def fixed_set(self) -> bool:
        """The set shrinks with length."""
        return False

    def counts(self, row: ResultRow) -> bool:
        """Whether the row enters the mean."""
        return row.status in _COUNTED and math.isfinite(row.value)

    def mean(self, metric: Metric, rows: Sequence[ResultRow], pixels: Mapping[str, float]) -> tuple[float, str]:
        """The official mean."""
        fatal = [row.sequence for row in rows if row.status not in (*_COUNTED, *_DROPPED)]
        if fatal:
            return math.nan, f"the official script stops at {fatal[0]}"
        counted = [row for row in rows if self.counts(row)]
        values = [row.value for row in counted]
        if not values:
            return math.nan, ""
        if metric.family is Family.TRAJECTORY:
            values = [float(f"{value:.{self.pose_decimals}f}") for value in values]
        if metric.family is Family.DEPTH:
            weights = [pixels.get(row.sequence, math.nan) for row in counted]
            if not all(math.isfinite(weight) for weight in weights):
                return float(np.mean(values)), "not weighted: the numbers of pixels are not known"
            if sum(weights) == 0:
                return math.nan, "no pixel has a true depth"
            return float(np.average(values, weights=weights)), ""
        return float(np.mean(values)), ""


def aggregates(
    results: Results, aggregation: Aggregation, sequences: Mapping[tuple[Slice, str], frozenset[str]] | None = None
) -> tuple[Aggregate, ...]:
    """One number for each slice, rule, length and metric; numbers of different protocols never meet.

    Args:
        results: of any number of slices.
        aggregation: strict or official.
        sequences: by (slice, metric), the sequences to look at; all by default.
    """
    cells: dict[tuple[Slice, str, int, str], list[ResultRow]] = {}
    asked: dict[Slice, set[str]] = {}
    pixels: dict[tuple[Slice, str, int], dict[str, dict[bool, float]]] = {}  # the official count goes first
    for row in results.rows:
        part = slice_of(row)
        asked.setdefault(part, set()).add(row.sequence)
        if (read := results.metric(row.metric)).family is Family.PIXELS:
            known = pixels.setdefault((part, row.rule, row.length), {}).setdefault(row.sequence, {})
            known.setdefault(not read.official, row.value)
        if sequences is None or row.sequence in sequences[part, row.metric]:
            cells.setdefault((part, row.rule, row.length, row.metric), []).append(row)
    made = []
    for (part, rule, length, name), rows in cells.items():
        counts = {sequence: known[min(known)] for sequence, known in pixels.get((part, rule, length), {}).items()}
        metric = results.metric(name)
        value, note = aggregation.mean(metric, rows, counts)
        total = len(asked[part] if sequences is None else sequences[part, name])
        made.append(Aggregate(part, rule, length, metric, value, sum(map(aggregation.counts, rows)), total, note))
    return tuple(made)


@dataclass(frozen=True)
class CommonSet:
    """The sequences on which all rules can be compared at every length.

    Args:
        sequences: counted at the largest length for every rule but those in `absent`.
        absent: rules without a single number there; they would empty the set.
        length: the largest one.
    """

    sequences: frozenset[str]
    absent: tuple[str, ...]
    length: int


def common_set(results: Results, part: Slice, metric: str, aggregation: Aggregation) -> CommonSet:
    """The fixed set beside the changing one: sequences that are valid at the largest length, for every rule."""
    rows = [row for row in results.rows if slice_of(row) == part and row.metric == metric]
    length = max((row.length for row in rows), default=0)
    valid = {rule: set[str]() for rule in dict.fromkeys(row.rule for row in rows)}
    for row in rows:
        if row.length == length and aggregation.counts(row):
            valid[row.rule].add(row.sequence)
    present = [sequences for sequences in valid.values() if sequences]
    absent = tuple(rule for rule, sequences in valid.items() if not sequences)
    return CommonSet(frozenset(set.intersection(*present)) if present else frozenset(), absent, length)


def common_sets(results: Results, aggregation: Aggregation) -> dict[tuple[Slice, str], frozenset[str]]:
    """The common set of every slice and metric, as `aggregates` takes them."""
    keys = dict.fromkeys((slice_of(row), row.metric) for row in results.rows)
    return {(part, metric): common_set(results, part, metric, aggregation).sequences for part, metric in keys}
