"""Rules side by side: all in one pass over the same frames, judged by the same ground truth; nothing is written."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from ttt3r.data import Clip
from ttt3r.evaluation.engine.comparison import Comparison
from ttt3r.evaluation.engine.contenders import Contender, Resets, contenders_of
from ttt3r.evaluation.engine.loop import Pass, RuleRun
from ttt3r.evaluation.engine.passes import ClipRecord, run_clip
from ttt3r.evaluation.engine.prefixes import judge
from ttt3r.evaluation.engine.provenance import costs_of
from ttt3r.evaluation.measures.cost import PASS_COSTS
from ttt3r.evaluation.measures.depth import MEDIAN_DEPTH
from ttt3r.evaluation.measures.trajectory import AlignedTrajectory
from ttt3r.evaluation.results.canonical import stable_hash
from ttt3r.evaluation.results.rows import Subject, UnitResult
from ttt3r.evaluation.tasks.cameras import CameraTask
from ttt3r.evaluation.tasks.depth import DepthTask
from ttt3r.evaluation.tasks.gains import GainTask
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.types import Step
from ttt3r.update_rules.base import StateUpdateRule

CAMERA_TASK, GAIN_TASK = CameraTask((AlignedTrajectory(),)), GainTask()
"""Cameras of a comparison: ATE and RPE after Sim(3); and the gains."""
DEPTH_TASK = DepthTask((MEDIAN_DEPTH,), samples=10_000, single=True)
"""Depth of a comparison: AbsRel after one median scale, of 10,000 pixels a frame."""
METRICS = (*CAMERA_TASK.metrics, *GAIN_TASK.metrics, *DEPTH_TASK.metrics)
"""What is measured of a clip."""
HASH = stable_hash((CAMERA_TASK, GAIN_TASK, DEPTH_TASK))
"""Stands for the tasks in the rows."""

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
    asked, result = contenders_of(rules, reset_every), Comparison()
    for clip in clips:
        run = _Run(network, clip, tuple(lengths or ()), chunk, on_frame)
        found = run.of(asked)
        gates = zip(asked, found.units, strict=True) if controls else ()
        if constants := [one for gate, unit in gates for one in gate.controls_after(unit)]:
            found = found.extended(run.of(constants))
        result = result.extended(found)
    return result


@dataclass(frozen=True)
class _Run:
    """How passes over a clip are made."""

    network: RecurrentNetwork
    clip: Clip
    lengths: tuple[int, ...]
    chunk: int
    on_frame: OnClipSteps

    def of(self, contenders: Sequence[Contender]) -> Comparison:
        """One pass of some rules.

        Raises:
            Exception: if a frame cannot be read, or no rule came to the end.
        """
        name, labels = self.clip.name, [who.label for who in contenders]
        assert self.clip.camera_to_world is not None  # compare has seen to it
        with ExitStack() as resources:
            depth = () if self.clip.depth_files is None else (DEPTH_TASK,)
            cameras = {label: CAMERA_TASK.record(resources) for label in labels}
            gains = {label: GAIN_TASK.record(resources) for label in labels}
            runs: dict[str, RuleRun[ClipRecord]] = {}
            for who in contenders:
                recorders = (CAMERA_TASK, cameras[who.label]), (GAIN_TASK, gains[who.label])
                kept = ClipRecord((*recorders, *ClipRecord.of(depth, resources).tasks))
                runs[who.label] = RuleRun(who.rule, who.reset, kept)
            longest = max(self.lengths, default=None)
            done = run_clip(
                self.network, self.clip, runs, longest, self.chunk, lambda _, steps: self.on_frame(name, steps)
            )
            done.demand_a_result()
            units = tuple(self._unit(who, done) for who in contenders)
        whole = [label for label in labels if runs[label].stop is None]
        shown = cameras[whole[0]].indices
        return Comparison(
            units,
            {(name, label): np.stack(cameras[label].predicted) for label in whole},
            {name: self.clip.camera_to_world[shown]},
            {name: self.clip.timestamps[shown]},
            {(name, label): tuple(gains[label].frame_gains) for label in whole},
        )

    def _unit(self, who: Contender, done: Pass[ClipRecord]) -> UnitResult:
        """A rule at every length that the clip has."""
        lengths = sorted({min(length, done.available) for length in self.lengths or [done.available]})
        subject = Subject("compare", HASH, who.label, "", self.clip.name, self.clip.name, who.control_of)
        rows = tuple(one.row(subject) for one in judge(lengths, done.available, done.runs[who.label]))
        return UnitResult(rows, costs=costs_of(done), metrics=(*METRICS, *PASS_COSTS))
