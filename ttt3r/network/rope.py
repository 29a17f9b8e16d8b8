"""Rotary position embedding in two dimensions.

The first half of a head's channels turns by the token's row, the second by its column.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from einops import rearrange
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
    """Cosine and sine of every token's angles: plane 0 turns by the row, plane 1 by the column."""

    cos: Float[Tensor, "token plane=2 frequency"]
    sin: Float[Tensor, "token plane=2 frequency"]


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
        return RotaryTable(angle.cos(), angle.sin())


def rotate(x: Float[Tensor, "batch head token dim"], table: RotaryTable) -> Float[Tensor, "batch head token dim"]:
    """Turn channel pairs (j, j + dim/4) of each half: (a, b) -> (a cos - b sin, b cos + a sin), computed in float32."""
    a, b = rearrange(x.float(), "batch head token (plane pair j) -> pair batch head token plane j", plane=2, pair=2)
    turned = torch.stack([a * table.cos - b * table.sin, b * table.cos + a * table.sin], dim=-2)
    return rearrange(turned, "batch head token plane pair j -> batch head token (plane pair j)").to(x.dtype)
