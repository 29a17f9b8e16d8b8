"""The rows of many units, put in order: nothing counted twice, repeats averaged and remembered, controls named."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.report.metrics import declared_by, metric_named
from ttt3r.evaluation.results.current import current_of
from ttt3r.evaluation.results.knowing_nothing import KNOWS_NOTHING
from ttt3r.evaluation.results.rows import ResultRow, UnitResult
from ttt3r.update_rules.naming.labels import Control

REPEAT = "repeat"
"""The entry of `UnitResult.settings` that distinguishes runs of one unit, e.g. `0`, `1`; absent where nothing is repeated."""


@dataclass(frozen=True, order=True)
class Slice:
    """Sequences whose numbers may be averaged: one data set under one protocol.

    Args:
        protocol: its name.
        protocol_hash: of all its settings.
        dataset: name.
    """

    protocol: str
    protocol_hash: str
    dataset: str

    @property
    def label(self) -> str:
        """For people, e.g. `tum/1000` or, where the name does not say it, `stride2-400 (7scenes)`."""
        return self.protocol if self.dataset in self.protocol else f"{self.protocol} ({self.dataset})"


@dataclass(frozen=True)
class ResultKey:
    """Where a number stands: everything that distinguishes it from the others."""

    slice: Slice
    rule: str
    sequence: str
    length: int
    metric: str


@dataclass(frozen=True)
class Results:
    """What a report is made of.

    Args:
        rows: one for each place; the mean over repeats where there are any.
        repeats: the numbers of the single runs, by place; only where there is more than one.
        rules: in the order in which they were met, each control behind its gate.
        gate_of: the gate of each control.
        declared: by name, how numbers are read as the units say.
    """

    rows: tuple[ResultRow, ...]
    repeats: Mapping[ResultKey, tuple[float, ...]]
    rules: tuple[str, ...]
    gate_of: Mapping[str, str]
    declared: Mapping[str, Metric] = field(default_factory=dict)

    def metric(self, name: str) -> Metric:
        """How the number of that name is read; one that nobody declared has no direction."""
        return self.declared.get(name) or metric_named(name)

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """In the order in which they were met."""
        return tuple(dict.fromkeys(slice_of(row) for row in self.rows))

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """The rules that were asked for, without controls."""
        return tuple(rule for rule in self.rules if rule not in self.gate_of and rule not in KNOWS_NOTHING)

    @cached_property
    def knowing_nothing(self) -> tuple[str, ...]:
        """The trivial predictors: they stand beside every rule, and no rule wins that does not beat them."""
        return tuple(rule for rule in self.rules if rule in KNOWS_NOTHING)

    def of(self, part: Slice) -> "Results":
        """The same, of one slice alone."""
        rows = tuple(row for row in self.rows if slice_of(row) == part)
        met = {row.rule for row in rows}
        return dataclasses.replace(self, rows=rows, rules=tuple(rule for rule in self.rules if rule in met))

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """In the order in which they were met."""
        return tuple(dict.fromkeys(row.metric for row in self.rows))

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """In frames, shortest first."""
        return tuple(sorted({row.length for row in self.rows}))

    @cached_property
    def sequences(self) -> tuple[str, ...]:
        """In the order in which they were met."""
        return tuple(dict.fromkeys(row.sequence for row in self.rows))


def slice_of(row: ResultRow) -> Slice:
    """The slice that a row belongs to."""
    return Slice(row.protocol, row.protocol_hash, row.dataset)


def rule_of(row: ResultRow) -> str:
    """How a row's rule is called in tables: a control by its gate, since its rate differs between sequences."""
    return Control.EQUAL_GAIN.of(row.control_of) if row.control_of else row.rule


def collect(units: Iterable[UnitResult]) -> Results:
    """Put the rows of all units in order.

    A row that comes twice is counted once. Of results with an origin the newest experiment counts, see `evaluation.current`.
    Units that differ in `settings["repeat"]` are runs of one unit: their mean is taken, and a place where any of them failed
    counts as failed.

    Raises:
        ValueError: if there is no row, if two rows of one run give different numbers for one place, or if a metric is declared
            in two ways.
    """
    units = current_of(units).units
    found: dict[ResultKey, dict[str, ResultRow]] = {}
    for unit in units:
        repeat = unit.settings.get(REPEAT, "")
        for row in unit.rows:
            place = ResultKey(slice_of(row), rule_of(row), row.sequence, row.length, row.metric)
            known = found.setdefault(place, {}).setdefault(repeat, row)
            if not _same(known, row):
                raise ValueError(
                    f"{row.metric} of {place.rule} on {row.sequence} at {row.length} frames is given twice, as {known.value} "
                    f"and {row.value}; keep one result for each unit, or distinguish repeats by settings['{REPEAT}']"
                )
    if not found:
        raise ValueError("there are no rows to report; run an evaluation first")
    rows = tuple(_merged(place, list(runs.values())) for place, runs in found.items())
    repeats = {place: tuple(row.value for row in runs.values()) for place, runs in found.items() if len(runs) > 1}
    gate_of = {row.rule: row.control_of for row in rows if row.control_of}
    return Results(rows, repeats, _ordered([row.rule for row in rows], gate_of), gate_of, declared_by(units))


def _same(first: ResultRow, second: ResultRow) -> bool:
    values = first.value == second.value or (math.isnan(first.value) and math.isnan(second.value))
    return values and first.status is second.status


def _merged(place: ResultKey, runs: Sequence[ResultRow]) -> ResultRow:
    """The row of a place; over several runs the mean, unless one of them failed."""
    failed = [run for run in runs if run.status is not Status.OK]
    chosen = failed[0] if failed else runs[0]
    if len(runs) == 1:
        return dataclasses.replace(chosen, rule=place.rule)
    value = math.nan if failed else sum(run.value for run in runs) / len(runs)
    note = f"{len(failed)} of {len(runs)} runs: {chosen.note or chosen.status.value}" if failed else chosen.note
    return dataclasses.replace(chosen, rule=place.rule, value=value, note=note)


def _ordered(met: Sequence[str], gate_of: Mapping[str, str]) -> tuple[str, ...]:
    rules = list(dict.fromkeys(met))
    ranks = {rule: rank for rank, rule in enumerate(rules)}
    return tuple(sorted(rules, key=lambda rule: (ranks.get(gate_of.get(rule, rule), ranks[rule]), rule in gate_of)))
