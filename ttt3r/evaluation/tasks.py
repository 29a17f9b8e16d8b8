"""What is measured on a sequence. A task is a file: settings, and a recorder that sees the frames one by one.

To add a metric, write a `Task` whose recorder keeps what it needs of each frame (small, so that memory stays flat over long
sequences) and answers for any prefix; then name it in a protocol.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ttt3r.evaluation.modes import Mode
from ttt3r.evaluation.rows import Status
from ttt3r.types import Outputs, Step


@dataclass(frozen=True)
class Moment:
    """One frame as one rule saw it, with the truth about it.

    Args:
        step: result of the rule; its batch is 1.
        image: the prepared frame, colours in [-1, 1].
        camera_to_world: true camera in the world of the benchmark, metres; NaN or infinite where it was lost, `None` where
            the sequence has none.
        depth: true depth of what the prepared frame shows, metres, 0 where not measured; `None` where there is none.
        depth_error: why the depth of this frame cannot be read; empty if it can.
    """

    step: Step
    image: Float[Tensor, "1 rgb=3 height width"]
    camera_to_world: Float[np.ndarray, "4 4"] | None
    depth: Float[np.ndarray, "true_height true_width"] | None
    depth_error: str = ""


@dataclass(frozen=True)
class Measurement:
    """One number about the first frames of a sequence; the fields are those of `ResultRow`."""

    metric: str
    value: float
    frames: int
    status: Status = Status.OK
    note: str = ""


class Recorder(ABC):
    """What a task keeps of one rule's pass over one sequence."""

    @abstractmethod
    def observe(self, moment: Moment) -> None:
        """Take one frame, in order."""

    @abstractmethod
    def measure(self, frames: int) -> tuple[Measurement, ...]:
        """Judge the first `frames` frames, of which all were observed. Failures are statuses, never exceptions."""


class Task(ABC):
    """One kind of measurement; holds settings only."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """Names of what is measured, in the order of the rows."""

    @property
    @abstractmethod
    def outputs(self) -> Outputs:
        """Which heads of the network are needed."""

    @abstractmethod
    def record(self, mode: Mode, workspace: Path) -> Recorder:
        """A recorder for one rule and sequence; `workspace` is an empty folder for what is too large for memory."""
