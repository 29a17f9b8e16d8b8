"""How the camera moves. A path is an object with its settings; it knows the tracks of a house, and no walls or furniture.

Whatever the number of frames, the first ones are the same: everything depends on the past only.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from ttt3r.data.procedural.camera_motion import CameraMotion
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
    walk_along,
    waves,
)
from ttt3r.data.procedural.tracks import heading


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
class Swing(CameraMotion):
    """In one room, to and fro along a part of its ring, looking across and swinging about that one direction.

    What was seen is left and seen again, again and again, and never far away: a filmed room.

    Args:
        speed: smallest and largest mean speed, metres per frame.
        reach: smallest and largest distance after which it turns back, metres.
        swing: smallest and largest angle to either side, degrees.
        period: smallest and largest period of a swing, frames.
    """

    speed: Range = (0.02, 0.15)
    reach: Range = (0.5, 2.0)
    swing: Range = (20.0, 40.0)
    period: Range = (20.0, 60.0)

    def __post_init__(self) -> None:
        check_range("speed", self.speed, 0.0, 2.0)
        check_range("reach", self.reach, 0.1, 1000.0)
        check_range("swing", self.swing, 0.0, 180.0)
        check_range("period", self.period, 2.0, 1e6)

    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """See the class."""
        start = draws("start").uniform() * ways.ring.length
        gone = pace(draws("speed"), self.speed, frames)
        travel = there_and_back(start, gone, draws("reach").uniform(*self.reach))
        angle = torch.deg2rad(draws("angle").uniform(*self.swing))
        yaw = _across(ways, start) + angle * waves(draws("swing"), frames, 1.0, self.period)
        return stand(ways, ways.ring.at(travel.travelled), yaw, 0.0, draws)


@dataclass(frozen=True)
class Jump(CameraMotion):
    """Views of one side of a room in no order: each from anywhere on a part of the ring, turned anywhere within a swing.

    There is no motion to follow, so it has no speed: a memory has to hold the room. Settings as in `Swing`.
    """

    reach: Range = (0.2, 1.2)
    swing: Range = (8.0, 45.0)

    def __post_init__(self) -> None:
        check_range("reach", self.reach, 0.1, 1000.0)
        check_range("swing", self.swing, 0.0, 180.0)

    def at_speed(self, slowest: float, fastest: float | None = None) -> CameraMotion:
        """Itself."""
        return self

    def move(self, ways: Ways, draws: Draws, frames: int) -> Motion:
        """See the class."""
        start = draws("start").uniform() * ways.ring.length
        along = draws("along").uniform(shape=(frames,)).T * draws("reach").uniform(*self.reach)
        angle = torch.deg2rad(draws("angle").uniform(*self.swing))
        yaw = _across(ways, start) + angle * draws("turned").uniform(-1, 1, shape=(frames,)).T
        return stand(ways, ways.ring.at(start + along), yaw, 0.0, draws)


def _across(ways: Ways, start: Float64[Tensor, " batch"]) -> Float64[Tensor, " batch"]:
    """From a place on the ring towards the middle of the room."""
    return heading(ways.center - ways.ring.at(start[None])[0])


def _side(draws: Draws) -> Float64[Tensor, " batch"]:
    return draws("side").integer(0, 1).mul(2).sub(1).double()
