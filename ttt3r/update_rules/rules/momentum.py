"""Heavy-ball momentum in token space: the memory follows an average of the proposed steps."""

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
class Velocity(RuleState):
    """Running mean of the proposed steps."""

    mean: Float[Tensor, "batch state channel"]


@dataclass(frozen=True)
class Momentum(StateUpdateRule[Velocity]):
    """The memory moves along a running mean of the steps, and not along the step of this frame alone.

        m_t = b m_{t-1} + (1 - b) D_t,     S_t = S_{t-1} + r m_t,     D_t = candidate_t - S_{t-1}

    m is the running mean of the steps D with forgetting factor b, r the rate. It carries m, which begins at 0 (so the first
    steps are short) and is reset with the memory; the step from the initial state does not enter it. If the candidates stood
    still, the memory would swing towards them as a damped spring: both roots lie inside the unit circle for any b below 1 and
    r from 0 to 1. The rule names no gain, since m may point another way than D; the gain is measured, and may be negative
    or above 1.

    Reference: "true momentum" among the controls of DDD3R, 2026, https://github.com/szy233/TTT3R (CC BY-NC-SA 4.0; written
    from the equation, none of its code is here); momentum itself: B. Polyak, 1964.

    Args:
        rate: r, from 0 to 1.
        smoothing: b, from 0 up to but not including 1; 0 is a constant rate.

    Raises:
        ValueError: if a setting is outside its range.

    Example:
        >>> Momentum()
        Momentum(rate=0.33, smoothing=0.9)
    """

    rate: float = 0.33
    smoothing: float = 0.9

    name: ClassVar[str] = "momentum"
    equation: ClassVar[str] = "m = b m + (1 - b) D; S + r m"
    reference: ClassVar[str] = "DDD3R (momentum), 2026, https://github.com/szy233/TTT3R"

    def __post_init__(self) -> None:
        if not (0 <= self.rate <= 1 and 0 <= self.smoothing < 1):
            raise ValueError(f"rate must lie in [0, 1] and smoothing in [0, 1), got {self}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> Velocity:
        """Zero momentum."""
        return Velocity(torch.zeros_like(wide(initial_state)))

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Velocity,
    ) -> Velocity:
        """Nothing: the step from the initial state leaves no momentum."""
        return rule_state

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Velocity,
    ) -> Update[Velocity]:
        """One step along the mean."""
        step = wide(candidate) - wide(state)
        mean = self.smoothing * rule_state.mean + (1 - self.smoothing) * step
        return Update((wide(state) + self.rate * mean).to(state.dtype), Velocity(mean))
