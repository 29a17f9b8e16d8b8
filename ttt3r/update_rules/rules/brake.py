"""TTT3R with a brake: a token that keeps moving the same way learns more slowly."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import Needs, RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence, Keys
from ttt3r.update_rules.vectors import cosine, wide


@dataclass(frozen=True)
class LastStep(RuleState):
    """The step that was proposed at the last frame; zero while there was none."""

    step: Float[Tensor, "batch state channel"]


@dataclass(frozen=True)
class Brake(GatedUpdateRule[LastStep]):
    """TTT3R's gate, lowered where successive steps agree and raised where they turn back: the opposite of momentum.

        S_t = S_{t-1} + a b D_t,     b_s = sigmoid(-tau cos(D_t,s , D_{t-1,s})),     D_t = candidate_t - S_{t-1}

    a is TTT3R's gate (sigmoid of the mean logit over layers, heads and all keys), tau the sharpness (no unit), cos the cosine
    of the angle between the steps proposed for token s now and one frame ago. It carries D_{t-1}. Steps at a right angle, a
    step of length 0 and the first use give b = 1/2; b lies between sigmoid(-tau) and sigmoid(tau). The step from the
    initial state is no step of this kind and is not carried.

    Reference: "brake" of DDD3R, a submission of 2026 without a published paper, https://github.com/szy233/TTT3R
    (CC BY-NC-SA 4.0; written from the equation, none of its code is here). Theirs carries D_{t-1} on also over frames that
    are not written; here such a frame leaves no trace.

    Args:
        sharpness: tau; 0 is half of TTT3R.

    Raises:
        ValueError: if the sharpness is not finite.

    Example:
        >>> Brake()
        Brake(sharpness=2.0)
    """

    sharpness: float = 2.0

    needs: ClassVar[Needs] = Needs.STATE_ATTENTION
    name: ClassVar[str] = "brake"
    equation: ClassVar[str] = "S + sigmoid(mean logit) sigmoid(-tau cos(D_t, D_{t-1})) D_t"
    reference: ClassVar[str] = "DDD3R (brake), 2026, https://github.com/szy233/TTT3R"

    def __post_init__(self) -> None:
        if not abs(self.sharpness) < float("inf"):
            raise ValueError(f"sharpness must be a finite number, got {self.sharpness}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> LastStep:
        """No step yet."""
        return LastStep(torch.zeros_like(wide(initial_state)))

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: LastStep,
    ) -> LastStep:
        """Nothing: the step from the initial state is no step of this kind."""
        return rule_state

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: LastStep,
    ) -> Gain[LastStep]:
        """TTT3R's gate times the brake; no gradient flows through it."""
        step = (wide(candidate) - wide(state)).detach()
        confidence = torch.sigmoid(evidence.state_attention.mean_logit(Keys.ALL)).detach()
        brake = torch.sigmoid(-self.sharpness * cosine(step, rule_state.step))
        return Gain(confidence * brake, LastStep(step))
