"""Solutions of tutorial 8."""

import torch

from ttt3r.update_rules import Gain, GatedUpdateRule


class OneNumber(torch.nn.Module, GatedUpdateRule):
    def __init__(self):
        super().__init__()
        self.logit = torch.nn.Parameter(torch.zeros(()))

    def gain(self, state, candidate, evidence, rule_state):
        return Gain(torch.sigmoid(self.logit).to(state).expand_as(state[..., :1]))


def training_seed(step):
    return step
