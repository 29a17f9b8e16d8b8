"""Rotary position embedding in two dimensions.

The first half of a head's channels turns by the token's row, the second by its column.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """Tokens laid out row by row, `columns` to a row; with `lead`, one token more at (-1, -1) before them (the pose token)."""

    count: int
    columns: int
    lead: bool = False

    @classmethod
    def of_state(cls, tokens: int) -> "Grid":
        """The square-like grid of the state tokens: floor(sqrt(tokens)) columns, made even by adding one."""
        root = int(tokens**0.5)
        return cls(tokens, root + root % 2)

    @classmethod
    def of_patches(cls, grid: tuple[int, int], *, lead: bool = False) -> "Grid":
        """The patches of an image, with or without the pose token before them."""
        return cls(grid[0] * grid[1], grid[1], lead)


@dataclass(frozen=True)
class RotaryTable:
    """Cosine and signed sine of every token's angle for every channel, laid out as `rotate` needs them.

    The first half of the channels turns by the row, the second by the column; within each half, channel j goes with channel
    j + dim/4, so that its cosine stands there twice, and its sine once with a minus.
    """

    cos: Float[Tensor, "token dim"]
    sin: Float[Tensor, "token dim"]

    @classmethod
    def of(cls, angle: Float[Tensor, "token plane=2 frequency"]) -> "RotaryTable":
        """The table for these angles: plane 0 turns by the row, plane 1 by the column."""
        cos, sin = angle.cos(), angle.sin()
        return cls(torch.cat([cos, cos], dim=-1).flatten(1), torch.cat([-sin, sin], dim=-1).flatten(1))


@lru_cache(maxsize=64)
def rotary_table(grid: Grid, dim: int, base: float, device: torch.device) -> RotaryTable:
    """The table for heads of `dim` channels: angle = position * base^(-4j / dim), in float32; made once per resolution."""
    # A table made under inference_mode could not serve in training later: make it an ordinary tensor always.
    with torch.inference_mode(False), torch.no_grad():
        index = torch.arange(grid.count, device=device)
        positions = torch.stack([index // grid.columns, index % grid.columns], dim=-1)
        if grid.lead:
            positions = torch.cat([positions.new_full((1, 2), -1), positions])
        frequency = base ** (-torch.arange(dim // 4, device=device, dtype=torch.float32) / (dim // 4))
        angle = positions[..., None].float() * frequency
        return RotaryTable.of(angle)


def rotate(x: Float[Tensor, "batch head token dim"], table: RotaryTable) -> Float[Tensor, "batch head token dim"]:
    """Turn channel pairs (j, j + dim/4) of each half: (a, b) -> (a cos - b sin, b cos + a sin), computed in float32.

    As x cos + swapped x sin, in three passes over x: this is called for every attention of every layer.
    """
    wide = x.float()
    a, b, c, d = wide.split(x.shape[-1] // 4, dim=-1)
    swapped = torch.cat([b, a, d, c], dim=-1)
    return torch.addcmul(wide * table.cos, swapped, table.sin).to(x.dtype)
