"""The LightningModule that trains a network by back-propagation through time over the one loop, `ttt3r.rollout`."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from typing import Any

import lightning
import torch
from jaxtyping import Float
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.lr_scheduler import CosineAnnealingLR, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import ttt3r.tree as tree
from ttt3r.data.procedural import ClipBatch, ClipTruth
from ttt3r.guard import BadStep
from ttt3r.network import CUT3R
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.training.clips import Share, training_loader
from ttt3r.training.losses import (
    LossTerms,
    between_token_share,
    effective_rank,
    frame_loss,
    sameness,
)
from ttt3r.training.optimizers import optimizers_of
from ttt3r.training.precision import ScaledHalf, settle, unscaled_norm
from ttt3r.training.questions import known_cameras, with_questions
from ttt3r.training.recipe import Recipe
from ttt3r.types import Step
from ttt3r.update_rules.base import StateUpdateRule

PATIENCE = 100
"""Bad steps in a row after which a training stops; float16 needs a dozen to find its scale."""


class TrainingModule(lightning.LightningModule):
    """Trains a network, and its rule if that learns, on clips made on the fly.

    Args:
        network: what is trained.
        rule: active in training; CUT3R's own training overwrites in full.
        recipe: the run.
        workers: processes that make clips ahead.
    """

    def __init__(self, network: CUT3R, rule: StateUpdateRule, recipe: Recipe, workers: int = 1) -> None:
        super().__init__()
        self.automatic_optimization = False  # gradients are cut, and so taken, within a clip
        self.model = Reconstructor(network, rule)
        self.averaged = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
        self.recipe, self.workers = recipe, workers
        self.bad = 0

    def train_dataloader(self) -> Any:
        """Clips from the step at which the run stands; each process takes its share of every batch."""
        share = Share(self.trainer.global_rank, self.trainer.world_size)
        return training_loader(self.recipe, self.global_step, self.workers, share)

    def transfer_batch_to_device(self, batch: ClipBatch, device: torch.device, dataloader_idx: int) -> ClipBatch:
        """Clips are frozen dataclasses, which Lightning does not move by itself."""
        return tree.to(batch, device)

    def training_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """One clip: forward through time, backward at every cut and at the end, one step of the optimisers."""
        generator = torch.Generator().manual_seed(self.global_step)
        stage = self.recipe.stage_at(self.global_step)
        truth, asks = with_questions(ClipTruth.of(batch), stage.questions, generator)
        known = known_cameras(asks, stage.known_cameras, generator)
        counted, others = self._optimizers()
        for optimizer in (counted, *others):
            optimizer.zero_grad()
        scaler = self._scaler()
        norm = torch.tensor(torch.nan)
        if self._backward_through_time(truth, asks, known):
            steppers = [counted.optimizer, *others]
            norm = unscaled_norm(scaler, steppers, self.model.parameters(), self.recipe.clip)
        good = self._agreed(bool(torch.isfinite(norm)))
        settle(scaler, good)
        self.log("gradient", norm if good else torch.tensor(torch.nan))
        self._count_bad(good)
        if not good:  # a batch that went wrong is left out, and shows in the log
            for optimizer in (counted, *others):
                optimizer.zero_grad()
        for optimizer in others:  # not through Lightning, which counts every step that it makes as one of the run
            optimizer.step()
        counted.step()
        self.averaged.update_parameters(self.model)
        schedules = self.lr_schedulers()
        for schedule in schedules if isinstance(schedules, list) else [schedules]:
            assert isinstance(schedule, SequentialLR | CosineAnnealingLR)
            schedule.step()

    def _scaler(self) -> "torch.amp.GradScaler | None":
        plugin = self.trainer.precision_plugin
        return plugin.scaler if isinstance(plugin, ScaledHalf) else None

    def _agreed(self, good: bool) -> bool:
        """Whether it is so in every process. All of them ask, or those that do would wait for ever."""
        return bool(self.trainer.strategy.reduce_boolean_decision(good, all=True))

    def _count_bad(self, good: bool) -> None:
        """Stop where nothing is learned any more; in all processes at the same step, since they agree on each.

        Raises:
            ValueError: after `PATIENCE` bad steps in a row.
        """
        self.bad = 0 if good else self.bad + 1
        if self.bad >= PATIENCE:
            raise ValueError(
                f"{self.bad} steps in a row, the last {self.global_step}, had no finite gradient: nothing is learned any more; "
                "the last checkpoint holds the weights from before. Take a lower learning rate, or another precision"
            )

    def _optimizers(self) -> tuple[LightningOptimizer, list[torch.optim.Optimizer]]:
        """The one whose steps Lightning counts, and the others."""
        found = self.optimizers()
        first, *others = found if isinstance(found, list) else [found]
        assert isinstance(first, LightningOptimizer)
        return first, [other.optimizer for other in others if isinstance(other, LightningOptimizer)]

    def _attention(self) -> AbstractContextManager[object]:
        """On a CPU, the plain form of attention: the fused kernel's backward pass is slow there for so few tokens."""
        return sdpa_kernel(SDPBackend.MATH) if self.device.type == "cpu" else nullcontext()

    def _backward_through_time(self, truth: ClipTruth, asks: list[bool], known: list[bool]) -> bool:
        """Forward and backward, window by window; False as soon as one of the processes has no finite loss.

        Backward, all processes wait for each other. So they agree before each, and a bad one stops all.
        """
        with self._attention():
            for loss, step in self._windows(truth, asks, known):
                if not self._agreed(bool(torch.isfinite(loss))) or step is None:
                    return False
                self.manual_backward(loss)
                self._log_state(step)
        return True

    def _windows(
        self, truth: ClipTruth, asks: list[bool], known: list[bool]
    ) -> Iterator[tuple[Float[Tensor, ""], Step | None]]:
        """The loss of each window and its last step; NaN and nothing, as the last, where a frame went wrong."""
        window = self.recipe.detach_every or len(truth)
        frames = (truth.frame(i, ask=ask, known=given) for i, (ask, given) in enumerate(zip(asks, known, strict=True)))
        weights = self.recipe.stage_at(self.global_step).loss
        pending: list[Tensor] = []
        seen: list[LossTerms] = []
        try:
            for step in rollout(self.model, frames, chunk=window, detach_every=window):
                terms = frame_loss(step.reconstruction, truth, step.index, weights)
                loss = terms.total(weights)
                if weights.spread:
                    loss = loss + weights.spread * sameness(step.memory.state)
                pending.append(loss / len(truth))
                seen.append(terms)
                if len(pending) == window or step.index == len(truth) - 1:
                    yield torch.stack(pending).sum(), step
                    pending.clear()
        except BadStep:
            yield torch.tensor(torch.nan), None
            return
        self._log_terms(seen, ["asked_" if a else "known_" if k else "" for a, k in zip(asks, known, strict=True)])

    def _log_terms(self, terms: list[LossTerms], kinds: list[str]) -> None:
        """Means over the frames that were only shown and, apart, over those with known cameras and those asked for."""
        for prefix in dict.fromkeys(kinds):
            chosen = [part for part, kind in zip(terms, kinds, strict=True) if kind == prefix]
            for field in fields(LossTerms):
                mean = torch.stack([getattr(part, field.name).detach() for part in chosen]).mean()
                self.log(prefix + field.name, mean, prog_bar=not prefix)

    def _log_state(self, step: Step) -> None:
        """Whether the state tokens stay apart: a collapse shows here long before it shows in the loss."""
        state = step.memory.state.detach()
        self.log("effective_rank", effective_rank(state).mean(), prog_bar=True)
        self.log("between_tokens", between_token_share(state).mean())

    def configure_optimizers(self) -> Any:
        """AdamW, or Muon and AdamW, with a linear warm-up and a cosine to a hundredth."""
        return optimizers_of(self.model, self.recipe)
