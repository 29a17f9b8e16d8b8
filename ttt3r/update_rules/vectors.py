"""Lengths and angles of token vectors, for rules that compare steps: finite at 0, gradients included."""

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
