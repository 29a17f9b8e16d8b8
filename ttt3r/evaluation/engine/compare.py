"""Rules side by side: all in one pass over the same frames, judged by the same ground truth; nothing is written."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np

from ttt3r.data import Clip
from ttt3r.evaluation.engine.comparison import Comparison, ComparisonRow
from ttt3r.evaluation.engine.contenders import Contender, Resets, contenders_of
from ttt3r.evaluation.engine.loop import Pass, RuleRun, run_pass
from ttt3r.evaluation.engine.passes import ClipFrame, ClipRecord, clip_frames
from ttt3r.evaluation.engine.prefixes import judge
from ttt3r.evaluation.measures.depth import StrictDepth
from ttt3r.evaluation.measures.gains import equal_gain_constant
from ttt3r.evaluation.measures.trajectory import AlignedTrajectory
from ttt3r.evaluation.metrics.depth.alignment import MedianScale
from ttt3r.evaluation.tasks.base import outputs_of
from ttt3r.evaluation.tasks.cameras import CameraRecorder, CameraTask
from ttt3r.evaluation.tasks.depth import DepthTask
from ttt3r.evaluation.tasks.gains import GainRecorder, GainTask
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.types import Step
from ttt3r.update_rules.base import StateUpdateRule

CAMERA_TASK, GAIN_TASK = CameraTask((AlignedTrajectory(),)), GainTask()
"""Cameras of a comparison: ATE and RPE after Sim(3); and the gains."""
DEPTH_TASK = DepthTask((StrictDepth((("median", MedianScale()),)),), samples=10_000, single=True)
"""Depth of a comparison: AbsRel after one median scale, of 10,000 pixels a frame."""

OnClipSteps = Callable[[str, Mapping[str, Step]], None]
"""Called with the clip's name and the steps of each frame, for progress bars."""


def compare(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    clips: Sequence[Clip],
    *,
    lengths: Sequence[int] | None = None,
    reset_every: Resets = None,
    controls: bool = False,
    chunk: int = 1,
    on_frame: OnClipSteps = lambda clip, steps: None,
) -> Comparison:
    """Run all rules over each clip in one pass and judge them on prefixes of it: `evaluate`, in memory.

    One run at the largest length serves all shorter ones, since the recurrence is causal. A rule that fails has rows without
    numbers from there on, which say why; the others go on.

    Args:
        network: shared by the rules; each frame is encoded once.
        rules: by the name that the table shows.
        clips: sequences with ground truth. Frames without a true pose (not finite) are run, but no trajectory error is
            taken of them; the row's note says how many there are.
        lengths: prefixes to judge, in frames; by default the whole clip. A longer one than the clip is the whole clip.
        reset_every: as in `rollout_rules`.
        controls: run each clip a second time, with a constant rate for every gate: its mean gain on that clip. These rules
            are called `control of NAME`; they reset as NAME does.
        chunk: as in `rollout_rules`.
        on_frame: called with the clip's name and the steps of each frame, for progress bars.

    Raises:
        ValueError: for a clip without cameras, two clips of one name, a length below 2, or as the source raises at a frame
            that cannot be read.
        BadStep: if no rule came to the end of a clip; any other error of a rule likewise.
    """
    if lengths is not None and min(lengths) < 2:
        raise ValueError(f"a trajectory needs at least 2 frames, got the lengths {list(lengths)}")
    names = [clip.name for clip in clips]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"two clips are called {twice[0]}; give each another name, or compare them one by one")
    if blind := [clip.name for clip in clips if clip.camera_to_world is None]:
        raise ValueError(f"clip {blind[0]} has no true cameras; compare needs a sequence with ground truth")
    asked, result = contenders_of(rules, reset_every), Comparison((), {}, {}, {})
    for clip in clips:
        run = _Run(network, clip, None if lengths is None else tuple(lengths), chunk, on_frame)
        found, gates = run.of(asked)
        if controls and gates:
            found = found.extended(run.of(gates)[0])
        result = result.extended(found)
    return result


@dataclass(frozen=True)
class _Run:
    """How passes over a clip are made."""

    network: RecurrentNetwork
    clip: Clip
    lengths: tuple[int, ...] | None
    chunk: int
    on_frame: OnClipSteps

    def of(self, contenders: Sequence[Contender]) -> tuple[Comparison, list[Contender]]:
        """One pass of some rules, and the controls of the gates among them.

        Raises:
            Exception: if a frame cannot be read, or no rule came to the end.
        """
        with ExitStack() as resources:
            kept = {who.label: _Kept.of(self.clip, resources) for who in contenders}
            runs = {who.label: RuleRun(who.rule, who.reset, kept[who.label].record) for who in contenders}
            outputs = outputs_of([task for task, _ in kept[contenders[0].label].record.tasks])
            longest = None if self.lengths is None else max(self.lengths)
            frames, indices = clip_frames(self.network, self.clip, longest, outputs), list[int]()
            done = run_pass(
                self.network,
                runs,
                _noting(frames, indices),
                outputs,
                self.chunk,
                lambda _, steps: self.on_frame(self.clip.name, steps),
            )
            done.demand_a_result()
            rows = [row for who in contenders for row in self._rows(who, done)]
        whole = {who: kept[who.label] for who in contenders if runs[who.label].stop is None}
        assert self.clip.camera_to_world is not None  # compare has seen to it
        name = self.clip.name
        found = Comparison(
            tuple(rows),
            {(name, who.label): np.stack(one.cameras.predicted) for who, one in whole.items()},
            {name: self.clip.camera_to_world[indices]},
            {name: self.clip.timestamps[indices]},
            {(name, who.label): tuple(one.gains.frame_gains) for who, one in whole.items()},
        )
        return found, [control for who, one in whole.items() for control in one.control_of(who)]

    def _rows(self, who: Contender, done: Pass[ClipRecord]) -> list[ComparisonRow]:
        """A rule at every length that the clip has."""
        lengths = sorted({min(length, done.available) for length in self.lengths or [done.available]})
        judged = judge(lengths, done.available, done.runs[who.label])
        seconds = done.seconds.network / done.available
        return [
            ComparisonRow.of(
                (self.clip.name, who.label, who.control_of),
                length,
                {one.number.metric: one.number for one in judged if one.length == length},
                seconds,
            )
            for length in lengths
        ]


@dataclass(frozen=True)
class _Kept:
    """What is kept of a rule's pass: cameras and gains, and what the depth is judged by where there is a truth."""

    cameras: CameraRecorder
    gains: GainRecorder
    record: ClipRecord

    @classmethod
    def of(cls, clip: Clip, resources: ExitStack) -> "_Kept":
        cameras, gains = CAMERA_TASK.record(resources), GAIN_TASK.record(resources)
        depth = () if clip.depth_files is None else ((DEPTH_TASK, DEPTH_TASK.record(resources)),)
        return cls(cameras, gains, ClipRecord(((CAMERA_TASK, cameras), (GAIN_TASK, gains), *depth)))

    def control_of(self, gate: Contender) -> list[Contender]:
        """The constant of equal mean gain, if the rule is a gate."""
        summary = self.gains.summaries[-1]
        constant = equal_gain_constant(summary.gain_mean, summary.gain_std)
        return [] if constant is None else [gate.control(constant)]


def _noting(frames: Generator[ClipFrame, None, None], indices: list[int]) -> Generator[ClipFrame, None, None]:
    """The frames; which of the clip they are is entered into a list."""
    with closing(frames):
        for shown in frames:
            indices.append(shown.item.index)
            yield shown
