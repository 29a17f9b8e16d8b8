"""What is missing from the results, by name: nothing is dropped in silence."""

import math
from dataclasses import dataclass

from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.report.results import Results, Slice


@dataclass(frozen=True)
class Failure:
    """Numbers of one unit that are missing, or stand for fewer frames than asked for, from one cause.

    Args:
        slice: data set and protocol.
        sequence: name.
        rule: label.
        lengths: at which it is so.
        metrics: names; empty where there is no row at all.
        status: what became of it; None where there is no row at all (the unit has not been run, or was lost).
        note: for people.
    """

    slice: Slice
    sequence: str
    rule: str
    lengths: tuple[int, ...]
    metrics: tuple[str, ...]
    status: Status | None
    note: str

    def concerns(self, metric: str) -> bool:
        """Whether a number of this metric is missing."""
        return not self.metrics or metric in self.metrics


def failures(results: Results) -> tuple[Failure, ...]:
    """Everything that is not OK; and every unit that is missing for one rule and not for others."""
    found: dict[tuple[Slice, str, str, Status | None, str], tuple[set[int], dict[str, None]]] = {}
    for part in results.slices:
        local = results.of(part)
        have: dict[tuple[str, str], set[int]] = {}
        for row in local.rows:
            have.setdefault((row.sequence, row.rule), set()).add(row.length)
            bad = row.status is not Status.OK
            if bad or (results.metric(row.metric).directed and not math.isfinite(row.value)):
                note = row.note or ("" if bad else "no number")
                lengths, metrics = found.setdefault((part, row.sequence, row.rule, row.status, note), (set(), {}))
                lengths.add(row.length)
                metrics[row.metric] = None
        for sequence in local.sequences:
            for rule in local.rules:
                if missing := set(local.lengths) - have.get((sequence, rule), set()):
                    found[part, sequence, rule, None, "not in the results"] = (missing, {})
    return tuple(
        Failure(part, sequence, rule, tuple(sorted(lengths)), tuple(metrics), status, note)
        for (part, sequence, rule, status, note), (lengths, metrics) in found.items()
    )
