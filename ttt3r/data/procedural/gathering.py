"""What a chunk of views needs of its houses: the solids in front of each camera, packed densely, and flat tables.

Solids outside the view are left out, which more than halves the work. Houses have different numbers of solids; the packed
rows are as long as the fullest view needs.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ttt3r.data.procedural.cameras import RenderCameras
from ttt3r.data.procedural.casting import Bundle
from ttt3r.data.procedural.scenes import FACES, Scenes, Solids

COLUMNS = 12
"""Of a shape: centre, half size, cosine and sine of the turn, then 1 or 0 for ball, cylinder, building; row of its paint."""


@dataclass(frozen=True)
class Stock:
    """Tables of all houses.

    Args:
        shapes: the solids of every house: hull, boxes (walls first), turned, balls, cylinders, movers.
        counts: how many boxes, turned, balls (movers among them) and cylinders there are.
        paint: columns of `Paint`, for the surfaces of all houses one after the other.
        lamps: place and colour of the lamp of each room, then the room's limits; likewise.
    """

    shapes: Float[Tensor, "batch shape 12"]
    counts: tuple[int, int, int, int]
    paint: Float[Tensor, "column surface"]
    lamps: Float[Tensor, "column=10 room"]


@dataclass(frozen=True)
class Views:
    """A chunk of views.

    Args:
        scene: the house of each.
        origin: place of the camera.
        rotation: camera to house.
        intrinsics: pixels.
        hull: low and high corner of the house.
        bundle: the solids in sight.
        shapes: hull first, then the solids in sight, as in `Stock`.
    """

    scene: Int[Tensor, " view"]
    origin: Float[Tensor, "xyz=3 view 1"]
    rotation: Float[Tensor, "view 3 3"]
    intrinsics: Float[Tensor, "view 3 3"]
    hull: Float[Tensor, "view 2 3"]
    bundle: Bundle
    shapes: Float[Tensor, "view shape 12"]


def stock(scenes: Scenes) -> Stock:
    """Tables of these houses."""
    rooms = scenes.rooms.shape[1]
    row = FACES * rooms
    hull = Solids(
        scenes.hull.mean(1, keepdim=True),
        scenes.hull.diff(dim=1) / 2,
        scenes.hull.new_tensor([1.0, 0.0]).expand(scenes.batch, 1, 2),
    )
    parts = [_shapes(hull, building=True), _shapes(scenes.walls, building=True)]
    radius = scenes.movers[..., None].expand(-1, -1, 3)
    movers = Solids(torch.zeros_like(radius), radius, radius[..., :2] * 0)
    for solids, ball, cylinder in (
        *((scenes.boxes, False, False), (scenes.turned, False, False), (scenes.balls, True, False)),
        *((scenes.cylinders, False, True), (movers, True, False)),
    ):
        parts.append(_shapes(solids, ball=ball, cylinder=cylinder, row=row))
        row += solids.half.shape[1]
    hull_, walls, boxes, turned, balls, cylinders, moving = parts
    shapes = torch.cat([hull_, walls, boxes, turned, balls, moving, cylinders], dim=1)
    counts = (walls.shape[1] + boxes.shape[1], turned.shape[1], balls.shape[1] + moving.shape[1], cylinders.shape[1])
    paint = torch.cat([_columns(getattr(scenes.paint, field.name)) for field in fields(scenes.paint)])
    lamps = torch.cat([_columns(part) for part in (scenes.lamps.place, scenes.lamps.color, scenes.rooms)])
    return Stock(shapes, counts, paint, lamps)


def _columns(part: Tensor) -> Tensor:
    return part.reshape(part.shape[0] * part.shape[1], -1).T


def _shapes(
    solids: Solids, *, building: bool = False, ball: bool = False, cylinder: bool = False, row: int = 0
) -> Float[Tensor, "batch shape 12"]:
    batch, count = solids.half.shape[:2]
    flags = solids.half.new_tensor([float(ball), float(cylinder), float(building)]).expand(batch, count, 3)
    rows = (row + torch.arange(count, device=solids.half.device, dtype=solids.half.dtype)).expand(batch, count)
    return torch.cat([solids.center, solids.half, solids.turn, flags, rows[..., None]], dim=-1)


def gather_views(
    scenes: Scenes, store: Stock, cameras: RenderCameras, start: int, stop: int, size: tuple[int, int]
) -> Views:
    """Views number `start` to `stop` of all frames and houses; the house counts faster."""
    number = torch.arange(start, stop, device=scenes.device)
    scene, frame = number % scenes.batch, number // scenes.batch
    pose, intrinsics = cameras.camera_to_world[frame, scene], cameras.intrinsics[scene]
    shapes = store.shapes[scene]
    first = 1 + sum(store.counts[:3]) - scenes.movers.shape[1]
    shapes[:, first : first + scenes.movers.shape[1], :3] = cameras.movers[frame, scene]
    seen = _in_sight(shapes[:, 1:], pose, intrinsics, size)
    packed, at = [], 1
    for count in store.counts:
        there = seen[:, at - 1 : at - 1 + count]
        kept = int(there.sum(1).max()) if count else 0
        order = (~there).byte().argsort(dim=1, stable=True)[:, :kept]
        part = shapes[:, at : at + count].gather(1, order[..., None].expand(-1, -1, COLUMNS))
        packed.append(torch.where(there.gather(1, order)[..., None], part, -1.0))
        at += count
    boxes, turned, balls, cylinders = packed
    bundle = Bundle(boxes[..., :6], turned[..., :8], balls[..., :4], cylinders[..., :5])
    return Views(
        scene,
        pose[:, :3, 3].T[..., None],
        pose[:, :3, :3],
        intrinsics,
        scenes.hull[scene],
        bundle,
        torch.cat([shapes[:, :1], *packed], dim=1),
    )


def _in_sight(
    shapes: Float[Tensor, "view shape 12"],
    pose: Float[Tensor, "view 4 4"],
    intrinsics: Float[Tensor, "view 3 3"],
    size: tuple[int, int],
) -> Bool[Tensor, "view shape"]:
    """Whether the upright hull of a solid may reach into the view: not beyond any of its four sides, nor behind."""
    height, width = size
    focal, center = intrinsics[:, 0, 0], intrinsics[:, :2, 2]
    zero, one = torch.zeros_like(focal), torch.ones_like(focal)
    low = (center + 1) / focal[:, None]
    high = (torch.stack([width - center[:, 0], height - center[:, 1]], dim=1) + 1) / focal[:, None]
    sides = [
        torch.stack([one, zero, low[:, 0]], dim=1),
        torch.stack([-one, zero, high[:, 0]], dim=1),
        torch.stack([zero, one, low[:, 1]], dim=1),
        torch.stack([zero, -one, high[:, 1]], dim=1),
        torch.stack([zero, zero, one], dim=1),
    ]
    normals = torch.stack(sides, dim=1) @ pose[:, :3, :3].transpose(1, 2)
    half = shapes[..., 3:6]
    cos, sin = shapes[..., 6].abs(), shapes[..., 7].abs()
    reach = torch.stack(
        [cos * half[..., 0] + sin * half[..., 2], half[..., 1], sin * half[..., 0] + cos * half[..., 2]], dim=-1
    )
    reach = torch.where((shapes[..., 8:10].sum(-1) > 0)[..., None], half, reach)
    away = shapes[..., :3] - pose[:, None, :3, 3]
    beyond = away @ normals.transpose(1, 2) + reach @ normals.abs().transpose(1, 2)
    return (beyond > 0).all(-1) & (half[..., 0] > 0)
