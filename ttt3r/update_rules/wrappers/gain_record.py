"""A rule around one other rule that keeps the gains of every state token."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ttt3r.types import AttentionBias, Memory, RuleState, Tokens
from ttt3r.update_rules.base import Update, effective_gain
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.wrappers.base import Wrapper


@dataclass(frozen=True)
class GainRecord(RuleState):
    """Running statistics of a gain over frames, per sequence and state token; what `Recorded` carries.

    Read it from `step.memory.rule`. A reset begins a new record. Gains per channel are averaged over the channels.

    Args:
        rule: what the recorded rule carries.
        frames: frames counted so far. A first frame does not count, since no rule decides there.
        mean: mean of the gain over these frames.
        squares: sum of the squared deviations from the mean (see `variance`).
        lowest: smallest gain so far; infinity before any.
        highest: largest gain so far; minus infinity before any.
    """

    rule: RuleState
    frames: Int[Tensor, " batch"]
    mean: Float[Tensor, "batch state"]
    squares: Float[Tensor, "batch state"]
    lowest: Float[Tensor, "batch state"]
    highest: Float[Tensor, "batch state"]

    @property
    def variance(self) -> Float[Tensor, "batch state"]:
        """Variance of the gain over frames, per token; 0 before any."""
        return self.squares / self.frames.clamp_min(1)[:, None]

    def including(self, gain: Float[Tensor, "batch state #channel"], rule: RuleState) -> "GainRecord":
        """The record after one more frame (Welford's update)."""
        values = gain.detach().to(self.mean.dtype).mean(dim=-1)
        frames = self.frames + 1
        step = values - self.mean
        mean = self.mean + step / frames[:, None]
        squares = self.squares + step * (values - mean)
        return GainRecord(rule, frames, mean, squares, self.lowest.minimum(values), self.highest.maximum(values))


@dataclass(frozen=True)
class Recorded(Wrapper[GainRecord]):
    """The inner rule unchanged, with running statistics of its gain in the rule state: see `GainRecord`."""

    name: ClassVar[str] = "recorded"

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> GainRecord:
        """An empty record beside what the inner rule carries."""
        zero = torch.zeros_like(initial_state[..., 0], dtype=torch.float32)
        none = torch.zeros_like(zero[:, 0], dtype=torch.long)
        return GainRecord(self.rule.init(initial_state), none, zero, zero, zero + float("inf"), zero - float("inf"))

    def attend(self, rule_state: GainRecord, tokens: Tokens, memory: Memory) -> tuple[AttentionBias, ...]:
        """The biases of the inner rule."""
        return self.rule.attend(rule_state.rule, tokens, memory)

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: GainRecord,
    ) -> GainRecord:
        """What the inner rule keeps; the record stays empty."""
        inner = self.rule.see_first(state, candidate, evidence, rule_state.rule)
        return replace(rule_state, rule=inner)

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: GainRecord,
    ) -> Update[GainRecord]:
        """The inner update, and one more entry in the record."""
        inner = self.rule.update(state, candidate, evidence, rule_state.rule)
        gain = inner.gain if inner.gain is not None else effective_gain(state, inner.state, candidate)
        return replace(inner, rule_state=rule_state.including(gain, inner.rule_state))
