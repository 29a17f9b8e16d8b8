"""Camera trajectories: ATE after Sim(3) alignment, and RPE between neighbouring frames."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.modes import InvalidTruth, Mode
from ttt3r.evaluation.rows import Status
from ttt3r.evaluation.tasks import Measurement, Moment, Recorder, Task
from ttt3r.evaluation.trajectory import DegenerateTrajectory, trajectory_errors
from ttt3r.types import Outputs

NAN = float("nan")


@dataclass(frozen=True)
class CameraErrors(Task):
    """`ate` (m), `rpe_translation` (m), `rpe_rotation_degrees`, `alignment_scale` (true metres per predicted metre)."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the rows."""
        return "ate", "rpe_translation", "rpe_rotation_degrees", "alignment_scale"

    @property
    def outputs(self) -> Outputs:
        """Cameras."""
        return Outputs.CAMERA

    def record(self, mode: Mode, workspace: Path) -> Recorder:
        """Keeps two 4x4 matrices a frame."""
        return _Cameras(self, mode)


class _Cameras(Recorder):
    def __init__(self, task: CameraErrors, mode: Mode) -> None:
        self._task, self._mode = task, mode
        self._predicted: list[Float[np.ndarray, "4 4"]] = []
        self._true: list[Float[np.ndarray, "4 4"]] = []

    def observe(self, moment: Moment) -> None:
        camera = moment.step.reconstruction.camera_to_world
        assert camera is not None  # it was asked for
        self._predicted.append(camera[0].double().cpu().numpy())
        truth = moment.camera_to_world
        self._true.append(np.full((4, 4), NAN) if truth is None else truth.astype(np.float64))

    def measure(self, frames: int) -> tuple[Measurement, ...]:
        predicted, truth = np.stack(self._predicted[:frames]), np.stack(self._true[:frames])
        valid = np.asarray(np.isfinite(truth).all(axis=(1, 2)))
        if not valid.any():
            return self._failed(0, Status.INVALID_TRUTH, "the sequence has no true cameras")
        try:
            judged = self._mode.judged(valid)
            errors = trajectory_errors(predicted[judged], truth[judged])
        except InvalidTruth as error:
            return self._failed(int(valid.sum()), Status.INVALID_TRUTH, str(error))
        except DegenerateTrajectory as error:
            return self._failed(int(valid.sum()), Status.DEGENERATE, str(error))
        except (ValueError, np.linalg.LinAlgError) as error:
            return self._failed(int(valid.sum()), Status.NON_FINITE, str(error))
        count, missing = int(judged.sum()), int((~judged).sum())
        note = f"{missing} of {frames} frames have no valid true camera and are left out" if missing else ""
        values = errors.ate, errors.rpe_translation, errors.rpe_rotation_degrees, errors.scale
        return tuple(
            Measurement(metric, value, count, note=note)
            for metric, value in zip(self._task.metrics, values, strict=True)
        )

    def _failed(self, frames: int, status: Status, note: str) -> tuple[Measurement, ...]:
        return tuple(Measurement(metric, NAN, frames, status, note) for metric in self._task.metrics)
