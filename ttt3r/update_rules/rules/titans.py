"""Titans in token space: steps with momentum, on a memory that slowly returns to its initial state."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import StateUpdateRule, Update
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.vectors import wide


@dataclass(frozen=True)
class Surprise(RuleState):
    """What `MomentumAndDecay` carries, at least in float32.

    Args:
        step: the last step, which goes on in the next one; 0 before the second frame.
    """

    step: Float[Tensor, "batch state channel"]


@dataclass(frozen=True)
class MomentumAndDecay(StateUpdateRule[Surprise]):
    """Heavy-ball steps towards the candidates, and a pull back to the initial state.

        m_t = momentum m_{t-1} + rate (candidate_t - S_{t-1})
        S_t = S_{t-1} + m_t - decay (S_{t-1} - S_0)

    candidate - S is minus the gradient of 1/2 |S - candidate|^2, the surprise; m is in units of the state and is carried. If
    the candidate stands still at C the memory settles where rate / (1 - momentum) (C - S) = decay (S - S_0), for the defaults
    at a share of 0.97 of C. Titans' weight decay pulls to 0; a memory of tokens has its zero at S_0, the state before any
    frame, which the network knows how to read. (S_0 was never normalised, so the pull also changes the tokens' lengths.)

    The step has another form than a gain, which is therefore measured; it may leave [0, 1] where the momentum overshoots.
    Without momentum and decay this is `constant`.

    Reference: A. Behrouz, P. Zhong, V. Mirrokni, *Titans: Learning to Memorize at Test Time*, 2025,
    https://arxiv.org/abs/2501.00663 (on matrices: `ttt3r.update_rules.fast_weights.Titans`). There the three numbers are made
    from the input; the values here and the reading in token space are ours, without a publication. Written from the equation.

    Args:
        rate: of the surprise, from 0 to 1.
        momentum: share of the last step that is taken again, from 0 to below 1.
        decay: share of the way back to the initial state at every frame, from 0 to 1.

    Raises:
        ValueError: if a setting is outside its range.

    Example:
        >>> MomentumAndDecay(decay=0.0)
        MomentumAndDecay(rate=0.15, momentum=0.5, decay=0.0)
    """

    rate: float = 0.15
    momentum: float = 0.5
    decay: float = 0.01

    name: ClassVar[str] = "titans"
    equation: ClassVar[str] = "m = momentum m + rate (candidate - S);  S + m - decay (S - S_0)"
    reference: ClassVar[str] = "after Behrouz et al., Titans, 2025, https://arxiv.org/abs/2501.00663"

    def __post_init__(self) -> None:
        if not (0 <= self.rate <= 1 and 0 <= self.momentum < 1 and 0 <= self.decay <= 1):
            raise ValueError(f"rate and decay must lie in [0, 1] and momentum in [0, 1), got {self}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> Surprise:
        """Zero momentum."""
        return Surprise(torch.zeros_like(wide(initial_state)))

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Surprise,
    ) -> Surprise:
        """Nothing: the step from the initial state leaves no momentum."""
        return rule_state

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Surprise,
    ) -> Update[Surprise]:
        """One step."""
        old, new, origin = (wide(x) for x in (state, candidate, evidence.initial_state))
        step = self.momentum * rule_state.step + self.rate * (new - old)
        after = old + step - self.decay * (old - origin)
        return Update(after.to(state.dtype), Surprise(step))
