"""The control that every rule has to beat: one learning rate for all tokens and frames."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence


@dataclass(frozen=True)
class ConstantRate(GatedUpdateRule):
    """An exponential moving average of the candidates.

        S_t = S_{t-1} + r (candidate_t - S_{t-1})

    r is the rate; the mean age of what the memory holds is (1 - r) / r frames. TTT3R's gate is about 0.3 on the official
    checkpoint, hence the default: a rule is interesting if it beats the best constant at an equal mean gain.

    Reference: the moving-average baseline in the appendix of X. Chen et al., *TTT3R*, https://arxiv.org/abs/2509.26645.

    Args:
        rate: share of every proposed step that is taken, from 0 to 1.

    Raises:
        ValueError: if the rate is outside [0, 1].

    Examples:
        >>> ConstantRate(rate=0.1)
        ConstantRate(rate=0.1)
        >>> ConstantRate(rate=3.0)
        Traceback (most recent call last):
        ValueError: rate must lie in [0, 1], got 3.0
    """

    rate: float = 0.3

    name: ClassVar[str] = "constant"
    equation: ClassVar[str] = "S + r (candidate - S)"
    reference: ClassVar[str] = "Chen et al., TTT3R (moving-average baseline), https://arxiv.org/abs/2509.26645"

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate must lie in [0, 1], got {self.rate}")

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        """The rate for every token."""
        return Gain(torch.full_like(state[..., :1], self.rate))
