"""TTT3R: each state token learns at a rate that its agreement with the image sets."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import Needs, RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence, Keys


@dataclass(frozen=True)
class TTT3R(GatedUpdateRule):
    """A learning rate per token: how strongly the token's queries answer to the image's keys, on average.

        S_t = S_{t-1} + G (candidate_t - S_{t-1})
        G_s = sigmoid( (1 / L H K) sum_{l,h,i} z^{l,h}_{s,i} )

    z^{l,h}_{s,i} is the scaled logit, after the rotary embedding and before the softmax, of state token s and image key i
    in the state's cross-attention of layer l and head h; i runs over all K keys, the pose token included. The mean is taken
    without a map: the mean over keys of q . k is q . mean(k).

    Reference: X. Chen, Y. Chen, Y. Xiu, A. Geiger, A. Chen, *TTT3R: 3D Reconstruction as Test-Time Training*, ICLR 2026,
    https://arxiv.org/abs/2509.26645. Written from the equation; the authors' code (CC BY-NC-SA 4.0 and MIT notices) is no
    part of this package. Theirs averages the gate over the batch as well; here every sequence has its own.

    Args:
        gradient: let gradients flow through the gate. The reference detaches it; learning to gate needs it.

    Examples:
        >>> TTT3R()
        TTT3R(gradient=False)
        >>> TTT3R.needs
        <Needs.STATE_ATTENTION: 1>
    """

    gradient: bool = False

    needs: ClassVar[Needs] = Needs.STATE_ATTENTION
    name: ClassVar[str] = "ttt3r"
    equation: ClassVar[str] = "S + sigmoid(mean logit) (candidate - S)"
    reference: ClassVar[str] = "Chen et al., TTT3R, ICLR 2026, https://arxiv.org/abs/2509.26645"

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        """The sigmoid of the mean logit over layers, heads and all keys."""
        confidence = torch.sigmoid(evidence.state_attention.mean_logit(Keys.ALL))
        return Gain(confidence if self.gradient else confidence.detach())
