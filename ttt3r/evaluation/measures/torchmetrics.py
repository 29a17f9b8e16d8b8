"""Measures as torchmetrics, for Lightning and several processes: rows by sequence, and never a mean of means.

    metric = SequenceMetric(StrictTrajectory(), sequences=("fr1_xyz", "fr2_desk"))
    metric.update("fr1_xyz", Cameras(predicted, truth))
    metric.compute()                # after the processes are joined: one row for each sequence
    metric.table().mean("ate")

A sequence is judged whole when it is handed in, in float64 on the CPU whatever the precision of the run. Only its row is kept,
as float64, and joined over processes; a sequence that a sampler handed out twice counts once. Do not give the metric itself to
`self.log`, which averages: log what `table` says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor
from torchmetrics import Metric

from ttt3r.evaluation.measures.base import Measure, Measurement
from ttt3r.evaluation.measures.status import Status

Sample = TypeVar("Sample")
_STATUSES = tuple(Status)


@dataclass(frozen=True)
class SequenceTable:
    """The rows with their names.

    Args:
        sequences: names of the rows.
        metrics: names of the columns.
        frames: that were judged.
        values: NaN where there is no number.
        statuses: why not.
        missing: sequences of the list that were never handed in.
    """

    sequences: tuple[str, ...]
    metrics: tuple[str, ...]
    frames: tuple[int, ...]
    values: Float64[np.ndarray, "row metric"]
    statuses: tuple[tuple[Status, ...], ...]
    missing: tuple[str, ...]

    def column(self, metric: str) -> Float64[np.ndarray, " row"]:
        """One number of every sequence.

        Raises:
            ValueError: for an unknown metric.
        """
        if metric not in self.metrics:
            raise ValueError(f"there is no metric {metric!r}; there are {list(self.metrics)}")
        return self.values[:, self.metrics.index(metric)]

    def mean(self, metric: str) -> float:
        """Mean over the sequences that have the number, each with the same weight; NaN without any. Report `count` beside."""
        column = self.column(metric)
        known = column[np.isfinite(column)]
        return float(known.mean()) if len(known) else math.nan

    def weighted_mean(self, metric: str, weight: str) -> float:
        """Mean weighted by another column, e.g. `official/depth_pixels`: the published average of depth."""
        column, weights = self.column(metric), self.column(weight)
        known = np.isfinite(column) & np.isfinite(weights)
        return float(np.average(column[known], weights=weights[known])) if weights[known].sum() > 0 else math.nan

    def count(self, metric: str) -> tuple[int, int]:
        """(sequences that have the number, sequences of the whole list)."""
        known = int(np.isfinite(self.column(metric)).sum())
        return known, len(self.sequences) + len(self.missing)


class SequenceMetric(Metric, Generic[Sample]):
    """A measure of whole sequences as a torchmetric.

    Args:
        measure: how a sequence is judged.
        sequences: names of all sequences of the evaluation, the same list in every process.

    Raises:
        ValueError: if a name comes twice.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    rows: list[Tensor]

    def __init__(self, measure: Measure[Sample], sequences: Sequence[str]) -> None:
        super().__init__()
        twice = [name for name in sequences if list(sequences).count(name) > 1]
        if twice:
            raise ValueError(
                f"two sequences are called {twice[0]!r}; rows are distinguished by name, so give each its own"
            )
        self.measure, self.sequences = measure, tuple(sequences)
        # Rows are flat, as a process without a sequence takes part in the exchange with an empty vector of this dtype.
        self.set_dtype(torch.float64)
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    @property
    def width(self) -> int:
        """Numbers in a row: sequence, frames, and for every metric its value and its status."""
        return 2 + 2 * len(self.measure.names)

    def update(self, sequence: str, sample: Sample | Measurement) -> None:
        """Judge a sequence and keep its row.

        Args:
            sequence: name, one of the list.
            sample: what the measure judges; or what it said before, e.g. when a result is read from its file.

        Raises:
            ValueError: for a name that is not in the list, or numbers of another measure.
        """
        if sequence not in self.sequences:
            raise ValueError(
                f"{sequence!r} is not among the {len(self.sequences)} sequences of this metric; name them all"
            )
        found = sample if isinstance(sample, Measurement) else self.measure(sample)
        names = tuple(number.metric for number in found.numbers)
        if names != self.measure.names:
            raise ValueError(
                f"these are numbers of another measure: {list(names)}; expected {list(self.measure.names)}"
            )
        statuses = [float(_STATUSES.index(number.status)) for number in found.numbers]
        row = [float(self.sequences.index(sequence)), float(found.frames), *found.values.tolist(), *statuses]
        place = torch.device("cpu") if self.device.type == "mps" else self.device  # Apple's GPUs have no float64
        with torch.inference_mode(False):  # or the row could not be joined with others later
            self.rows.append(torch.tensor(row, dtype=torch.float64, device=place))

    def compute(self) -> Float64[Tensor, "row column"]:
        """The rows of all processes, each sequence once: a later row of the same sequence takes the place of an earlier one.

        Columns are the sequence's number, the frames judged, the values, and the statuses as numbers; see `table`.
        """
        flat = torch.cat(list(self.rows)) if isinstance(self.rows, list) and self.rows else self.rows
        flat = flat if isinstance(flat, Tensor) else torch.zeros(0, dtype=torch.float64)
        rows = flat.detach().cpu().reshape(-1, self.width)
        latest = {int(row[0]): index for index, row in enumerate(rows)}
        return rows[[latest[number] for number in sorted(latest)]]

    def table(self) -> SequenceTable:
        """The same with names."""
        rows, count = self.compute().numpy(), len(self.measure.names)
        known = [int(number) for number in rows[:, 0]]
        return SequenceTable(
            sequences=tuple(self.sequences[number] for number in known),
            metrics=self.measure.names,
            frames=tuple(int(frames) for frames in rows[:, 1]),
            values=rows[:, 2 : 2 + count],
            statuses=tuple(tuple(_STATUSES[int(number)] for number in row) for row in rows[:, 2 + count :]),
            missing=tuple(name for number, name in enumerate(self.sequences) if number not in known),
        )
