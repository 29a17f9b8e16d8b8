"""What every camera motion offers, and the motions around others: at another speed, in a hand, mixed."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from ttt3r.data.procedural.draws import Draws
from ttt3r.data.procedural.motion import Motion, Range, Ways, check_range, tremor


class CameraMotion(ABC):
    """A kind of camera motion."""

    @property
    def narrow(self) -> bool:
        """Whether the house should be a corridor: narrow rooms in a row."""
        return False

    def parts(self) -> tuple[tuple["CameraMotion", float], ...]:
        """The plain paths that this one is mixed of, with their weights."""
        return ((self, 1.0),)

    def at_speed(self, slowest: float, fastest: float | None = None) -> "CameraMotion":
        """The same path, filmed at so many times the speed: `at_speed(1 / 3)` shows three frames where one was.

        With two numbers each world draws its own factor between them, evenly on a logarithmic scale.

        Raises:
            ValueError: for factors that are not within 0.01 ... 10, smallest first, or drawn twice.
        """
        return AtSpeed(self, (slowest, slowest if fastest is None else fastest))

    @abstractmethod
    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """The motion in each house of the batch."""


@dataclass(frozen=True)
class AtSpeed(CameraMotion):
    """Another path, filmed at another speed: frame k shows what the path does at its frame k times the factor.

    Houses, starts and ways are those of the path. Between its frames the camera runs along a Catmull-Rom spline.

    Args:
        path: the motion underneath.
        factor: smallest and largest factor; each world draws its own, evenly on a logarithmic scale.
    """

    path: CameraMotion
    factor: Range

    def __post_init__(self) -> None:
        check_range("speed factor", self.factor, 0.01, 10.0)

    @property
    def narrow(self) -> bool:
        """As the path underneath."""
        return self.path.narrow

    def at_speed(self, slowest: float, fastest: float | None = None) -> CameraMotion:
        """The path underneath at the product of both factors."""
        low, high = slowest, slowest if fastest is None else fastest
        if low != high and self.factor[0] != self.factor[1]:
            raise ValueError(
                f"speed factors {(low, high)} cannot be drawn for a path that draws its own, {self.factor}; "
                "give one number, or set the range once"
            )
        return AtSpeed(self.path, (low * self.factor[0], high * self.factor[1]))

    def parts(self) -> tuple[tuple[CameraMotion, float], ...]:
        """The parts of the path underneath, each at that speed."""
        if self.path.parts() == ((self.path, 1.0),):
            return ((self, 1.0),)
        return tuple((part.at_speed(*self.factor), weight) for part, weight in self.path.parts())

    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """See the class."""
        low, high = (math.log(bound) for bound in self.factor)
        factor = draws("speed factor").uniform(low, high).exp()
        time = torch.arange(frames, dtype=torch.float64)[:, None] * factor
        motion = self.path.move(ways, draws, math.ceil((frames - 1) * self.factor[1]) + 3)
        turned = torch.remainder(motion.angles.diff(dim=0) + math.pi, 2 * math.pi) - math.pi  # the shorter way round
        angles = torch.cat([motion.angles[:1], motion.angles[:1] + turned.cumsum(0)])
        return Motion(_between(motion.position, time), _between(angles, time))


@dataclass(frozen=True)
class Handheld(CameraMotion):
    """Another path with the tremor of a hand.

    Args:
        path: the motion underneath.
        shift: size of the tremor of the place, metres.
        tilt: size of the tremor of the angles, degrees.
    """

    path: CameraMotion
    shift: float = 0.015
    tilt: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.shift <= 0.05:
            raise ValueError(
                f"shift={self.shift} must lie in 0 ... 0.05 m, so that the camera stays clear of the furniture"
            )
        if not 0 <= self.tilt <= 15:
            raise ValueError(f"tilt={self.tilt} must lie in 0 ... 15 degrees")

    @property
    def narrow(self) -> bool:
        """As the path underneath."""
        return self.path.narrow

    def parts(self) -> tuple[tuple[CameraMotion, float], ...]:
        """The parts of the path underneath, each with the tremor."""
        if self.path.parts() == ((self.path, 1.0),):
            return ((self, 1.0),)
        return tuple((Handheld(part, self.shift, self.tilt), weight) for part, weight in self.path.parts())

    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """See the class."""
        motion = self.path.move(ways, draws, frames)
        shaken = torch.stack([tremor(draws(f"tremor {axis}"), frames) for axis in range(6)], dim=-1)
        place = motion.position + self.shift * shaken[..., :3]
        return Motion(place, motion.angles + math.radians(self.tilt) * shaken[..., 3:])


@dataclass(frozen=True, init=False)
class Mixture(CameraMotion):
    """Each world takes one of several paths: `Mixture((Walk(), 2), (Orbit(), 1))`, with weights of any sum."""

    choices: tuple[tuple[CameraMotion, float], ...]

    def __init__(self, *choices: tuple[CameraMotion, float]) -> None:
        if not choices or any(weight <= 0 for _, weight in choices):
            raise ValueError(f"a mixture needs pairs (path, weight) with positive weights, got {choices}")
        object.__setattr__(self, "choices", choices)

    def at_speed(self, slowest: float, fastest: float | None = None) -> CameraMotion:
        """The mixture of the same paths at that speed; what has no speed stays as it is."""
        return Mixture(*((path.at_speed(slowest, fastest), weight) for path, weight in self.choices))

    def parts(self) -> tuple[tuple[CameraMotion, float], ...]:
        """The paths, and those that they are mixed of, with their weights."""
        return tuple((part, weight * share) for path, weight in self.choices for part, share in path.parts())

    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """Never called: `parts` takes the mixture apart."""
        raise TypeError("a mixture is taken apart by its parts before it moves")

    def __repr__(self) -> str:
        return f"Mixture({', '.join(map(repr, self.choices))})"


def _between(
    course: Float64[Tensor, "whole batch 3"], time: Float64[Tensor, "frame batch"]
) -> Float64[Tensor, "frame batch 3"]:
    """A course between its frames, by a Catmull-Rom spline; at a whole frame exactly what it is there."""
    course = torch.cat([2 * course[:1] - course[1:2], course])  # as if it had come in a straight line
    index = time.floor()
    u = (time - index)[..., None]
    places = (index.long() + step for step in range(4))
    a, b, c, d = (course.gather(0, place[..., None].expand(-1, -1, 3)) for place in places)
    return b + 0.5 * u * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a)))
