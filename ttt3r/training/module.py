"""The LightningModule that trains a network by back-propagation through time over the one loop, `ttt3r.rollout`."""

import math
from dataclasses import fields
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ttt3r import tree
from ttt3r.data.procedural import ClipBatch, ClipTruth
from ttt3r.guard import BadStep
from ttt3r.network import CUT3R
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.training.clips import training_loader
from ttt3r.training.losses import (
    LossTerms,
    between_token_share,
    effective_rank,
    frame_loss,
)
from ttt3r.training.questions import with_questions
from ttt3r.training.recipe import Recipe
from ttt3r.types import Step
from ttt3r.update_rules.base import StateUpdateRule


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

    def train_dataloader(self) -> Any:
        """Clips from the step at which the run stands."""
        return training_loader(self.recipe, self.global_step, self.workers)

    def transfer_batch_to_device(self, batch: ClipBatch, device: torch.device, dataloader_idx: int) -> ClipBatch:
        """Clips are frozen dataclasses, which Lightning does not move by itself."""
        return tree.to(batch, device)

    def training_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """One clip: forward through time, backward at every cut and at the end, one step of the optimiser."""
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        generator = torch.Generator().manual_seed(self.global_step)
        questions = self.recipe.stage_at(self.global_step).questions
        truth, asks = with_questions(ClipTruth.of(batch), questions, generator)
        optimizer.zero_grad()
        try:
            self._backward_through_time(truth, asks)
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        except BadStep:
            norm = torch.tensor(torch.nan)
        self.log("gradient", norm)
        if not torch.isfinite(norm):  # a batch that went wrong is left out, and shows in the log
            optimizer.zero_grad()
        optimizer.step()
        self.averaged.update_parameters(self.model)
        schedule = self.lr_schedulers()
        assert isinstance(schedule, torch.optim.lr_scheduler.LambdaLR)
        schedule.step()

    def _backward_through_time(self, truth: ClipTruth, asks: list[bool]) -> None:
        window = self.recipe.detach_every or len(truth)
        frames = (truth.frame(index, ask=ask) for index, ask in enumerate(asks))
        pending: list[Tensor] = []
        seen: list[LossTerms] = []
        for step in rollout(self.model, frames, chunk=window, detach_every=window):
            terms = frame_loss(step.reconstruction, truth, step.index, self.recipe.loss)
            pending.append(terms.total(self.recipe.loss) / len(truth))
            seen.append(terms)
            if len(pending) == window or step.index == len(truth) - 1:
                self.manual_backward(torch.stack(pending).sum())
                pending.clear()
                self._log_state(step)
        self._log_terms(seen, asks)

    def _log_terms(self, terms: list[LossTerms], asks: list[bool]) -> None:
        """Means over the frames that were shown and, apart, over those that were asked for."""
        for prefix, asked in (("", False), ("asked_", True)):
            chosen = [part for part, ask in zip(terms, asks, strict=True) if ask is asked]
            for field in fields(LossTerms) if chosen else ():
                mean = torch.stack([getattr(part, field.name).detach() for part in chosen]).mean()
                self.log(prefix + field.name, mean, prog_bar=not asked)

    def _log_state(self, step: Step) -> None:
        """Whether the state tokens stay apart: a collapse shows here long before it shows in the loss."""
        state = step.memory.state.detach()
        self.log("effective_rank", effective_rank(state).mean(), prog_bar=True)
        self.log("between_tokens", between_token_share(state).mean())

    def configure_optimizers(self) -> Any:
        """AdamW with a linear warm-up and a cosine to a hundredth; no decay on vectors (biases, norms, tokens)."""
        recipe = self.recipe
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        vectors = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=recipe.betas)

        def factor(step: int) -> float:
            if step < recipe.warmup:
                return (step + 1) / recipe.warmup
            progress = min(1.0, (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup))
            return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))

        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, factor)]
