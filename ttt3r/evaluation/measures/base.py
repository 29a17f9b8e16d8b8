"""From a prediction to named numbers, each with its status: the strict and the published way of measuring, as objects.

A measure is a frozen dataclass of settings, so that a protocol can hold, print and hash it. It declares its numbers, see
`ttt3r.evaluation.measures.metric`. Failures become rows with a status, never exceptions: a run goes on, and its summary names
them.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.measures.status import Status

Sample = TypeVar("Sample", contravariant=True)
"""What is judged: cameras, depths or points of one sequence with their truth."""


@dataclass(frozen=True)
class Measured:
    """One number, as it goes into a `ResultRow`.

    Args:
        metric: name.
        value: NaN unless the status is OK.
        status: what became of it.
        note: one line for people.
    """

    metric: str
    value: float
    status: Status = Status.OK
    note: str = ""


@dataclass(frozen=True)
class Measurement:
    """All numbers of one sequence, in the order of `Measure.names`.

    Args:
        numbers: one for each name.
        frames: that were judged.
    """

    numbers: tuple[Measured, ...]
    frames: int

    @property
    def values(self) -> Float[np.ndarray, " metric"]:
        """The numbers alone."""
        return np.array([number.value for number in self.numbers], dtype=np.float64)

    def value(self, metric: str) -> float:
        """The number of that name.

        Raises:
            ValueError: for an unknown name.
        """
        for number in self.numbers:
            if number.metric == metric:
                return number.value
        raise ValueError(f"there is no {metric!r} among {[number.metric for number in self.numbers]}")


class Measure(ABC, Generic[Sample]):
    """A way to judge one sequence. Subclasses are frozen dataclasses of settings, and declare `metrics`.

    A measure may give `names` alone: its numbers are shown, and no rule wins by them.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What its numbers are, in order, the same for every sequence.

        Raises:
            TypeError: for a subclass that declares nothing.
        """
        if type(self).names is Measure.names:
            raise TypeError(f"{type(self).__name__} declares no numbers; give it a property `metrics` of Metric(...)")
        return tuple(Metric(name) for name in self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the numbers."""
        return tuple(metric.name for metric in self.metrics)

    @abstractmethod
    def __call__(self, sample: Sample) -> Measurement:
        """The numbers of a sequence. What cannot be measured has a status; nothing is raised for bad data."""


@dataclass(frozen=True)
class Missing:
    """Why a number is missing.

    Args:
        status: what became of it.
        note: one line for people.
    """

    status: Status
    note: str


def measurement(values: Mapping[str, float | Missing], frames: int, note: str = "") -> Measurement:
    """Numbers and reasons for their absence, by name; a number that is not finite gets the status NON_FINITE.

    Args:
        values: in the order of the measure's names.
        frames: that were judged.
        note: for the numbers that are there, e.g. how many frames were left out.
    """
    numbers = []
    for name, value in values.items():
        if isinstance(value, Missing):
            numbers.append(Measured(name, math.nan, value.status, value.note))
        elif math.isfinite(value):
            numbers.append(Measured(name, value, note=note))
        else:
            numbers.append(Measured(name, math.nan, Status.NON_FINITE, "the number is not finite"))
    return Measurement(tuple(numbers), frames)


def nothing(names: Sequence[str], status: Status, note: str) -> Measurement:
    """Every number missing, for the same reason."""
    return measurement(dict.fromkeys(names, Missing(status, note)), frames=0)
