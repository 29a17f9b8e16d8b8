"""Parts of which camera motions are made: where a camera can go, paces, waves, limited turns, tremor.

Everything at frame t depends on frames up to t only, so that the first frames are the same at any length.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from ttt3r.data.procedural.draws import Draws
from ttt3r.data.procedural.tracks import Track, heading

Range = tuple[float, float]
Course = Float64[Tensor, "frame batch"]
LOOK_AHEAD = 0.7
"""Metres ahead on the track at which a walker looks."""


@dataclass(frozen=True)
class Ways:
    """Where a camera can go in a house: all that a path may know of it.

    Args:
        route: through all rooms and doors, and back to where it began.
        ring: around the middle of the largest room.
        center: the middle of that ring, (x, z).
        eye: height of the camera above the floor, metres.
    """

    route: Track
    ring: Track
    center: Float64[Tensor, "batch 2"]
    eye: Float64[Tensor, " batch"]


@dataclass(frozen=True)
class Motion:
    """Where the camera stands and looks. Angles in radians; yaw 0 looks along z, positive pitch looks up.

    Args:
        position: x, y (down, the floor is 0), z in metres.
        angles: yaw, pitch, roll.
    """

    position: Float64[Tensor, "frame batch xyz=3"]
    angles: Float64[Tensor, "frame batch 3"]


@dataclass(frozen=True)
class Travel:
    """How far a camera has gone along its track, metres, and whether it goes forwards (1) or backwards (-1)."""

    travelled: Float64[Tensor, "frame batch"]
    direction: Float64[Tensor, "frame batch"]


def check_range(name: str, given: Range, low: float, high: float) -> None:
    """Raise ValueError unless `low <= smallest <= largest <= high`."""
    if not low <= given[0] <= given[1] <= high:
        raise ValueError(f"{name}={given} must be (smallest, largest) within {low:g} ... {high:g}")


def waves(draws: Draws, frames: int, size: float, periods: Range) -> Float64[Tensor, "frame batch"]:
    """A slow wander between -size and size, of two sines whose periods (frames) lie in the given range."""
    period = draws("period").uniform(*periods, shape=(2,))
    phase = draws("phase").uniform(0, 2 * math.pi, shape=(2,))
    time = torch.arange(frames, dtype=torch.float64)[:, None, None]
    both = (2 * math.pi * time / period + phase).sin()
    return size * (0.6 * both[..., 0] + 0.4 * both[..., 1])


def pace(draws: Draws, speed: Range, frames: int) -> Float64[Tensor, "frame batch"]:
    """Metres gone since the start at an uneven speed; its mean lies in the given range, and so do all its values."""
    base = draws("base").uniform(*speed)
    swing = (0.3 * base).minimum(base - speed[0]).minimum(speed[1] - base)
    return (base + swing * waves(draws("sway"), frames, 1.0, (8.0, 30.0))).cumsum(0)


def onwards(start: Float64[Tensor, " batch"], gone: Course, side: Float64[Tensor, " batch"]) -> Travel:
    """Always the same way round: `side` is 1 or -1."""
    return Travel(start + side * gone, side.expand_as(gone))


def there_and_back(start: Float64[Tensor, " batch"], gone: Course, reach: Float64[Tensor, " batch"]) -> Travel:
    """A distance one way, then back, and again, slowing down where it turns."""
    round_off = 0.9  # 1 would turn on the spot
    steepest = round_off * math.pi / 2 / math.asin(round_off)
    phase = math.pi * gone / (steepest * reach)  # so that it is never faster than the pace
    zigzag = (round_off * -phase.cos()).asin() / math.asin(round_off)
    return Travel(start + reach * (0.5 + 0.5 * zigzag), torch.where(phase.sin() < 0, -1.0, 1.0).double())


def follow(target: Float64[Tensor, "frame batch"], limit: Float64[Tensor, " batch"]) -> Float64[Tensor, "frame batch"]:
    """Angles that go after a target by at most `limit` a frame, the shorter way round."""
    angles = [target[0]]
    for wanted in target[1:]:
        step = torch.remainder(wanted - angles[-1] + math.pi, 2 * math.pi) - math.pi
        angles.append(angles[-1] + step.clamp(-limit, limit))
    return torch.stack(angles)


def walk_along(ways: Ways, track: Track, travel: Travel, aside: Course, turn: Range, draws: Draws) -> Motion:
    """Go along a track and look where it leads, turned by the angles `aside`, at a limited turn (degrees per frame)."""
    place = track.at(travel.travelled)
    ahead = track.at(travel.travelled + LOOK_AHEAD * travel.direction) - place
    limit = torch.deg2rad(draws("turn").uniform(*turn))
    return stand(ways, place, follow(heading(ahead) + aside, limit), 0.0, draws)


def stand(ways: Ways, place: Float64[Tensor, "frame batch 2"], yaw: Course, lowered: float, draws: Draws) -> Motion:
    """A head above given places: eye height, pitch (lowered by an angle in radians) and roll with small swings."""
    frames = len(yaw)
    x, z = place.unbind(-1)
    y = -ways.eye * (1 + waves(draws("height"), frames, 0.05, (15.0, 50.0)))
    pitch = draws("pitch").uniform(-0.2, 0.05) - lowered + waves(draws("nod"), frames, 0.08, (10.0, 40.0))
    roll = waves(draws("roll"), frames, 0.04, (10.0, 40.0))
    return Motion(torch.stack([x, y, z], dim=-1), torch.stack([yaw, pitch, roll], dim=-1))


def tremor(draws: Draws, frames: int) -> Float64[Tensor, "frame batch"]:
    """An unsteady number between -1 and 1: fast waves that hardly repeat."""
    return 0.5 * waves(draws("fast"), frames, 1.0, (2.1, 4.0)) + 0.5 * waves(draws("slow"), frames, 1.0, (4.0, 9.0))
