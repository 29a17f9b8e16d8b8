"""Where rays first meet a surface. The loop goes over solids and keeps the nearest hit of all rays at once.

A ray is o + t d with d_z = 1 in its camera, so that t is the z-depth. Rays of one view share the origin. For a box with
centre c and half sizes h, entry and exit of axis i are (c_i - o_i) / d_i -+ h_i / |d_i|; the ray is inside from the latest
entry to the earliest exit. Exit times start at the nearest hit so far, so that one comparison decides whether a solid is
both hit and in front.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

TINY = 1e-7
"""Directions are kept away from 0 by this, so that nothing is divided by 0."""
NEAR = 1e-4
"""Hits before this z-depth do not count."""


@dataclass(frozen=True)
class Bundle:
    """Solids that one chunk of views may meet: a row per view. Half sizes are negative where there is none.

    Args:
        boxes: centre and half size (6 numbers), axes as the house's.
        turned: centre, half size, cosine and sine of the turn (8 numbers).
        balls: centre and radius (4 numbers).
        cylinders: centre, radius and half height (5 numbers), upright.
    """

    boxes: Float[Tensor, "view box 6"]
    turned: Float[Tensor, "view turned 8"]
    balls: Float[Tensor, "view ball 4"]
    cylinders: Float[Tensor, "view cylinder 5"]


@dataclass(frozen=True)
class Rays:
    """Rays of several views.

    Args:
        origin: of each view, or of each ray.
        direction: of each ray; of length 1 along the optical axis. No component is 0.
    """

    origin: Float[Tensor, "xyz=3 view #ray"]
    direction: Float[Tensor, "xyz=3 view ray"]

    @classmethod
    def guarded(cls, origin: Float[Tensor, "xyz=3 view #ray"], direction: Float[Tensor, "xyz=3 view ray"]) -> "Rays":
        """Rays whose direction is pushed off 0."""
        return cls(origin, torch.where(direction.abs() < TINY, TINY, direction))


@dataclass
class _Nearest:
    """The nearest hits so far: overwritten in place, since a new tensor for each solid would cost more than the hit."""

    depth: Tensor
    solid: Tensor

    def update(self, enter: Tensor, leave: Tensor, number: int) -> None:
        """Take hits where the ray enters before it leaves, and leaves after `NEAR`."""
        hit = enter < leave
        torch.where(hit, enter, self.depth, out=self.depth)
        self.solid.masked_fill_(hit, number)


def cast(
    rays: Rays, hull: Float[Tensor, "view 2 3"], bundle: Bundle
) -> tuple[Float[Tensor, "view ray"], Int[Tensor, "view ray"]]:
    """Depth of the first hit, and what is hit: 0 is the hull, then boxes, turned boxes, balls, cylinders in their order."""
    inverse = rays.direction.reciprocal()
    size = inverse.abs()
    nearest = _inside_of_hull(rays, inverse, hull)
    number = 1
    for box in bundle.boxes.unbind(1):
        shift = (box.T[:3, :, None] - rays.origin) * inverse
        _meet_box(nearest, shift, size, box.T[3:, :, None], number)
        number += 1
    for box in bundle.turned.unbind(1):
        center, half, cos, sin = box.T[:3, :, None], box.T[3:6, :, None], *box.T[6:, :, None]
        _meet_turned(nearest, rays, center, half, (cos, sin), number)
        number += 1
    if bundle.balls.shape[1]:
        _meet_balls(nearest, rays, bundle.balls, number)
    if bundle.cylinders.shape[1]:
        _meet_cylinders(nearest, rays, bundle.cylinders, number + bundle.balls.shape[1])
    return nearest.depth, nearest.solid


def _inside_of_hull(rays: Rays, inverse: Tensor, hull: Tensor) -> _Nearest:
    low, high = hull.permute(1, 2, 0)[..., None]
    out = ((high + low) / 2 - rays.origin) * inverse + (high - low) / 2 * inverse.abs()
    depth = torch.minimum(out[0], out[1]).minimum(out[2])
    return _Nearest(depth, torch.zeros_like(depth, dtype=torch.int32))


def _meet_box(nearest: _Nearest, shift: Tensor, size: Tensor, half: Tensor, number: int) -> None:
    reach = half * size
    enter, leave = shift - reach, shift.add_(reach)
    first = torch.maximum(enter[0], enter[1])
    torch.maximum(first, enter[2], out=first).clamp_min_(NEAR)
    last = torch.minimum(leave[0], leave[1])
    torch.minimum(last, leave[2], out=last)
    nearest.update(first, torch.minimum(last, nearest.depth, out=last), number)


def _meet_turned(
    nearest: _Nearest, rays: Rays, center: Tensor, half: Tensor, turn: tuple[Tensor, Tensor], number: int
) -> None:
    cos, sin = turn
    (x, y, z), (u, v, w) = center - rays.origin, rays.direction
    inverse = torch.stack([cos * u - sin * w, v, sin * u + cos * w])
    inverse = torch.where(inverse.abs() < TINY, TINY, inverse).reciprocal_()
    shift = torch.stack([cos * x - sin * z, y, sin * x + cos * z]) * inverse
    _meet_box(nearest, shift, inverse.abs_(), half, number)


def _meet_balls(nearest: _Nearest, rays: Rays, balls: Tensor, number: int) -> None:
    """With a = d.d and b = d.(c - o), a ball is met where a t^2 - 2 b t + |c - o|^2 = r^2."""
    x, y, z = rays.direction
    whole = torch.addcmul(torch.addcmul(x * x, y, y), z, z)
    inverse = whole.reciprocal()
    for step, ball in enumerate(balls.unbind(1)):
        u, v, w = ball.T[:3, :, None] - rays.origin
        radius = ball[:, 3, None]
        b = torch.addcmul(torch.addcmul(x * u, y, v), z, w)
        root = b * b - whole * (u * u + v * v + w * w - radius * radius.abs())
        enter = (b - root.clamp_min(0).sqrt_()).mul_(inverse)
        enter = torch.where((root > 0) & (enter > NEAR), enter, torch.inf)
        nearest.update(enter, nearest.depth, number + step)


def _meet_cylinders(nearest: _Nearest, rays: Rays, cylinders: Tensor, number: int) -> None:
    """Between entry and exit of the round wall, as of a ball in the plan, and of the slab between the caps."""
    x, y, z = rays.direction
    flat = torch.addcmul(x * x, z, z)
    inverse, inverse_y = flat.clamp_min(TINY).reciprocal_(), y.reciprocal()
    size_y = inverse_y.abs()
    for step, cylinder in enumerate(cylinders.unbind(1)):
        u, v, w = cylinder.T[:3, :, None] - rays.origin
        radius, half = cylinder[:, 3, None], cylinder[:, 4, None]
        b = torch.addcmul(x * u, z, w)
        root = b * b - flat * (u * u + w * w - radius * radius.abs())
        miss = root <= 0
        root = root.clamp_min_(0).sqrt_()
        shift, reach = v * inverse_y, half * size_y
        enter = torch.maximum((b - root).mul_(inverse), shift - reach).clamp_min_(NEAR).masked_fill_(miss, torch.inf)
        leave = torch.minimum(b.add_(root).mul_(inverse), shift.add_(reach))
        nearest.update(enter, torch.minimum(leave, nearest.depth), number + step)
