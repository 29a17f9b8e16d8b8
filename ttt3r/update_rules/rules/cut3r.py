"""CUT3R: the memory is overwritten at every frame."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence


@dataclass(frozen=True)
class FullOverwrite(GatedUpdateRule):
    """Take every candidate whole: what the network was trained with, and what makes it forget long streams.

        S_t = candidate_t                 (G = 1)

    S_t is the state after frame t. Reference: Q. Wang, Y. Zhang, A. Holynski, A. A. Efros, A. Kanazawa, *Continuous 3D
    Perception Model with Persistent State*, CVPR 2025, https://arxiv.org/abs/2501.12387. Written from the equation; the
    authors' code and weights are CC BY-NC-SA 4.0 and are no part of this package.

    Examples:
        >>> FullOverwrite()
        FullOverwrite()
        >>> FullOverwrite.equation
        'S = candidate'
    """

    name: ClassVar[str] = "cut3r"
    equation: ClassVar[str] = "S = candidate"
    reference: ClassVar[str] = "Wang et al., CUT3R, CVPR 2025, https://arxiv.org/abs/2501.12387"

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        """1 for every token."""
        return Gain(torch.ones_like(state[..., :1]))
