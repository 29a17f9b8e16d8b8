"""A training run as settings: what is seen when, how long, how fast. Written beside every network that it makes."""

import math
from dataclasses import dataclass, replace

from ttt3r.data.procedural import WorldConfig
from ttt3r.training.losses import LossWeights


@dataclass(frozen=True)
class Stage:
    """One part of the curriculum.

    Args:
        steps: how many optimiser steps it lasts.
        frames: shortest and longest clip.
        questions: ray-map questions put into each clip.
        batch: clips side by side.
        world: where the clips come from.
        known_cameras: share of the shown frames that come with their ray map. What is asked of a memory can so be learned
            before cameras can be found, and finding cameras needs a memory.
        loss: weights of the terms.
    """

    steps: int
    frames: tuple[int, int]
    questions: int = 0
    batch: int = 32
    world: WorldConfig = WorldConfig()
    known_cameras: float = 0.0
    loss: LossWeights = LossWeights()

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.questions < 0:
            raise ValueError(
                f"a stage needs steps and batch of at least 1 and no negative questions, got {self.steps}, {self.batch}, "
                f"{self.questions}"
            )
        if not 0 <= self.known_cameras <= 1:
            raise ValueError(f"known_cameras={self.known_cameras} is a share and must lie in 0 ... 1")
        if not 1 <= self.frames[0] <= self.frames[1]:
            raise ValueError(
                f"clip lengths must be (shortest, longest) with 1 <= shortest <= longest, got {self.frames}"
            )


@dataclass(frozen=True)
class Recipe:
    """All of a training run.

    Args:
        stages: one after the other.
        seed: of weights and clips, from 0 to 2^32 - 1. Held-out worlds are never among the clips.
        learning_rate: its peak, after a linear warm-up; a cosine brings it to a hundredth at the end.
        matrix_rate: peak of the learning rate of Muon, which then steps the hidden matrices while AdamW steps the rest;
            `None` leaves all to AdamW. Muon's steps are scaled to those of AdamW (`adjust_lr_fn="match_rms_adamw"`).
        warmup: steps of the warm-up.
        betas, weight_decay, clip: of AdamW and of the gradient's norm.
        average: decay of the exponential average of the weights, which is what is saved.
        detach_every: cut gradients through time every N frames; `None` for whole clips.

    Raises:
        ValueError: for a setting out of its range.
    """

    stages: tuple[Stage, ...]
    seed: int = 0
    learning_rate: float = 1.2e-3
    matrix_rate: float | None = None
    warmup: int = 200
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05
    clip: float = 1.0
    average: float = 0.999
    detach_every: int | None = None

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("a recipe needs at least one stage")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed!r} must be a whole number from 0 to {2**32 - 1}")
        if not (0 <= self.average < 1 and 0 < self.learning_rate < math.inf and self.clip > 0):
            raise ValueError(
                f"average must lie in [0, 1), learning_rate and clip above 0; got {self.average}, {self.learning_rate}, "
                f"{self.clip}"
            )
        if self.matrix_rate is not None and not 0 < self.matrix_rate < math.inf:
            raise ValueError(f"matrix_rate={self.matrix_rate} must be above 0, or None for AdamW alone")
        if not (all(0 <= beta < 1 for beta in self.betas) and 0 <= self.weight_decay < math.inf):
            raise ValueError(
                f"betas must lie in [0, 1) and weight_decay must not be negative; got {self.betas}, {self.weight_decay}"
            )
        if self.warmup < 0 or (self.detach_every is not None and self.detach_every < 1):
            raise ValueError(
                f"warmup must not be negative, detach_every at least 1 or None; got {self.warmup}, {self.detach_every}"
            )

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return sum(stage.steps for stage in self.stages)

    def scaled(self, factor: float) -> "Recipe":
        """The recipe with its stages and warm-up made longer or shorter.

        Raises:
            ValueError: if the factor is not positive and finite.
        """
        if not 0 < factor < math.inf:
            raise ValueError(f"a recipe can be scaled by a positive, finite factor only, got {factor}")
        stages = tuple(replace(stage, steps=max(1, round(stage.steps * factor))) for stage in self.stages)
        return replace(self, stages=stages, warmup=max(1, round(self.warmup * factor)))

    def stage_at(self, step: int) -> Stage:
        """The stage that step belongs to."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]
