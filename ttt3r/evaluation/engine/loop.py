"""The one loop of every evaluation: several rules over one stream in one pass, each watched by an observer of its own.

What differs between evaluations is what is shown (the frames of a clip, those of many worlds at once) and what an observer
keeps of it. A rule that fails leaves the pass; the others go on; nothing is lost.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, TypeVar

from ttt3r.evaluation.measures.cost import Seconds
from ttt3r.evaluation.results.stops import Stop, stop_of, stop_of_reading
from ttt3r.evaluation.tasks.base import Observer, Seen
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.rollout import rollout_rules
from ttt3r.types import Frame, Memory, Needs, Outputs, Step
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.resets import ResetPolicy


class Shown(ABC, Generic[Seen]):
    """One frame of a stream and the truth about it, the same for all rules."""

    @property
    @abstractmethod
    def frame(self) -> Frame:
        """What the network gets."""

    @abstractmethod
    def seen_by(self, step: Step) -> Seen:
        """The same beside the result of a rule."""


Kept = TypeVar("Kept", bound=Observer[Any])


@dataclass
class RuleRun(Generic[Kept]):
    """One rule during a pass.

    Args:
        rule: with its settings.
        reset: when its memory restarts; `None` for never.
        kept: what is kept of it; the only thing here that grows.
        stop: what ended it before the end of the stream, if anything did.
        memory: after the last frame.
        frames: with a usable result.
    """

    rule: StateUpdateRule
    reset: ResetPolicy | None
    kept: Kept
    stop: Stop | None = None
    memory: Memory | None = None
    frames: int = 0

    def observe(self, shown: Shown[Any], step: Step) -> None:
        """Take the result of a frame; a mistake in an observer stops this rule only."""
        try:
            self.kept.observe(shown.seen_by(step))
            self.memory, self.frames = step.memory, self.frames + 1
        except Exception as error:
            self.stop = stop_of(error)


@dataclass
class Pass(Generic[Kept]):
    """A pass over a stream: its rules by label, and what it cost.

    Args:
        runs: one for each rule.
        available: frames that the stream has, as far as it was read.
        seconds: by part.
        unread: why the stream could not be read to its end, if so.
    """

    runs: Mapping[str, RuleRun[Kept]]
    available: int = 0
    seconds: Seconds = field(default_factory=Seconds)
    unread: Exception | None = None

    def demand_a_result(self) -> None:
        """Refuse a pass that nothing came of.

        Raises:
            ValueError: if the stream gave no frame.
            Exception: that the stream could not be read to its end; or, where no rule came to the end, that of the first.
        """
        if self.unread is not None:
            raise self.unread
        if not self.available:
            raise ValueError("there was no frame to run rules on; give a sequence of at least one that can be read")
        stops = [run.stop for run in self.runs.values()]
        if stops[0] is not None and None not in stops:
            raise stops[0].error


OnSteps = Callable[[int, Mapping[str, Step]], None]
"""Called with the number of frames done and the steps of the last one, of the rules that are still running."""


def run_pass(
    network: RecurrentNetwork,
    runs: Mapping[str, RuleRun[Kept]],
    stream: Generator[Shown[Any], None, None],
    outputs: Outputs,
    chunk: int = 1,
    on_frame: OnSteps = lambda frames, steps: None,
) -> Pass[Kept]:
    """Run all rules over a stream, each frame encoded once.

    A rule that fails is stopped with a status, keeping the frames before; if a failure concerns all of them together (memory
    runs out), they go on one by one. A frame that cannot be read stops all.

    Args:
        network: shared by the rules.
        runs: the rules by label, at least one.
        stream: the frames; closed at the end.
        outputs: which heads run.
        chunk: frames that are encoded and read out together, where no rule looks at the readout.
        on_frame: called after each frame.

    Raises:
        ValueError: for a chunk below 1.
    """
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1 frame, got {chunk}")
    done, groups = Pass(runs), [_Group(tuple(runs))]
    with closing(stream):
        for block in _blocks(stream, chunk, done):
            steps: list[dict[str, Step]] = [{} for _ in block]
            turn = _Turn(network, done, outputs, chunk)
            groups = [left for group in groups for left in turn.take(group, list(zip(block, steps, strict=True)))]
            for one in steps:
                done.available += 1
                on_frame(done.available, one)
            if not groups:
                break
    if done.unread is not None:
        for run in runs.values():
            run.stop = run.stop or stop_of_reading(done.unread)
    return done


def _blocks(stream: Iterator[Shown[Any]], chunk: int, done: Pass[Kept]) -> Iterator[list[Shown[Any]]]:
    """Up to `chunk` frames at a time; those before one that cannot be read come first."""
    while done.unread is None:
        block: list[Shown[Any]] = []
        try:
            with done.seconds.spent("reading"):
                for shown in islice(stream, chunk):
                    block.append(shown)
        except Exception as error:
            done.unread = error
        if not block:
            return
        yield block


class _Group:
    """Rules that share a batch: their rollout goes on from block to block, and frames are handed to it."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.waiting: deque[Frame] = deque()
        self.steps: Iterator[dict[str, Step]] | None = None

    def frames(self) -> Iterator[Frame]:
        """What was handed in; where nothing is left, the rollout ends, and the next block begins another one."""
        while self.waiting:
            yield self.waiting.popleft()
        self.steps = None


Block = Sequence[tuple[Shown[Any], dict[str, Step]]]
"""Frames, each with the place where its steps are put."""


@dataclass(frozen=True)
class _Turn(Generic[Kept]):
    """What a block of frames is run with."""

    network: RecurrentNetwork
    done: Pass[Kept]
    outputs: Outputs
    chunk: int

    def take(self, group: _Group, block: Block) -> list[_Group]:
        """Feed frames to the rules of a group; the groups that go on."""
        runs = {label: self.done.runs[label] for label in group.labels}
        group.waiting.extend(shown.frame for shown, _ in block)
        rollout = group.steps
        for number, (shown, kept) in enumerate(block):
            try:
                with self.done.seconds.spent("network"):
                    if rollout is None:
                        rollout = group.steps = self._rollout(group, runs)
                    steps = next(rollout)
            except Exception as error:
                return self._apart(group.labels, block[number:], error)
            with self.done.seconds.spent("measuring"):
                for label, run in runs.items():
                    run.observe(shown, steps[label])
            kept.update(steps)
            left = [label for label, run in runs.items() if run.stop is None]
            if len(left) < len(runs):
                return self.take(_Group(left), block[number + 1 :]) if left else []
        return [group]

    def _rollout(self, group: _Group, runs: Mapping[str, RuleRun[Kept]]) -> Iterator[dict[str, Step]]:
        """From the memories of the frame before."""
        memories = {label: run.memory for label, run in runs.items() if run.memory is not None}
        looks = any(Needs.READOUT in run.rule.needs for run in runs.values())
        return rollout_rules(
            self.network,
            {label: run.rule for label, run in runs.items()},
            group.frames(),
            memories=memories or None,
            reset_every={label: run.reset for label, run in runs.items()},
            outputs=self.outputs,
            chunk=1 if looks else self.chunk,
        )

    def _apart(self, labels: Sequence[str], block: Block, error: Exception) -> list[_Group]:
        """One rule is to blame, or all together need too much memory: try one by one, a frame at a time."""
        first, rest = block[:1], block[1:]
        if len(labels) == 1 and not rest:
            self.done.runs[labels[0]].stop = stop_of(error)
            return []
        alone = [left.labels[0] for label in labels for left in self.take(_Group([label]), first)]
        apart = [[label] for label in alone] if isinstance(error, MemoryError) else [alone] if alone else []
        return [left for some in apart for left in self.take(_Group(some), rest)]
