"""Train the small network from scratch on procedural worlds; a killed training continues with the same command.

Writes OUT/network (averaged weights, for --network), OUT/logs, OUT/last.ckpt and, for a rule that learns, OUT/rule.safetensors.
"""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
from rich.console import Console

import ttt3r.cli.choosing as choosing
from ttt3r.cli.options import Option, Settings
from ttt3r.network import CUT3RConfig, load_network
from ttt3r.update_rules import RuleLabel, StateUpdateRule
from ttt3r.update_rules.naming.registry import name_of


@dataclass(frozen=True, kw_only=True)
class TrainSettings(Settings):
    """What `ttt3r train` takes."""

    out: Annotated[Path, Option("folder of the training; an unfinished one goes on")]
    start: Annotated[
        str | None,
        Option(
            "begin with the weights of this network, and train by the last stage of the recipe only (default: from scratch)"
        ),
    ] = None
    rule: Annotated[
        str,
        Option("active in training; one that learns is trained with the network: learned_token:hidden=32"),
    ] = choosing.DEFAULT_RULES["train"]
    seed: Annotated[int, Option("of the weights and of all clips")] = 0
    scale: Annotated[float, Option("times the steps of the recipe: 0.01 to try, 10 on a GPU")] = 1.0
    workers: Annotated[int, Option("processes that make clips ahead")] = 1
    devices: Annotated[int, Option("GPUs (or processes on a CPU) that share each batch, by DDP")] = 1
    precision: Annotated[
        Literal["32-true", "bf16-mixed", "16-mixed"],
        Option("bf16-mixed is faster where the processor multiplies bfloat16"),
    ] = "32-true"
    threads: Annotated[int | None, Option("CPU threads of the training (default: PyTorch's)")] = None


def execute(settings: TrainSettings, console: Console) -> int:
    """Run `ttt3r train`."""
    from ttt3r.training import Machine, nano_recipe, refinement, train  # Lightning is loaded by those who train only

    rule = RuleLabel.parse(settings.rule).make()
    recipe, config = nano_recipe(settings.seed), CUT3RConfig.nano()
    if settings.start is not None:
        # The clips are in nano's unit, whatever the network was trained in before, or its file does not say.
        recipe, config = refinement(recipe), replace(load_network(settings.start).config, unit=config.unit)
    recipe = recipe.scaled(settings.scale)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    console.print(
        f"{recipe.steps} steps in {len(recipe.stages)} stages, rule {RuleLabel.of(rule)} -> [bold]{settings.out}[/]",
        highlight=False,
    )
    train(
        config,
        rule,
        recipe,
        settings.out,
        Machine(settings.workers, settings.precision, devices=settings.devices),
        settings.start,
    )
    console.print(f"use it with --network {settings.out / 'network'}{_with_rule(rule, settings.out)}", highlight=False)
    return 0


def _with_rule(rule: StateUpdateRule, out: Path) -> str:
    """How a rule that was trained is named."""
    from ttt3r.training.keeping import rule_files

    files = rule_files(rule, out)
    if rule in files:
        label = RuleLabel(name_of(type(rule)), (("weights", str(files[rule])),))
        return f" --rules {shlex.quote(str(label))}"
    return "".join(f"; the weights of {type(part).__name__}: {path}" for part, path in files.items())
