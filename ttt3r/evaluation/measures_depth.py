"""How the depth of a sequence is measured: several exact alignments side by side, and the published ones."""

from dataclasses import dataclass

import numpy as np
import torch

from ttt3r.evaluation.depth import DepthErrors, pixel_errors
from ttt3r.evaluation.depth_alignment import (
    DepthAlignment,
    L1Scale,
    LeastSquaresScaleShift,
    MedianScale,
    MetricDepth,
)
from ttt3r.evaluation.depth_drift import scale_drift
from ttt3r.evaluation.depth_official import (
    OfficialAlignment,
    OfficialMetric,
    OfficialScale,
    OfficialScaleShift,
    official_depth_errors,
)
from ttt3r.evaluation.depth_pixels import DepthPixels
from ttt3r.evaluation.measuring import Lack, Measure, Measurement, measurement, nothing
from ttt3r.evaluation.rows import Status

_COLUMNS = ("abs_rel", "sq_rel", "rmse", "log_rmse", "delta_125", "delta_125_2", "delta_125_3", "scale")


@dataclass(frozen=True)
class StrictDepth(Measure[DepthPixels]):
    """Float64, exact fits, one for the whole sequence; a prediction that is not finite leaves no number.

    Names are `depth_abs_rel/median` and the like, for every alignment; `depth_scale_log_std` and `depth_scale_log_slope`
    (per 100 frames) tell how the scale wanders; `depth_pixels` counts the pixels, the weight for pooling.

    Args:
        alignments: by name.
        clip: largest aligned prediction, metres; `None` for none.
    """

    alignments: tuple[tuple[str, DepthAlignment], ...] = (
        ("metric", MetricDepth()),
        ("median", MedianScale()),
        ("l1", L1Scale()),
        ("scale_shift", LeastSquaresScaleShift()),
    )
    clip: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the numbers."""
        columns = [f"depth_{column}/{name}" for name, _ in self.alignments for column in _COLUMNS]
        return (*columns, "depth_scale_log_std", "depth_scale_log_slope", "depth_pixels")

    def __call__(self, sample: DepthPixels) -> Measurement:
        """The numbers of a sequence."""
        count = len(sample.truth)
        if count == 0:
            return nothing(self.names, Status.INVALID_TRUTH, "no pixel has a true depth within the limits")
        bad = count - int(np.isfinite(sample.predicted).sum())
        if bad:
            return nothing(self.names, Status.NON_FINITE, f"{bad} of {count} predicted depths are not finite")
        values = dict[str, float | Lack]()
        for name, alignment in self.alignments:
            errors = pixel_errors(sample.predicted, sample.truth, alignment, self.clip)
            values.update(_columns(errors, f"depth_{{}}/{name}"))
        values.update(_drift(sample))
        return measurement({**values, "depth_pixels": float(count)}, _frames(sample))


def _columns(errors: DepthErrors, form: str) -> dict[str, float | Lack]:
    if not np.isfinite(errors.scale):
        lack = Lack(Status.NON_FINITE, "no positive scale fits: most predictions lie behind the camera")
        return {form.format(column): lack for column in _COLUMNS}
    return {form.format(column): getattr(errors, column) for column in _COLUMNS}


def _drift(sample: DepthPixels) -> dict[str, float | Lack]:
    drift = scale_drift(sample)
    values: dict[str, float | Lack] = {
        "depth_scale_log_std": drift.log_std,
        "depth_scale_log_slope": drift.log_slope,
    }
    if np.isfinite(drift.scales).sum() < 2:
        short = Lack(Status.TOO_SHORT, "fewer than two frames have a scale of their own")
        return dict.fromkeys(values, short)
    return values


def _frames(sample: DepthPixels) -> int:
    """Frames with at least one valid pixel."""
    return int((np.diff(sample.ends, prepend=0) > 0).sum())


@dataclass(frozen=True)
class OfficialDepth(Measure[DepthPixels]):
    """The published alignments and measures, in the number types of their inputs (`ttt3r.evaluation.depth_official`).

    Hand in all pixels of float32 predictions, and a truth of float64 for Bonn and KITTI, of float32 for Sintel. The published
    average over sequences weighs every number by `official/depth_pixels`.

    Args:
        alignments: by name.
        clip: largest aligned prediction, metres: 70 for Sintel, else `None`.
    """

    alignments: tuple[tuple[str, OfficialAlignment], ...] = (
        ("metric", OfficialMetric()),
        ("scale", OfficialScale()),
        ("scale_shift", OfficialScaleShift()),
    )
    clip: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the numbers."""
        columns = [f"official/depth_{column}/{name}" for name, _ in self.alignments for column in _COLUMNS]
        return (*columns, "official/depth_pixels")

    def __call__(self, sample: DepthPixels) -> Measurement:
        """The numbers of a sequence."""
        if len(sample.truth) == 0:
            return nothing(
                self.names, Status.INVALID_TRUTH, "no pixel has a true depth; the published run counts 0 pixels"
            )
        p, g = torch.from_numpy(np.array(sample.predicted, np.float32)), torch.from_numpy(np.array(sample.truth))
        values = dict[str, float | Lack]()
        for name, alignment in self.alignments:
            errors = official_depth_errors(p, g, alignment, self.clip)
            values.update({f"official/depth_{column}/{name}": getattr(errors, column) for column in _COLUMNS})
        return measurement({**values, "official/depth_pixels": float(len(g))}, _frames(sample))
