"""What is measured on a sequence. A task collects, frame by frame, what its measures will judge.

To add a metric, write a `Measure`, which declares it; name it in a task of a protocol. To judge something new of a frame,
write a `Task` whose recorder keeps what it needs (small or on disk, so that memory stays flat over long sequences) and answers
for any prefix.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float, Int64

from ttt3r.data import Clip, SourceFrame
from ttt3r.evaluation.measures.base import Measurement
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.types import Outputs, Step

Seen = TypeVar("Seen")
"""One frame as one rule saw it, with the truth about it."""


class Observer(ABC, Generic[Seen]):
    """What is kept of one rule's pass over a stream."""

    @abstractmethod
    def observe(self, seen: Seen) -> None:
        """Take one frame, in order."""


@dataclass(frozen=True)
class TrueDepth:
    """True depth of what a prepared frame shows; what is costly to find is found once for all rules.

    Args:
        metres: 0 where not measured.
    """

    metres: Float[np.ndarray, "true_height true_width"]

    @cached_property
    def places(self) -> Int64[np.ndarray, " pixel"]:
        """Where it is measured, row by row: indices into the flat map."""
        return np.flatnonzero((self.metres > 0) & (self.metres < np.inf))

    @cached_property
    def median(self) -> float:
        """Of what is measured, metres; NaN where nothing is."""
        values = self.metres.ravel()[self.places]
        return float(np.median(values)) if len(values) else np.nan


@dataclass(frozen=True)
class FrameResult:
    """One frame as one rule saw it, with the truth about it.

    Args:
        step: result of the rule; its batch is 1.
        item: the prepared frame.
        clip: the sequence; row `item.index` belongs to the frame.
        camera_to_world: true camera in the world of the benchmark, metres; not finite where it is unknown.
        true_depth: of what the prepared frame shows; `None` where there is none.
        depth_error: why the depth of this frame cannot be read; empty if it can.
    """

    step: Step
    item: SourceFrame
    clip: Clip
    camera_to_world: Float[np.ndarray, "4 4"]
    true_depth: TrueDepth | None
    depth_error: str = ""

    @property
    def depth(self) -> Float[np.ndarray, "true_height true_width"] | None:
        """True depth of what the prepared frame shows, metres, 0 where not measured; `None` where there is none."""
        return None if self.true_depth is None else self.true_depth.metres


class Recorder(Observer[FrameResult]):
    """What a task keeps of one rule's pass over one sequence."""

    @abstractmethod
    def measure(self, frames: int) -> tuple[Measurement, ...]:
        """Judge the first `frames` frames, of which all were observed: what each measure of the task says."""


class Task(ABC):
    """One kind of measurement; holds settings only."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured, in the order of the rows."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what is measured."""
        return tuple(metric.name for metric in self.metrics)

    @property
    @abstractmethod
    def outputs(self) -> Outputs:
        """Which heads of the network are needed."""

    @abstractmethod
    def record(self, resources: ExitStack) -> Recorder:
        """A recorder for one rule and sequence; what it opens (files on disk) is closed with `resources`."""


def outputs_of(tasks: Iterable[Task]) -> Outputs:
    """The heads that some tasks need together."""
    outputs = Outputs.NOTHING
    for task in tasks:
        outputs |= task.outputs
    return outputs
