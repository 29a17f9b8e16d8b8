"""Solutions of tutorial 3."""

import math

import torch


def gate_of(layers):
    means = [(layer.query * layer.key.mean(dim=2, keepdim=True)).sum(dim=-1) for layer in layers]
    return torch.sigmoid(torch.stack(means).mean(dim=(0, 2)))[..., None]


def shift_to(mean, wanted):
    return math.log(wanted / (1 - wanted)) - mean
