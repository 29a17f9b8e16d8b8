"""Random numbers that depend on a seed, an item and a name only, and not on what was drawn before them.

A counter is hashed with whole numbers (SplitMix64), so that every machine and device draws the same, and a world stays as
it is when another one is added to the batch or another setting is drawn in between.
"""

import zlib
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """A source of random numbers for each item of a batch. `draws("name")` is another one, independent of the first.

    Args:
        keys: one number per item, from which all others are hashed.
    """

    keys: Int64[Tensor, " batch"]

    @classmethod
    def of(cls, seed: int, first: int, batch: int) -> "Draws":
        """The items `first`, `first + 1`, ... of a seed."""
        items = torch.arange(first, first + batch, dtype=torch.int64)
        return cls(_hash(_hash(torch.full_like(items, seed)) ^ (items * _ODD)))

    def __call__(self, name: str) -> "Draws":
        """An independent source for the quantity of this name."""
        return Draws(_hash(self.keys ^ (zlib.crc32(name.encode()) * _ODD % 2**63)))

    def at(self, items: Int64[Tensor, " item"]) -> "Draws":
        """The source of some items of the batch."""
        return Draws(self.keys[items])

    def uniform(self, low: float = 0.0, high: float = 1.0, shape: tuple[int, ...] = ()) -> Float64[Tensor, "batch ..."]:
        """Evenly spread numbers in [low, high), of the given shape for each item."""
        count = torch.Size(shape).numel()
        counter = torch.arange(1, count + 1, dtype=torch.int64)
        bits = _hash(self.keys[:, None] + counter * _ODD)
        unit = _shift(bits, 11).double() * 2.0**-53
        return (low + (high - low) * unit).reshape(len(self.keys), *shape)

    def integer(self, low: int, high: int, shape: tuple[int, ...] = ()) -> Int64[Tensor, "batch ..."]:
        """Evenly spread whole numbers from `low` to `high`, both included."""
        return self.uniform(low, high + 1, shape).floor().long()

    def choice(self, weights: tuple[float, ...], shape: tuple[int, ...] = ()) -> Int64[Tensor, "batch ..."]:
        """Indices, each with a probability in proportion to its weight."""
        steps = torch.tensor(weights, dtype=torch.float64).cumsum(0)
        return torch.searchsorted(steps / steps[-1], self.uniform(shape=shape), right=True).clamp_max(len(weights) - 1)


_ODD = 0x9E3779B97F4A7C15 - 2**64


def _shift(bits: Int64[Tensor, "..."], places: int) -> Int64[Tensor, "..."]:
    return (bits >> places) & ((1 << (64 - places)) - 1)  # without the sign, that >> would repeat


def _hash(bits: Int64[Tensor, "..."]) -> Int64[Tensor, "..."]:
    bits = bits + _ODD
    bits = (bits ^ _shift(bits, 30)) * (0xBF58476D1CE4E5B9 - 2**64)
    bits = (bits ^ _shift(bits, 27)) * (0x94D049BB133111EB - 2**64)
    return bits ^ _shift(bits, 31)
