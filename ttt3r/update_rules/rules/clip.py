"""A constant rate, with steps that are much longer than usual cut short."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.vectors import length, wide


@dataclass(frozen=True)
class UsualLength(RuleState):
    """Running mean of the lengths of each token's steps; zero while there was none."""

    mean: Float[Tensor, "batch state 1"]


@dataclass(frozen=True)
class StepClip(GatedUpdateRule[UsualLength]):
    """A constant rate whose steps are clipped at a multiple of their usual length, token by token.

        S_t = S_{t-1} + r D_t min(1, k m_{t-1} / |D_t|),     m_t = b m_{t-1} + (1 - b) |D_t|,     D_t = candidate_t - S_{t-1}

    r is the rate, m the running mean of the length |D| (in units of the state) with forgetting factor b, k the multiple at
    which a step is cut. It carries m, which begins with the first length (never that of the step from the initial state); a
    step of length 0 keeps gain r. A rule without attention: it needs nothing but the candidate.

    Reference: "clip" among the controls of DDD3R, 2026, https://github.com/szy233/TTT3R (CC BY-NC-SA 4.0; written from the
    equation, none of its code is here). Not known: whether the step is compared with the mean before or after it has
    entered. Here before, so that an outlier does not raise its own limit.

    Args:
        rate: r, from 0 to 1.
        multiple: k, above 0.
        smoothing: b, from 0 up to but not including 1.

    Raises:
        ValueError: if a setting is outside its range.

    Example:
        >>> StepClip()
        StepClip(rate=0.33, multiple=2.0, smoothing=0.99)
    """

    rate: float = 0.33
    multiple: float = 2.0
    smoothing: float = 0.99

    name: ClassVar[str] = "clip"
    equation: ClassVar[str] = "S + r D min(1, k mean|D| / |D|)"
    reference: ClassVar[str] = "DDD3R (clip), 2026, https://github.com/szy233/TTT3R"

    def __post_init__(self) -> None:
        if not (0 <= self.rate <= 1 and 0 < self.multiple < float("inf") and 0 <= self.smoothing < 1):
            raise ValueError(
                f"rate must lie in [0, 1], multiple above 0 and smoothing in [0, 1), all finite, got {self}"
            )

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> UsualLength:
        """No length yet."""
        return UsualLength(torch.zeros_like(wide(initial_state[..., :1])))

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: UsualLength,
    ) -> UsualLength:
        """Nothing: the step from the initial state is not of the usual kind."""
        return rule_state

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: UsualLength,
    ) -> Gain[UsualLength]:
        """The rate, lowered where the step is too long; no gradient flows through the limit."""
        now = length((wide(candidate) - wide(state)).detach())
        mean = torch.where(rule_state.mean > 0, rule_state.mean, now)
        limit = torch.where(now > 0, self.multiple * mean / torch.where(now > 0, now, 1.0), 1.0).clamp_max(1)
        after = self.smoothing * mean + (1 - self.smoothing) * now
        return Gain(self.rate * limit, UsualLength(after))
