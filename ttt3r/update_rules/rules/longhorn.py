"""Longhorn in token space: the step towards the candidate is solved for instead of taken along the gradient."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import Needs, RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence, Keys


@dataclass(frozen=True)
class ImplicitStep(GatedUpdateRule):
    """A learning rate that cannot overshoot: TTT3R's confidence is the weight of an implicit step.

        S_t = argmin_S |S - S_{t-1}|^2 + w |S - candidate_t|^2 = S_{t-1} + w / (1 + w) (candidate_t - S_{t-1})
        w_s = scale sigmoid( mean_{l,h,i} z^{l,h}_{s,i} )

    z is the scaled logit, before the softmax, of state token s and image key i (the pose token included) in layer l and head
    h; w has no unit. As in Longhorn, the weight is a sigmoid of what the input says, and the step that follows is w / (1 + w)
    (there w / (1 + w k^T k); a token is its own key here, of length 1). For scale 1 the gain lies in (0, 1/2). Nothing is
    carried.

    Two related rules: with the exponential instead of the sigmoid as weight, w / (1 + w) is the sigmoid, and this is TTT3R;
    with a carried variance as weight it is a Kalman filter (FILT3R). That is why there is no further rule `kalman` here.

    Reference: B. Liu et al., *Longhorn: State Space Models are Amortized Online Learners*, 2024,
    https://arxiv.org/abs/2407.14207 (on matrices: `ttt3r.update_rules.fast_weights.Longhorn`). The reading in token space is
    ours and has no publication. Written from the equation.

    Args:
        scale: of the weight, above 0; infinity would take the candidate whole.
        gradient: let gradients flow through the gate.

    Raises:
        ValueError: if the scale is not a positive number.

    Example:
        >>> ImplicitStep(scale=2.0)
        ImplicitStep(scale=2.0, gradient=False)
    """

    scale: float = 1.0
    gradient: bool = False

    needs: ClassVar[Needs] = Needs.STATE_ATTENTION
    name: ClassVar[str] = "longhorn"
    equation: ClassVar[str] = "S + w / (1 + w) (candidate - S), w = sigmoid(mean logit)"
    reference: ClassVar[str] = "after Liu et al., Longhorn, 2024, https://arxiv.org/abs/2407.14207"

    def __post_init__(self) -> None:
        if not 0 < self.scale < float("inf"):
            raise ValueError(f"scale must be a finite number above 0, got {self.scale}")

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        """The weight over one plus the weight."""
        weight = self.scale * torch.sigmoid(evidence.state_attention.mean_logit(Keys.ALL))
        gain = weight / (1 + weight)
        return Gain(gain if self.gradient else gain.detach())
