"""Closed curves on the floor plan that stay clear of everything: the paths of cameras and moving objects."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

POINTS = 512
"""Points of a curve, evenly spread along it."""

Plan = Float64[Tensor, "batch point 2"]


@dataclass(frozen=True)
class Track:
    """A closed curve in the floor plan.

    Args:
        points: (x, z) in metres, evenly spread along the curve; the last is followed by the first.
        length: of the whole curve, metres.
    """

    points: Float64[Tensor, "batch point 2"]
    length: Float64[Tensor, " batch"]

    @classmethod
    def through(cls, dense: Float64[Tensor, "batch _ 2"]) -> "Track":
        """The curve along dense points of any spacing."""
        closed = torch.cat([dense, dense[:, :1]], dim=1)
        steps = closed.diff(dim=1).norm(dim=-1)
        along = torch.cat([torch.zeros_like(steps[:, :1]), steps.cumsum(dim=1)], dim=1)
        length = along[:, -1]
        wanted = length[:, None] * torch.arange(POINTS, dtype=torch.float64) / POINTS
        after = torch.searchsorted(along, wanted.contiguous(), right=True).clamp(1, along.shape[1] - 1)
        start, end = along.gather(1, after - 1), along.gather(1, after)
        share = ((wanted - start) / (end - start).clamp_min(1e-12))[..., None]
        low = closed.gather(1, (after - 1)[..., None].expand(-1, -1, 2))
        high = closed.gather(1, after[..., None].expand(-1, -1, 2))
        return cls(low + share * (high - low), length)

    def at(self, travelled: Float64[Tensor, "frame batch"]) -> Float64[Tensor, "frame batch 2"]:
        """Places at these distances along the curve, metres, by a Catmull-Rom spline, so that motion is smooth."""
        place = (travelled / self.length * POINTS).T
        index = place.floor()
        u = (place - index)[..., None]
        a, b, c, d = (self._point(index.long() + step) for step in (-1, 0, 1, 2))
        bent = b + 0.5 * u * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a)))
        return bent.transpose(0, 1)

    def _point(self, index: Tensor) -> Tensor:
        return self.points.gather(1, (index % POINTS)[..., None].expand(-1, -1, 2))


def spline(corners: Float64[Tensor, "batch corner 2"], steps: int = 12) -> Float64[Tensor, "batch _ 2"]:
    """Dense points of the closed uniform cubic B-spline of a polygon: smooth, and inside the hull of any four corners."""
    u = (torch.arange(steps, dtype=torch.float64) / steps)[:, None]
    weights = torch.cat([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3], dim=1) / 6
    four = torch.stack([corners.roll(-step, dims=1) for step in range(4)], dim=2)
    return torch.einsum("sk,bckd->bcsd", weights, four).flatten(1, 2)


def arc(
    center: Float64[Tensor, "batch 2"],
    radii: Float64[Tensor, "batch 2"],
    angles: Float64[Tensor, "batch angle"],
) -> Float64[Tensor, "batch angle 2"]:
    """Points of an ellipse with axes along x and z."""
    circle = torch.stack([angles.cos(), angles.sin()], dim=-1)
    return center[:, None] + radii[:, None] * circle


def ellipse(center: Float64[Tensor, "batch 2"], radii: Float64[Tensor, "batch 2"]) -> Track:
    """The whole ellipse as a track."""
    angles = torch.arange(256, dtype=torch.float64) / 256 * 2 * math.pi
    return Track.through(arc(center, radii, angles.expand(len(center), -1)))


def heading(direction: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch"]:
    """Yaw in radians of a direction (x, z) in the plan; 0 looks along z, a quarter turn along x."""
    return torch.atan2(direction[..., 0], direction[..., 1])
