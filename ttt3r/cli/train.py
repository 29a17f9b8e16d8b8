"""Train the small network from nothing on procedural worlds; a killed training goes on with the same command.

Writes OUT/network (averaged weights, for --network), OUT/logs/metrics.csv and OUT/checkpoints.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser
from rich.console import Console

from ttt3r.network import CUT3RConfig
from ttt3r.training.recipe import Recipe
from ttt3r.update_rules import FullOverwrite


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `ttt3r train`."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the training; an unfinished one goes on")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of all clips")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="times the steps of the recipe: 0.01 to try, 10 on a GPU"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that make clips ahead")
    parser.add_argument(
        "--threads", type=int | None, default=None, help="CPU threads of the training (default: PyTorch's)"
    )


def execute(settings: Any, console: Console) -> int:
    """Run `ttt3r train`."""
    from ttt3r.training.nano import nano_recipe  # Lightning is loaded by those who train only
    from ttt3r.training.train import train

    recipe = scaled(nano_recipe(settings.seed), settings.scale)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    console.print(f"{recipe.steps} steps in {len(recipe.stages)} stages -> [bold]{settings.out}[/]", highlight=False)
    train(CUT3RConfig.nano(), FullOverwrite(), recipe, settings.out, settings.workers)
    console.print(f"use it with --network {settings.out / 'network'}", highlight=False)
    return 0


def scaled(recipe: Recipe, factor: float) -> Recipe:
    """The recipe with its stages made longer or shorter.

    Raises:
        ValueError: if the factor is not positive.
    """
    if not factor > 0:
        raise ValueError(f"--scale must be positive, got {factor}")
    stages = tuple(replace(stage, steps=max(1, round(stage.steps * factor))) for stage in recipe.stages)
    return replace(recipe, stages=stages, warmup=max(1, round(recipe.warmup * factor)))
