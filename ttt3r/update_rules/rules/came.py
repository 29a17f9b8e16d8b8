"""CAME in token space: go along the average step, the further the better the steps agree with it."""

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
class StepMoments(RuleState):
    """What `ConfidenceGuided` carries, at least in float32, per token and channel.

    Args:
        mean: running mean of the steps, not yet corrected for its beginning at 0.
        spread: running mean of their squared distance from it, likewise.
    """

    mean: Float[Tensor, "batch state channel"]
    spread: Float[Tensor, "batch state channel"]


@dataclass(frozen=True)
class ConfidenceGuided(StateUpdateRule[StepMoments]):
    """A step per channel along the running mean of the proposed steps, divided by how far they scatter around it.

        D_t = candidate_t - S_{t-1}
        m_t = b m_{t-1} + (1 - b) D_t,      V_t = b2 V_{t-1} + (1 - b2) (D_t - m_t)^2
        S_t = S_{t-1} + min(1, rate / sqrt(V^ + eps^2)) m^        m^ = m / (1 - b^age),  V^ = V / (1 - b2^age)

    D, m and rate are in units of the state (its tokens are normalised: about 1 per channel), V in their square. A channel on
    which the frames agree (V small against rate^2) goes the whole mean step; one on which they contradict each other goes
    rate / sqrt(V) of it: an inverse-innovation gain, related to FILT3R with the noise estimated. m and V are carried; the
    step from the initial state does not enter them.

    The optimiser CAME keeps V factored into rows and columns to save memory, divides by an Adafactor moment before the mean
    is taken, and has neither the corrections by age nor the bound by 1 (with which a memory cannot run past the mean). So
    this is in its spirit, not its formula; no publication uses it on state tokens. The step has another form than a gain,
    which is therefore measured.

    Reference: Y. Luo et al., *CAME: Confidence-guided Adaptive Memory Efficient Optimization*, ACL 2023,
    https://arxiv.org/abs/2307.02047. Written from the equation; the settings are ours.

    Args:
        rate: scatter per channel up to which the mean step is taken whole, above 0.
        smoothing: b, from 0 to below 1.
        spread_smoothing: b2, from 0 to below 1.
        eps: scatter that is added to every channel's, above 0.

    Raises:
        ValueError: if a setting is outside its range.

    Example:
        >>> ConfidenceGuided()
        ConfidenceGuided(rate=0.1, smoothing=0.9, spread_smoothing=0.99, eps=0.001)
    """

    rate: float = 0.1
    smoothing: float = 0.9
    spread_smoothing: float = 0.99
    eps: float = 1e-3

    name: ClassVar[str] = "came"
    equation: ClassVar[str] = "S + min(1, rate / sqrt(V)) m,  m = mean(D),  V = mean((D - m)^2)"
    reference: ClassVar[str] = "after Luo et al., CAME, ACL 2023, https://arxiv.org/abs/2307.02047"

    def __post_init__(self) -> None:
        if not (0 <= self.smoothing < 1 and 0 <= self.spread_smoothing < 1):
            raise ValueError(f"smoothing and spread_smoothing must lie in [0, 1), got {self}")
        if not (0 < self.rate < float("inf") and 0 < self.eps < float("inf")):
            raise ValueError(f"rate and eps must be finite numbers above 0, got {self}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> StepMoments:
        """No step yet."""
        zero = torch.zeros_like(wide(initial_state))
        return StepMoments(zero, zero)

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: StepMoments,
    ) -> StepMoments:
        """Nothing: the step from the initial state does not enter the moments."""
        return rule_state

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: StepMoments,
    ) -> Update[StepMoments]:
        """One step."""
        old = wide(state)
        step = wide(candidate) - old
        mean = self.smoothing * rule_state.mean + (1 - self.smoothing) * step
        scatter = (step - mean).square()
        spread = self.spread_smoothing * rule_state.spread + (1 - self.spread_smoothing) * scatter
        steps = evidence.age.clamp_min(1)[:, None, None].to(mean.dtype)  # a first frame beside this one divides by no 0
        likely = mean / (1 - self.smoothing**steps)
        noise = (spread / (1 - self.spread_smoothing**steps) + self.eps**2).sqrt()
        after = old + (self.rate / noise).clamp_max(1) * likely
        return Update(after.to(state.dtype), StepMoments(mean, spread))
