"""What every rule around one other rule shares."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ttt3r.types import AttentionBias, Memory, Needs, Tokens
from ttt3r.update_rules.base import State, StateUpdateRule, require_rule
from ttt3r.update_rules.evidence import Evidence


@dataclass(frozen=True)
class Wrapper(StateUpdateRule[State]):
    """What every rule around one `rule` shares: its needs, its state and its attention biases are those of the inner one.

    A wrapper that carries more than the inner rule says so by its own `init`, `attend` and `see_first`.
    """

    rule: StateUpdateRule

    def __post_init__(self) -> None:
        require_rule(self.rule)

    @property
    def needs(self) -> Needs:
        """The needs of the inner rule."""
        return self.rule.needs

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The bounds of the inner rule, and 0."""
        inner = self.rule.bounds
        return None if inner is None else (min(inner[0], 0.0), max(inner[1], 0.0))

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> State:
        """What the inner rule carries."""
        return self.rule.init(initial_state)

    def attend(self, rule_state: State, tokens: Tokens, memory: Memory) -> tuple[AttentionBias, ...]:
        """The biases of the inner rule."""
        return self.rule.attend(rule_state, tokens, memory)

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: State,
    ) -> State:
        """What the inner rule keeps."""
        if type(self).init is not Wrapper.init:  # it carries something else, which only its own update knows
            return super().see_first(state, candidate, evidence, rule_state)
        return self.rule.see_first(state, candidate, evidence, rule_state)
