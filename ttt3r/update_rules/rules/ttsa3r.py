"""TTSA3R: a token is rewritten where its own content has changed and where it looks at what has changed in the image."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ttt3r.types import Needs, RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence, Keys


@dataclass(frozen=True)
class LastFrame(RuleState):
    """What `TTSA3R` carries: the last absorbed frame, at least in float32.

    Args:
        candidate: the state that the network proposed there.
        patches: its encoder tokens, each of length 1; patches keep their place, so frames must keep their size.
    """

    candidate: Float[Tensor, "batch state channel"]
    patches: Float[Tensor, "batch patch feature"]


@dataclass(frozen=True)
class TTSA3R(GatedUpdateRule[LastFrame]):
    """A learning rate per token: how much its candidate has moved, times how much of what it looks at is new.

        G_s = T_s P_s
        T_s = sigmoid( c_s / mean_s(c) - threshold ),             c_s = |candidate_{t,s} - candidate_{t-1,s}|
        P_s = sigmoid( max_i |mean_{l,h} z^{l,h}_{s,i}| d_i ),    d_i = 1 - cos(x_{t,i}, x_{t-1,i})

    s is a state token, i a patch, z the scaled logit before the softmax of layer l and head h (the pose token's key is left
    out), x the encoder's tokens; t - 1 is the last absorbed frame, whose candidate (before the blend) and tokens are
    carried. All parts are without unit; T lies around sigmoid(1 - threshold) = 0.38, P in [0.5, 1).

    If no candidate has moved, c / mean(c) is 0 / 0 and counts as 1 (all tokens moved alike); the published code then gives
    NaN for ever. A frame that may not write changes nothing here; there it still changes the state. No gradient flows
    through the gate.

    Reference: *TTSA3R*, 2026, https://arxiv.org/abs/2601.22615. Written from the equations; the authors' code
    (CC BY-NC-SA 4.0) is no part of this package. The threshold is written into it and has no name there.

    Args:
        threshold: movement, in shares of the mean, at which T is one half.

    Raises:
        ValueError: if the threshold is negative or not finite; in a stream whose written frames change their size without
            a reset.

    Example:
        >>> TTSA3R()
        TTSA3R(threshold=1.5)
    """

    threshold: float = 1.5

    needs: ClassVar[Needs] = Needs.STATE_ATTENTION
    name: ClassVar[str] = "ttsa3r"
    equation: ClassVar[str] = (
        "S + sigmoid(|dC| / mean |dC| - 1.5) sigmoid(max |logit| (1 - cos(x, x'))) (candidate - S)"
    )
    reference: ClassVar[str] = "TTSA3R, 2026, https://arxiv.org/abs/2601.22615"

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < float("inf"):
            raise ValueError(f"threshold must be at least 0 and finite, got {self.threshold}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> LastFrame:
        """Zeros; the patches take their number and width with the first frame."""
        wide = torch.zeros_like(initial_state, dtype=torch.promote_types(initial_state.dtype, torch.float32))
        return LastFrame(wide, wide[:, :1, :1])

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: LastFrame,
    ) -> LastFrame:
        """Candidate and tokens, with which the next ones are compared."""
        return _seen(candidate, evidence, rule_state)

    @torch.no_grad()
    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: LastFrame,
    ) -> Gain[LastFrame]:
        """T times P."""
        now = _seen(candidate, evidence, rule_state)
        if rule_state.patches.shape not in (now.patches.shape, (len(state), 1, 1)):
            raise ValueError(
                f"TTSA3R compares patch with patch, but a frame has {now.patches.shape[1]} patches after one with "
                f"{rule_state.patches.shape[1]}; give frames of one size, or reset=True where the size changes"
            )
        moved = (now.candidate - rule_state.candidate).norm(dim=-1, keepdim=True)
        new = 1 - (now.patches * rule_state.patches).sum(dim=-1)
        looked_at = evidence.state_attention.logit_map(Keys.PATCHES).abs() * new[:, None]
        temporal = torch.sigmoid(_share_of_mean(moved) - self.threshold)
        spatial = torch.sigmoid(looked_at.amax(dim=-1, keepdim=True))
        return Gain(temporal * spatial, now)


@torch.no_grad()
def _seen(candidate: Float[Tensor, "batch state channel"], evidence: Evidence, rule_state: LastFrame) -> LastFrame:
    return LastFrame(
        candidate.to(rule_state.candidate),
        functional.normalize(evidence.encoder_tokens.to(rule_state.patches), dim=-1),
    )


def _share_of_mean(values: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
    """Each token's value over the mean of its sequence; 1 where all are 0."""
    mean = values.mean(dim=1, keepdim=True)
    return torch.where(mean > 0, values / torch.where(mean > 0, mean, 1.0), 1.0)
