"""A training run as settings: what is seen when, how long, how fast. Written beside every network that it makes."""

import math
from dataclasses import asdict, dataclass, replace

from ttt3r.data.procedural import WorldConfig
from ttt3r.training.drawing import RuleMix, WorldMix
from ttt3r.training.losses import LossWeights


@dataclass(frozen=True)
class Stage:
    """One part of the curriculum.

    Args:
        steps: how many optimiser steps it lasts.
        frames: shortest and longest clip.
        questions: ray-map questions put into each clip.
        batch: clips side by side.
        world: where the clips come from: one world, or several of which each clip takes one.
        known_cameras: share of the shown frames that come with their ray map. What is asked of a memory can so be learned
            before cameras can be found, and finding cameras needs a memory.
        loss: weights of the terms.
        rules: which rule is active, drawn for each step; `None` for that of the training.
        read_share: share of the shown frames, drawn anew for each step, that the heads of points and colours read; the camera
            is read from all, and all outputs from what is asked for. These heads cost half of a training. Their terms count
            as if all frames had been read.
    """

    steps: int
    frames: tuple[int, int]
    questions: int = 0
    batch: int = 32
    world: WorldConfig | WorldMix = WorldConfig()
    known_cameras: float = 0.0
    loss: LossWeights = LossWeights()
    rules: RuleMix | None = None
    read_share: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.questions < 0:
            raise ValueError(
                f"a stage needs steps and batch of at least 1 and no negative questions, got {self.steps}, {self.batch}, "
                f"{self.questions}"
            )
        if not 0 <= self.known_cameras <= 1:
            raise ValueError(f"known_cameras={self.known_cameras} is a share and must lie in 0 ... 1")
        if not 0 < self.read_share <= 1:
            raise ValueError(f"read_share={self.read_share} is a share and must lie above 0, at most 1")
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
        flat: share of the run, after the warm-up, that stays at the peak before the rates fall; 0 to below 1.
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
    flat: float = 0.0

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
        if not 0 <= self.flat < 1:
            raise ValueError(f"flat={self.flat} is a share of the run and must lie in 0 ... 1, 1 left out")
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

    @property
    def rules(self) -> tuple[str, ...]:
        """Labels of all rules that its stages draw, each once."""
        drawn = (label for stage in self.stages if stage.rules is not None for label, _ in stage.rules.weights)
        return tuple(dict.fromkeys(drawn))

    def under_one_rule(self) -> "Recipe":
        """The recipe without rules of its own."""
        return replace(self, stages=tuple(replace(stage, rules=None) for stage in self.stages))

    def text(self) -> str:
        """All of it in one line; what later releases added only where it is set, so that older trainings go on."""
        found = asdict(self)
        for stage in found["stages"]:
            for name, without in (("rules", None), ("read_share", 1.0)):
                if stage[name] == without:
                    del stage[name]
        if self.flat == 0:
            del found["flat"]
        return str(found)

    def stage_at(self, step: int) -> Stage:
        """The stage that step belongs to."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]
