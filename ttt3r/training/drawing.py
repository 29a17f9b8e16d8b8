"""What a stage draws: the world of each clip, and the rule of each step. The same at every resumption, in every process."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.data.procedural import WorldConfig, find_world
from ttt3r.types import STATELESS, Needs, RuleState
from ttt3r.update_rules import PoseDamped, RuleLabel, StateUpdateRule
from ttt3r.update_rules.base import Update
from ttt3r.update_rules.evidence import Evidence


@dataclass(frozen=True)
class WorldMix:
    """Worlds by name, of which every clip takes one, at a speed of its own.

    Args:
        weights: names of worlds with weights of any sum.
        speed: smallest and largest factor on their speeds, drawn for each clip evenly on a logarithmic scale.

    Raises:
        ValueError: for a world that there is not, a weight that is none, or a speed out of range.
    """

    weights: tuple[tuple[str, float], ...]
    speed: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        _check_weights("worlds", self.weights)
        self.worlds()

    def worlds(self) -> list[WorldConfig]:
        """The worlds, at their speeds."""
        found = [find_world(name) for name, _ in self.weights]
        return found if self.speed == (1.0, 1.0) else [world.at_speed(*self.speed) for world in found]

    def draw(self, clips: int, generator: torch.Generator) -> list[int]:
        """Which of the worlds each clip takes; clips of the same world stand together."""
        weights = torch.tensor([weight for _, weight in self.weights], dtype=torch.float64)
        return torch.multinomial(weights, clips, replacement=True, generator=generator).sort().values.tolist()


@dataclass(frozen=True)
class RuleMix:
    """Rules by their labels, of which one is drawn for each step, for all of its clips.

    Args:
        weights: labels, such as `constant:rate=0.3`, with weights of any sum.
        pose_damped: share of the steps in which the pose memory is held back as the state is: by the mean gain of the tokens.

    Raises:
        ValueError: for a rule that there is not, a weight that is none, or a share that is none.
    """

    weights: tuple[tuple[str, float], ...]
    pose_damped: float = 0.0

    def __post_init__(self) -> None:
        _check_weights("rules", self.weights)
        for label, _ in self.weights:
            RuleLabel.parse(label).make()
        if not 0 <= self.pose_damped <= 1:
            raise ValueError(f"pose_damped={self.pose_damped} is a share and must lie in 0 ... 1")

    def draw(self, seed: int) -> tuple[str, bool]:
        """A label, and whether the pose memory is damped."""
        generator = torch.Generator().manual_seed(seed)
        weights = torch.tensor([weight for _, weight in self.weights], dtype=torch.float64)
        label, _ = self.weights[int(torch.multinomial(weights, 1, generator=generator))]
        return label, float(torch.rand((), generator=generator)) < self.pose_damped


@dataclass(frozen=True)
class RuleSet(StateUpdateRule):
    """All rules of a training, so that each one that learns is trained, averaged and saved; none of them runs as this one.

    Args:
        default: the rule of stages that draw none.
        labels: of the others.
        drawn: the others.
    """

    default: StateUpdateRule
    labels: tuple[str, ...]
    drawn: tuple[StateUpdateRule, ...]

    @classmethod
    def of(cls, default: StateUpdateRule, labels: tuple[str, ...]) -> "RuleSet":
        """The rules with these labels, besides a default."""
        return cls(default, labels, tuple(RuleLabel.parse(label).make() for label in labels))

    @property
    def needs(self) -> Needs:
        """Of all of them."""
        needs = self.default.needs
        for rule in self.drawn:
            needs |= rule.needs
        return needs

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> RuleState:
        """Lets every rule see the size of the state."""
        for rule in (self.default, *self.drawn):
            rule.init(initial_state)
        return STATELESS

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Update:
        """Never called."""
        raise TypeError("one of these rules runs, never all of them")

    def drawn_by(self, mix: RuleMix | None, seed: int) -> StateUpdateRule:
        """The rule of a step."""
        if mix is None:
            return self.default
        label, damped = mix.draw(seed)
        rule = self.drawn[self.labels.index(label)]
        return PoseDamped(rule) if damped else rule


def _check_weights(what: str, weights: tuple[tuple[str, float], ...]) -> None:
    if not weights or not all(0 < weight < float("inf") for _, weight in weights):
        raise ValueError(f"{what} need names with weights above 0, got {dict(weights)}")
