"""A rule around one other rule that remembers where the state tokens looked, for pictures and the viewer."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import AttentionBias, Memory, Needs, RuleState, Tokens
from ttt3r.update_rules.base import Update
from ttt3r.update_rules.evidence import Evidence, Keys
from ttt3r.update_rules.wrappers.base import Wrapper


@dataclass(frozen=True)
class AttentionRecord(RuleState):
    """Where the state tokens looked at the last frame that was absorbed; what `AttentionRecorded` carries.

    Read it from `step.memory.rule`.

    Args:
        rule: what the recorded rule carries.
        attention: share of each token's attention that a patch gets, mean over layers and heads. A row sums to at most 1;
            what is missing went to the pose token. One column of zeros before the first frame.
    """

    rule: RuleState
    attention: Float[Tensor, "batch state patch"]


@dataclass(frozen=True)
class AttentionRecorded(Wrapper[AttentionRecord]):
    """The inner rule unchanged, with the attention of the last frame in the rule state: see `AttentionRecord`.

    A = mean over layers and heads of softmax(q k^T), without the column of the pose token. It costs one map of (state,
    patch) numbers a frame, and the network keeps the state's queries and keys, as it does for `ttt3r`.

    Examples:
        >>> import torch, ttt3r
        >>> rule = AttentionRecorded(ttt3r.update_rules.TTT3R())
        >>> model = ttt3r.Reconstructor(ttt3r.load_network("tiny-random"), rule)
        >>> for step in ttt3r.rollout(model, torch.zeros(2, 1, 3, 48, 64)):
        ...     attention = step.memory.rule.attention  # (batch, state, patch)
    """

    name: ClassVar[str] = "attention_recorded"

    @property
    def needs(self) -> Needs:
        """The needs of the inner rule, and the state's attention."""
        return self.rule.needs | Needs.STATE_ATTENTION

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> AttentionRecord:
        """No attention yet, beside what the inner rule carries."""
        none = torch.zeros_like(initial_state[..., :1], dtype=torch.float32)
        return AttentionRecord(self.rule.init(initial_state), none)

    def attend(self, rule_state: AttentionRecord, tokens: Tokens, memory: Memory) -> tuple[AttentionBias, ...]:
        """The biases of the inner rule."""
        return self.rule.attend(rule_state.rule, tokens, memory)

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: AttentionRecord,
    ) -> AttentionRecord:
        """What the inner rule keeps, and where the tokens looked."""
        inner = self.rule.see_first(state, candidate, evidence, rule_state.rule)
        return AttentionRecord(inner, _looks(evidence))

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: AttentionRecord,
    ) -> Update[AttentionRecord]:
        """The inner update, and where the tokens looked."""
        inner = self.rule.update(state, candidate, evidence, rule_state.rule)
        return replace(inner, rule_state=AttentionRecord(inner.rule_state, _looks(evidence)))


def _looks(evidence: Evidence) -> Float[Tensor, "batch state patch"]:
    """Share of each token's attention that a patch gets, mean over layers and heads."""
    key = evidence.state_attention.layers[0].key
    every_key = torch.eye(key.shape[2], dtype=torch.float32, device=key.device).expand(key.shape[0], -1, -1)
    return evidence.state_attention.project(every_key, Keys.ALL)[..., Keys.PATCHES.value].detach().float()
