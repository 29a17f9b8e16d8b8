"""Floor plans of a batch: plans of one topology are made together, and laid side by side with room for the largest."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from ttt3r.data.procedural.blocks import ABSENT, Blocks
from ttt3r.data.procedural.config import WorldConfig
from ttt3r.data.procedural.draws import Draws
from ttt3r.data.procedural.plan import FloorPlan, make_plans
from ttt3r.data.procedural.tour import Topology, topologies
from ttt3r.data.procedural.tracks import POINTS, Track

_FAR = 1e4


@dataclass(frozen=True)
class Plans:
    """Plans of any topologies. Fields as in `FloorPlan`; rooms that are not there are empty, doors far away."""

    size: Float64[Tensor, "batch 2"]
    height: Float64[Tensor, " batch"]
    rooms: Float64[Tensor, "batch room 4"]
    walls: Blocks
    doors: Float64[Tensor, "batch door 3"]
    thickness: Float64[Tensor, " batch"]
    route: Track
    ring: Track
    center: Float64[Tensor, "batch 2"]
    middles: Float64[Tensor, "batch room 2"]

    def hull(self) -> Float64[Tensor, "batch 2 3"]:
        """Low and high corner of the whole house."""
        zero = torch.zeros_like(self.height)
        low = torch.stack([zero, -self.height, zero], dim=1)
        return torch.stack([low, torch.stack([self.size[:, 0], zero, self.size[:, 1]], dim=1)], dim=1)

    def free(self) -> Float64[Tensor, "batch room 4"]:
        """The rooms between the faces of their walls."""
        wall = self.thickness[:, None, None] / 2
        low, high = self.rooms[..., 0::2], self.rooms[..., 1::2]
        low = torch.where(low > 1e-6, low + wall, low)
        high = torch.where(high < self.size[:, None] - 1e-6, high - wall, high)
        return torch.stack([low, high], dim=-1).flatten(-2)

    def keep(self) -> Float64[Tensor, "batch point 2"]:
        """Places that furniture must leave free: along the ways, and in front of and within doors."""
        steps = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
        jambs = self.doors[:, :, None, :2] + self.doors[:, :, None, 2:] * steps
        return torch.cat([self.route.points[:, ::4], self.ring.points[:, ::8], jambs.flatten(1, 2)], dim=1)


def sample_plans(config: WorldConfig, draws: Draws, narrow: Bool[Tensor, " batch"]) -> Plans:
    """One plan for each item."""
    count = draws("rooms").integer(*config.rooms)
    chance = draws("topology").uniform()
    groups: dict[Topology, list[int]] = {}
    for item, (rooms, slim, share) in enumerate(zip(count.tolist(), narrow.tolist(), chance.tolist(), strict=True)):
        kinds = topologies(rooms, slim)
        groups.setdefault(kinds[int(share * len(kinds))], []).append(item)
    plans = _empty(len(chance), config.rooms[1])
    for topology, items in groups.items():
        chosen = torch.tensor(items)
        _put(plans, chosen, make_plans(topology, draws.at(chosen)("plan"), config.scale))
    return plans


def _empty(batch: int, rooms: int) -> Plans:
    def full(*shape: int, value: float = 0.0) -> Tensor:
        return torch.full((batch, *shape), value, dtype=torch.float64)

    pieces = 5 * rooms
    return Plans(
        size=full(2),
        height=full(),
        rooms=full(rooms, 4) + torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.float64),
        walls=Blocks(full(pieces, 3), full(pieces, 3, value=ABSENT), full(pieces)),
        doors=full(rooms, 3, value=_FAR),
        thickness=full(),
        route=Track(full(POINTS, 2), full()),
        ring=Track(full(POINTS, 2), full()),
        center=full(2),
        middles=full(rooms, 2),
    )


def _put(plans: Plans, items: Tensor, made: FloorPlan) -> None:
    for name in ("size", "height", "thickness", "center"):
        getattr(plans, name)[items] = getattr(made, name)
    for name in ("route", "ring"):
        getattr(plans, name).points[items] = getattr(made, name).points
        getattr(plans, name).length[items] = getattr(made, name).length
    plans.rooms[items, : made.rooms.shape[1]] = made.rooms
    plans.middles[items, : made.rooms.shape[1]] = made.middles
    plans.doors[items, : made.doors.shape[1]] = made.doors
    low, high = made.walls.unbind(2)
    half = (high - low) / 2
    there = (half > 0).all(dim=-1, keepdim=True)
    plans.walls.center[items, : half.shape[1]] = (low + high) / 2
    plans.walls.half[items, : half.shape[1]] = torch.where(there, half, ABSENT)
