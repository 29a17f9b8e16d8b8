"""Colours of points on surfaces, by formula: no image of a texture is stored, so that any point can be asked for.

Edges of patterns are as soft as a pixel is wide there, and patterns finer than a pixel fade to their mean: no speckle.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.data.procedural.draws import Draws
from ttt3r.data.procedural.surfaces import Paint

_CELLS, _TEXELS = 32, 8
"""Cells after which the noise repeats, and texels of a cell."""


def color(
    paint: Paint,
    u: Float[Tensor, "view ray"],
    v: Float[Tensor, "view ray"],
    pixel: Float[Tensor, "view ray"],
) -> Float[Tensor, "view ray rgb=3"]:
    """Colours in 0 ... 1, before any light.

    Args:
        paint: of the surface of each ray.
        u: place on the surface, metres.
        v: likewise; on walls downwards.
        pixel: how many metres of the surface a pixel covers.
    """
    cos, sin = paint.turn.unbind(-1)
    rate, phase = paint.rate.unbind(-1), paint.phase.unbind(-1)
    across = torch.addcmul(cos * u, sin, v).mul_(rate[0]).add_(phase[0])
    along = torch.addcmul(cos * v, sin, u, value=-1).mul_(rate[1]).add_(phase[1])
    row = along.floor()
    moved = torch.addcmul(across, paint.shift, row - 2 * (row / 2).floor())
    width = (pixel * rate[1]).clamp_min_(0.02)  # of a pixel, in cells
    sharp = width.reciprocal()
    a, b = _edge(moved), _edge(along)
    square_a, square_b = (2 * a * sharp).clamp_(-1, 1), (2 * b * sharp).clamp_(-1, 1)
    gap = torch.minimum(a.abs().mul_(rate[1] / rate[0]), b.abs())
    line = ((paint.joint - gap) * sharp).add_(0.5).clamp_(0, 1).mul_((1.5 - width).clamp_(0, 1))
    line = line.mul_(paint.joint > 0)
    mixing = torch.addcmul(paint.even, paint.checker, square_a * square_b)
    mixing = mixing.addcmul_(paint.stripes, square_a).addcmul_(paint.joints, line)
    fine = (1.3 - width).clamp_(0, 1)
    mixing = mixing.addcmul_(paint.noise, _noise(across, along) * fine).addcmul_(paint.ramp, b)
    tone = 1 + paint.shade * fine * (_tone(moved.floor(), row) - 0.5)
    return torch.addcmul(paint.first, paint.change, mixing.clamp_(0, 1)[..., None]) * tone[..., None]


def _edge(cells: Tensor) -> Tensor:
    """Distance from the nearest edge of a cell, in cells: positive in even cells and negative in odd ones."""
    half = cells * 0.5 - 0.25
    return ((half - half.floor()) - 0.5).abs_().mul_(2).sub_(0.5)


def _tone(column: Tensor, row: Tensor) -> Tensor:
    """A random number in 0 ... 1 for each cell."""
    table = _tones(column.device)
    place = (row.to(torch.int32) & 63) * 64 + (column.to(torch.int32) & 63)
    return table.take(place.long())


def _noise(u: Tensor, v: Tensor) -> Tensor:
    """Smooth noise between about -1 and 1 with details down to an eighth of a cell."""
    size = _CELLS * _TEXELS
    table = _fractal(u.device)
    x, y = u * _TEXELS, v * _TEXELS
    left, top = x.floor(), y.floor()
    right_share, low_share = x.sub_(left), y.sub_(top)
    column, row = left.to(torch.int32) & (size - 1), top.to(torch.int32) & (size - 1)
    column, row = column.long(), row.long() * (size + 1)
    place = row + column
    upper = torch.lerp(table.take(place), table.take(place + 1), right_share)
    place += size + 1
    lower = torch.lerp(table.take(place), table.take(place + 1), right_share)
    return torch.lerp(upper, lower, low_share)


@lru_cache
def _tones(device: torch.device) -> Float[Tensor, " cell"]:
    return Draws.of(0, 0, 1)("tones").uniform(shape=(64 * 64,))[0].float().to(device)


@lru_cache
def _fractal(device: torch.device) -> Float[Tensor, " texel"]:
    """Value noise of three octaves, row by row; the first row and column are repeated at the end."""
    size = _CELLS * _TEXELS
    total = torch.zeros(size, size, dtype=torch.float64)
    for octave in range(3):
        cells = _CELLS << octave
        lattice = Draws.of(0, 0, 1)(f"octave {octave}").uniform(-1, 1, (cells, cells))[0]
        place = torch.arange(size, dtype=torch.float64) * cells / size
        low = place.floor().long()
        share = (place - low).pow(2) * (3 - 2 * (place - low))
        high = (low + 1) % cells
        rows = lattice[low] + share[:, None] * (lattice[high] - lattice[low])
        total += (rows[:, low] + share * (rows[:, high] - rows[:, low])) * 0.5**octave
    total = torch.cat([total, total[:1]])
    return torch.cat([total, total[:, :1]], dim=1).float().flatten().to(device)
