"""Camera trajectories, judged strictly, as published, or both."""

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.measures.base import Measure, Measurement
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.measures.trajectory import Cameras, StrictTrajectory
from ttt3r.evaluation.tasks.base import FrameResult, Recorder, Task
from ttt3r.types import Outputs


@dataclass(frozen=True)
class CameraTask(Task):
    """Predicted and true cameras, two 4x4 matrices a frame.

    Args:
        measures: how they are judged.
    """

    measures: tuple[Measure[Cameras], ...] = (StrictTrajectory(),)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those of all measures."""
        return tuple(metric for measure in self.measures for metric in measure.metrics)

    @property
    def outputs(self) -> Outputs:
        """Cameras."""
        return Outputs.CAMERA

    def record(self, resources: ExitStack) -> "CameraRecorder":
        """Keeps everything in memory: 256 bytes a frame."""
        return CameraRecorder(self.measures)


class CameraRecorder(Recorder):
    """Keeps predicted and true cameras, and which frames of the clip they are of; see `CameraTask`."""

    def __init__(self, measures: tuple[Measure[Cameras], ...]) -> None:
        self._measures = measures
        self.predicted: list[Float[np.ndarray, "4 4"]] = []
        self.indices: list[int] = []
        self._true: list[Float[np.ndarray, "4 4"]] = []

    def observe(self, seen: FrameResult) -> None:
        """Take one frame."""
        camera = seen.step.reconstruction.camera_to_world
        assert camera is not None  # it was asked for
        self.predicted.append(camera[0].double().cpu().numpy())
        self.indices.append(seen.item.index)
        self._true.append(seen.camera_to_world)

    def measure(self, frames: int) -> tuple[Measurement, ...]:
        """What each measure says of the first frames."""
        cameras = Cameras(np.stack(self.predicted[:frames]), np.stack(self._true[:frames]))
        return tuple(measure(cameras) for measure in self._measures)
