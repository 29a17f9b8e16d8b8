"""Solutions of tutorial 5."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from ttt3r.types import Needs
from ttt3r.update_rules import Gain, GatedUpdateRule


@dataclass(frozen=True)
class PlainAverage(GatedUpdateRule):
    def gain(self, state, candidate, evidence, rule_state):
        share = 1 / (evidence.age + 1).to(state.dtype)
        return Gain(share[:, None, None].expand_as(state[..., :1]))


@dataclass(frozen=True)
class AtMost(GatedUpdateRule):
    needs: ClassVar[Needs] = Needs.STATE_ATTENTION

    most: float = 0.4

    def gain(self, state, candidate, evidence, rule_state):
        gate = torch.sigmoid(evidence.state_attention.mean_logit())
        return Gain(gate.clamp(max=self.most))
