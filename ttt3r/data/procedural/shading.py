"""From hits to colours: what surface it is, where on it, how it is painted, and how much light falls there."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ttt3r.data.procedural.casting import Bundle, Rays, cast
from ttt3r.data.procedural.gathering import Stock, Views
from ttt3r.data.procedural.painting import color
from ttt3r.data.procedural.scenes import FACES, Scenes
from ttt3r.data.procedural.surfaces import Paint

_DARK, _NOOK = 0.4, 0.22
"""How much darker corners are, and how far that reaches, metres."""


@dataclass(frozen=True)
class Hits:
    """Points where rays end.

    Args:
        point: in the house, metres.
        normal: unit, towards the camera.
        u: place on the surface, metres.
        v: likewise; downwards where the surface is upright.
        surface: row of the paint, among all houses.
        room: row of the room, among all houses.
        own: per axis, 1 on faces of the room itself that are across this axis.
        facing: |normal . direction|.
        moving: whether it is a moving ball.
    """

    point: Float[Tensor, "xyz=3 view ray"]
    normal: Float[Tensor, "xyz=3 view ray"]
    u: Float[Tensor, "view ray"]
    v: Float[Tensor, "view ray"]
    surface: Int[Tensor, "view ray"]
    room: Int[Tensor, "view ray"]
    own: Float[Tensor, "xyz=3 view ray"]
    facing: Float[Tensor, "view ray"]
    moving: Bool[Tensor, "view ray"]


def hits_of(
    scenes: Scenes, views: Views, rays: Rays, depth: Float[Tensor, "view ray"], solid: Int[Tensor, "view ray"]
) -> Hits:
    """What the rays of these views hit."""
    shapes = views.shapes.shape[1]
    row = solid + shapes * torch.arange(len(views.scene), device=solid.device, dtype=solid.dtype)[:, None]
    table = views.shapes.flatten(0, 1).T.contiguous()
    center, half, (cos, sin, ball, cylinder, building, paint) = (
        table.index_select(1, row.flatten()).unflatten(1, tuple(row.shape)).split((3, 3, 6))
    )
    point = torch.addcmul(rays.origin, rays.direction, depth)
    x, y, z = point - center
    x, z = cos * x - sin * z, sin * x + cos * z
    local = torch.stack([x, y, z])
    over = local.abs() - half
    round_ = (ball + cylinder) > 0
    radial = torch.where(cylinder > 0, (x * x + z * z).sqrt_() - half[0], over[0])
    on_x = (radial >= over[1]) & ((radial >= over[2]) | round_)
    on_y = ~on_x & ((over[1] >= over[2]) | round_)
    curved = (ball > 0) | (on_x & round_)
    flat = torch.stack([on_x, on_y, ~(on_x | on_y)]).float()
    normal = torch.where(curved, local / half, flat * local.sign())
    normal[1].masked_fill_(curved & (cylinder > 0), 0.0)
    nx, nz = normal[0], normal[2]
    normal = torch.stack([cos * nx + sin * nz, normal[1], cos * nz - sin * nx])
    facing = (normal * rays.direction).sum(0)
    normal = torch.where(facing > 0, -normal, normal)
    place = torch.addcmul(local, center, building)
    u = torch.where(curved, torch.atan2(x, z) * half[0], torch.where(on_x, place[2], place[0]))
    v = torch.where(on_y & ~curved, place[2], place[1])
    room = _room(scenes, views, point + 0.03 * normal)
    face = 2 * (flat[1] + 2 * flat[2]) + ((flat * normal).sum(0) < 0)
    surface = torch.where(building > 0, FACES * room + face, paint).long()
    base = views.scene[:, None]
    movers = scenes.movers.shape[1]
    total = scenes.paint.even.shape[1]
    return Hits(
        point=point,
        normal=normal,
        u=u,
        v=v,
        surface=surface + total * base,
        room=room.long() + scenes.rooms.shape[1] * base,
        own=flat * building,
        facing=facing.abs(),
        moving=(surface >= total - movers) & (building == 0),
    )


def _room(scenes: Scenes, views: Views, point: Float[Tensor, "xyz=3 view ray"]) -> Float[Tensor, "view ray"]:
    """Number of the room in which a point lies."""
    rooms = scenes.rooms[views.scene]
    low, high = rooms[..., 0::2], rooms[..., 1::2]
    middle, half = (low + high) / 2, (high - low) / 2
    number = torch.zeros_like(point[0])
    for room in range(1, rooms.shape[1]):
        inside = (point[0] - middle[:, room, :1]).abs() < half[:, room, :1]
        inside &= (point[2] - middle[:, room, 1:]).abs() < half[:, room, 1:]
        number.masked_fill_(inside, float(room))
    return number


def light(
    scenes: Scenes, store: Stock, views: Views, hits: Hits, pixel: Float[Tensor, "view ray"]
) -> Float[Tensor, "rgb=3 view ray"]:
    """Colours in 0 ... 1 of what is hit; `pixel` is how many metres a pixel covers there, seen straight on."""
    shape = hits.surface.shape
    columns = store.paint.index_select(1, hits.surface.flatten()).unflatten(1, tuple(shape))
    first, change, rate, turn, phase, looks = columns.split((3, 3, 2, 2, 2, 9))
    paint = Paint(*(part.movedim(0, -1) for part in (first, change, rate, turn, phase)), *looks)
    painted = color(paint, hits.u, hits.v, pixel / hits.facing.clamp_min(0.1)).movedim(-1, 0)
    lamp, shine, limits = store.lamps.index_select(1, hits.room.flatten()).unflatten(1, tuple(shape)).split((3, 3, 4))
    towards = lamp - hits.point
    square = (towards * towards).sum(0)
    cosine = (towards * hits.normal).sum(0).clamp_min_(0).mul_(square.clamp_min(1e-4).rsqrt())
    strength = cosine / (1 + 0.08 * square)
    if scenes.lamps.shadows:
        strength = strength * _lit(scenes, store, views, hits, towards)
    side = scenes.lamps.side[views.scene].T[..., None]
    everywhere = scenes.lamps.ambient[views.scene][:, None] + (side * hits.normal).sum(0)
    brightness = torch.addcmul(everywhere, shine, strength) * _corners(scenes, views, hits, limits)
    return (painted * brightness).clamp_(0, 1)


def _corners(
    scenes: Scenes, views: Views, hits: Hits, limits: Float[Tensor, "4 view ray"]
) -> Float[Tensor, "view ray"]:
    """Corners are darker: less of the room can be seen from there."""
    height = -scenes.hull[views.scene][:, 0, 1, None]
    x, y, z = hits.point
    gaps = torch.stack(
        [
            torch.minimum(x - limits[0], limits[1] - x),
            torch.minimum(-y, height + y),
            torch.minimum(z - limits[2], limits[3] - z),
        ]
    )
    shade = 1 - _DARK * (gaps.clamp_min_(0) / -_NOOK).exp_() * (1 - hits.own)
    return shade[0] * shade[1] * shade[2]


def _lit(scenes: Scenes, store: Stock, views: Views, hits: Hits, towards: Tensor) -> Float[Tensor, "view ray"]:
    """1 where nothing stands between a point and the lamp of its room."""
    counts, at, parts = store.counts, 1, []
    shapes = store.shapes[views.scene]
    for count in counts:
        parts.append(shapes[:, at : at + count])
        at += count
    boxes, turned, balls, cylinders = parts
    bundle = Bundle(boxes[..., :6], turned[..., :8], balls[..., :4], cylinders[..., :5])
    start = hits.point + 2e-3 * hits.normal
    depth, _ = cast(Rays.guarded(start, towards), views.hull, bundle)
    return (depth > 0.999).float()
