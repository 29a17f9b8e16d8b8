"""Train the small network from scratch on procedural worlds; a killed training continues with the same command.

Writes OUT/network (averaged weights, for --network), OUT/logs, OUT/last.ckpt and, for a rule that learns, OUT/rule.safetensors.
"""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from rich.console import Console

import ttt3r.cli.choosing as choosing
from ttt3r.cli.options import Option, Settings
from ttt3r.network import CUT3RConfig, load_network
from ttt3r.update_rules import RuleLabel, StateUpdateRule
from ttt3r.update_rules.naming.registry import name_of

if TYPE_CHECKING:
    from ttt3r.training import Recipe


@dataclass(frozen=True, kw_only=True)
class TrainSettings(Settings):
    """What `ttt3r train` takes."""

    out: Annotated[Path, Option("folder of the training; an unfinished one goes on")]
    start: Annotated[
        str | None,
        Option(
            "begin with the weights of this network (default: from scratch); without --recipe, by nano's last stage only"
        ),
    ] = None
    rule: Annotated[
        str | None,
        Option(
            "active in all of the training, in place of those of the recipe; one that learns is trained with the network: "
            "learned_token:hidden=32 (default: the rules of the recipe; cut3r where it draws none)"
        ),
    ] = None
    recipe: Annotated[
        str | None, Option("a YAML file, or a recipe of the package: nano, nano_first, mixed (default: nano)")
    ] = None
    seed: Annotated[int | None, Option("of the weights and of all clips (default: that of the recipe)")] = None
    scale: Annotated[float, Option("times the steps of the recipe: 0.01 to try, 10 on a GPU")] = 1.0
    workers: Annotated[int, Option("processes that make clips ahead")] = 1
    devices: Annotated[int, Option("GPUs (or processes on a CPU) that share each batch, by DDP")] = 1
    precision: Annotated[
        Literal["auto", "32-true", "bf16-mixed", "16-mixed"],
        Option("auto takes bf16-mixed on a processor that multiplies bfloat16, else 32-true"),
    ] = "auto"
    minutes: Annotated[float, Option("between checkpoints")] = 1.0
    threads: Annotated[int | None, Option("CPU threads of the training (default: PyTorch's)")] = None


def execute(settings: TrainSettings, console: Console) -> int:
    """Run `ttt3r train`."""
    from ttt3r.training import Machine, find_recipe, refinement, train  # Lightning is loaded by those who train only

    rule = RuleLabel.parse(settings.rule or choosing.DEFAULT_RULES["train"]).make()
    recipe, config = find_recipe(settings.recipe or "nano"), CUT3RConfig.nano()
    if settings.seed is not None:
        recipe = replace(recipe, seed=settings.seed)
    if settings.start is not None:
        # The clips are in nano's unit, whatever the network was trained in before, or its file does not say.
        config = replace(load_network(settings.start).config, unit=config.unit)
        recipe = refinement(recipe) if settings.recipe is None else recipe
    if settings.rule is not None:
        recipe = recipe.under_one_rule()
    recipe = recipe.scaled(settings.scale)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    console.print(
        f"{recipe.steps} steps in {len(recipe.stages)} stages, {_rules_of(recipe, rule)} -> [bold]{settings.out}[/]",
        highlight=False,
    )
    train(
        config,
        rule,
        recipe,
        settings.out,
        Machine(settings.workers, settings.precision, settings.minutes, settings.devices),
        settings.start,
    )
    console.print(
        f"use it with --network {settings.out / 'network'}{_with_rule(rule, recipe, settings.out)}", highlight=False
    )
    return 0


def _rules_of(recipe: "Recipe", rule: StateUpdateRule) -> str:
    """Which rules are active."""
    drawn = recipe.rules
    if any(stage.rules is None for stage in recipe.stages):
        drawn = tuple(dict.fromkeys((str(RuleLabel.of(rule)), *drawn)))
    return f"{'rules' if len(drawn) > 1 else 'rule'} {', '.join(drawn)}"


def _with_rule(rule: StateUpdateRule, recipe: "Recipe", out: Path) -> str:
    """How a rule that was trained is named."""
    from ttt3r.training.drawing import RuleSet
    from ttt3r.training.keeping import rule_files

    files = rule_files(RuleSet.of(rule, recipe.rules) if recipe.rules else rule, out)
    if rule in files:
        label = RuleLabel(name_of(type(rule)), (("weights", str(files[rule])),))
        return f" --rules {shlex.quote(str(label))}"
    return "".join(f"; the weights of {type(part).__name__}: {path}" for part, path in files.items())
