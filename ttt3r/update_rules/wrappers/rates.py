"""Rules that change how much of another rule's step is taken: scaled, annealed, every n-th frame.

Where the inner rule names its gain, so does the wrapper; where it does not, the step that it took is changed instead. Pose
gains stay as they are unless a wrapper says otherwise.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.types import AttentionBias, Memory, RuleState, Tokens
from ttt3r.update_rules.base import Update, require_rule
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.wrappers.base import Wrapper


@dataclass(frozen=True)
class Scale(Wrapper):
    """The inner rule's step times a factor: G = factor * G_inner.

    Args:
        rule: the rule to scale.
        factor: at least 0; above 1 the gain may leave [0, 1], which is then taken as meant.

    Raises:
        ValueError: if the factor is negative or not finite.
    """

    name: ClassVar[str] = "scale"
    factor: float = 0.5

    def __post_init__(self) -> None:
        require_rule(self.rule)
        if not 0 <= self.factor < float("inf"):
            raise ValueError(f"factor must be a finite number of at least 0, got {self.factor}")

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The inner bounds times the factor."""
        inner = self.rule.bounds
        return None if inner is None else (inner[0] * self.factor, inner[1] * self.factor)

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Update:
        """The inner update, its step scaled."""
        inner = self.rule.update(state, candidate, evidence, rule_state)
        return inner.scaled(state, candidate, torch.full_like(evidence.age, self.factor, dtype=torch.float32))


@dataclass(frozen=True)
class Anneal(Wrapper):
    """The inner rule's step, smaller as the memory grows older: G = G_inner / (1 + age / horizon).

    With a constant inner rate of 1 and a horizon of 1 the state is the plain average of all candidates.

    Args:
        rule: the rule to anneal.
        horizon: frames after which the step is halved, more than 0.

    Raises:
        ValueError: if the horizon is not positive.
    """

    name: ClassVar[str] = "anneal"
    horizon: float = 100.0

    def __post_init__(self) -> None:
        require_rule(self.rule)
        if not 0 < self.horizon < float("inf"):
            raise ValueError(f"horizon must be more than 0 frames and finite, got {self.horizon}")

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Update:
        """The inner update, its step scaled by age."""
        inner = self.rule.update(state, candidate, evidence, rule_state)
        return inner.scaled(state, candidate, 1 / (1 + evidence.age.float() / self.horizon))


@dataclass(frozen=True)
class EveryNth(Wrapper):
    """Write at ages 0, n, 2n, ... only. In between nothing changes: neither state, nor pose memory, nor the rule's state.

    The inner rule sees the frames that are written and nothing else, and is given the age that it would have if the others
    had not been; the result is that of a stream in which the frames between have `write=False`.

    Args:
        rule: the rule that writes.
        n: one frame in n is written, at least 1.

    Raises:
        ValueError: if n is less than 1.
    """

    name: ClassVar[str] = "every_nth"
    n: int = 2

    def __post_init__(self) -> None:
        require_rule(self.rule)
        if self.n < 1:
            raise ValueError(f"n must be at least 1, got {self.n}")

    def attend(self, rule_state: RuleState, tokens: Tokens, memory: Memory) -> tuple[AttentionBias, ...]:
        """The biases of the inner rule at its own age."""
        return self.rule.attend(rule_state, tokens, replace(memory, age=self._written(memory.age)))

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Update:
        """The inner update where a frame is due, else the memory as it is."""
        due = evidence.age % self.n == 0
        if not due.any():
            return Update(state, rule_state, torch.zeros_like(state[..., :1]), pose_gain=0.0)
        inner = self.rule.update(state, candidate, replace(evidence, age=self._written(evidence.age)), rule_state)
        return Update(
            state=tree.select(due, inner.state, state),
            rule_state=tree.select(due, inner.rule_state, rule_state),
            gain=None if inner.gain is None else torch.where(due[:, None, None], inner.gain, 0.0),
            pose_gain=torch.where(due, inner.pose_gain, 0.0),
        )

    def _written(self, age: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """How many of the frames so far were written: the ages 0, n, 2n, ... below `age`."""
        return (age + self.n - 1) // self.n
