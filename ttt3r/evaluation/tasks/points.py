"""Point clouds of scenes: predicted points of every view beside the true ones, which wait on disk until they are judged."""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

import numpy as np
import torch
from jaxtyping import Float32

from ttt3r.evaluation.measures.base import Measure, Measurement, nothing
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.measures.points import StrictPoints
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.metrics.points.errors import SceneViews
from ttt3r.evaluation.tasks.base import FrameResult, Recorder, Task
from ttt3r.types import Outputs


@dataclass(frozen=True)
class PointsTask(Task):
    """Points of every pixel: predicted in the world of the stream, true from depth, intrinsics and camera.

    Args:
        measures: how they are judged.
    """

    measures: tuple[Measure[SceneViews], ...] = (StrictPoints(),)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those of all measures."""
        return tuple(metric for measure in self.measures for metric in measure.metrics)

    @property
    def outputs(self) -> Outputs:
        """Points in the world, and cameras for the pictures."""
        return Outputs.CAMERA | Outputs.POINTS_WORLD

    def record(self, resources: ExitStack) -> Recorder:
        """Keeps 24 bytes a pixel on disk, nothing in memory until a prefix is judged."""
        predicted = resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (the stack closes it)
        true = resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        return _Points(self.measures, predicted, true)


class _Points(Recorder):
    """A true point that is not known is NaN."""

    def __init__(self, measures: tuple[Measure[SceneViews], ...], predicted: IO[bytes], true: IO[bytes]) -> None:
        self._measures, self._predicted, self._true = measures, predicted, true
        self._first = np.full((4, 4), np.nan)
        self._shape = (0, 0, 0, 3)
        self._errors: list[str] = []

    def observe(self, seen: FrameResult) -> None:
        points = seen.step.reconstruction.points_world
        assert points is not None  # they were asked for
        found = points[0].float().cpu().numpy()
        if not self._errors:
            self._first = seen.camera_to_world
        truth, error = _true_points(seen, found.shape[:2])
        self._errors.append(seen.depth_error or error)
        self._shape = (self._shape[0] + 1, *found.shape)
        self._predicted.write(found.tobytes())
        self._true.write(truth.tobytes())

    def measure(self, frames: int) -> tuple[Measurement, ...]:
        broken = next((error for error in self._errors[:frames] if error), "")
        if broken or not np.isfinite(self._first).all():
            status = Status.UNREADABLE if broken else Status.INVALID_TRUTH
            note = broken or "the first camera is not known, and everything is measured in its frame"
            return tuple(nothing(measure.names, status, note) for measure in self._measures)
        predicted, truth = (self._read(file)[:frames] for file in (self._predicted, self._true))
        valid = np.asarray(np.isfinite(truth).all(axis=-1))
        views = SceneViews(
            torch.from_numpy(np.where(valid[..., None], truth, 0)),
            torch.from_numpy(valid),
            torch.from_numpy(self._first.astype(np.float32)),
            torch.from_numpy(np.array(predicted)),
        )
        return tuple(measure(views) for measure in self._measures)

    def _read(self, file: IO[bytes]) -> Float32[np.ndarray, "view height width xyz=3"]:
        file.flush()
        return np.asarray(np.memmap(file, np.float32, mode="r", shape=self._shape))


def _true_points(result: FrameResult, size: tuple[int, ...]) -> tuple[Float32[np.ndarray, "height width xyz=3"], str]:
    """World points of the prepared frame's pixels, NaN where unknown; and why the depth cannot be read, if so."""
    clip, index = result.clip, result.item.index
    unknown = np.full((*size, 3), np.nan, np.float32)
    K, image_size = clip.matrix(index), clip.size_of(index)
    if K is None or clip.depth_files is None:
        return unknown, ""
    try:
        depth = clip.prepared_depth(index)
    except (OSError, ValueError) as error:
        return unknown, str(error)
    if depth is None or depth.shape != tuple(size) or not np.isfinite(result.camera_to_world).all():
        return unknown, ""
    if clip.policy is not None and image_size is not None:
        K = clip.policy.intrinsics(K, image_size)
    row, column = np.indices(size, dtype=np.float64)
    rays = np.stack([(column - K[0, 2]) / K[0, 0], (row - K[1, 2]) / K[1, 1], np.ones(size)], axis=-1)
    camera = result.camera_to_world
    world = (rays * depth[..., None]) @ camera[:3, :3].T + camera[:3, 3]
    return np.where((depth > 0)[..., None], world, np.nan).astype(np.float32), ""
