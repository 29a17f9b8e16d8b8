"""A clip as the engine shows it, read ahead, and what is kept of one rule's pass over it."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Float

from ttt3r.data import Clip, SourceFrame
from ttt3r.data.frames.prefetch import read_ahead
from ttt3r.evaluation.engine.loop import OnSteps, Pass, RuleRun, Shown, run_pass
from ttt3r.evaluation.results.stops import stop_of_reading
from ttt3r.evaluation.tasks.base import FrameResult, Observer, Recorder, Task, TrueDepth, outputs_of
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.types import Frame, Outputs, Step

AHEAD = 2
"""Frames that are read with their truth while the network works on those before."""


@dataclass(frozen=True)
class ClipFrame(Shown[FrameResult]):
    """A frame of a clip and the truth about it; fields as in `FrameResult`."""

    item: SourceFrame
    clip: Clip
    camera_to_world: Float[np.ndarray, "4 4"]
    true_depth: TrueDepth | None
    depth_error: str = ""

    @property
    def frame(self) -> Frame:
        """The prepared image."""
        return Frame(image=self.item.image)

    def seen_by(self, step: Step) -> FrameResult:
        """The same beside the result of a rule."""
        return FrameResult(step, self.item, self.clip, self.camera_to_world, self.true_depth, self.depth_error)


def clip_frames(
    network: RecurrentNetwork, clip: Clip, frames: int | None, outputs: Outputs
) -> Generator[ClipFrame, None, None]:
    """The first frames of a clip, read ahead by a thread.

    Args:
        network: for whose device images are made ready.
        clip: with what is known of it.
        frames: how many; `None` for all.
        outputs: true depth is read where points are asked for.
    """
    pin = network.initial_memory(1).state.device.type == "cuda"
    with_depth = Outputs.POINTS_CAMERA in outputs

    def read() -> Generator[ClipFrame, None, None]:
        with closing(iter(clip.source)) as source:
            for item in islice(source, frames):
                yield _with_truth(clip, item.pinned() if pin else item, with_depth)

    return read_ahead(read(), AHEAD)


def _with_truth(clip: Clip, item: SourceFrame, with_depth: bool) -> ClipFrame:
    cameras = clip.camera_to_world
    camera = np.full((4, 4), np.nan) if cameras is None else cameras[item.index].astype(np.float64)
    if not with_depth:
        return ClipFrame(item, clip, camera, None)
    try:
        depth = clip.visible_depth(item.index)
        return ClipFrame(item, clip, camera, None if depth is None else TrueDepth(depth))
    except Exception as error:
        return ClipFrame(item, clip, camera, None, stop_of_reading(error).note)


@dataclass(frozen=True)
class ClipRecord(Observer[FrameResult]):
    """What is kept of one rule's pass over a clip.

    Args:
        tasks: what is judged, each with its recorder.
        others: what else looks on.
    """

    tasks: Sequence[tuple[Task, Recorder]]
    others: Sequence[Observer[FrameResult]] = ()

    @classmethod
    def of(cls, tasks: Sequence[Task], resources: ExitStack, *others: Observer[FrameResult]) -> "ClipRecord":
        """With a new recorder for each task; what these open is closed with `resources`."""
        return cls(tuple((task, task.record(resources)) for task in tasks), others)

    def observe(self, seen: FrameResult) -> None:
        """Take one frame."""
        for _, recorder in self.tasks:
            recorder.observe(seen)
        for other in self.others:
            other.observe(seen)


def run_clip(
    network: RecurrentNetwork,
    clip: Clip,
    runs: Mapping[str, RuleRun[ClipRecord]],
    frames: int | None,
    chunk: int,
    on_frame: OnSteps,
) -> Pass[ClipRecord]:
    """Run rules over the first frames of a clip, see `run_pass`; the heads run that their tasks need.

    Args:
        network: shared by the rules.
        clip: with what is known of it.
        runs: the rules by label.
        frames: how many; `None` for all.
        chunk: frames that are encoded and read out together.
        on_frame: called after each frame.
    """
    outputs = outputs_of(task for run in runs.values() for task, _ in run.kept.tasks)
    return run_pass(network, runs, clip_frames(network, clip, frames, outputs), outputs, chunk, on_frame)
