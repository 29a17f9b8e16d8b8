"""The control of every rule that writes slowly: a lower frame rate."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence


@dataclass(frozen=True)
class Stride(GatedUpdateRule):
    """Overwrite state and pose memory at every k-th frame, and keep both between.

        S_t = candidate_t if age is a multiple of k, else S_{t-1}      (G = 1 or 0; the same for the pose memory)

    The mean gain is 1 / k, and the memory is that of CUT3R on a video of a lower frame rate; every frame is still read, against
    the memory of the last one that was written. A rule whose mean gain is 1 / k and whose cameras are no better than these has
    gained by writing less often, and not by what it keeps. The same as `every_nth:rule=(cut3r):n=3`.

    Reference: a control of this project; no publication.

    Args:
        k: one frame in so many is written, at least 1; 1 is `FullOverwrite`.

    Raises:
        ValueError: if k is less than 1.

    Examples:
        >>> Stride(k=3)
        Stride(k=3)
    """

    k: int = 3

    name: ClassVar[str] = "stride"
    equation: ClassVar[str] = "candidate at every k-th frame, S between"
    reference: ClassVar[str] = "control"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k must be at least 1, got {self.k}")

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        """1 at ages 0, k, 2k, ..., for every token and for the pose memory; else 0."""
        due = (evidence.age % self.k == 0).to(state.dtype)
        return Gain(torch.ones_like(state[..., :1]) * due[:, None, None], pose_gain=due)
