"""Norm restoration: a blend of two normalised tokens is shorter than either; here it gets its length back."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import StateUpdateRule, Update, effective_gain, require_rule
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.rules.ttt3r import TTT3R
from ttt3r.update_rules.vectors import length, wide
from ttt3r.update_rules.wrappers.base import Wrapper


@dataclass(frozen=True)
class NormRestored(Wrapper):
    """The inner rule's state, every token at the length that lies between those of old state and candidate.

        S_t = S' n / |S'|,     S' = the inner rule's state,     n = (1 - g) |S_{t-1}| + g |candidate_t|

    Norms are per token, in units of the state; g is the inner gain, the mean over channels if it has one for each, within
    [0, 1]. Candidates come out of a layer norm and are all about equally long, so after a first frame n is about the
    candidate's length: what the network was trained to read. A gain of 0 leaves a token as it is, and a gain of 1 gives the
    candidate. A blend of length 0 stays 0. Nothing is carried but what the inner rule carries. Since the step is no longer
    along the candidate, the gain is measured.

    Why: with a rate of 0.3 and candidates that are independent from frame to frame, the plain blend shrinks to
    sqrt(0.3 / 1.7) = 0.42 of its length. No published rule for CUT3R restores it.

    Reference: the idea of keeping the weights' lengths is that of LaCT (T. Zhang et al., *Test-Time Training Done Right*,
    2025, https://arxiv.org/abs/2505.23884), after an orthogonalised (Muon) step there. Tokens have no matrix to
    orthogonalise: only the norm restoration is taken over, hence the name. The reading in token space is ours.

    Args:
        rule: any rule.

    Example:
        >>> NormRestored()
        NormRestored(rule=TTT3R(gradient=False))
    """

    rule: StateUpdateRule = TTT3R()

    name: ClassVar[str] = "norm_restored"
    equation: ClassVar[str] = "S' ((1 - g) |S| + g |candidate|) / |S'|,  S' = inner rule"
    reference: ClassVar[str] = "after Zhang et al. (LaCT), 2025, https://arxiv.org/abs/2505.23884"

    def __post_init__(self) -> None:
        require_rule(self.rule)

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Update:
        """The inner update at restored length."""
        inner = self.rule.update(state, candidate, evidence, rule_state)
        gain = effective_gain(state, inner.state, candidate) if inner.gain is None else inner.gain
        share = gain.mean(dim=-1, keepdim=True).clamp(0, 1)
        wanted = (1 - share) * length(wide(state)) + share * length(wide(candidate))
        now = length(wide(inner.state))
        factor = torch.where(now > 0, wanted / torch.where(now > 0, now, 1.0), 1.0)
        return replace(inner, state=(inner.state * factor).to(state.dtype), gain=None)
