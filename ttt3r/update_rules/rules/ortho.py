"""Drift and news at two rates: of each step, the part along the token's habitual direction is taken at another rate."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ttt3r.types import Needs, RuleState
from ttt3r.update_rules.base import StateUpdateRule, Update
from ttt3r.update_rules.evidence import Evidence, Keys
from ttt3r.update_rules.vectors import unit, wide


class DriftTrust(ABC):
    """How far a step along the drift is treated like news: 0 takes it at the drift's rate, 1 at that of news."""

    @abstractmethod
    def weight(self, share: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
        """The weight, from 0 to 1, for a running mean `share` = mean of cos^2(D, d), from 0 to 1."""


@dataclass(frozen=True)
class Fixed(DriftTrust):
    """Never: the two rates stay as they are."""

    def weight(self, share: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
        """0."""
        return torch.zeros_like(share)


@dataclass(frozen=True)
class Match(DriftTrust):
    """As much as the steps really went along the drift; DDD3R's "match" and "linear" are both this."""

    def weight(self, share: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
        """The share itself."""
        return share


@dataclass(frozen=True)
class Threshold(DriftTrust):
    """Wholly above a threshold, else not at all. Only the value 0.5 is known; on which side it applies is our reading."""

    at: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.at <= 1:
            raise ValueError(f"at must lie in [0, 1] as the shares do, got {self.at}")

    def weight(self, share: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
        """1 where the share is above the threshold."""
        return (share > self.at).to(share.dtype)


@dataclass(frozen=True)
class Steep(DriftTrust):
    """Share^power: 0 trusts always (a damped TTT3R), 1 is `Match`. Reported for powers from 0 to 5, with no one default."""

    power: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.power < float("inf"):
            raise ValueError(f"power must be at least 0 and finite, got {self.power}")

    def weight(self, share: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
        """The share to the power."""
        return share**self.power


@dataclass(frozen=True)
class Drift(RuleState):
    """Where each token drifts (0 while unknown), how much of its steps went that way, and whether that is known yet."""

    direction: Float[Tensor, "batch state channel"]
    share: Float[Tensor, "batch state 1"]
    measured: Bool[Tensor, "batch state 1"]


@dataclass(frozen=True)
class Ortho(StateUpdateRule[Drift]):
    """TTT3R's step, damped along the direction in which a token keeps drifting.

        d_t = u(b d_{t-1} + (1 - b) u(D_t)),   D_par = <D_t, d_t> d_t,   S_t = S_{t-1} + a (n (D_t - D_par) + p D_par)

    D_t = candidate_t - S_{t-1}; u(x) = x / |x|; d is the token's drift direction with forgetting factor b; a is TTT3R's gate;
    n and p are the rates of news and drift. A token without a direction yet takes its whole step at rate n. `trust` w in
    [0, 1] makes p adaptive, p' = w n + (1 - w) p, from the running mean e of cos^2(D, d) (factor b, begins with its first
    value). It carries d, e and whether e is known. n = p is `Damped(n)`. Lengths of 0 are guarded: u(0) = 0.

    Reference: "ortho" of DDD3R, a submission of 2026 without a published paper, https://github.com/szy233/TTT3R
    (CC BY-NC-SA 4.0; written from the equations, none of its code is here). Its text leaves d unnormalised, its code and
    this rule do not. Theirs also advances d over frames that are not written; here such a frame leaves no trace.

    Args:
        news: n, from 0 to 1.
        drift: p, from 0 to 1.
        smoothing: b, from 0 up to but not including 1.
        trust: `Fixed()`, `Match()`, `Threshold()` or `Steep()` of `ttt3r.update_rules`.

    Raises:
        ValueError: if a setting is outside its range.

    Example:
        >>> Ortho()
        Ortho(news=0.5, drift=0.05, smoothing=0.95, trust=Fixed())
    """

    news: float = 0.5
    drift: float = 0.05
    smoothing: float = 0.95
    trust: DriftTrust = Fixed()

    needs: ClassVar[Needs] = Needs.STATE_ATTENTION
    name: ClassVar[str] = "ortho"
    equation: ClassVar[str] = "S + sigmoid(mean logit) (n (D - <D,d> d) + p <D,d> d)"
    reference: ClassVar[str] = "DDD3R (ortho), 2026, https://github.com/szy233/TTT3R"

    def __post_init__(self) -> None:
        if not (0 <= self.news <= 1 and 0 <= self.drift <= 1 and 0 <= self.smoothing < 1):
            raise ValueError(f"news and drift must lie in [0, 1] and smoothing in [0, 1), got {self}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> Drift:
        """No direction yet."""
        none = torch.zeros_like(wide(initial_state))
        return Drift(none, none[..., :1], none[..., :1] > 0)

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Drift,
    ) -> Drift:
        """Nothing: the step from the initial state is no drift."""
        return rule_state

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Drift,
    ) -> Update[Drift]:
        """News and drift at their own rates; no gradient flows through gate, direction and rates."""
        step = wide(candidate) - wide(state)
        confidence = torch.sigmoid(evidence.state_attention.mean_logit(Keys.ALL)).detach()
        carried = self._follow(rule_state, step.detach())
        known = rule_state.direction.any(dim=-1, keepdim=True)
        direction = torch.where(known, carried.direction, 0.0)
        weight = self.trust.weight(carried.share)
        along = (step * direction).sum(dim=-1, keepdim=True) * direction
        rate = weight * self.news + (1 - weight) * self.drift
        taken = confidence * (self.news * (step - along) + rate * along)
        return Update((wide(state) + taken).to(state.dtype), carried)

    def _follow(self, before: Drift, step: Float[Tensor, "batch state channel"]) -> Drift:
        """Turn the direction a little towards the step, then measure how much of the step lies along it."""
        known = before.direction.any(dim=-1, keepdim=True)
        heading = unit(step)
        direction = unit(self.smoothing * before.direction + (1 - self.smoothing) * heading)
        now = (heading * direction).sum(dim=-1, keepdim=True).square().clamp_max(1)
        mean = torch.where(before.measured, self.smoothing * before.share + (1 - self.smoothing) * now, now)
        return Drift(direction, torch.where(known, mean, before.share), before.measured | known)
