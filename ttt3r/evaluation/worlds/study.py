"""The experiment on procedural worlds: rules on held-out houses, scores and answers joined over groups and passes.

study = run_study(network, {"cut3r": FullOverwrite(), "ttt3r": TTT3R()}, WorldPlan(worlds=8, lengths=(8, 64)), controls=True)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from ttt3r.data.procedural import ClipTruth, WorldConfig, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, NANO_WORLD, TRAINING_LENGTH
from ttt3r.evaluation.engine.contenders import Contender, Resets, contenders_of
from ttt3r.evaluation.measures.gains import GainSummary
from ttt3r.evaluation.results.stops import Stop
from ttt3r.evaluation.worlds.forgetting import RecallScores, ask_recall, questions_after, with_controls
from ttt3r.evaluation.worlds.running import run_worlds
from ttt3r.evaluation.worlds.scores import WorldScores, mean_depth_image
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.threads import side_by_side
from ttt3r.types import Step
from ttt3r.update_rules import Anneal, ConstantRate, StateUpdateRule

GROUP = 8
"""Most worlds side by side in a pass: enough to keep a core busy, without much memory."""

OnFrames = Callable[[int], None]
"""Called with the number of frames that were just done."""


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
        control_of: the gate of each constant of equal mean gain.
    """

    scores: WorldScores
    asked: tuple[RecallScores, ...]
    gain_summaries: Mapping[str, tuple[GainSummary, ...]]
    stopped: Mapping[str, Stop] = field(default_factory=dict)
    plan: WorldPlan = WorldPlan()
    control_of: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: Sequence["WorldStudy"]) -> "WorldStudy":
        """The same rules and lengths on the worlds of all parts."""
        asked = tuple(RecallScores.joined(same) for same in zip(*(part.asked for part in parts), strict=True))
        stopped = {name: stop for part in parts for name, stop in part.stopped.items()}
        scores = WorldScores.joined([part.scores for part in parts])
        return replace(parts[0], scores=scores, asked=asked, stopped=stopped)

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
        return WorldStudy(
            self.scores.with_rules(other.scores),
            asked,
            {**self.gain_summaries, **other.gain_summaries},
            {**self.stopped, **other.stopped},
            self.plan,
            {**self.control_of, **other.control_of},
        )


def run_study(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    plan: WorldPlan,
    *,
    resets: Resets = None,
    controls: bool = False,
    chunk: int = 1,
    on_frame: OnFrames = lambda frames: None,
) -> WorldStudy:
    """All rules over all worlds, groups of worlds side by side; after each length, every memory is asked.

    A rule that fails in a world has no numbers from there on in its group of worlds.

    Args:
        network: e.g. `nano`.
        rules: by name.
        plan: of the worlds.
        resets: when memories restart.
        controls: run the worlds a second time. For every gate there is the constant of equal mean gain and the gate averaged
            over its tokens, restarted as it is; and the plain average, `1/t`.
        chunk: as in `rollout_rules`.
        on_frame: called with the number of frames that were just done, for progress bars; on a CPU by several threads.
    """
    asked = contenders_of(rules, resets)
    study = _run(network, asked, plan, chunk, on_frame)
    return study.with_rules(_run(network, _controls(asked, study), plan, chunk, on_frame)) if controls else study


def _run(
    network: RecurrentNetwork, contenders: Sequence[Contender], plan: WorldPlan, chunk: int, on_frame: OnFrames
) -> WorldStudy:
    """One pass."""
    device = network.initial_memory(1).state.device
    known = sample_clips(plan.world, batch=64, frames=TRAINING_LENGTH, seed=0, device=device)
    mean_depth, labels = mean_depth_image(ClipTruth.of(known)), [who.label for who in contenders]
    control_of = {who.label: who.control_of for who in contenders if who.control_of}

    def run(group: tuple[int, int], check: Callable[[], None]) -> WorldStudy:
        first, batch = group
        clip = sample_clips(
            plan.world, batch=batch, frames=max(plan.lengths), seed=plan.seed, first=first, device=device
        )
        truth, asked = ClipTruth.of(clip), []

        def ask(frames: int, steps: Mapping[str, Step]) -> None:
            check()
            on_frame(batch)
            if frames in plan.lengths and steps:
                everyone = with_controls(network, {name: step.memory for name, step in steps.items()})
                asked.append(ask_recall(network, everyone, truth, frames, questions_after(frames)).including(labels))

        with torch.no_grad():
            done = run_worlds(network, contenders, truth, plan.lengths, chunk, ask)
        scores = done.scores.with_mean_depth(mean_depth, truth)
        return WorldStudy(scores, tuple(asked), done.gain_summaries, done.stopped, plan, control_of)

    return WorldStudy.joined(side_by_side(run, plan.groups, alone=device.type != "cpu"))


def _controls(contenders: Sequence[Contender], study: WorldStudy) -> tuple[Contender, ...]:
    """For every gate, with resets and without, its controls; and the plain average."""
    gates = {str(who.rule): who for who in reversed(contenders)}
    found = []
    for gate in [who for who in contenders if who is gates[str(who.rule)]]:
        mean, summary = study.scores.gain[gate.label][-1].mean(), study.gain_summaries[gate.label][-1]
        if constants := gate.equal_gain(float(mean), summary.gain_std):
            found += [*constants, gate.token_mean()]
    return (*found, Contender("1/t", Anneal(ConstantRate(1.0), horizon=1.0)))
