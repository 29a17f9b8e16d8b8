"""How the cameras of a sequence are measured, strictly; and what of it is cheap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.measures.base import Measure, Measurement, Missing, measurement, nothing
from ttt3r.evaluation.measures.metric import Family, Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.metrics.trajectory.errors import (
    ErrorStatistics,
    absolute_errors,
    last_window_error,
    moving_window,
    path_length,
    trajectory_errors,
)
from ttt3r.evaluation.metrics.trajectory.relative import frame_pairs, relative_errors, rotation_auc, segment_errors
from ttt3r.evaluation.metrics.trajectory.similarity import (
    DegenerateTrajectory,
    FirstCameraAlignment,
    SE3Alignment,
    Sim3Alignment,
    TrajectoryAlignment,
    demand_motion,
)


@dataclass(frozen=True)
class Cameras:
    """Predicted and true cameras of a sequence.

    Args:
        predicted: `camera_to_world`, in any world and scale.
        truth: `camera_to_world` of the same frames, metres; not finite where it is unknown.

    Raises:
        ValueError: if the numbers of frames differ.
    """

    predicted: Float[np.ndarray, "frame 4 4"]
    truth: Float[np.ndarray, "other 4 4"]

    def __post_init__(self) -> None:
        if len(self.predicted) != len(self.truth):
            raise ValueError(
                f"{len(self.predicted)} predicted poses meet {len(self.truth)} true ones; pair them by timestamp first"
            )


def _error(name: str, heading: str, unit: str, digits: int) -> Metric:
    return Metric(name, heading, unit, False, Family.TRAJECTORY, ratio=True, digits=digits)


ATE = replace(_error("ate", "ATE", "m", 4), published="ate")


RPE_TRANSLATION = replace(_error("rpe_translation", "RPE", "m", 4), published="rpe_translation")


RPE_ROTATION = replace(_error("rpe_rotation_degrees", "RPE", "deg", 3), published="rpe_rotation_degrees")


"""The three numbers of the published tables; the exact ones are the same but for rounding."""


_ALIGNMENTS: tuple[tuple[Metric, TrajectoryAlignment], ...] = (
    (ATE, Sim3Alignment()),
    (ATE.variant("se3"), SE3Alignment()),
    (ATE.variant("scale"), FirstCameraAlignment(with_scale=True)),
)


_PER_PATH = _error("ate_per_path", "ATE / path", "", 4)


_SCALE = Metric("scale_error", "|ln scale|", "", False, Family.TRAJECTORY)


_ABSOLUTE = (*(metric for metric, _ in _ALIGNMENTS), _PER_PATH, _SCALE)


_RELATIVE = (RPE_TRANSLATION, RPE_ROTATION)


_DRIFT = (_error("drift", "drift", "m", 3), _error("drift_per_metre", "drift per metre", "", 4))


_SEGMENTS = (
    _error("segment_translation_percent", "segments", "%", 2),
    _error("segment_rotation_degrees_per_metre", "segments", "deg/m", 4),
)


@dataclass(frozen=True)
class StrictTrajectory(Measure[Cameras]):
    """Float64, without rounding; frames without a true pose are left out, and the others keep their distances in time.

    `ate` is after Sim(3), `ate/se3` after a rigid alignment, `ate/scale` with the first cameras laid on each other and the
    scale fitted; `ate_per_path` is `ate` over the length of the true path; `scale_error` is |ln s|; `drift` is the error of
    the last window after an alignment on the first in which the camera moves. Positions in one place or on one line, to
    rounding, are degenerate. Translations of RPE and segments are in true metres by the scale of Sim(3).

    Args:
        distances: of the relative errors, frames; the first has no suffix if it is 1.
        window: frames of the first and of the last window of `drift`.
        segments: lengths of the KITTI segments, metres; none for indoor sequences.
        auc_degrees: largest threshold of the relative rotation.
    """

    distances: tuple[int, ...] = (1, 5, 10, 50)
    window: int = 50
    segments: tuple[float, ...] = ()
    auc_degrees: float = 30.0

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured."""
        relative = [_at(metric, delta) for delta in self.distances for metric in _RELATIVE]
        segments = _SEGMENTS if self.segments else ()
        return (*_ABSOLUTE, *relative, self._auc, *_DRIFT, *segments)

    @property
    def _auc(self) -> Metric:
        limit = f"{self.auc_degrees:g}"
        return Metric(f"rotation_auc_{limit}", f"AUC {limit}", "", True, Family.TRAJECTORY, quantity="rotation_auc")

    def __call__(self, sample: Cameras) -> Measurement:
        """The numbers of a sequence."""
        bad = ~np.isfinite(sample.predicted).all(axis=(1, 2))
        if bad.any():
            return nothing(
                self.names, Status.NON_FINITE, f"the predicted pose of frame {int(np.argmax(bad))} is not finite"
            )
        known = np.flatnonzero(np.isfinite(sample.truth).all(axis=(1, 2)))
        if len(known) < 2:
            status = Status.TOO_SHORT if len(sample.truth) < 2 else Status.INVALID_TRUTH
            return nothing(
                self.names, status, f"{len(known)} of {len(sample.truth)} frames have a true pose; 2 are needed"
            )
        predicted, truth = sample.predicted[known].astype(np.float64), sample.truth[known].astype(np.float64)
        values = {**_absolute(predicted, truth), **self._relative(predicted, truth, known)}
        values[self._auc.name] = rotation_auc(predicted, truth, self.auc_degrees)
        values.update(_named(_DRIFT, self._drift(predicted, truth)))
        if self.segments:
            values.update(self._segments(predicted, truth))
        missing = len(sample.truth) - len(known)
        note = f"{missing} of {len(sample.truth)} frames have no true pose and are left out" if missing else ""
        return measurement({name: values[name] for name in self.names}, len(known), note)

    def _relative(
        self,
        predicted: Float[np.ndarray, "frame 4 4"],
        truth: Float[np.ndarray, "frame 4 4"],
        known: np.ndarray,
    ) -> dict[str, float | Missing]:
        scale, values = _scale(predicted, truth), dict[str, float | Missing]()
        for delta in self.distances:
            pairs = frame_pairs(known, delta)
            errors = relative_errors(predicted, truth, pairs, 1.0 if isinstance(scale, Missing) else scale)
            short = Missing(Status.TOO_SHORT, f"no two true poses are {delta} frames apart")
            translation = scale if isinstance(scale, Missing) else ErrorStatistics.of(errors.translation).rmse
            rotation = ErrorStatistics.of(errors.rotation_degrees).rmse
            for metric, value in zip(_RELATIVE, (translation, rotation), strict=True):
                values[_at(metric, delta).name] = value if len(pairs) else short
        return values

    def _drift(
        self, predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]
    ) -> tuple[float | Missing, float | Missing]:
        if len(truth) < 2 * self.window:
            short = Missing(
                Status.TOO_SHORT, f"two windows need {2 * self.window} frames with a true pose, not {len(truth)}"
            )
            return short, short
        window = moving_window(truth, self.window, self.window)
        if window is None:
            reason = f"the camera moves too late: two windows need {2 * self.window} frames after that, of {len(truth)}"
            return (missing := Missing(Status.TOO_SHORT, reason)), missing
        try:
            demand_motion(predicted[window], truth[window])
            drift = last_window_error(predicted, truth, self.window, self.window)
        except DegenerateTrajectory as error:
            return (missing := Missing(Status.DEGENERATE, f"the window on which drift is aligned: {error}")), missing
        return drift, drift / path_length(truth)

    def _segments(
        self, predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]
    ) -> dict[str, float | Missing]:
        scale = _scale(predicted, truth)
        if isinstance(scale, Missing):
            return _named(_SEGMENTS, (scale, scale))
        errors = segment_errors(predicted, truth, scale, self.segments)
        if errors.segments == 0:
            reason = f"the true path of {path_length(truth):.3g} m is shorter than every segment"
            return _named(_SEGMENTS, (missing := Missing(Status.TOO_SHORT, reason), missing))
        return _named(_SEGMENTS, (errors.translation_percent, errors.rotation_degrees_per_metre))


def _at(metric: Metric, delta: int) -> Metric:
    return metric if delta == 1 else metric.variant(str(delta))


def _named(metrics: Sequence[Metric], values: Sequence[float | Missing]) -> dict[str, float | Missing]:
    return {metric.name: value for metric, value in zip(metrics, values, strict=True)}


def _scale(predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]) -> float | Missing:
    try:
        demand_motion(predicted, truth)
        return Sim3Alignment().fit(predicted, truth).scale
    except DegenerateTrajectory as error:
        return Missing(Status.DEGENERATE, str(error))


def _absolute(
    predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]
) -> dict[str, float | Missing]:
    scale = _scale(predicted, truth)
    if isinstance(scale, Missing):
        return _named(_ABSOLUTE, [scale] * len(_ABSOLUTE))
    errors = [absolute_errors(predicted, truth, alignment.fit(predicted, truth)) for _, alignment in _ALIGNMENTS]
    aligned = [ErrorStatistics.of(error).rmse for error in errors]
    log_scale = abs(math.log(scale)) if scale > 0 else math.nan
    return _named(_ABSOLUTE, [*aligned, aligned[0] / path_length(truth), log_scale])


@dataclass(frozen=True)
class AlignedTrajectory(Measure[Cameras]):
    """ATE and RPE between neighbours, after Sim(3): of `StrictTrajectory` what is cheap, and nothing where no Sim(3) fits."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured."""
        return (ATE, RPE_TRANSLATION, RPE_ROTATION)

    def __call__(self, sample: Cameras) -> Measurement:
        """The numbers of a sequence."""
        known = np.flatnonzero(np.isfinite(sample.truth).all(axis=(1, 2)))
        predicted, truth = sample.predicted[known], sample.truth[known]
        missing = len(sample.truth) - len(known)
        notes = [f"{missing} of {len(sample.truth)} frames have no true pose and are left out"] if missing else []
        try:
            demand_motion(predicted, truth)
            errors = trajectory_errors(predicted, truth, frames=known)
        except DegenerateTrajectory as error:
            return nothing(self.names, Status.DEGENERATE, "; ".join([*notes, str(error)]))
        if math.isnan(errors.rpe_translation):
            notes.append("no two of the others are neighbours")
        values = (errors.ate, errors.rpe_translation, errors.rpe_rotation_degrees)
        return measurement(dict(zip(self.names, values, strict=True)), len(known), "; ".join(notes))
