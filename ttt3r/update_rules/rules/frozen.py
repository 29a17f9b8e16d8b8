"""The other control: a memory of the first frame only."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence


@dataclass(frozen=True)
class Frozen(GatedUpdateRule):
    """Absorb the first frame (of the stream, or after a reset) and nothing after it; the pose memory stays too.

        S_t = S_{t-1}                     (G = 0, and 0 for the pose memory)

    It forgets nothing and learns nothing: the lower end of the scale whose upper end is `FullOverwrite`. No publication;
    with it every later frame is located against the first one alone.

    Examples:
        >>> Frozen() == Frozen()
        True
    """

    name: ClassVar[str] = "frozen"
    equation: ClassVar[str] = "S (the first frame for ever)"
    reference: ClassVar[str] = "control"

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        """0 for every token and for the pose memory."""
        return Gain(torch.zeros_like(state[..., :1]), pose_gain=0.0)
