"""A constant rate on average; tokens that agree with the frame take less of it, since they hold already what is there."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import Needs, RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence, Keys


@dataclass(frozen=True)
class RetainMatched(GatedUpdateRule):
    """TTT3R's gate with the opposite sign, around a constant mean: what is recognised is kept, what is not is written.

        S_t = S_{t-1} + G (candidate_t - S_{t-1})
        G_s = clip(r - k (a_s - mean_s a_s), 0, 1),     a_s = sigmoid(mean_{l,h,i} z^{l,h}_{s,i})

    a is TTT3R's gate (see `TTT3R`), r the mean rate, k how far agreement lowers a token's rate. k = 0 is the constant
    r; k < 0 has the sign of TTT3R. Of every frame the memory as a whole takes r (but for clipping), so that the constant r is
    its control by definition. It carries nothing.

    Reference: none; found here, on the bundled network, on other worlds than those on which docs/rules/what-rules-do.md
    compares rules. Nothing is known of it on the official network.

    Args:
        rate: r, from 0 to 1.
        slope: k.

    Raises:
        ValueError: if the rate is outside [0, 1], or the slope is not finite.

    Example:
        >>> RetainMatched(rate=0.2)
        RetainMatched(rate=0.2, slope=0.3)
    """

    rate: float = 0.3
    slope: float = 0.3

    needs: ClassVar[Needs] = Needs.STATE_ATTENTION
    name: ClassVar[str] = "retain"
    equation: ClassVar[str] = "S + clip(r - k (a - mean a)) (candidate - S), a = sigmoid(mean logit)"
    reference: ClassVar[str] = "this project, 2026; found on the bundled network"

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate must lie in [0, 1], got {self.rate}")
        if not abs(self.slope) < float("inf"):
            raise ValueError(f"slope must be a finite number, got {self.slope}")

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        """The rate, less where a token agrees more than the others do; no gradient flows through it."""
        agreement = torch.sigmoid(evidence.state_attention.mean_logit(Keys.ALL)).detach()
        return Gain((self.rate - self.slope * (agreement - agreement.mean(dim=1, keepdim=True))).clamp(0, 1))
