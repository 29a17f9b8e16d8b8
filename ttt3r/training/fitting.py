"""One call from nothing to a network in a folder; a killed run goes on from its last checkpoint."""

import os
import shutil
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger

from ttt3r.files import locked
from ttt3r.network import CUT3R, CUT3RConfig, load_network, save_network
from ttt3r.reconstructor import Reconstructor
from ttt3r.training.clips import check_shares
from ttt3r.training.module import TrainingModule
from ttt3r.training.recipe import Recipe
from ttt3r.update_rules.base import StateUpdateRule

LAST = "last.ckpt"


@dataclass(frozen=True)
class Machine:
    """How a training uses the machine; none of it changes what is learned, beyond rounding.

    Args:
        workers: processes that make clips ahead; 0 makes them in the training process.
        precision: as Lightning names it: `32-true`, or `bf16-mixed` where the processor multiplies it faster.
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


class Keep(Callback):
    """Saves the whole training every few minutes, each file replaced as a whole, and the averaged network beside it.

    (Lightning's own checkpoint callback does not look at the clock where the optimiser is stepped by hand.)
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.minutes = folder, minutes
        self.saved = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Save if it is time, by the clock of the first process."""
        due = time.monotonic() - self.saved >= 60 * self.minutes
        if trainer.strategy.broadcast(due) if trainer.world_size > 1 else due:
            self._save(trainer, pl_module)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save the end."""
        self._save(trainer, pl_module)

    def _save(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        last = self.folder / LAST
        partial = last.with_name(last.name + ".partial")
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            partial.replace(last)
            save_network(averaged_network(pl_module), self.folder / "network", torch.float16)
        self.saved = time.monotonic()


def averaged_network(module: lightning.LightningModule) -> CUT3R:
    """The exponential average of the network's weights."""
    assert isinstance(module, TrainingModule)
    model = module.averaged.module
    assert isinstance(model, Reconstructor)
    assert isinstance(model.network, CUT3R)
    return model.network


def _keep_to_the_recipe(out: Path, text: str) -> None:
    """Write the recipe down, or see that a training that goes on is the same."""
    recipe = out / "recipe.txt"
    if (out / LAST).exists() and recipe.exists() and recipe.read_text() != text:
        raise ValueError(f"{out} holds a training with another recipe, rule or seed; choose another folder with --out")
    recipe.write_text(text)


def _origin(start: str | Path | None) -> str:
    return "" if start is None else f"started from {start}\n"


def _check_room(out: Path, config: CUT3RConfig) -> None:
    """See that two checkpoints fit on the disk: the old one is kept until the new one is whole."""
    with torch.device("meta"):
        weights = sum(parameter.numel() for parameter in CUT3R(config).parameters())
    needed = 2 * 4 * 4 * weights  # weights, their average, and two moments of the optimiser, in float32
    free = shutil.disk_usage(out).free
    if free < needed:
        raise OSError(
            f"the disk of {out} has {free / 1e6:.0f} MB left, two checkpoints need {needed / 1e6:.0f} MB; "
            "make room, or choose another folder"
        )


def train(
    config: CUT3RConfig,
    rule: StateUpdateRule,
    recipe: Recipe,
    out: Path,
    machine: Machine = Machine(),
    start: str | Path | None = None,
) -> CUT3R:
    """Train a network from scratch, or go on where an earlier call with the same folder was stopped.

    Writes `out/last.ckpt` every few minutes, `out/logs/version_N/metrics.csv` (one for each time that it was started), and
    `out/network/` (averaged weights in half precision), which `load_network` reads.

    Args:
        config: sizes of the network.
        rule: active in training.
        recipe: the run.
        out: folder of the training.
        machine: how it is run.
        start: what `load_network` takes: weights to begin with, instead of random ones.

    Raises:
        OSError: at once, if the folder cannot be written to, or its disk has no room for two checkpoints.
        ValueError: if a batch cannot be dealt to the devices in equal shares, the folder holds another training or one that is
            at work, or the network to start from has other sizes.
    """
    check_shares(recipe, machine.devices)
    network = CUT3R.random(config, recipe.seed) if start is None else load_network(start)
    if network.config != config:
        raise ValueError(f"the network {start} has other sizes than asked for: {network.config} instead of {config}")
    out.mkdir(parents=True, exist_ok=True)
    _check_room(out, config)
    _keep_to_the_recipe(out, f"{config.to_json()}\n{rule!r}\n{asdict(recipe)}\n{_origin(start)}")
    module = TrainingModule(network.train(), rule, recipe, machine.workers)
    trainer = lightning.Trainer(
        max_steps=recipe.steps,
        accelerator="auto",
        precision=machine.precision,
        devices=machine.devices,
        # A clip without questions and known cameras leaves the ray-map encoder without gradients.
        strategy="ddp_find_unused_parameters_true" if machine.devices > 1 else "auto",
        logger=CSVLogger(out, name="logs"),  # a folder for each leg: a resumed training deletes no curve
        callbacks=[Keep(out, machine.minutes)],
        enable_checkpointing=False,
        log_every_n_steps=10,
        enable_model_summary=False,
    )
    last = out / LAST
    # One process holds the folder for all that train together.
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    with locked(out, "training") if first else nullcontext():
        trainer.fit(module, ckpt_path=last if last.exists() else None, weights_only=True)
    return averaged_network(module)
