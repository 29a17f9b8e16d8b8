"""Which optimiser steps which parameters, and how their rates run."""

import torch
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from ttt3r.training.recipe import Recipe


def optimizers_of(model: nn.Module, recipe: Recipe) -> tuple[list[Optimizer], list[LRScheduler]]:
    """AdamW for all parameters or, with `recipe.matrix_rate`, Muon for the hidden matrices and AdamW for the rest.

    Biases, norms and tokens do not decay. A hidden matrix is the weight of a linear layer; embeddings, convolutions and
    learned tokens are none.

    Muon: Jordan et al. 2024; scaled to AdamW's steps as by Liu et al. 2025, https://arxiv.org/abs/2502.16982.

    Raises:
        ValueError: if Muon is asked for and this version of PyTorch has none.
    """
    linear = [m.weight for m in model.modules() if isinstance(m, nn.Linear)] if recipe.matrix_rate is not None else []
    hidden = {id(weight) for weight in linear}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in hidden]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    found: list[Optimizer] = [AdamW(groups, lr=recipe.learning_rate, betas=recipe.betas)]
    if recipe.matrix_rate is not None:
        muon = getattr(torch.optim, "Muon", None)
        if muon is None:
            raise ValueError(
                f"matrix_rate needs torch.optim.Muon, of PyTorch 2.9 and newer; this is {torch.__version__}: "
                "upgrade torch, or leave matrix_rate at None"
            )
        settings = {"lr": recipe.matrix_rate, "weight_decay": recipe.weight_decay, "adjust_lr_fn": "match_rms_adamw"}
        found.append(muon(linear, **settings))
    return found, [schedule(optimizer, recipe) for optimizer in found]


def schedule(optimizer: Optimizer, recipe: Recipe) -> LRScheduler:
    """Up in a line over the warm-up, flat for a share of the run, then down a cosine to a hundredth of the peak rate."""
    peak, flat = optimizer.param_groups[0]["lr"], round(recipe.flat * recipe.steps)
    parts: list[LRScheduler] = []
    ends: list[int] = []
    falling = CosineAnnealingLR(optimizer, max(1, recipe.steps - recipe.warmup - flat), eta_min=0.01 * peak)
    if recipe.warmup == 0 and flat == 0:
        return falling
    if recipe.warmup > 0:
        parts.append(LinearLR(optimizer, 1 / recipe.warmup, total_iters=max(1, recipe.warmup - 1)))
        ends.append(recipe.warmup)
    if flat > 0:
        parts.append(ConstantLR(optimizer, 1.0, total_iters=1))
        ends.append(recipe.warmup + flat)
    return SequentialLR(optimizer, [*parts, falling], milestones=ends)
