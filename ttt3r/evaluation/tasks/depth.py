"""Video depth, judged strictly, as published, or both, in flat memory: the judged pixels wait on disk."""

from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from ttt3r.evaluation.measures.base import Measure, Measurement, nothing
from ttt3r.evaluation.measures.depth import StrictDepth
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.metrics.depth.errors import resize_depth
from ttt3r.evaluation.metrics.depth.pixels import DepthPixels, DepthSpool, evenly_spread
from ttt3r.evaluation.tasks.base import FrameResult, Recorder, Task
from ttt3r.types import Outputs

PLAUSIBLE = (0.1, 200.0)
"""Metres between which the median of a true depth lies, indoors or on a road; beyond, the scale of the files is suspected."""


@dataclass(frozen=True)
class DepthTask(Task):
    """Predicted and true depth of valid pixels, the prediction brought to the size of the truth.

    Args:
        measures: how they are judged.
        max_depth: of the truth, metres; `None` for no limit.
        samples: judged pixels of a frame, evenly spread over the valid ones; `None` for all, as the published numbers need.
        single: the truth is rounded to float32, as published for Sintel.
    """

    measures: tuple[Measure[DepthPixels], ...] = (StrictDepth(),)
    max_depth: float | None = None
    samples: int | None = 2_000
    single: bool = False

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those of all measures."""
        return tuple(metric for measure in self.measures for metric in measure.metrics)

    @property
    def outputs(self) -> Outputs:
        """Points in the camera's frame: depth is their third coordinate."""
        return Outputs.POINTS_CAMERA

    def record(self, resources: ExitStack) -> Recorder:
        """Keeps two numbers a frame in memory, the judged pixels on disk."""
        return _Depths(self, resources.enter_context(DepthSpool()))


class _Depths(Recorder):
    def __init__(self, task: DepthTask, spool: DepthSpool) -> None:
        self._task, self._spool = task, spool
        self._medians: list[float] = []
        self._errors: list[str] = []
        self._nothing = np.zeros(0, np.float32), np.zeros(0, np.float32 if task.single else np.float64)

    def observe(self, seen: FrameResult) -> None:
        self._errors.append(seen.depth_error)
        if seen.true_depth is None:
            self._medians.append(np.nan)
            self._spool.add_pixels(*self._nothing)
            return
        self._medians.append(seen.true_depth.median)
        places, metres = seen.true_depth.places, seen.true_depth.metres
        truth = metres.ravel()[places].astype(self._nothing[1].dtype)
        if self._task.max_depth is not None:
            near = truth < self._task.max_depth
            places, truth = places[near], truth[near]
        chosen = evenly_spread(len(places), self._task.samples)
        depth = resize_depth(seen.step.reconstruction.depth.float().cpu().numpy(), metres.shape)
        self._spool.add_pixels(depth.ravel()[places[chosen]], truth[chosen])

    def measure(self, frames: int) -> tuple[Measurement, ...]:
        broken = next((error for error in self._errors[:frames] if error), "")
        if broken:
            return tuple(nothing(measure.names, Status.UNREADABLE, broken) for measure in self._task.measures)
        pixels = self._spool.pixels().first(frames)
        found = tuple(measure(pixels) for measure in self._task.measures)
        covered = int((np.diff(pixels.ends, prepend=0) > 0).sum())
        return tuple(_remarked(one, *self._verdict(frames, covered)) for one in found)

    def _verdict(self, frames: int, covered: int) -> tuple[Status, str]:
        """What has to be said beside numbers that could be computed."""
        if covered == 0:
            return Status.INVALID_TRUTH, ""
        median = float(np.nanmedian(self._medians[:frames]))
        if not PLAUSIBLE[0] < median < PLAUSIBLE[1]:
            return (
                Status.INVALID_TRUTH,
                f"the median true depth is {median:.4g} m; is the scale of the depth files right?",
            )
        missing = frames - covered
        return Status.OK, f"{missing} of {frames} frames have no true depth and are left out" if missing else ""


def _remarked(found: Measurement, status: Status, note: str) -> Measurement:
    numbers = [
        replace(one, status=status, note=note) if one.status is Status.OK and note else one for one in found.numbers
    ]
    return Measurement(tuple(numbers), found.frames)
