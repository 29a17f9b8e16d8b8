"""How the cameras of a sequence are measured: everything of the strict way, and the three published numbers."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.measuring import Lack, Measure, Measurement, measurement, nothing
from ttt3r.evaluation.relative import frame_pairs, relative_errors, rotation_auc, segment_errors
from ttt3r.evaluation.rows import Status
from ttt3r.evaluation.similarity import (
    DegenerateTrajectory,
    FirstCameraAlignment,
    NotFinite,
    SE3Alignment,
    Sim3Alignment,
    TrajectoryAlignment,
    demand_motion,
)
from ttt3r.evaluation.trajectory import (
    ErrorStatistics,
    absolute_errors,
    last_window_error,
    moving_window,
    path_length,
    trajectory_errors,
)
from ttt3r.evaluation.trajectory_official import official_trajectory_report


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


_ALIGNMENTS: dict[str, TrajectoryAlignment] = {
    "ate": Sim3Alignment(),
    "ate/se3": SE3Alignment(),
    "ate/scale": FirstCameraAlignment(with_scale=True),
}


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
    def names(self) -> tuple[str, ...]:
        """Names of the numbers."""
        relative = [f"{name}{_suffix(delta)}" for delta in self.distances for name in _RELATIVE]
        segments = _SEGMENTS if self.segments else ()
        auc = f"rotation_auc_{self.auc_degrees:g}"
        return (*_ALIGNMENTS, "ate_per_path", "scale_error", *relative, auc, "drift", "drift_per_metre", *segments)

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
        values[f"rotation_auc_{self.auc_degrees:g}"] = rotation_auc(predicted, truth, self.auc_degrees)
        values["drift"], values["drift_per_metre"] = self._drift(predicted, truth)
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
    ) -> dict[str, float | Lack]:
        scale, values = _scale(predicted, truth), dict[str, float | Lack]()
        for delta in self.distances:
            pairs = frame_pairs(known, delta)
            errors = relative_errors(predicted, truth, pairs, 1.0 if isinstance(scale, Lack) else scale)
            short = Lack(Status.TOO_SHORT, f"no two true poses are {delta} frames apart")
            translation = scale if isinstance(scale, Lack) else ErrorStatistics.of(errors.translation).rmse
            rotation = ErrorStatistics.of(errors.rotation_degrees).rmse
            for name, value in zip(_RELATIVE, (translation, rotation), strict=True):
                values[f"{name}{_suffix(delta)}"] = value if len(pairs) else short
        return values

    def _drift(
        self, predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]
    ) -> tuple[float | Lack, float | Lack]:
        if len(truth) < 2 * self.window:
            short = Lack(
                Status.TOO_SHORT, f"two windows need {2 * self.window} frames with a true pose, not {len(truth)}"
            )
            return short, short
        window = moving_window(truth, self.window, self.window)
        if window is None:
            reason = f"the camera moves too late: two windows need {2 * self.window} frames after that, of {len(truth)}"
            return (lack := Lack(Status.TOO_SHORT, reason)), lack
        try:
            demand_motion(predicted[window], truth[window])
            drift = last_window_error(predicted, truth, self.window, self.window)
        except DegenerateTrajectory as error:
            return (lack := Lack(Status.DEGENERATE, f"the window on which drift is aligned: {error}")), lack
        return drift, drift / path_length(truth)

    def _segments(
        self, predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]
    ) -> dict[str, float | Lack]:
        scale = _scale(predicted, truth)
        if isinstance(scale, Lack):
            return dict.fromkeys(_SEGMENTS, scale)
        errors = segment_errors(predicted, truth, scale, self.segments)
        if errors.segments == 0:
            reason = f"the true path of {path_length(truth):.3g} m is shorter than every segment"
            return dict.fromkeys(_SEGMENTS, Lack(Status.TOO_SHORT, reason))
        return dict(zip(_SEGMENTS, (errors.translation_percent, errors.rotation_degrees_per_metre), strict=True))


_RELATIVE = ("rpe_translation", "rpe_rotation_degrees")
_SEGMENTS = ("segment_translation_percent", "segment_rotation_degrees_per_metre")


def _suffix(delta: int) -> str:
    return "" if delta == 1 else f"/{delta}"


def _scale(predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]) -> float | Lack:
    try:
        demand_motion(predicted, truth)
        return Sim3Alignment().fit(predicted, truth).scale
    except DegenerateTrajectory as error:
        return Lack(Status.DEGENERATE, str(error))


def _absolute(
    predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]
) -> dict[str, float | Lack]:
    scale = _scale(predicted, truth)
    if isinstance(scale, Lack):
        return dict.fromkeys((*_ALIGNMENTS, "ate_per_path", "scale_error"), scale)
    values = dict[str, float | Lack]()
    for name, alignment in _ALIGNMENTS.items():
        errors = absolute_errors(predicted, truth, alignment.fit(predicted, truth))
        values[name] = ErrorStatistics.of(errors).rmse
    ate = ErrorStatistics.of(absolute_errors(predicted, truth, Sim3Alignment().fit(predicted, truth))).rmse
    return {
        **values,
        "ate_per_path": ate / path_length(truth),
        "scale_error": abs(math.log(scale)) if scale > 0 else math.nan,
    }


@dataclass(frozen=True)
class AlignedTrajectory(Measure[Cameras]):
    """ATE and RPE between neighbours, after Sim(3): of `StrictTrajectory` what is cheap, and nothing where no Sim(3) fits."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the numbers."""
        return ("ate", *_RELATIVE)

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


@dataclass(frozen=True)
class OfficialTrajectory(Measure[Cameras]):
    """The three published numbers, rounded to six decimals as their text files are. One bad pose drops the sequence."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the numbers."""
        return ("official/ate", "official/rpe_translation", "official/rpe_rotation_degrees")

    def __call__(self, sample: Cameras) -> Measurement:
        """The numbers of a sequence."""
        if not np.isfinite(sample.truth).all():
            return nothing(
                self.names, Status.INVALID_TRUTH, "a true pose is not finite; the published run drops the sequence"
            )
        try:
            errors = official_trajectory_report(sample.predicted, sample.truth).errors.rounded()
        except NotFinite as error:
            return nothing(self.names, Status.NON_FINITE, f"{error}; the published run aborts here")
        except DegenerateTrajectory as error:
            return nothing(self.names, Status.DEGENERATE, f"{error}; the published run drops the sequence")
        values = (errors.ate, errors.rpe_translation, errors.rpe_rotation_degrees)
        return measurement(dict(zip(self.names, values, strict=True)), len(sample.truth))
