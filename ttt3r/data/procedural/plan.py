"""Floor plans: a rectangle cut into rooms by walls with doorways, and the way through all of them.

Rooms stand in one or two columns. In two columns they can form a ring: up the left column, through a door at the top, down
the right column, and back through a door at the bottom. Otherwise the way goes to the last room and back.

Plans with the same topology are made together: `a` rooms in the left column, `b` in the right one. World axes are x right,
y down, z forward; the floor is y = 0, and the plan begins at x = z = 0.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from ttt3r.data.procedural.draws import Draws
from ttt3r.data.procedural.tour import Door, Topology, make_tour
from ttt3r.data.procedural.tracks import Track, ellipse, spline


@dataclass(frozen=True)
class FloorPlan:
    """Plans of one topology. Lengths in metres.

    Args:
        size: of the plan along x and z.
        height: from floor to ceiling.
        rooms: x low, x high, z low, z high, up to the middle of inner walls.
        walls: low and high corner of the pieces of the inner walls; those of no volume are not there.
        doors: x, z, and the half width of the opening.
        thickness: of inner walls.
        route: through all rooms and back to where it began.
        ring: around the middle of the largest room.
        center: of the ring.
        middles: of the ways around each room.
    """

    size: Float64[Tensor, "batch 2"]
    height: Float64[Tensor, " batch"]
    rooms: Float64[Tensor, "batch room 4"]
    walls: Float64[Tensor, "batch wall 2 3"]
    doors: Float64[Tensor, "batch door 3"]
    thickness: Float64[Tensor, " batch"]
    route: Track
    ring: Track
    center: Float64[Tensor, "batch 2"]
    middles: Float64[Tensor, "batch room 2"]


def make_plans(topology: Topology, draws: Draws, scale: tuple[float, float]) -> FloorPlan:
    """Plans of this topology; rooms have sides within `scale` metres, or somewhat beyond where columns must match."""
    sizes, rows = _sizes(topology, draws, scale)
    width, depth, split = sizes.unbind(1)
    height = draws("height").uniform(2.3, 3.2)
    thickness = draws("thickness").uniform(0.08, 0.2)
    rooms = _rooms(topology, width, depth, split, rows)
    doors, walls = _inner_walls(topology, draws, rooms, height, thickness)
    area = (rooms[..., 1] - rooms[..., 0]) * (rooms[..., 3] - rooms[..., 2])
    center, radii = _rings(draws, rooms, thickness)
    main = area.argmax(dim=1)[:, None, None].expand(-1, 1, 2)
    middle, around = center.gather(1, main)[:, 0], radii.gather(1, main)[:, 0]
    jambs = [torch.cat([door.place, door.half[:, None]], dim=1) for door in doors]
    return FloorPlan(
        size=torch.stack([width, depth], dim=1),
        height=height,
        rooms=rooms,
        walls=torch.stack(walls, dim=1) if walls else rooms.new_zeros(len(rooms), 0, 2, 3),
        doors=torch.stack(jambs, dim=1) if jambs else rooms.new_zeros(len(rooms), 0, 3),
        thickness=thickness,
        route=Track.through(spline(make_tour(topology, draws, doors, center, radii, thickness))),
        ring=ellipse(middle, around),
        center=middle,
        middles=center,
    )


def _sizes(
    topology: Topology, draws: Draws, scale: tuple[float, float]
) -> tuple[Float64[Tensor, "batch 3"], list[list[Float64[Tensor, " batch"]]]]:
    """Width and depth of the plan, where the columns meet, and the depths at which the rows of each column end."""
    low, high = scale
    narrow = draws("narrow").uniform(1.5, 2.3)
    columns = draws("columns").uniform(low, high, shape=(2,)).unbind(1)
    left = draws("left").uniform(low, high, shape=(topology.left,))
    right = draws("right").uniform(low, high, shape=(topology.right,))
    depth = left.sum(1)
    if topology.narrow:
        left = left * 1.5
        return torch.stack([narrow, left.sum(1), narrow], dim=1), [list(left.cumsum(1).unbind(1)), []]
    if topology.right:
        depth = (depth + right.sum(1)) / 2
    ends = [
        list((depth[:, None] * part.cumsum(1) / part.sum(1, keepdim=True)).unbind(1)) if part.shape[1] else []
        for part in (left, right)
    ]
    width = columns[0] + columns[1] if topology.right else columns[0]
    return torch.stack([width, depth, columns[0]], dim=1), ends


def _rooms(
    topology: Topology,
    width: Float64[Tensor, " batch"],
    depth: Float64[Tensor, " batch"],
    split: Float64[Tensor, " batch"],
    rows: list[list[Float64[Tensor, " batch"]]],
) -> Float64[Tensor, "batch room 4"]:
    """Rooms in the order of the way: up the left column, then down the right one."""
    zero = torch.zeros_like(width)
    found = []
    for number, (low, high) in enumerate(((zero, split), (split, width))):
        starts = [zero, *rows[number][:-1]]
        column = [torch.stack([low, high, a, b], dim=1) for a, b in zip(starts, rows[number], strict=False)]
        found += column if number == 0 else column[::-1]
    return torch.stack(found, dim=1)


def _rings(
    draws: Draws, rooms: Float64[Tensor, "batch room 4"], thickness: Float64[Tensor, " batch"]
) -> tuple[Float64[Tensor, "batch room 2"], Float64[Tensor, "batch room 2"]]:
    """Middle and radii of an ellipse in each room, clear of its walls."""
    low, high = rooms[..., 0::2], rooms[..., 1::2]
    half = (high - low) / 2
    clear = (half - thickness[:, None, None] / 2 - 0.4).clamp_min(0.15)
    radii = clear * draws("radii").uniform(0.45, 0.8, shape=(rooms.shape[1], 2))
    shift = (clear - radii) * draws("shift").uniform(-0.7, 0.7, shape=(rooms.shape[1], 2))
    return (low + high) / 2 + shift, radii


def _inner_walls(
    topology: Topology,
    draws: Draws,
    rooms: Float64[Tensor, "batch room 4"],
    height: Float64[Tensor, " batch"],
    thickness: Float64[Tensor, " batch"],
) -> tuple[list[Door], list[Float64[Tensor, "batch 2 3"]]]:
    """Doors in the order of the way, and the pieces of the walls around them."""
    count, left = topology.rooms, topology.left
    wide = draws("door width").uniform(0.8, 1.2, shape=(count,))
    tall = draws("door height").uniform(1.95, 2.25, shape=(count,))
    tall = torch.where(draws("passage").uniform(shape=(count,)) < 0.25, height[:, None], tall)
    spot = draws("door place").uniform(shape=(count,))
    doors, walls, across = [], [], []
    for number in range(count if topology.ring else count - 1):
        here, there = rooms[:, number], rooms[:, (number + 1) % count]
        axis = 0 if topology.right and number in (left - 1, count - 1) else 1
        low = here[:, 2 - 2 * axis].maximum(there[:, 2 - 2 * axis])
        high = here[:, 3 - 2 * axis].minimum(there[:, 3 - 2 * axis])
        if axis == 0 and count == 2:  # two doors share one wall
            middle = (low + high) / 2
            low, high = (middle, high) if number == 0 else (low, middle)
        half = wide[:, number].minimum(high - low - 0.35) / 2
        along = low + half + 0.17 + spot[:, number] * (high - low - 2 * half - 0.34)
        side = (1 if number == left - 1 else None) if axis == 0 else (3 if number < left else 2)
        wall = there[:, 1] if side is None else here[:, side]
        place = torch.stack([wall, along] if axis == 0 else [along, wall], dim=1)
        door = Door(place, half, tall[:, number].minimum(height), axis)
        doors.append(door)
        if axis == 0:
            across.append(door)  # the upper one first
        else:
            walls += _pieces([door], here[:, 0], here[:, 1], height, thickness)
    if across:
        walls += _pieces(across[::-1], torch.zeros_like(height), rooms[..., 3].amax(1), height, thickness)
    return doors, walls


def _pieces(
    doors: list[Door],
    low: Float64[Tensor, " batch"],
    high: Float64[Tensor, " batch"],
    height: Float64[Tensor, " batch"],
    thickness: Float64[Tensor, " batch"],
) -> list[Float64[Tensor, "batch 2 3"]]:
    """A wall from `low` to `high` with doors in it, in this order: what stands between them, and what is above them."""
    axis = doors[0].axis
    wall, slack = doors[0].place[:, axis], 0.05 * torch.ones_like(low)
    edge = low - thickness / 4  # it ends inside the wall that it meets
    found = []

    def piece(
        start: Float64[Tensor, " batch"], end: Float64[Tensor, " batch"], bottom: Float64[Tensor, " batch"]
    ) -> Float64[Tensor, "batch 2 3"]:
        corners = []
        for side, along, y in ((-1, start, -height - slack), (1, end, bottom)):
            across = wall + side * thickness / 2
            corners.append(torch.stack([across, y, along] if axis == 0 else [along, y, across], dim=1))
        return torch.stack(corners, dim=1)

    for door in doors:
        start, end = door.place[:, 1 - axis] - door.half, door.place[:, 1 - axis] + door.half
        found += [piece(edge, start, slack), piece(start, end, -door.height)]
        edge = end
    return [*found, piece(edge, high + thickness / 4, slack)]
