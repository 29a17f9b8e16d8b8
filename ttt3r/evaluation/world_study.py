"""The experiment on procedural worlds: rules on held-out houses, scores and answers joined over groups and passes.

study = run_study(network, {"cut3r": FullOverwrite(), "ttt3r": ConfidenceAware()}, WorldPlan(worlds=8, lengths=(8, 64)))
study = study.with_rules(run_study(network, control_rules(rules, study), plan))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from ttt3r.data.procedural import ClipTruth, WorldConfig, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, NANO_WORLD, TRAINING_LENGTH
from ttt3r.evaluation.accounting import GainSummary, equal_gain_constants
from ttt3r.evaluation.forgetting import RecallScores, questions_after, recall, with_controls
from ttt3r.evaluation.palette import OF_GATE
from ttt3r.evaluation.worlds import WorldScores, mean_depth_image, score_worlds
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.types import Memory
from ttt3r.update_rules import Anneal, ConstantRate, StateUpdateRule, TokenMean

GROUP = 8
"""Most worlds side by side in a pass: enough to keep two cores busy, without much memory."""

CONSTANT, AVERAGED = OF_GATE
"""Beginnings of the names of a gate's controls."""


@dataclass(frozen=True)
class WorldPlan:
    """Which worlds, and how long.

    Args:
        worlds: how many, at least 2 (intervals, and another scene as a control).
        lengths: of the prefixes that are judged, in frames.
        world: where they come from.
        seed: of the worlds; from `HELD_OUT_SEED` on they were never trained on.

    Raises:
        ValueError: for fewer than 2 worlds, or no lengths.
    """

    worlds: int = 32
    lengths: tuple[int, ...] = tuple(TRAINING_LENGTH * 2**power for power in range(4))
    world: WorldConfig = NANO_WORLD
    seed: int = HELD_OUT_SEED

    def __post_init__(self) -> None:
        if self.worlds < 2:
            raise ValueError(
                f"worlds must be at least 2 (intervals, and another scene as a control), got {self.worlds}"
            )
        if not self.lengths or min(self.lengths) < 2:
            raise ValueError(f"lengths must be at least 2 frames each, got {self.lengths}")

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """First world and number of worlds of each pass: as even as can be, so that no world stands alone."""
        count = -(-self.worlds // GROUP)
        ends = [self.worlds * index // count for index in range(count + 1)]
        return tuple((first, last - first) for first, last in zip(ends, ends[1:], strict=False))


@dataclass(frozen=True)
class WorldStudy:
    """Rules on procedural worlds.

    Args:
        scores: errors by rule, length and world.
        asked: answers of the memories, for each length.
        books: gains by rule, for each length; of the first group of worlds where there are several.
        plan: of the worlds.
    """

    scores: WorldScores
    asked: tuple[RecallScores, ...]
    books: Mapping[str, tuple[GainSummary, ...]]
    plan: WorldPlan = WorldPlan()

    @classmethod
    def joined(cls, parts: Sequence["WorldStudy"]) -> "WorldStudy":
        """The same rules and lengths on the worlds of all parts."""
        asked = tuple(RecallScores.joined(same) for same in zip(*(part.asked for part in parts), strict=True))
        return cls(WorldScores.joined([part.scores for part in parts]), asked, parts[0].books, parts[0].plan)

    def with_rules(self, other: "WorldStudy") -> "WorldStudy":
        """The same worlds with the rules of another pass.

        Raises:
            ValueError: if those were run on other worlds.
        """
        if (self.plan.world, self.plan.seed) != (other.plan.world, other.plan.seed):
            seeds = f"seeds {self.plan.seed} and {other.plan.seed}"
            raise ValueError(f"the rules were run on other worlds ({seeds}); run them with one WorldPlan")
        pairs = zip(self.asked, other.asked, strict=True)
        asked = tuple(own.with_memories(more) for own, more in pairs)
        return replace(
            self, scores=self.scores.with_rules(other.scores), asked=asked, books={**self.books, **other.books}
        )


def run_study(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    plan: WorldPlan,
    *,
    resets: Mapping[str, int | None] | None = None,
    on_frame: Callable[[int], None] = lambda frames: None,
) -> WorldStudy:
    """All rules over all worlds, a group of worlds at a time; after each length, every memory is asked.

    Args:
        network: e.g. `nano`.
        rules: by name.
        plan: of the worlds.
        resets: by rule, after how many frames its memory restarts.
        on_frame: called with the number of frames that were just done, for progress bars.
    """
    device = network.initial_memory(1).state.device
    known = sample_clips(plan.world, batch=64, frames=TRAINING_LENGTH, seed=0, device=device)
    mean_depth = mean_depth_image(ClipTruth.of(known))
    longest, parts = max(plan.lengths), []
    for first, batch in plan.groups:
        clip = sample_clips(plan.world, batch=batch, frames=longest, seed=plan.seed, first=first, device=device)
        truth, asked = ClipTruth.of(clip), []

        def ask(
            index: int,
            memories: Mapping[str, Memory],
            truth: ClipTruth = truth,
            asked: list[RecallScores] = asked,
        ) -> None:
            on_frame(truth.image.shape[1])
            if index + 1 in plan.lengths:
                everyone = with_controls(network, memories)
                asked.append(recall(network, everyone, truth, index + 1, questions_after(index + 1)))

        with torch.no_grad():
            scores, books = score_worlds(network, rules, truth, plan.lengths, reset_every=resets, on_frame=ask)
        parts.append(WorldStudy(scores.with_mean_depth(mean_depth, truth), tuple(asked), books, plan))
    return WorldStudy.joined(parts)


def control_rules(rules: Mapping[str, StateUpdateRule], study: WorldStudy) -> dict[str, StateUpdateRule]:
    """For every gate: the constant of equal mean gain, and the gate averaged over its tokens; and the plain average, 1/t."""
    first = {str(rules[name]): name for name in reversed(list(rules))}  # with resets and without: one control
    books = {
        name: replace(study.books[name][-1], gain_mean=float(study.scores.gain[name][-1].mean()))
        for name in sorted(first.values(), key=[*rules].index)
    }
    controls: dict[str, StateUpdateRule] = {}
    for name, constant in equal_gain_constants(books).items():
        controls[f"{CONSTANT}{name}"] = constant
        controls[f"{AVERAGED}{name}"] = TokenMean(rules[name])
    return controls | {"1/t": Anneal(ConstantRate(1.0), horizon=1.0)}
