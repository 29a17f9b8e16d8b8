"""Errors of a camera trajectory: absolute (ATE) after alignment by a similarity, and relative from frame to frame (RPE).

Own code in float64; the definitions are those of evo and of the published tables.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ttt3r.evaluation.metrics.trajectory.relative import frame_pairs, relative_errors
from ttt3r.evaluation.metrics.trajectory.similarity import (
    Sim3Alignment,
    Similarity,
    TrajectoryAlignment,
    demand_finite,
)


@dataclass(frozen=True)
class ErrorStatistics:
    """Statistics of the errors of many frames or pairs, in their unit; NaN of none.

    Args:
        rmse: root mean square.
        mean: arithmetic mean.
        median: the mean of the two middle values where the count is even.
        std: standard deviation, divided by the count.
        minimum: smallest.
        maximum: largest.
        sse: sum of squares.
    """

    rmse: float
    mean: float
    median: float
    std: float
    minimum: float
    maximum: float
    sse: float

    @classmethod
    def of(cls, errors: Float[np.ndarray, " error"]) -> "ErrorStatistics":
        """The statistics of some errors."""
        if len(errors) == 0:
            return cls(*[math.nan] * 6, sse=0.0)
        squares = np.square(errors)
        values = squares.mean() ** 0.5, errors.mean(), np.median(errors), errors.std(), errors.min(), errors.max()
        return cls(*(float(value) for value in values), sse=float(squares.sum()))


@dataclass(frozen=True)
class TrajectoryErrors:
    """Errors of one trajectory.

    Args:
        ate: absolute trajectory error: root mean square distance after alignment, metres of the truth.
        rpe_translation: root mean square error of the motion between neighbouring frames, metres per frame.
        rpe_rotation_degrees: root mean square angle of the same, degrees per frame.
        scale: of the alignment: true metres per predicted metre.
        path_length: of the truth, metres.
    """

    ate: float
    rpe_translation: float
    rpe_rotation_degrees: float
    scale: float
    path_length: float

    @property
    def ate_per_path(self) -> float:
        """ATE / length of the true path: comparable between a desk and a street; NaN for a camera that stood still."""
        return self.ate / self.path_length if self.path_length > 0 else math.nan

    @property
    def scale_error(self) -> float:
        """|ln scale|: 0 for a metric prediction, equal for twice and half; NaN if the scale is not positive."""
        return abs(math.log(self.scale)) if self.scale > 0 else math.nan


def trajectory_errors(
    predicted: Float[np.ndarray, "frame 4 4"],
    truth: Float[np.ndarray, "frame 4 4"],
    alignment: TrajectoryAlignment = Sim3Alignment(),
    frames: Int[np.ndarray, " frame"] | None = None,
) -> TrajectoryErrors:
    """ATE after alignment of the positions, and RPE between neighbouring frames.

    ATE = sqrt(mean |s R x_i + t - y_i|^2). With G the true and P the aligned cameras,
    E_i = (G_i^-1 G_{i+1})^-1 (P_i^-1 P_{i+1}); RPE are the root mean squares of its translation and of its angle.

    Args:
        predicted: `camera_to_world`, metres.
        truth: `camera_to_world` of the same frames, metres.
        alignment: what is undone before; it acts on RPE by its scale alone.
        frames: increasing numbers of the frames in the stream, where some of it are left out: neighbours differ by 1.

    Raises:
        ValueError: if the numbers of frames differ.
        NotFinite: if a pose is not finite.
        DegenerateTrajectory: if the positions fix no alignment.
    """
    if len(predicted) != len(truth):
        raise ValueError(
            f"{len(predicted)} predicted poses meet {len(truth)} true ones; pair them with `associate` by timestamp first"
        )
    demand_finite(predicted, "predicted")
    demand_finite(truth, "true")
    motion = alignment.fit(predicted, truth)
    neighbours = frame_pairs(np.arange(len(truth)) if frames is None else frames, 1)
    steps = relative_errors(predicted, truth, neighbours, motion.scale)
    return TrajectoryErrors(
        ate=ErrorStatistics.of(absolute_errors(predicted, truth, motion)).rmse,
        rpe_translation=ErrorStatistics.of(steps.translation).rmse,
        rpe_rotation_degrees=ErrorStatistics.of(steps.rotation_degrees).rmse,
        scale=motion.scale,
        path_length=path_length(truth),
    )


def absolute_errors(
    predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"], motion: Similarity
) -> Float[np.ndarray, " frame"]:
    """Distance |s R x_i + t - y_i| of each moved position from the true one, metres."""
    return np.linalg.norm(motion.points(predicted[:, :3, 3].astype(np.float64)) - truth[:, :3, 3], axis=1)


def path_length(camera_to_world: Float[np.ndarray, "frame 4 4"]) -> float:
    """Sum of the distances between neighbouring positions, metres."""
    return float(np.linalg.norm(np.diff(camera_to_world[:, :3, 3].astype(np.float64), axis=0), axis=1).sum())


def associate(
    predicted: Float[np.ndarray, " frame"], truth: Float[np.ndarray, " other"], max_difference: float = 0.01
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """Pair frames by timestamp: each stamp of the shorter list (the predicted one if equal) with the nearest of the other.

    Args:
        predicted: timestamps, seconds.
        truth: timestamps, seconds.
        max_difference: pairs further apart are left out, seconds.

    Returns:
        Indices into `predicted` and into `truth`; an index of the longer list may occur twice.

    Raises:
        ValueError: if no pair is near enough.
    """
    shorter, longer = (truth, predicted) if len(predicted) > len(truth) else (predicted, truth)
    nearest = np.array([np.abs(longer - stamp).argmin() for stamp in shorter], dtype=np.int64)
    near = np.abs(longer[nearest] - shorter) <= max_difference
    if not near.any():
        raise ValueError(
            f"no timestamps of prediction and truth are within {max_difference} s of each other; do both count in seconds?"
        )
    pairs = np.flatnonzero(near), nearest[near]
    return (pairs[1], pairs[0]) if len(predicted) > len(truth) else pairs


def moving_window(truth: Float[np.ndarray, "frame 4 4"], first: int, last: int) -> slice | None:
    """The first frames on which drift is aligned, from the one in which the camera begins to move; `None` if there is no room.

    It moves when it is a way off from where it began: five steps of mean length, or 2 % of the farthest if that is less. Where
    the two windows do not fit behind that, the first reaches back, by half its length at most.

    Args:
        truth: `camera_to_world`.
        first: frames of this window.
        last: frames at the end that are not to be in it.
    """
    places = truth[:, :3, 3].astype(np.float64)
    distance = np.linalg.norm(places - places[:1], axis=1)
    way = min(5 * path_length(truth) / max(1, len(places) - 1), 0.02 * float(distance.max(initial=0.0)))
    begin = max(0, int(np.argmax(distance > way)) - 1) if len(places) else 0
    start = min(begin, len(places) - first - last)
    return slice(start, start + first) if start >= 0 and 2 * (begin - start) <= first else None


def last_window_error(
    predicted: Float[np.ndarray, "frame 4 4"],
    truth: Float[np.ndarray, "frame 4 4"],
    first: int = 50,
    last: int = 50,
    alignment: TrajectoryAlignment = Sim3Alignment(),
) -> float:
    """Drift: root mean square distance of the last frames, after an alignment fitted on the first frames alone.

    An alignment over all frames spreads the drift over the whole path and so hides it. The first frames are those from which
    the camera moves (`moving_window`): where it stands still nothing can be aligned.

    Args:
        predicted: `camera_to_world`.
        truth: `camera_to_world` of the same frames, metres.
        first: frames on which the alignment is fitted.
        last: frames that are judged.
        alignment: what is undone.

    Returns:
        Metres; NaN if the two windows overlap, or the camera moves too late.

    Raises:
        NotFinite: if a pose is not finite.
        DegenerateTrajectory: if the first frames fix no alignment.
    """
    demand_finite(predicted, "predicted")
    demand_finite(truth, "true")
    window = moving_window(truth, first, last)
    if window is None:
        return math.nan
    motion = alignment.fit(predicted[window], truth[window])
    return ErrorStatistics.of(absolute_errors(predicted[-last:], truth[-last:], motion)).rmse
