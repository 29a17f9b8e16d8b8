"""Reset when the state has been rewritten by so much."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import Memory, Outputs, RuleState
from ttt3r.update_rules.resets import Decision, ResetPolicy, StepEvidence


@dataclass(frozen=True)
class Rewritten(RuleState):
    """What `AfterUpdates` carries: the sum of the chunk's relative updates."""

    total: Float[Tensor, " batch"]


@dataclass(frozen=True)
class AfterUpdates(ResetPolicy):
    """Reset when the relative updates of the state add up: the sum of |S_t - S_(t-1)| / |S_(t-1)| over the chunk.

    Norms are over all of a sequence's state. A chunk's first frame, which is taken whole, does not count. Runs no head. Our
    own; no publication.

    Args:
        total: the sum above which the chunk ends, more than 0. A rule that overwrites everything adds more with each frame
            than one that holds back, so the chunks of that rule are shorter.
        minimum: frames that a chunk absorbs at least.

    Raises:
        ValueError: if the total is not positive or the minimum is less than 1.

    Examples:
        >>> AfterUpdates(total=20.0)
        AfterUpdates(total=20.0, minimum=8)
    """

    outputs: ClassVar[Outputs] = Outputs.NOTHING

    total: float
    minimum: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.total < float("inf"):
            raise ValueError(f"total must be more than 0 and finite, got {self.total}; use Never() for no resets")
        if self.minimum < 1:
            raise ValueError(f"a chunk has at least 1 frame, got minimum = {self.minimum}")

    def init(self, memory: Memory) -> Rewritten:
        """Nothing rewritten."""
        return Rewritten(torch.zeros(memory.batch, device=memory.state.device))

    def decide(self, evidence: StepEvidence, state: RuleState) -> Decision:
        """Whether the sum is above the total and the chunk is old enough."""
        assert isinstance(state, Rewritten)  # of `init`
        old, new, age = evidence.before.state.float(), evidence.memory.state.float(), evidence.memory.age
        norm = old.flatten(1).norm(dim=1).clamp(min=torch.finfo(old.dtype).tiny)
        relative = (new - old).flatten(1).norm(dim=1) / norm
        total = torch.where(age == 1, torch.zeros_like(state.total), state.total + relative)
        return Decision((age >= self.minimum) & (total > self.total), Rewritten(total))
