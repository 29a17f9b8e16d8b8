"""One call from nothing to a network in a folder; a killed run goes on from its last checkpoint."""

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from ttt3r.network import CUT3R, CUT3RConfig, save_network
from ttt3r.reconstructor import Reconstructor
from ttt3r.training.module import TrainingModule
from ttt3r.training.recipe import Recipe
from ttt3r.update_rules.base import StateUpdateRule


class SaveAverage(Callback):
    """Writes the averaged network beside every checkpoint, so that there is always something to look at."""

    def __init__(self, folder: Path, every_steps: int) -> None:
        self.folder, self.every_steps = folder, every_steps

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Save now and then."""
        if trainer.is_global_zero and trainer.global_step % self.every_steps == 0:
            save_network(averaged_network(pl_module), self.folder, torch.float16)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save the last."""
        if trainer.is_global_zero:
            save_network(averaged_network(pl_module), self.folder, torch.float16)


def averaged_network(module: lightning.LightningModule) -> CUT3R:
    """The exponential average of the network's weights."""
    assert isinstance(module, TrainingModule)
    model = module.averaged.module
    assert isinstance(model, Reconstructor)
    assert isinstance(model.network, CUT3R)
    return model.network


def train(
    config: CUT3RConfig,
    rule: StateUpdateRule,
    recipe: Recipe,
    out: Path,
    workers: int = 1,
    minutes_between_checkpoints: float = 1.0,
) -> CUT3R:
    """Train a network from scratch, or go on where an earlier call with the same folder was stopped.

    Writes `out/checkpoints/last.ckpt` every few minutes, `out/logs/metrics.csv`, and `out/network/` (averaged weights in
    half precision), which `load_network` reads.

    Raises:
        OSError: at once, if the folder cannot be written to.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.txt").write_text(f"{config.to_json()}\n{rule!r}\n{asdict(recipe)}\n")
    module = TrainingModule(CUT3R.random(config, recipe.seed).train(), rule, recipe, workers)
    checkpoints = ModelCheckpoint(
        out / "checkpoints",
        save_last=True,
        save_top_k=0,
        train_time_interval=timedelta(minutes=minutes_between_checkpoints),
    )
    trainer = lightning.Trainer(
        max_steps=recipe.steps,
        accelerator="auto",
        logger=CSVLogger(out, name="logs", version=""),
        callbacks=[checkpoints, SaveAverage(out / "network", every_steps=200)],
        log_every_n_steps=10,
        enable_model_summary=False,
    )
    last = out / "checkpoints" / "last.ckpt"
    trainer.fit(module, ckpt_path=last if last.exists() else None, weights_only=True)
    return averaged_network(module)
