"""A control for gates: the same step, but the same for all tokens."""

from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import Update, blend, effective_gain
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.wrappers.base import Wrapper


@dataclass(frozen=True)
class TokenMean(Wrapper):
    """The inner rule's gain, averaged over tokens and channels in every frame: G = mean of G_inner.

    What is left of a gate's advantage over a constant is then due to *when* it writes, not to *where*. A rule that names no
    gain is judged by the step that it took (`effective_gain`).

    Examples:
        >>> from ttt3r.update_rules.rules.ttt3r import TTT3R
        >>> TokenMean(TTT3R()).needs
        <Needs.STATE_ATTENTION: 1>
    """

    name: ClassVar[str] = "token_mean"

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Update:
        """S + mean(G) (candidate - S)."""
        inner = self.rule.update(state, candidate, evidence, rule_state)
        gain = inner.gain if inner.gain is not None else effective_gain(state, inner.state, candidate)
        mean = gain.mean(dim=(1, 2), keepdim=True).expand(-1, state.shape[1], 1)
        return replace(inner, state=blend(state, candidate, mean), gain=mean)
