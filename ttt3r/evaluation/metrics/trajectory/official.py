"""Errors of a trajectory as the published evaluation writes, reads back and averages them.

The errors themselves are those of `ttt3r.evaluation.metrics.trajectory.errors`. What differs is what becomes of them:
every sequence has a text file of six decimals, means are taken over whatever files lie in a folder, a sequence that failed has
none, and a number that is not one lets the reader take the next one in the file. Use it to compare with published numbers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.metrics.trajectory.errors import ErrorStatistics, absolute_errors
from ttt3r.evaluation.metrics.trajectory.relative import frame_pairs, relative_errors
from ttt3r.evaluation.metrics.trajectory.similarity import Sim3Alignment, demand_finite
from ttt3r.files import read_text

_ABSOLUTE = "APE w.r.t. translation part (m)"
_ROTATION = "RPE w.r.t. rotation angle in degrees (deg)"
_TRANSLATION = "RPE w.r.t. translation part (m)"
_SUFFIX = "_eval_metric.txt"


@dataclass(frozen=True)
class OfficialTrajectoryErrors:
    """The three published numbers of a sequence, or their mean.

    Args:
        ate: after Sim(3) alignment, metres.
        rpe_translation: between neighbouring frames, metres.
        rpe_rotation_degrees: the same for rotation, degrees.
    """

    ate: float
    rpe_translation: float
    rpe_rotation_degrees: float

    def rounded(self) -> "OfficialTrajectoryErrors":
        """To six decimals, as they come back from the text file."""
        return OfficialTrajectoryErrors(*(float(f"{getattr(self, column.name):.6f}") for column in fields(self)))


@dataclass(frozen=True)
class OfficialTrajectoryReport:
    """All statistics that the published text file holds.

    Args:
        absolute: distances after Sim(3) alignment, metres.
        rotation: angles of the error of the motion between neighbouring frames, degrees.
        translation: lengths of the same, metres.
    """

    absolute: ErrorStatistics
    rotation: ErrorStatistics
    translation: ErrorStatistics

    @property
    def errors(self) -> OfficialTrajectoryErrors:
        """The three published numbers, in full."""
        return OfficialTrajectoryErrors(self.absolute.rmse, self.translation.rmse, self.rotation.rmse)

    def text(self, sequence: str) -> str:
        """The published text file of a sequence."""
        alignment, steps = "(with Sim(3) Umeyama alignment)\n\n", "for delta = 1 (frames) using all pairs\n"
        return (
            f"Seq: {sequence} \n\n{_ABSOLUTE}\n{alignment}{_lines(self.absolute)}"
            f"{_ROTATION}\n{steps}{alignment}{_lines(self.rotation)}{_TRANSLATION}\n{steps}{alignment}{_lines(self.translation)}"
        )


def official_trajectory_report(
    predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]
) -> OfficialTrajectoryReport:
    """The published statistics of a sequence.

    Args:
        predicted: `camera_to_world`.
        truth: `camera_to_world` of the same frames, metres.

    Raises:
        NotFinite: if a pose is not finite; the published run then drops the sequence, or aborts.
        DegenerateTrajectory: if the positions fix no alignment; the published run then drops the sequence.
    """
    demand_finite(predicted, "predicted")
    demand_finite(truth, "true")
    motion = Sim3Alignment().fit(predicted, truth)
    steps = relative_errors(predicted, truth, frame_pairs(np.arange(len(truth)), 1), motion.scale)
    return OfficialTrajectoryReport(
        ErrorStatistics.of(absolute_errors(predicted, truth, motion)),
        ErrorStatistics.of(steps.rotation_degrees),
        ErrorStatistics.of(steps.translation),
    )


def _lines(errors: ErrorStatistics) -> str:
    values = {
        **{"max": errors.maximum, "mean": errors.mean, "median": errors.median, "min": errors.minimum},
        **{"rmse": errors.rmse, "sse": errors.sse, "std": errors.std},
    }
    return "".join(f"{name:>10}\t{value:.6f}\n" for name, value in values.items())


def read_official_text(text: str) -> OfficialTrajectoryErrors:
    """The three numbers as the published reader finds them: the first `rmse` with digits anywhere after the heading, else 0.

    So a NaN among the distances gives the rotation's degrees as ATE; `ResultRow` keeps such a failure by name instead.
    """
    found = []
    for heading in (_ABSOLUTE, _TRANSLATION, _ROTATION):
        match = re.search(re.escape(heading) + r".*?rmse\s+([0-9.]+)", text, flags=re.DOTALL)
        found.append(float(match[1]) if match else 0.0)
    return OfficialTrajectoryErrors(*found)


def read_official_folder(folder: str | Path) -> dict[str, OfficialTrajectoryErrors]:
    """The numbers of every text file in a folder and below, by sequence; files of older runs are among them.

    Raises:
        ValueError: if there is none.
    """
    paths = sorted(Path(folder).rglob(f"*{_SUFFIX}"))
    if not paths:
        raise ValueError(f"{folder} holds no file *{_SUFFIX}; give the folder of a pose evaluation")
    return {path.name.removesuffix(_SUFFIX): read_official_text(read_text(path)) for path in paths}


def official_trajectory_average(sequences: Sequence[OfficialTrajectoryErrors]) -> OfficialTrajectoryErrors:
    """The published mean: every sequence that has numbers counts once, whatever its length. Hand in rounded numbers.

    Raises:
        ValueError: without sequences.
    """
    if not sequences:
        raise ValueError("there are no sequences to average")
    means = [float(np.mean([getattr(errors, column.name) for errors in sequences])) for column in fields(sequences[0])]
    return OfficialTrajectoryErrors(*means)
