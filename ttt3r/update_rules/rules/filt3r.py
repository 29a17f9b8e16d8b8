"""FILT3R: a small Kalman filter for every state token, with the candidate as its measurement."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence

EPSILON = 1e-6
"""Keeps the divisions finite and the variance positive, as published."""


@dataclass(frozen=True)
class Filter(RuleState):
    """What `FILT3R` carries, at least in float32.

    Args:
        variance: p, how uncertain each token is.
        candidate: the candidate of the last absorbed frame.
        drift: mu, running mean of how far candidates move from frame to frame; 0 before there were two.
    """

    variance: Float[Tensor, "batch state"]
    candidate: Float[Tensor, "batch state channel"]
    drift: Float[Tensor, " batch"]


@dataclass(frozen=True)
class FILT3R(GatedUpdateRule[Filter]):
    """The gain of a scalar Kalman filter per token, whose process noise rises where a candidate jumps.

        d_s  = |candidate_{t,s} - candidate_{t-1,s}|
        mu   = max( (1 - smoothing) mu + smoothing mean_s(d), floor ),      at first max( mean_s(d), floor )
        q_s  = q_min + (q_max - q_min) sigmoid( sharpness (d_s / mu - jump) )
        p-_s = decay p_s + q_s
        G_s  = clip( p-_s / (p-_s + noise), lowest, highest )
        p_s  = (1 - G_s)^2 p-_s + G_s^2 noise                               (Joseph's form)

    s is a state token, t - 1 the last absorbed frame; p is the token's variance, q the process noise, `noise` that of the
    measurement (all in the same arbitrary unit), d and mu are lengths in the space of the tokens. With the defaults jumps
    are rare: q = 0.02, and G falls from 0.60 towards 0.132. Carried: p, mu and the last candidate. Attention is not used.

    A frame that may not write changes nothing. The published code, there too, takes its d as the first mu and its candidate
    as the previous one if there is none yet. No gradient flows through the gate.

    Reference: *FILT3R*, ECCV 2026, https://arxiv.org/abs/2603.18493. Written from the equations; the authors' code
    (CC BY-NC-SA 4.0) is no part of this package.

    Args:
        initial: variance after a first frame.
        decay: factor on the variance between frames.
        q_min: process noise of a token that drifts as usual.
        q_max: process noise of a token that jumps.
        sharpness: how sudden the change between the two is.
        jump: drift, in multiples of the mean, that is half a jump.
        smoothing: weight of the newest frame in the mean drift.
        floor: smallest mean drift.
        noise: variance of a measurement, at least 0.
        lowest: smallest gain.
        highest: largest gain.

    Raises:
        ValueError: if the gains are not 0 <= lowest <= highest <= 1, smoothing is not in [0, 1], or another setting is negative
            or not finite.

    Example:
        >>> FILT3R(noise=2.0).noise
        2.0
    """

    initial: float = 1.5
    decay: float = 1.0
    q_min: float = 0.02
    q_max: float = 0.5
    sharpness: float = 20.0
    jump: float = 3.0
    smoothing: float = 0.05
    floor: float = 0.01
    noise: float = 1.0
    lowest: float = 0.01
    highest: float = 0.99

    name: ClassVar[str] = "filt3r"
    equation: ClassVar[str] = "S + K (candidate - S), K = p / (p + r) per token, p by Kalman's recursion"
    reference: ClassVar[str] = "FILT3R, ECCV 2026, https://arxiv.org/abs/2603.18493"

    def __post_init__(self) -> None:
        if not 0 <= self.lowest <= self.highest <= 1:
            raise ValueError(f"gains must be 0 <= lowest <= highest <= 1, got {self.lowest} and {self.highest}")
        for name in ("initial", "decay", "q_min", "q_max", "sharpness", "jump", "floor", "noise"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)}")
        if not 0 <= self.smoothing <= 1:
            raise ValueError(f"smoothing must lie in [0, 1], got {self.smoothing}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> Filter:
        """The initial variance, and nothing seen."""
        wide = torch.zeros_like(initial_state, dtype=torch.promote_types(initial_state.dtype, torch.float32))
        return Filter(torch.full_like(wide[..., 0], self.initial), wide, torch.zeros_like(wide[:, 0, 0]))

    @torch.no_grad()
    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Filter,
    ) -> Filter:
        """The candidate, with which the next one is compared; it starts the filter."""
        return replace(rule_state, candidate=candidate.to(rule_state.candidate))

    @torch.no_grad()
    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Filter,
    ) -> Gain[Filter]:
        """K of each token."""
        candidate = candidate.to(rule_state.candidate)
        moved = (candidate - rule_state.candidate).norm(dim=-1)
        mean = moved.mean(dim=-1)
        drift = torch.lerp(rule_state.drift, mean, torch.where(evidence.age == 1, 1.0, self.smoothing).to(mean))
        drift = drift.clamp_min(self.floor)
        jumped = torch.sigmoid(self.sharpness * (moved / (drift[:, None] + EPSILON) - self.jump))
        predicted = self.decay * rule_state.variance + self.q_min + (self.q_max - self.q_min) * jumped
        gain = (predicted / (predicted + self.noise + EPSILON)).clamp(self.lowest, self.highest)
        corrected = ((1 - gain).square() * predicted + gain.square() * self.noise).clamp_min(EPSILON)
        return Gain(gain[..., None], Filter(corrected, candidate, drift))
