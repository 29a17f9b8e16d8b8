"""Colours and patterns of surfaces, drawn anew for every surface of every house, and the lamps.

A pattern is a weighted sum of few simple ones, so that all surfaces are painted by the same arithmetic: see `painting.py`.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ttt3r.data.procedural.config import Lights, Textures
from ttt3r.data.procedural.draws import Draws


@dataclass(frozen=True)
class Paint:
    """What every surface looks like. Mixing 0 gives the first colour, 1 the second.

    Args:
        first: colour in 0 ... 1.
        change: second colour minus first.
        rate: cells per metre along u and v.
        turn: cosine and sine of the angle by which the pattern is turned.
        phase: where it begins, in cells.
        even: mixing without any pattern.
        checker: weight of squares; likewise `stripes`, `joints`, `noise` and `ramp` (up and down along v).
        shade: how much the brightness differs from cell to cell.
        shift: by how many cells every second row is shifted.
        joint: half width of a joint, in cells.
    """

    first: Float[Tensor, "batch surface 3"]
    change: Float[Tensor, "batch surface 3"]
    rate: Float[Tensor, "batch surface 2"]
    turn: Float[Tensor, "batch surface 2"]
    phase: Float[Tensor, "batch surface 2"]
    even: Float[Tensor, "batch surface"]
    checker: Float[Tensor, "batch surface"]
    stripes: Float[Tensor, "batch surface"]
    joints: Float[Tensor, "batch surface"]
    noise: Float[Tensor, "batch surface"]
    ramp: Float[Tensor, "batch surface"]
    shade: Float[Tensor, "batch surface"]
    shift: Float[Tensor, "batch surface"]
    joint: Float[Tensor, "batch surface"]


_PLAIN, _GRADIENT, _CHECKER, _STRIPES, _BRICKS, _TILES, _MARBLE = range(7)
_LOOKS = torch.tensor(  # even, checker, stripes, joints, noise, ramp, shade, shift, joint
    [
        [0.10, 0.0, 0.0, 0.0, 0.12, 0.0, 0.00, 0.0, 0.00],  # plain
        [0.50, 0.0, 0.0, 0.0, 0.10, 0.5, 0.00, 0.0, 0.00],  # gradient
        [0.50, 0.5, 0.0, 0.0, 0.10, 0.0, 0.08, 0.0, 0.00],  # checker
        [0.50, 0.0, 0.5, 0.0, 0.10, 0.0, 0.00, 0.0, 0.00],  # stripes
        [0.00, 0.0, 0.0, 1.0, 0.20, 0.0, 0.35, 0.5, 0.05],  # bricks
        [0.00, 0.0, 0.0, 1.0, 0.15, 0.0, 0.22, 0.0, 0.03],  # tiles
        [0.50, 0.0, 0.0, 0.0, 0.95, 0.0, 0.00, 0.0, 0.00],  # marble
    ],
    dtype=torch.float64,
)


def paint(draws: Draws, textures: Textures, surfaces: int) -> Paint:
    """The paint of a number of surfaces of each house."""
    kind = draws("kind").choice(textures.weights, (surfaces,))
    first, second = _colors(draws, textures, surfaces)
    low, high = (math.log(side) for side in textures.period)
    rate = 1 / draws("period").uniform(low, high, (surfaces,)).exp()
    rate = torch.where((kind == _GRADIENT) | (kind == _MARBLE), 0.45 * rate, rate)
    aspect = torch.where(kind == _BRICKS, draws("aspect").uniform(1.8, 3.0, (surfaces,)), 1.0)
    angle = draws("angle").uniform(-math.pi / 2, math.pi / 2, (surfaces,))
    level = draws("level").uniform(shape=(surfaces,)) < 0.6
    turned = ((kind == _STRIPES) & ~level) | (kind == _MARBLE)
    angle = torch.where(turned, angle, torch.where((kind == _STRIPES) & (angle > 0), math.pi / 2, 0.0))
    looks = _LOOKS[kind].float().unbind(-1)
    return Paint(
        first=first.float(),
        change=(second - first).float(),
        rate=torch.stack([rate, rate * aspect], dim=-1).float(),
        turn=torch.stack([angle.cos(), angle.sin()], dim=-1).float(),
        phase=draws("phase").uniform(0, 64, (surfaces, 2)).float(),
        even=looks[0],
        checker=looks[1],
        stripes=looks[2],
        joints=looks[3],
        noise=looks[4],
        ramp=looks[5],
        shade=looks[6],
        shift=looks[7],
        joint=looks[8],
    )


def _colors(
    draws: Draws, textures: Textures, surfaces: int
) -> tuple[Float64[Tensor, "batch surface 3"], Float64[Tensor, "batch surface 3"]]:
    """Two colours each: of like or of opposite hue, and of different brightness."""
    shape = (surfaces,)
    hue = draws("hue").uniform(shape=shape)
    other = hue + torch.where(
        draws("opposite").uniform(shape=shape) < 0.3,
        draws("far").uniform(0.3, 0.7, shape),
        draws("near").uniform(-0.09, 0.09, shape),
    )
    low, high = textures.saturation
    vivid = low + (high - low) * draws("saturation").uniform(shape=shape).pow(1.5)
    faded = vivid * draws("fade").uniform(0.4, 1.0, shape)
    contrast = draws("contrast").uniform(*textures.contrast, shape=shape)
    bright = contrast + (1 - contrast) * draws("value").uniform(0.35, 0.95, shape)
    dark = bright - contrast
    swap = draws("swap").uniform(shape=shape) < 0.5
    first, second = (
        _rgb(hue, vivid, torch.where(swap, bright, dark)),
        _rgb(other, faded, torch.where(swap, dark, bright)),
    )
    return first, second


def _rgb(
    hue: Float64[Tensor, "batch surface"],
    saturation: Float64[Tensor, "batch surface"],
    value: Float64[Tensor, "batch surface"],
) -> Float64[Tensor, "batch surface 3"]:
    """Colours of hue (turns), saturation and value; a value of 0 is a dark grey and not black."""
    corner = (6 * hue[..., None] + torch.tensor([0.0, 4.0, 2.0], dtype=torch.float64)).remainder(6)
    pure = ((corner - 3).abs() - 1).clamp(0, 1)
    return (0.12 + 0.88 * value[..., None]) * (1 + saturation[..., None] * (pure - 1))


@dataclass(frozen=True)
class Lamps:
    """The light of every house.

    Args:
        place: of the lamp of each room, metres.
        color: and its strength.
        ambient: light from everywhere.
        side: direction (unit) to where a faint light comes from, times its strength.
        shadows: whether lamps throw shadows.
    """

    place: Float[Tensor, "batch room 3"]
    color: Float[Tensor, "batch room 3"]
    ambient: Float[Tensor, " batch"]
    side: Float[Tensor, "batch 3"]
    shadows: bool


def hang_lamps(
    draws: Draws, lights: Lights, rooms: Float64[Tensor, "batch room 4"], height: Float64[Tensor, " batch"]
) -> Lamps:
    """A lamp under the ceiling of each room, not quite in its middle."""
    count = rooms.shape[1]
    share = draws("place").uniform(0.3, 0.7, (count, 2))
    plan = rooms[..., 0::2] + share * (rooms[..., 1::2] - rooms[..., 0::2])
    down = -height[:, None] * draws("drop").uniform(0.82, 0.95, (count,))
    ambient = draws("ambient").uniform(*lights.ambient)
    tint = 1 - lights.tint * draws("tint").uniform(shape=(count, 3))
    strong = (1 - ambient)[:, None, None] * draws("strength").uniform(1.6, 2.3, (count, 1))
    turn, rise = draws("side").uniform(0, 2 * math.pi), draws("rise").uniform(-0.6, 0.6)
    side = torch.stack([rise.cos() * turn.cos(), rise.sin(), rise.cos() * turn.sin()], dim=-1)
    return Lamps(
        torch.stack([plan[..., 0], down, plan[..., 1]], dim=-1).float(),
        (strong * tint).float(),
        ambient.float(),
        (0.12 * side).float(),
        lights.shadows,
    )
