"""What a training leaves on disk: checkpoints to go on from, the averaged network, and the rule if that learns."""

import pickle
import re
import shutil
import signal
import threading
import time
import zipfile
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save_file
from torch import nn

from ttt3r.files import replacing
from ttt3r.network import CUT3R, CUT3RConfig, save_network
from ttt3r.reconstructor import Reconstructor
from ttt3r.training.module import TrainingModule
from ttt3r.update_rules.base import modules
from ttt3r.update_rules.learned.base import LearnedRule

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
NETWORK, RULE = "network", "rule.safetensors"
COPIES = 3
"""Checkpoints that lie on the disk together: the last, the one before it, and the one that is being written."""


class Keep(Callback):
    """Saves the whole training every few minutes, each file replaced as a whole, and beside it what has been learned.

    A first Ctrl-C or SIGTERM ends the training after the step at hand, and the end is saved; a second Ctrl-C ends it at once.

    (Lightning's own checkpoint callback does not look at the clock where the optimiser is stepped by hand, and its handler of
    SIGTERM talks to the other processes in the middle of what they are doing.)
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.minutes = folder, minutes
        self.saved = time.monotonic()
        self.interrupted = False
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Handle signals, in place of Lightning."""
        if threading.current_thread() is threading.main_thread():  # only there may handlers be set
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._interrupt)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Save if it is time, by the clock of the first process; stop if any process was asked to."""
        self.interrupted = trainer.strategy.reduce_boolean_decision(self.interrupted, all=False)
        if self.interrupted:
            trainer.should_stop = True  # the end is saved
            return
        due = time.monotonic() - self.saved >= 60 * self.minutes
        if trainer.strategy.broadcast(due) if trainer.world_size > 1 else due:
            self._save(trainer, pl_module)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save the end."""
        self._save(trainer, pl_module)
        self._hang_up()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Nothing is saved in the middle of a step."""
        self._hang_up()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted and number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        self.interrupted = True

    def _hang_up(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _save(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        last = self.folder / LAST
        if trainer.is_global_zero:
            with replacing(last) as partial:
                trainer.save_checkpoint(partial)
                if last.exists():
                    last.replace(self.folder / PREVIOUS)
            save_learned(averaged_model(pl_module), self.folder)
        else:
            trainer.save_checkpoint(last)  # all processes meet in it; the first one writes
        self.saved = time.monotonic()


def averaged_model(module: lightning.LightningModule) -> Reconstructor:
    """The exponential average of the weights: network, and rule if that learns."""
    assert isinstance(module, TrainingModule)
    model = module.averaged.module
    assert isinstance(model, Reconstructor)
    return model


def averaged_network(module: lightning.LightningModule) -> CUT3R:
    """The exponential average of the network's weights."""
    network = averaged_model(module).network
    assert isinstance(network, CUT3R)
    return network


def save_learned(model: Reconstructor, folder: Path) -> list[Path]:
    """Write the network, in half precision, and the weights of every rule that learns, in full.

    A `LearnedRule` is written as its own `save` does, so that `NAME:weights=FILE` reads it; any other module as safetensors
    of its `state_dict`.

    Returns:
        The files of rules: `rule.safetensors` or, where several learned rules are combined, `rule_1.safetensors` and on.
    """
    assert isinstance(model.network, CUT3R)
    save_network(model.network, folder / NETWORK, torch.float16)
    written = rule_files(model.rule, folder)
    for learned, path in written.items():
        if isinstance(learned, LearnedRule):
            learned.save(path)
            continue
        # Tensors that share memory are written once for each name, as safetensors demands.
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in learned.state_dict().items()}
        with replacing(path) as partial:
            save_file(tensors, partial, metadata={"class": type(learned).__name__})
    return [*written.values()]


def rule_files(rule: Any, folder: Path) -> dict[nn.Module, Path]:
    """Where the weights of each learned part of a rule are written."""
    learned = [part for part in modules(rule) if isinstance(part, LearnedRule) or part.state_dict()]
    if len(learned) == 1:
        return {learned[0]: folder / RULE}
    stem, _, end = RULE.partition(".")
    return {part: folder / f"{stem}_{number}.{end}" for number, part in enumerate(learned, 1)}


def checkpoint_of(folder: Path) -> Path | None:
    """The checkpoint from which a training goes on, read through once; nothing if there is none.

    The last one may be missing after a kill while it was replaced; then it is the one before.

    Raises:
        ValueError: if it is damaged; names the cure.
    """
    last, previous = folder / LAST, folder / PREVIOUS
    found = last if last.exists() else previous
    if not found.exists():
        return None
    if problem := _damage(found):
        cure = f"move {found} away to start again"
        if found == last and previous.exists() and not _damage(previous):
            cure = f"move {previous.name} over it (mv {previous} {last}) to go on from the checkpoint before"
        raise ValueError(f"the checkpoint {found} is damaged ({problem}); {cure}")
    return found


def _damage(path: Path) -> str:
    """What is wrong with a checkpoint; empty if nothing is."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()  # every byte against its checksum: PyTorch does not look
        if broken is not None:
            return f"a checksum of {broken} is wrong"
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except zipfile.BadZipFile:
        return "cut short, or no checkpoint at all"
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, pickle.UnpicklingError) as error:
        return re.sub(r"\s+", " ", str(error)).partition(". ")[0][:120] or type(error).__name__
    parts = ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "loops")
    missing = [part for part in parts if not isinstance(found, dict) or part not in found]
    if missing:
        return f"it has no {', '.join(missing)}"
    old = any("lr_lambdas" in schedule for schedule in found["lr_schedulers"])
    return "an older version of ttt3r wrote it, whose rates run otherwise" if old else ""


def check_room(folder: Path, config: CUT3RConfig) -> None:
    """See that all checkpoints fit on the disk: old ones are kept until the new one is whole.

    Raises:
        OSError: if they do not.
    """
    with torch.device("meta"):
        weights = sum(parameter.numel() for parameter in CUT3R(config).parameters())
    # Weights, their average, and two moments of the optimiser, in float32.
    needed = COPIES * 4 * 4 * weights - sum(p.stat().st_size for p in (folder / LAST, folder / PREVIOUS) if p.exists())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"the disk of {folder} has {free / 1e6:.0f} MB left, its checkpoints need {needed / 1e6:.0f} MB more; "
            "make room, or choose another folder"
        )
