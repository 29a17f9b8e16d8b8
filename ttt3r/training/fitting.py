"""One call from random weights to a network in a folder; a killed run continues from its last checkpoint."""

import hashlib
import inspect
import os
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import lightning
from lightning.pytorch.loggers import CSVLogger

from ttt3r.files import locked, read_text, replacing
from ttt3r.network import CUT3R, CUT3RConfig, load_network
from ttt3r.training.clips import check_shares
from ttt3r.training.keeping import LAST, PREVIOUS, Keep, averaged_network, check_room, checkpoint_of
from ttt3r.training.module import TrainingModule
from ttt3r.training.precision import ScaledHalf
from ttt3r.training.recipe import Recipe
from ttt3r.types import LengthUnit
from ttt3r.update_rules.base import StateUpdateRule, parts
from ttt3r.update_rules.naming.former import is_same_rule
from ttt3r.update_rules.naming.labels import RuleLabel


@dataclass(frozen=True)
class Machine:
    """How a training uses the machine; none of it changes what is learned, beyond rounding.

    Args:
        workers: processes that make clips ahead; 0 makes them in the training process.
        precision: as Lightning names it: `32-true`, `bf16-mixed` where the processor multiplies it faster, or
            `16-mixed`, float16 with a scaled loss, for GPUs without bfloat16.
        minutes: between checkpoints.
        devices: how many train together; each batch is dealt to them in equal shares.
    """

    workers: int = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    minutes: float = 1.0
    devices: int = 1

    def __post_init__(self) -> None:
        if self.workers < 0 or not self.minutes > 0 or self.devices < 1:
            raise ValueError(
                f"workers={self.workers} must not be negative, minutes={self.minutes} must be above 0, "
                f"devices={self.devices} at least 1"
            )


def _keep_to_the_recipe(out: Path, text: str, rule: StateUpdateRule) -> None:
    """Write the recipe down, or see that a training that goes on is the same."""
    recipe = out / "recipe.txt"
    begun = [name for name in (LAST, PREVIOUS) if (out / name).exists()]
    if begun and not recipe.exists():
        raise ValueError(
            f"{out} holds {begun[0]} of a training and no {recipe.name} that says which; choose another folder with --out"
        )
    before, now = _pieces(read_text(recipe)) if begun else _pieces(text), _pieces(text)
    for what, old, new in zip(("sizes", "rule", "recipe or seed", "start"), before, now, strict=True):
        if what == "rule" and not _is_same_rule(rule, str(old), str(new)):
            raise ValueError(
                f"{out} holds a training with another rule, {old} and not {new}; name that rule (--rule), or choose another "
                "folder with --out"
            )
        if what != "rule" and old != new:
            raise ValueError(f"{out} holds a training with another {what}; choose another folder with --out")
    with replacing(recipe) as partial:
        partial.write_text(text, encoding="utf-8")


def _pieces(text: str) -> tuple[CUT3RConfig | str, str, str, str]:
    """Sizes, rule, recipe and start of a recipe file; the sizes are the one piece of several lines.

    The unit is put equal: it is no size, and older releases did not write it down.
    """
    sizes, end, rest = text.partition("\n}\n")
    rule, recipe, start, *_ = [*rest.splitlines(), "", "", ""]
    try:
        return replace(CUT3RConfig.from_json(sizes + end), unit=LengthUnit.METRES), rule, recipe, start
    except ValueError:  # a damaged file is no training that could go on
        return sizes, rule, recipe, start


def _is_same_rule(rule: StateUpdateRule, before: str, now: str) -> bool:
    """Whether the rule of a recipe is this one; older releases wrote it as Python prints it."""
    (old, digests), (_, expected) = (_parted(line) for line in (before, now))
    return before == now or (digests == expected and is_same_rule(rule, old))


def _parted(line: str) -> tuple[str, list[str]]:
    """The rule in a line of a recipe, and the digests of its sources."""
    rule, *digests = line.split(" (source ")
    return rule, digests


def _rule_text(rule: StateUpdateRule) -> str:
    """A rule in one line, for the recipe: its label and, for files outside this package, what they hold.

    A rule that was edited in between is another rule.
    """
    own = Path(__file__).parent.parent
    sources = {inspect.getsourcefile(type(part)) for part in parts(rule)}
    files = [Path(source) for source in sources if source is not None and not Path(source).is_relative_to(own)]
    digests = sorted(hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in files if file.is_file())
    return " ".join([str(RuleLabel.of(rule)), *(f"(source {digest})" for digest in digests)])


def _origin(start: str | Path | None) -> str:
    return "" if start is None else f"started from {start}\n"


def train(
    config: CUT3RConfig,
    rule: StateUpdateRule,
    recipe: Recipe,
    out: Path,
    machine: Machine = Machine(),
    start: str | Path | None = None,
) -> CUT3R:
    """Train a network from scratch, or go on where an earlier call with the same folder was stopped.

    Writes `out/last.ckpt` every few minutes (the one before stays as `out/previous.ckpt`), `out/logs/version_N/metrics.csv`
    (one for each time that it was started), `out/network/` (averaged weights in half precision), which `load_network` reads,
    and with a rule that learns `out/rule.safetensors`, its averaged weights: `LearnedToken(weights="out/rule.safetensors")`.

    Args:
        config: sizes of the network, and the unit of its lengths: that of the first view, as in all clips.
        rule: active in training; one that learns is trained with the network.
        recipe: the run.
        out: folder of the training.
        machine: how it is run.
        start: what `load_network` takes: weights to begin with, instead of random ones.

    Raises:
        OSError: at once, if the folder cannot be written to, or its disk has no room for two checkpoints.
        ValueError: if a batch cannot be dealt to the devices in equal shares, the folder holds another training or one that is
            in progress or whose checkpoint is damaged, or the network to start from has other sizes.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, when the step at hand is done and saved.
    """
    check_shares(recipe, machine.devices)
    network = CUT3R.random(config, recipe.seed) if start is None else load_network(start)
    if replace(network.config, unit=config.unit) != config:
        raise ValueError(f"the network {start} has other sizes than asked for: {network.config} instead of {config}")
    network.config = config  # what it learns from here on is in the unit that was asked for
    out.mkdir(parents=True, exist_ok=True)
    check_room(out, config)
    module = TrainingModule(network.train(), rule, recipe, machine.workers)
    text = f"{config.to_json()}\n{_rule_text(rule)}\n{asdict(recipe)}\n{_origin(start)}"
    # One process holds the folder for all that train together.
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    with locked(out, "training") if first else nullcontext():
        if first:
            _keep_to_the_recipe(out, text, module.model.rule)
        begun = checkpoint_of(out)
        keep = Keep(out, machine.minutes)
        _trainer(recipe, out, machine, keep).fit(module, ckpt_path=begun, weights_only=True)
    if keep.interrupted and module.global_step < recipe.steps:
        raise KeyboardInterrupt
    return averaged_network(module)


def _trainer(recipe: Recipe, out: Path, machine: Machine, keep: Keep) -> lightning.Trainer:
    half = machine.precision == "16-mixed"
    return lightning.Trainer(
        max_steps=recipe.steps,
        accelerator="auto",
        precision=None if half else machine.precision,
        plugins=ScaledHalf() if half else None,
        devices=machine.devices,
        # A clip without questions and known cameras leaves the ray-map encoder without gradients.
        strategy="ddp_find_unused_parameters_true" if machine.devices > 1 else "auto",
        logger=CSVLogger(out, name="logs"),  # a folder for each leg: a resumed training deletes no curve
        callbacks=[keep],
        enable_checkpointing=False,
        log_every_n_steps=10,
        enable_model_summary=False,
    )
