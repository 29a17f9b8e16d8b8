"""The experiment on procedural worlds: rules on held-out houses, scores and answers joined over groups and passes.

study = run_study(network, {"cut3r": FullOverwrite(), "ttt3r": TTT3R()}, WorldPlan(worlds=8, lengths=(8, 64)), controls=True)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from ttt3r.data.procedural import ClipTruth, WorldConfig, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, TRAINING_LENGTH, WORLDS
from ttt3r.evaluation.engine.contenders import Contender, Resets, contenders_of
from ttt3r.evaluation.measures.gains import GainSummary
from ttt3r.evaluation.results.stops import Stop
from ttt3r.evaluation.worlds.controls import standing_controls
from ttt3r.evaluation.worlds.forgetting import RecallScores, ask_recall, questions_after, with_controls
from ttt3r.evaluation.worlds.running import run_worlds
from ttt3r.evaluation.worlds.scores import WorldScores, mean_depth_image
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.threads import side_by_side
from ttt3r.types import Step
from ttt3r.update_rules import StateUpdateRule

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
        world: where they come from; one of `WORLDS` is known by its name.
        seed: of the worlds; from `HELD_OUT_SEED` on they were never trained on.
        speed: the world is filmed at so many times its own speed.

    Raises:
        ValueError: for fewer than 2 worlds, no lengths, or a speed at which the world cannot be filmed.
    """

    worlds: int = 32
    lengths: tuple[int, ...] = tuple(TRAINING_LENGTH * 2**power for power in range(4))
    world: WorldConfig = WORLDS["video"]
    seed: int = HELD_OUT_SEED
    speed: float = 1.0

    def __post_init__(self) -> None:
        if self.worlds < 2:
            raise ValueError(
                f"worlds must be at least 2 (intervals, and another scene as a control), got {self.worlds}"
            )
        if not self.lengths or min(self.lengths) < 2:
            raise ValueError(f"lengths must be at least 2 frames each, got {self.lengths}")
        if not 0 < self.speed < float("inf"):
            raise ValueError(f"speed is a factor above 0, such as 0.5 for half as fast, got {self.speed}")
        try:
            _ = self.filmed
        except ValueError as error:
            raise ValueError(f"speed {self.speed:g} is too far from 1 for this world: {error}") from None

    @property
    def filmed(self) -> WorldConfig:
        """The world at the speed at which it is filmed."""
        return self.world if self.speed == 1 else self.world.at_speed(self.speed)

    @property
    def name(self) -> str:
        """Of the world, with its speed if that is not its own; one without a name is called `world`.

        Examples:
            >>> WorldPlan().name, WorldPlan(speed=0.5).name
            ('video', 'video at 0.5x')
        """
        name = next((name for name, known in WORLDS.items() if known == self.world), "world")
        return name if self.speed == 1 else f"{name} at {self.speed:g}x"

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
        if (self.plan.filmed, self.plan.seed) != (other.plan.filmed, other.plan.seed):
            apart = f"{self.plan.name} and {other.plan.name}, seeds {self.plan.seed} and {other.plan.seed}"
            raise ValueError(f"the rules were run on other worlds ({apart}); run them with one WorldPlan")
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
        controls: run the worlds a second time, with the `standing_controls` of these rules.
        chunk: as in `rollout_rules`.
        on_frame: called with the number of frames that were just done, for progress bars; on a CPU by several threads.
    """
    asked = contenders_of(rules, resets)
    study = _run(network, asked, plan, chunk, on_frame)
    if not controls:
        return study
    spread = {name: summaries[-1].gain_std for name, summaries in study.gain_summaries.items()}
    gains = {name: (float(gain[-1].mean()), spread[name]) for name, gain in study.scores.gain.items()}
    standing = standing_controls(asked, gains, max(plan.lengths))
    return study.with_rules(_run(network, standing, plan, chunk, on_frame))


def _run(
    network: RecurrentNetwork, contenders: Sequence[Contender], plan: WorldPlan, chunk: int, on_frame: OnFrames
) -> WorldStudy:
    """One pass."""
    device = network.initial_memory(1).state.device
    known = sample_clips(plan.filmed, batch=64, frames=TRAINING_LENGTH, seed=0, device=device)
    mean_depth, labels = mean_depth_image(ClipTruth.of(known)), [who.label for who in contenders]
    control_of = {who.label: who.control_of for who in contenders if who.control_of}

    def run(group: tuple[int, int], check: Callable[[], None]) -> WorldStudy:
        first, batch = group
        clip = sample_clips(
            plan.filmed, batch=batch, frames=max(plan.lengths), seed=plan.seed, first=first, device=device
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
