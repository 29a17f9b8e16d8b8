"""Furniture: each piece is one or two simple solids, put where nothing is in the way.

Many places are proposed for each room; a piece is taken if it keeps clear of the ways of the camera, of doors, and of what
was taken before it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from ttt3r.data.procedural.blocks import ABSENT, Blocks
from ttt3r.data.procedural.draws import Draws

CLEARANCE = 0.32
"""Metres that every piece keeps from the ways."""
_SIZES = (
    torch.tensor(  # lowest and highest half size along the wall, upwards, away from it; lowest and highest elevation
        [
            [0.30, 0.90, 0.20, 1.00, 0.18, 0.35, 0.0, 0.0],  # cabinet
            [0.20, 0.50, 0.15, 0.50, 0.20, 0.50, 0.0, 0.0],  # crate
            [0.40, 0.80, 0.02, 0.04, 0.30, 0.50, 0.60, 0.80],  # table
            [0.10, 0.30, 0.20, 1.10, 0.00, 0.00, 0.0, 0.0],  # pillar
            [0.12, 0.40, 0.00, 0.00, 0.00, 0.00, 0.0, 0.0],  # ball
            [0.12, 0.24, 0.00, 0.00, 0.00, 0.00, 1.0, 1.5],  # lamp
            [0.30, 0.70, 0.02, 0.15, 0.12, 0.20, 1.1, 1.7],  # shelf
            [0.25, 0.70, 0.20, 0.50, 0.02, 0.02, 0.9, 1.2],  # picture
            [0.50, 1.20, 0.006, 0.006, 0.40, 0.90, 0.0, 0.0],  # rug
        ],
        dtype=torch.float64,
    )
)
_WEIGHTS = (2.5, 1.5, 1.5, 1.2, 1.2, 0.8, 1.0, 2.5, 1.0)
_MIDDLE_WEIGHTS = (0.0, 1.0, 1.5, 0.7, 0.7, 0.7)
_CABINET, _CRATE, _TABLE, _PILLAR, _BALL, _LAMP, _SHELF, _PICTURE, _RUG = range(9)


@dataclass(frozen=True)
class Furniture:
    """All pieces: boxes along the walls, turned boxes, balls, cylinders."""

    boxes: Blocks
    turned: Blocks
    balls: Blocks
    cylinders: Blocks

    def kinds(self) -> tuple[Blocks, Blocks, Blocks, Blocks]:
        """In the order of the fields."""
        return self.boxes, self.turned, self.balls, self.cylinders


@dataclass(frozen=True)
class Site:
    """Where furniture may stand. Lengths in metres.

    Args:
        rooms: x low, x high, z low, z high of the free space between the walls; empty where there is no room.
        middles: a place in each room around which the ways go.
        height: from floor to ceiling.
        keep: points (x, z) from which everything keeps clear.
    """

    rooms: Float64[Tensor, "batch room 4"]
    middles: Float64[Tensor, "batch room 2"]
    height: Float64[Tensor, " batch"]
    keep: Float64[Tensor, "batch point 2"]


def furnish(site: Site, draws: Draws, solids: tuple[int, int]) -> Furniture:
    """Between `solids[0]` and `solids[1]` pieces in each room, fewer where there is no place for them."""
    rooms = site.rooms.shape[1]
    shape = (rooms, 3 * solids[1] + 4)
    kind = draws("kind").choice(_WEIGHTS, shape)
    kind[..., :2] = draws("middle").choice(_MIDDLE_WEIGHTS, (rooms, 2))  # the first two try to stand in the middle
    half, bottom = _measures(site, draws, kind)
    on_wall = (kind == _CABINET) | (kind == _SHELF) | (kind == _PICTURE)
    yaw = torch.where(on_wall, 0.0, draws("yaw").uniform(-0.8, 0.8, shape))
    center, half, fits = _place(site, draws, half, bottom, on_wall, yaw)
    cos, sin = yaw.cos().abs(), yaw.sin().abs()
    reach = torch.stack([cos * half[..., 0] + sin * half[..., 2], sin * half[..., 0] + cos * half[..., 2]], dim=-1)
    clear = (kind == _RUG) | _keeps_clear(site, center, half, yaw)
    foot = torch.where((kind == _TABLE) | (kind == _LAMP), 0.0, -center[..., 1] - half[..., 1])
    overlap = _overlap(center, reach, foot, -center[..., 1] + half[..., 1])
    number = draws("number").integer(*solids, shape=(rooms,))
    taken = _take(fits & clear, overlap, number)
    return _solids(draws, kind, center, half, yaw, taken)


def _measures(
    site: Site, draws: Draws, kind: Int64[Tensor, "batch room piece"]
) -> tuple[Float64[Tensor, "batch room piece 3"], Float64[Tensor, "batch room piece"]]:
    """Half sizes, and how high the bottom is above the floor; no piece is higher than its room."""
    low, high = _SIZES[kind][..., 0::2], _SIZES[kind][..., 1::2]
    share = draws("sizes").uniform(shape=(*kind.shape[1:], 4))
    size = (low + share * (high - low)) * draws("factor").uniform(0.85, 1.2)[:, None, None, None]
    half, bottom = size[..., :3], size[..., 3]
    ball, pillar = (kind == _BALL) | (kind == _LAMP), kind == _PILLAR
    half = torch.where(ball[..., None], half[..., :1], half)
    half = torch.stack([half[..., 0], half[..., 1], torch.where(pillar, half[..., 0], half[..., 2])], dim=-1)
    tall = site.height[:, None, None] / 2
    to_ceiling = pillar & (draws("column").uniform(shape=kind.shape[1:]) < 0.3)
    up = torch.where(to_ceiling, tall + 0.01, half[..., 1].minimum(tall - bottom / 2 - 0.05))
    return torch.stack([half[..., 0], up, half[..., 2]], dim=-1), bottom


def _place(
    site: Site,
    draws: Draws,
    half: Float64[Tensor, "batch room piece 3"],
    bottom: Float64[Tensor, "batch room piece"],
    on_wall: Bool[Tensor, "batch room piece"],
    yaw: Float64[Tensor, "batch room piece"],
) -> tuple[
    Float64[Tensor, "batch room piece 3"], Float64[Tensor, "batch room piece 3"], Bool[Tensor, "batch room piece"]
]:
    """Centres, half sizes turned to the wall that was drawn, and whether the room is large enough."""
    shape = on_wall.shape[1:]
    wall = draws("wall").integer(0, 3, shape)
    sideways = on_wall & (wall >= 2)  # the low and the high wall of x: what was along the wall is now along z
    half = torch.where(sideways[..., None], half.flip(-1), half)
    cos, sin = yaw.cos().abs(), yaw.sin().abs()
    reach = torch.stack([cos * half[..., 0] + sin * half[..., 2], sin * half[..., 0] + cos * half[..., 2]], dim=-1)
    low, high = (site.rooms[:, :, None, side::2] for side in (0, 1))
    free = high - low - 2 * reach
    spot = low + reach + draws("spot").uniform(shape=(*shape, 2)) * free
    spot[:, :, :2] = site.middles[:, :, None]
    at_wall = torch.where((wall % 2 == 0)[..., None], low + reach - 0.01, high - reach + 0.01)
    fixed = on_wall[..., None] & torch.stack([sideways, ~sideways], dim=-1)
    plan = torch.where(fixed, at_wall, spot)
    center = torch.stack([plan[..., 0], -bottom - half[..., 1], plan[..., 1]], dim=-1)
    return center, half, (free > 0).all(-1)


def _keeps_clear(
    site: Site,
    center: Float64[Tensor, "batch room piece 3"],
    half: Float64[Tensor, "batch room piece 3"],
    yaw: Float64[Tensor, "batch room piece"],
) -> Bool[Tensor, "batch room piece"]:
    """Whether the footprint is farther than the clearance from every point that is to be kept free."""
    keep, center, half, yaw = site.keep.float(), center.float(), half.float(), yaw.float()  # by far the largest tensors
    x, z = (keep[:, None, None, :, axis] - center[..., 2 * axis, None] for axis in (0, 1))
    cos, sin = yaw.cos()[..., None], yaw.sin()[..., None]
    along = (cos * x - sin * z).abs() - half[..., 0, None]
    across = (sin * x + cos * z).abs() - half[..., 2, None]
    return (along.clamp_min(0).square() + across.clamp_min(0).square()).amin(-1) > CLEARANCE**2


def _overlap(
    center: Float64[Tensor, "batch room piece 3"],
    reach: Float64[Tensor, "batch room piece 2"],
    bottom: Float64[Tensor, "batch room piece"],
    top: Float64[Tensor, "batch room piece"],
) -> Bool[Tensor, "batch room piece piece"]:
    """Which pairs of pieces would stand in each other, judged by their upright hulls."""
    plan = center[..., 0::2]
    apart = (plan[:, :, :, None] - plan[:, :, None]).abs() > reach[:, :, :, None] + reach[:, :, None] + 0.03
    above = bottom[:, :, :, None] > top[:, :, None] - 0.02
    return ~(apart.any(-1) | above | above.transpose(-1, -2))


def _take(
    possible: Bool[Tensor, "batch room piece"],
    overlap: Bool[Tensor, "batch room piece piece"],
    number: Int64[Tensor, "batch room"],
) -> Bool[Tensor, "batch room piece"]:
    taken = torch.zeros_like(possible)
    for piece in range(possible.shape[2]):
        free = possible[..., piece] & ~(overlap[:, :, piece] & taken).any(-1) & (taken.sum(-1) < number)
        taken[..., piece] = free
    return taken


def _solids(
    draws: Draws,
    kind: Int64[Tensor, "batch room piece"],
    center: Float64[Tensor, "batch room piece 3"],
    half: Float64[Tensor, "batch room piece 3"],
    yaw: Float64[Tensor, "batch room piece"],
    taken: Bool[Tensor, "batch room piece"],
) -> Furniture:
    """The pieces, sorted by the kind of their solids. A table stands on a leg, and a lamp on a stem."""
    x, y, z = center.unbind(-1)
    below = (-y - half[..., 1]).clamp_min(0) / 2  # half the height of what carries it
    thick = torch.where(kind == _TABLE, draws("leg").uniform(0.04, 0.2, kind.shape[1:]), 0.03)
    legs = torch.stack([x, -below, z], dim=-1), torch.stack([thick, below, thick], dim=-1)
    pillar = (kind == _PILLAR)[..., None]
    standing = torch.where(pillar, center, legs[0]), torch.where(pillar, half, legs[1])

    def of(*kinds: int) -> Bool[Tensor, "batch room piece"]:
        return taken & torch.isin(kind, torch.tensor(kinds))

    return Furniture(
        boxes=_pack(center, half, yaw, of(_CABINET, _SHELF, _PICTURE)),
        turned=_pack(center, half, yaw, of(_CRATE, _TABLE, _RUG)),
        balls=_pack(center, half, yaw, of(_BALL, _LAMP)),
        cylinders=_pack(*standing, yaw, of(_PILLAR, _TABLE, _LAMP)),
    )


def _pack(
    center: Float64[Tensor, "batch room piece 3"],
    half: Float64[Tensor, "batch room piece 3"],
    yaw: Float64[Tensor, "batch room piece"],
    there: Bool[Tensor, "batch room piece"],
) -> Blocks:
    """The solids that are there, first; room for as many as the fullest house of the batch has."""
    there = there.flatten(1)
    first = (~there).int().argsort(dim=1, stable=True)[:, : int(there.sum(1).max())]
    present = there.gather(1, first)
    rows = first[..., None].expand(-1, -1, 3)
    half = torch.where(present[..., None], half.flatten(1, 2).gather(1, rows), ABSENT)
    return Blocks(center.flatten(1, 2).gather(1, rows), half, yaw.flatten(1).gather(1, first))
