"""Lengths and angles, for rules that compare steps or cameras: finite at 0, gradients included."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def wide(tensor: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """At least float32: averages over frames and sums over channels lose too much in half precision."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def length(vector: Float[Tensor, "*any channel"]) -> Float[Tensor, "*any 1"]:
    """Euclidean length over the last axis; its gradient at 0 is 0."""
    energy = vector.square().sum(dim=-1, keepdim=True)
    return torch.where(energy > 0, torch.where(energy > 0, energy, 1.0).sqrt(), 0.0)


def unit(vector: Float[Tensor, "*any channel"]) -> Float[Tensor, "*any channel"]:
    """The vector at length 1; the zero vector stays as it is."""
    size = length(vector)
    return vector / torch.where(size > 0, size, 1.0)


def cosine(one: Float[Tensor, "*any channel"], other: Float[Tensor, "*any channel"]) -> Float[Tensor, "*any 1"]:
    """Cosine of the angle between two vectors, from -1 to 1; 0 if one of them is 0."""
    return (unit(one) * unit(other)).sum(dim=-1, keepdim=True).clamp(-1, 1)


def motion(
    one: Float[Tensor, "*batch 4 4"], other: Float[Tensor, "*batch 4 4"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """How far two cameras are apart: distance in metres, and angle in radians.

    The angle is 2 asin(|R_1 - R_2| / 2 sqrt 2), which unlike the arc cosine of the trace is exact for small angles.
    """
    shift = length(one[..., :3, 3] - other[..., :3, 3]).squeeze(-1)
    chord = length((one[..., :3, :3] - other[..., :3, :3]).flatten(-2)).squeeze(-1)
    return shift, 2 * torch.asin((chord / (2 * math.sqrt(2))).clamp(0, 1))
