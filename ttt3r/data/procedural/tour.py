"""The way through all rooms of a house and back to where it began."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from ttt3r.data.procedural.draws import Draws
from ttt3r.data.procedural.tracks import arc

APPROACH = 0.45
"""Metres before and behind a doorway in which the way goes straight."""


@dataclass(frozen=True)
class Topology:
    """How many rooms stand in each column, whether they form a ring, and whether they are narrow."""

    left: int
    right: int
    ring: bool
    narrow: bool

    @property
    def rooms(self) -> int:
        """Number of rooms."""
        return self.left + self.right


def topologies(rooms: int, narrow: bool) -> tuple[Topology, ...]:
    """All plans with this number of rooms."""
    row = Topology(rooms, 0, False, narrow)
    if narrow or rooms == 1:
        return (row,)
    left = (rooms + 1) // 2
    rings = tuple(Topology(left, rooms - left, ring, False) for ring in (True, False))
    return (*rings, row) if rooms <= 3 else rings


@dataclass(frozen=True)
class Door:
    """Of one topology: where it is, how large, along which axis (0: x, 1: z) one walks through it."""

    place: Float64[Tensor, "batch 2"]
    half: Float64[Tensor, " batch"]
    height: Float64[Tensor, " batch"]
    axis: int

    def side(self, step: float, thickness: Float64[Tensor, " batch"]) -> Float64[Tensor, "batch 2"]:
        """The place before (-1) or behind (+1) it where the way begins to bend."""
        shift = torch.zeros_like(self.place)
        shift[:, self.axis] = step * (thickness / 2 + APPROACH)
        return self.place + shift


def make_tour(
    topology: Topology,
    draws: Draws,
    doors: list[Door],
    center: Float64[Tensor, "batch room 2"],
    radii: Float64[Tensor, "batch room 2"],
    thickness: Float64[Tensor, " batch"],
) -> Float64[Tensor, "batch corner 2"]:
    """Corners of the closed way: around every room from the door where it comes in to the one where it goes out."""
    count = topology.rooms
    if not doors:
        angles = torch.arange(9, dtype=torch.float64) / 9 * 2 * math.pi
        wobble = draws("wobble").uniform(0.75, 1.05, shape=(9, 1))
        return center[:, 0, None] + (arc(center[:, 0], radii[:, 0], angles.expand(len(center), 9)) - center) * wobble
    if topology.ring:
        visits = [(room, room - 1, room) for room in range(count)]  # room, door in, door out
    else:
        up = [(room, max(room - 1, 0), min(room, count - 2)) for room in range(count)]
        visits = up + [(room, room, room - 1) for room in range(count - 2, 0, -1)]
    corners = []
    for number, (room, entry, leave) in enumerate(visits):
        into, out = doors[entry], doors[leave]
        start = into.side(_sign(into, center[:, room]), thickness)
        end = out.side(_sign(out, center[:, room]), thickness)
        around = _around(draws(f"visit {number}"), start, end, center[:, room], radii[:, room])
        corners += [start, *around.unbind(1), end, out.place]
    return torch.stack(corners, dim=1)


def _sign(door: Door, center: Float64[Tensor, "batch 2"]) -> float:
    return 1.0 if float(center[0, door.axis]) > float(door.place[0, door.axis]) else -1.0


def _around(
    draws: Draws,
    start: Float64[Tensor, "batch 2"],
    end: Float64[Tensor, "batch 2"],
    center: Float64[Tensor, "batch 2"],
    radii: Float64[Tensor, "batch 2"],
) -> Float64[Tensor, "batch angle 2"]:
    """Points of the room's ellipse between two places: at least a third of it, at most once around and a third."""
    angles = []
    for place in (start, end):
        x, z = ((place - center) / radii).unbind(-1)
        angles.append(torch.atan2(z, x))
    side = draws("side").integer(0, 1).mul(2).sub(1).double()
    sweep = torch.remainder(side * (angles[1] - angles[0]), 2 * math.pi)
    sweep = side * torch.where(sweep < 2 * math.pi / 3, sweep + 2 * math.pi, sweep)
    share = torch.arange(8, dtype=torch.float64) / 7
    return arc(center, radii, angles[0][:, None] + sweep[:, None] * share)
