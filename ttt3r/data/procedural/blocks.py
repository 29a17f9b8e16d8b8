"""Simple solids in double precision, as they are placed: what floor plans and furniture have in common."""

from dataclasses import dataclass

from jaxtyping import Float64
from torch import Tensor

ABSENT = -1.0
"""Half size of a solid that is not there: no ray can meet it."""


@dataclass(frozen=True)
class Blocks:
    """Solids of one kind: balls, upright cylinders, or boxes that are turned about the vertical.

    Args:
        center: metres.
        half: half sizes, metres; a ball or cylinder has its radius along x and z. Negative where there is no solid.
        yaw: radians.
    """

    center: Float64[Tensor, "batch solid xyz=3"]
    half: Float64[Tensor, "batch solid xyz=3"]
    yaw: Float64[Tensor, "batch solid"]
