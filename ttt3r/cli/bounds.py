"""Ranges of the numeric options of all commands, checked together before any work starts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

SEEDS = 2**32 - 1
"""The largest seed; what is made from it still fits PyTorch's and NumPy's generators."""


@dataclass(frozen=True)
class Bound:
    """A range of numbers, none of them NaN or infinite.

    Args:
        least, most: the range.
        whole: whether it holds whole numbers only.
        above: whether `least` itself is outside.
    """

    least: float
    most: float = math.inf
    whole: bool = True
    above: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number is in the range."""
        low = value > self.least if self.above else value >= self.least
        return math.isfinite(value) and low and value <= self.most and not (self.whole and value != int(value))

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a finite number"
        if self.most < math.inf:
            return f"{kind} from {self.least:g} to {self.most:.0f}"
        return f"{kind} {'above' if self.above else 'of at least'} {self.least:g}"


BOUNDS: Mapping[str, Bound] = {
    "size": Bound(1, 65536),
    "stride": Bound(1),
    "start": Bound(0),
    "stop": Bound(1),
    "reset_every": Bound(1),
    "chunk": Bound(1),
    "checkpoint_every": Bound(1),
    "min_confidence": Bound(0, whole=False),
    "min_quantile": Bound(0, 1, whole=False),
    "points": Bound(1),
    "voxel": Bound(0, whole=False, above=True),
    "worlds": Bound(2),
    "length": Bound(2),
    "segments": Bound(1),
    "processes": Bound(1),
    "jobs.count": Bound(0),
    "jobs.minutes": Bound(1),
    "jobs.gpus": Bound(0),
    "jobs.cpus": Bound(1),
    "seed": Bound(0, SEEDS),
    "scale": Bound(0, whole=False, above=True),
    "workers": Bound(0),
    "devices": Bound(1),
    "threads": Bound(1),
    "frames": Bound(1),
    "port": Bound(1, 65535),
    "speed": Bound(0, whole=False, above=True),
    "every": Bound(1),
}
"""By the name of the option; one name means the same in every command. Settings of rules are judged by the rules."""


def bound_of(name: str) -> Bound | None:
    """The range of an option, `stride`, `jobs.count` or `demo.frames` of `data demo`; `None` for what is no number."""
    return None if name.startswith("rule") else BOUNDS.get(name) or BOUNDS.get(name.rpartition(".")[2])


def check_numbers(settings: Mapping[str, object]) -> None:
    """See that every number is in its range.

    Args:
        settings: what was parsed, by the names of the options. What is no number (nothing, the word auto) is passed over.

    Raises:
        ValueError: names the first option that is not, its value, and the range.
    """
    for name, value in settings.items():
        bound = bound_of(name)
        if bound is None or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not bound.holds(value):
            raise ValueError(f"{as_typed(name)} must be {bound}, got {value}")


def as_typed(name: str) -> str:
    """An option as it is typed: `reset_every` is `--reset-every`, `demo.frames` is `--frames`."""
    return "--" + (name if name in BOUNDS else name.rpartition(".")[2]).replace("_", "-")
