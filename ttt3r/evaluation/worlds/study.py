"""The experiment on procedural worlds: rules on held-out houses, scores and answers joined over groups and passes.

study = run_study(network, {"cut3r": FullOverwrite(), "ttt3r": TTT3R()}, WorldPlan(worlds=8, lengths=(8, 64)))
study = study.with_rules(run_study(network, control_rules(rules, study), plan))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from ttt3r.data.procedural import ClipTruth, WorldConfig, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, NANO_WORLD, TRAINING_LENGTH
from ttt3r.evaluation.engine.contenders import contenders_of
from ttt3r.evaluation.measures.gains import GainSummary, equal_gain_constants
from ttt3r.evaluation.results.stops import Stop
from ttt3r.evaluation.worlds.forgetting import RecallScores, ask_recall, questions_after, with_controls
from ttt3r.evaluation.worlds.running import WorldScores, mean_depth_image, run_worlds
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.threads import side_by_side
from ttt3r.types import Step
from ttt3r.update_rules import Anneal, ConstantRate, Control, ResetPolicy, StateUpdateRule, TokenMean

GROUP = 8
"""Most worlds side by side in a pass: enough to keep a core busy, without much memory."""


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
        gain_summaries: gains by rule, for each length; of the first group of worlds where there are several.
        stopped: why a rule did not come to the end in some world, if so.
        plan: of the worlds.
    """

    scores: WorldScores
    asked: tuple[RecallScores, ...]
    gain_summaries: Mapping[str, tuple[GainSummary, ...]]
    stopped: Mapping[str, Stop] = field(default_factory=dict)
    plan: WorldPlan = WorldPlan()

    @classmethod
    def joined(cls, parts: Sequence["WorldStudy"]) -> "WorldStudy":
        """The same rules and lengths on the worlds of all parts."""
        asked = tuple(RecallScores.joined(same) for same in zip(*(part.asked for part in parts), strict=True))
        stopped = {name: stop for part in parts for name, stop in part.stopped.items()}
        scores = WorldScores.joined([part.scores for part in parts])
        return cls(scores, asked, parts[0].gain_summaries, stopped, parts[0].plan)

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
        summaries, stopped = {**self.gain_summaries, **other.gain_summaries}, {**self.stopped, **other.stopped}
        return WorldStudy(self.scores.with_rules(other.scores), asked, summaries, stopped, self.plan)


def run_study(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    plan: WorldPlan,
    *,
    resets: Mapping[str, int | ResetPolicy | None] | None = None,
    chunk: int = 1,
    on_frame: Callable[[int], None] = lambda frames: None,
) -> WorldStudy:
    """All rules over all worlds, groups of worlds side by side; after each length, every memory is asked.

    A rule that fails in a world has no numbers from there on in its group of worlds.

    Args:
        network: e.g. `nano`.
        rules: by name.
        plan: of the worlds.
        resets: by rule, when its memory restarts.
        chunk: as in `rollout_rules`.
        on_frame: called with the number of frames that were just done, for progress bars; on a CPU by several threads.
    """
    device = network.initial_memory(1).state.device
    known = sample_clips(plan.world, batch=64, frames=TRAINING_LENGTH, seed=0, device=device)
    mean_depth = mean_depth_image(ClipTruth.of(known))
    contenders, longest = contenders_of(rules, resets or {}), max(plan.lengths)

    def run(group: tuple[int, int], check: Callable[[], None]) -> WorldStudy:
        first, batch = group
        clip = sample_clips(plan.world, batch=batch, frames=longest, seed=plan.seed, first=first, device=device)
        truth, asked = ClipTruth.of(clip), []

        def ask(frames: int, steps: Mapping[str, Step]) -> None:
            check()
            on_frame(batch)
            if frames in plan.lengths and steps:
                everyone = with_controls(network, {name: step.memory for name, step in steps.items()})
                asked.append(ask_recall(network, everyone, truth, frames, questions_after(frames)).including(rules))

        with torch.no_grad():
            done = run_worlds(network, contenders, truth, plan.lengths, chunk, ask)
        scores = done.scores.with_mean_depth(mean_depth, truth)
        return WorldStudy(scores, tuple(asked), done.gain_summaries, done.stopped, plan)

    return WorldStudy.joined(side_by_side(run, plan.groups, alone=device.type != "cpu"))


def control_rules(rules: Mapping[str, StateUpdateRule], study: WorldStudy) -> dict[str, StateUpdateRule]:
    """For every gate: the constant of equal mean gain, and the gate averaged over its tokens; and the plain average, 1/t."""
    first = {str(rules[name]): name for name in reversed(list(rules))}  # with resets and without: one control
    summaries = {
        name: replace(study.gain_summaries[name][-1], gain_mean=float(study.scores.gain[name][-1].mean()))
        for name in sorted(first.values(), key=[*rules].index)
    }
    controls: dict[str, StateUpdateRule] = {}
    for name, constant in equal_gain_constants(summaries).items():
        controls[Control.EQUAL_GAIN.of(name)] = constant
        controls[Control.TOKEN_MEAN.of(name)] = TokenMean(rules[name])
    return controls | {"1/t": Anneal(ConstantRate(1.0), horizon=1.0)}
