"""How the camera moves. A path is an object with its settings; it knows the tracks of a house, and no walls or furniture.

Whatever the number of frames, the first ones are the same: everything depends on the past only.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from ttt3r.data.procedural.draws import Draws
from ttt3r.data.procedural.motion import (
    Motion,
    Range,
    Ways,
    check_range,
    onwards,
    pace,
    stand,
    there_and_back,
    tremor,
    walk_along,
    waves,
)
from ttt3r.data.procedural.tracks import heading


class CameraMotion(ABC):
    """A kind of camera motion."""

    @property
    def narrow(self) -> bool:
        """Whether the house should be a corridor: narrow rooms in a row."""
        return False

    def parts(self) -> tuple[tuple["CameraMotion", float], ...]:
        """The plain paths that this one is mixed of, with their weights."""
        return ((self, 1.0),)

    @abstractmethod
    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """The motion in each house of the batch."""


@dataclass(frozen=True)
class Walk(CameraMotion):
    """Through rooms and doors, looking about; turns back after some metres, so that places are seen again.

    Args:
        speed: smallest and largest mean speed, metres per frame.
        turn: smallest and largest limit of the turn, degrees per frame.
        reach: smallest and largest distance after which it turns back, metres; `None` never turns back (the way through the
            house is closed, so that it comes back in the end).
    """

    speed: Range = (0.1, 0.4)
    turn: Range = (8.0, 20.0)
    reach: Range | None = (2.0, 8.0)

    def __post_init__(self) -> None:
        check_range("speed", self.speed, 0.0, 2.0)
        check_range("turn", self.turn, 0.0, 90.0)
        if self.reach is not None:
            check_range("reach", self.reach, 0.1, 1000.0)

    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """See the class."""
        start = draws("start").uniform() * ways.route.length
        gone = pace(draws("speed"), self.speed, frames)
        if self.reach is None:
            travel = onwards(start, gone, _side(draws))
        else:
            travel = there_and_back(start, gone, draws("reach").uniform(*self.reach))
        wander = waves(draws("wander"), frames, 0.8, (12.0, 40.0))
        return walk_along(ways, ways.route, travel, wander, self.turn, draws)


@dataclass(frozen=True)
class Corridor(CameraMotion):
    """Along a row of narrow rooms, from end to end and back, looking mostly ahead. Settings as in `Walk`."""

    speed: Range = (0.15, 0.4)
    turn: Range = (10.0, 20.0)

    def __post_init__(self) -> None:
        check_range("speed", self.speed, 0.0, 2.0)
        check_range("turn", self.turn, 0.0, 90.0)

    @property
    def narrow(self) -> bool:
        """A corridor is."""
        return True

    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """See the class."""
        start = draws("start").uniform() * ways.route.length
        travel = onwards(start, pace(draws("speed"), self.speed, frames), _side(draws))
        wander = waves(draws("wander"), frames, 0.3, (10.0, 30.0))
        return walk_along(ways, ways.route, travel, wander, self.turn, draws)


@dataclass(frozen=True)
class Loop(CameraMotion):
    """Laps around the largest room, looking ahead and to a side: every lap sees the same again. Settings as in `Walk`."""

    speed: Range = (0.1, 0.4)
    turn: Range = (8.0, 25.0)

    def __post_init__(self) -> None:
        check_range("speed", self.speed, 0.0, 2.0)
        check_range("turn", self.turn, 0.0, 90.0)

    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """See the class."""
        start = draws("start").uniform() * ways.ring.length
        travel = onwards(start, pace(draws("speed"), self.speed, frames), _side(draws))
        aside = draws("aside").uniform(-1.2, 1.2) + waves(draws("wander"), frames, 0.3, (12.0, 40.0))
        return walk_along(ways, ways.ring, travel, aside, self.turn, draws)


@dataclass(frozen=True)
class Orbit(CameraMotion):
    """Around the middle of the largest room, looking at it. Settings as in `Walk`."""

    speed: Range = (0.1, 0.4)

    def __post_init__(self) -> None:
        check_range("speed", self.speed, 0.0, 2.0)

    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """See the class."""
        start = draws("start").uniform() * ways.ring.length
        travel = onwards(start, pace(draws("speed"), self.speed, frames), _side(draws))
        place = ways.ring.at(travel.travelled)
        yaw = heading(ways.center - place) + waves(draws("wander"), frames, 0.15, (12.0, 40.0))
        return stand(ways, place, yaw, 0.2, draws)


@dataclass(frozen=True)
class LookAround(CameraMotion):
    """Full turns with reversals, on the spot or nearly so.

    Args:
        speed: smallest and largest drift, metres per frame.
        turn: smallest and largest turn, degrees per frame.
    """

    speed: Range = (0.0, 0.1)
    turn: Range = (5.0, 20.0)

    def __post_init__(self) -> None:
        check_range("speed", self.speed, 0.0, 2.0)
        check_range("turn", self.turn, 0.0, 90.0)

    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """See the class."""
        start = draws("start").uniform() * ways.route.length
        travel = there_and_back(start, pace(draws("speed"), self.speed, frames), torch.ones_like(start))
        limit = torch.deg2rad(draws("turn").uniform(*self.turn))
        swing = waves(draws("swing"), frames, 1.0, (20.0, 50.0)) + draws("drift").uniform(-0.6, 0.6)
        yaw = draws("yaw").uniform(0, 2 * math.pi) + (limit * (3 * swing).tanh()).cumsum(0)
        return stand(ways, ways.route.at(travel.travelled), yaw, 0.0, draws)


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

    def parts(self) -> tuple[tuple[CameraMotion, float], ...]:
        """The paths, and those that they are mixed of, with their weights."""
        return tuple((part, weight * share) for path, weight in self.choices for part, share in path.parts())

    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """Never called: `parts` takes the mixture apart."""
        raise TypeError("a mixture is taken apart by its parts before it moves")

    def __repr__(self) -> str:
        return f"Mixture({', '.join(map(repr, self.choices))})"


def _side(draws: Draws) -> Float64[Tensor, " batch"]:
    return draws("side").integer(0, 1).mul(2).sub(1).double()
