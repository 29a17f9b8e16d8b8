"""TTT3R, scaled: every learning rate times one number."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import Needs, RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence, Keys


@dataclass(frozen=True)
class Damped(GatedUpdateRule):
    """A constant share of TTT3R's step: the plain control of the damping family.

        S_t = S_{t-1} + p a (candidate_t - S_{t-1}),     a_s = sigmoid(mean_{l,h,i} z^{l,h}_{s,i})

    a is TTT3R's gate: the sigmoid of the mean logit z of state token s over layers l, heads h and all keys i of the image, the
    pose token included; p is the share. The same numbers as `Scale(TTT3R(), p)`. It carries nothing.

    Reference: "const" of DDD3R, a submission of 2026 without a published paper, https://github.com/szy233/TTT3R
    (CC BY-NC-SA 4.0; written from the equation, none of its code is here). It used p = 0.5 on ScanNet and 0.33 on TUM.

    Args:
        share: p, from 0 to 1.

    Raises:
        ValueError: if the share is outside [0, 1].

    Example:
        >>> Damped(share=0.33)
        Damped(share=0.33)
    """

    share: float = 0.5

    needs: ClassVar[Needs] = Needs.STATE_ATTENTION
    name: ClassVar[str] = "damped"
    equation: ClassVar[str] = "S + p sigmoid(mean logit) (candidate - S)"
    reference: ClassVar[str] = "DDD3R (const), 2026, https://github.com/szy233/TTT3R"

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must lie in [0, 1], got {self.share}")

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        """TTT3R's gate times the share; no gradient flows through it."""
        confidence = torch.sigmoid(evidence.state_attention.mean_logit(Keys.ALL)).detach()
        return Gain(self.share * confidence)
