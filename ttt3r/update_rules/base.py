"""The contract between a rule and the loop.

The network proposes a candidate state; the rule says how much of the step candidate - state is taken:

    S_t = S_{t-1} + G_t (candidate_t - S_{t-1})

With the loss 1/2 |S - stopgrad(candidate)|^2 the gradient is S_{t-1} - candidate_t, so G_t is a learning rate and this is
one step of test-time training. A rule gets everything by argument and hands everything back. It holds settings only: the
first frame, resets, write masks, batches and devices are the loop's business (`absorb` below).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ttt3r import tree
from ttt3r.types import STATELESS, AttentionBias, Memory, Needs, Proposal, RuleState, Tokens
from ttt3r.update_rules.evidence import Evidence


@dataclass(frozen=True)
class Gain:
    """A gate's answer for one frame.

    Args:
        value: learning rate per state token, or per token and channel; 1 takes the candidate whole, 0 keeps the state.
        rule_state: what the rule carries on to the next frame.
        pose_gain: the same for the pose memory as a whole; every published rule overwrites it (1).
    """

    value: Float[Tensor, "batch state #channel"]
    rule_state: RuleState = STATELESS
    pose_gain: float | Float[Tensor, " batch"] = 1.0


@dataclass(frozen=True)
class Update:
    """A rule's answer for one frame.

    Args:
        state: the next state.
        rule_state: what the rule carries on to the next frame.
        gain: the learning rate that led to `state`; left out by rules that do not have one (see `effective_gain`).
        pose_gain: share of the new pose memory that is taken.
    """

    state: Float[Tensor, "batch state channel"]
    rule_state: RuleState = STATELESS
    gain: Float[Tensor, "batch state #channel"] | None = None
    pose_gain: float | Float[Tensor, " batch"] = 1.0


class StateUpdateRule(ABC):
    """How the memory absorbs a frame. Subclass this to return any next state; subclass `GatedUpdateRule` for a gain.

    A rule is a frozen dataclass of settings that can be made without arguments; a learned rule is an `nn.Module`.
    """

    needs: ClassVar[Needs] = Needs.NOTHING
    """What the network must keep for this rule. A wrapper answers with the needs of what it wraps."""
    equation: ClassVar[str] = ""
    """One line, for `ttt3r rules`."""
    reference: ClassVar[str] = ""
    """Authors, year and link, for `ttt3r rules`."""

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> RuleState:
        """What the rule carries before the first frame; nothing, unless a rule says otherwise."""
        return STATELESS

    def attend(self, rule_state: RuleState, tokens: Tokens, memory: Memory) -> tuple[AttentionBias, ...]:
        """Biases on the decoder's attention for this frame, before it runs; none, unless a rule says otherwise."""
        return ()

    @abstractmethod
    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Update:
        """The next state. Called for every frame that is absorbed, the first included (its candidate is taken whole)."""


class GatedUpdateRule(StateUpdateRule):
    """A rule that only answers with a learning rate; the blend is done for it."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    """Range that the gain must keep to; `None` if a rule means to leave it."""

    @abstractmethod
    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        """The learning rate of every state token for this frame."""

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Update:
        """S + G (candidate - S), with G from `gain`."""
        gain = self.gain(state, candidate, evidence, rule_state)
        return Update(blend(state, candidate, gain.value), gain.rule_state, gain.value, gain.pose_gain)


def blend(
    old: Float[Tensor, "batch state channel"],
    new: Float[Tensor, "batch state channel"],
    gain: Float[Tensor, "batch state #channel"],
) -> Float[Tensor, "batch state channel"]:
    """Old + gain (new - old), exact at both ends: gain 1 gives `new` bit for bit, gain 0 gives `old`.

    Raises:
        ValueError: if the gain is not (batch, state, 1) or (batch, state, channel).
    """
    batch, state, channel = old.shape
    if gain.shape not in ((batch, state, 1), (batch, state, channel)):
        raise ValueError(
            f"a gain must have shape (batch, state, 1) = {(batch, state, 1)} or (batch, state, channel) = "
            f"{(batch, state, channel)}, got {tuple(gain.shape)}; add the last axis with gain[..., None] if it is missing"
        )
    return new * gain + old * (1 - gain)


def effective_gain(
    before: Float[Tensor, "batch state channel"],
    after: Float[Tensor, "batch state channel"],
    candidate: Float[Tensor, "batch state channel"],
) -> Float[Tensor, "batch state 1"]:
    """The gain of a rule that names none: <after - before, D> / <D, D> per token, with D = candidate - before; 0 if D = 0."""
    proposed = candidate - before
    energy = proposed.square().sum(dim=-1, keepdim=True)
    along = ((after - before) * proposed).sum(dim=-1, keepdim=True)
    return torch.where(energy > 0, along / energy.clamp_min(torch.finfo(energy.dtype).tiny), torch.zeros_like(energy))


@dataclass(frozen=True)
class Absorbed:
    """The memory after a frame, and the gain with which the frame was taken."""

    memory: Memory
    gain: Float[Tensor, "batch state #channel"]


def absorb(
    rule: StateUpdateRule, memory: Memory, proposal: Proposal, evidence: Evidence, write: Bool[Tensor, " batch"]
) -> Absorbed:
    """Let the rule decide, then do what no rule has to think of: first frames, write masks, counting.

    A sequence at age 0 takes its first candidate whole, whatever the rule says; a sequence that does not write keeps its
    memory bit for bit, its rule's state included.
    """
    update = rule.update(memory.state, proposal.candidate, evidence, memory.rule)
    first = memory.age == 0
    gain = update.gain if update.gain is not None else effective_gain(memory.state, update.state, proposal.candidate)
    gain = torch.where(first[:, None, None], torch.ones_like(gain), gain)
    pose_gain = torch.as_tensor(update.pose_gain, dtype=memory.pose.dtype, device=memory.pose.device)
    pose_gain = torch.where(first, torch.ones_like(pose_gain), pose_gain)[:, None, None]
    written = replace(
        memory,
        state=tree.select(first, proposal.candidate, update.state),
        pose=blend(memory.pose, proposal.pose, pose_gain.expand(-1, memory.pose.shape[1], 1)),
        rule=update.rule_state,
        age=memory.age + 1,
    )
    kept = tree.select(write, written, memory)
    return Absorbed(
        replace(kept, seen=memory.seen + 1), torch.where(write[:, None, None], gain, torch.zeros_like(gain))
    )
