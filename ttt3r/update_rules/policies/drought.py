"""Reset when the network has been unsure for several frames."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.types import Memory, Outputs, RuleState
from ttt3r.update_rules.resets import Decision, ResetPolicy, StepEvidence


@dataclass(frozen=True)
class Confidences(RuleState):
    """What `WhenUnsure` carries of the running chunk.

    Args:
        recent: the scores that were looked at last, newest last; infinite where there was none yet.
        warm_sum: sum of the scores of the warm-up.
        warm_count: how many these are.
        rest: how many scores are still passed over after a reset.
        length: frames of the chunk so far; the boundary frame that was fed again is not counted.
    """

    recent: Float[Tensor, "batch recent"]
    warm_sum: Float[Tensor, " batch"]
    warm_count: Int[Tensor, " batch"]
    rest: Int[Tensor, " batch"]
    length: Int[Tensor, " batch"]


@dataclass(frozen=True)
class WhenUnsure(ResetPolicy):
    """Reset when the last scores are all below a share of the chunk's first ones, or when the chunk is long.

    The score of a frame is the mean over its pixels of log c, c = 1 + exp(x) the confidence of the world points: the softplus
    of the head's raw value x. The chunk ends where the last `frames` scores are all below max(floor, share * warm), warm the
    mean of the first `warmup` scores of the chunk so far. The chunk's first frame has no score: it is read from a memory that
    holds nothing.

    Reference: the drought reset of R3, https://arxiv.org/abs/2605.26519 (there the score is a confidence of relative poses, and
    several frames are fed again after a reset; here it is the boundary frame alone).

    Args:
        share: of the mean of the warm-up, 0 to 1.
        floor: a score below which the network is unsure, whatever the warm-up was. R3 has 1 on its own scale on its command
            line and 0 in its presets; the scale differs from network to network, so 0 is the default here.
        frames: how many scores in a row must be low.
        warmup: scores that make the mean.
        cooldown: scores that are passed over after a reset.
        minimum: frames of a chunk before a score is looked at.
        longest: frames after which a chunk ends in any case.

    Raises:
        ValueError: for a setting out of range.

    Examples:
        >>> WhenUnsure(longest=100)
        WhenUnsure(share=0.5, floor=0.0, frames=3, warmup=5, cooldown=8, minimum=1, longest=100)
    """

    outputs: ClassVar[Outputs] = Outputs.POINTS_WORLD

    share: float = 0.5
    floor: float = 0.0
    frames: int = 3
    warmup: int = 5
    cooldown: int = 8
    minimum: int = 1
    longest: int = 300

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must lie in 0 to 1, got {self.share}")
        if not 0 <= self.floor < math.inf:
            raise ValueError(f"floor must be at least 0 and finite, got {self.floor}")
        least = {"frames": 1, "warmup": 1, "cooldown": 0, "minimum": 1, "longest": 1}
        for name, lowest in least.items():
            if (value := getattr(self, name)) < lowest:
                raise ValueError(f"{name} must be at least {lowest}, got {value}")

    def init(self, memory: Memory) -> Confidences:
        """No scores yet, and all of the cooldown to come."""
        count = torch.zeros_like(memory.age)
        none = torch.full((memory.batch, self.frames), torch.inf, device=count.device)
        return Confidences(none, torch.zeros_like(none[:, 0]), count, count + self.cooldown, count)

    def decide(self, evidence: StepEvidence, state: RuleState) -> Decision:
        """Whether the score of the frame makes a drought."""
        assert isinstance(state, Confidences)  # of `init`
        confidence = evidence.reading(Outputs.POINTS_WORLD).confidence_world
        if confidence is None:
            raise ValueError("WhenUnsure looks at the confidence of world points, and the network gives none")
        # --8<-- [start:score]
        score = confidence.float().log().mean(dim=(1, 2))
        # --8<-- [end:score]
        begins = evidence.memory.age == 1
        fresh = self.init(evidence.memory)
        # A chunk that begins with a frame of its own follows no reset of this policy, so there is nothing to wait for.
        state = tree.select(begins, replace(fresh, rest=torch.zeros_like(fresh.rest)), state)
        return self.judge(state, score, begins)

    def judge(self, state: Confidences, score: Float[Tensor, " batch"], begins: Bool[Tensor, " batch"]) -> Decision:
        """Whether the chunk ends at a frame of this score.

        Args:
            state: before it.
            score: of the frame.
            begins: whether the frame is the first of its chunk, whose score does not count.
        """
        # --8<-- [start:judge]
        length = state.length + 1
        warming = ~begins & (state.warm_count < self.warmup)
        warm_sum = torch.where(warming, state.warm_sum + score, state.warm_sum)
        warm_count = state.warm_count + warming
        open_to = ~begins & (length >= self.minimum)
        looked = open_to & (state.rest == 0)
        moved_on = torch.cat([state.recent[:, 1:], score[:, None]], dim=1)
        recent = torch.where(looked[:, None], moved_on, state.recent)
        threshold = (self.share * warm_sum / warm_count.clamp(min=1)).clamp(min=self.floor)
        drought = looked & (recent < threshold[:, None]).all(dim=1)
        # --8<-- [end:judge]
        rest = torch.where(open_to, (state.rest - 1).clamp(min=0), state.rest)
        return Decision(drought | (length >= self.longest), Confidences(recent, warm_sum, warm_count, rest, length))
