"""The three published numbers of a camera trajectory."""

from dataclasses import dataclass

import numpy as np

from ttt3r.evaluation.measures.base import Measure, Measurement, measurement, nothing
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.measures.trajectory import ATE, RPE_ROTATION, RPE_TRANSLATION, Cameras
from ttt3r.evaluation.metrics.trajectory.official import official_trajectory_report
from ttt3r.evaluation.metrics.trajectory.similarity import (
    DegenerateTrajectory,
    NotFinite,
)


@dataclass(frozen=True)
class OfficialTrajectory(Measure[Cameras]):
    """The three published numbers, rounded to six decimals as their text files are. One bad pose drops the sequence."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured."""
        return tuple(metric.as_published() for metric in (ATE, RPE_TRANSLATION, RPE_ROTATION))

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
