"""How the depth of a sequence is measured: several exact alignments side by side, and the published ones."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch

from ttt3r.evaluation.measures.base import Measure, Measurement, Missing, measurement, nothing
from ttt3r.evaluation.measures.metric import Family, Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.metrics.depth.alignment import (
    DepthAlignment,
    L1Scale,
    LeastSquaresScaleShift,
    MedianScale,
    MetricDepth,
)
from ttt3r.evaluation.metrics.depth.drift import scale_drift
from ttt3r.evaluation.metrics.depth.errors import DepthErrors, pixel_errors
from ttt3r.evaluation.metrics.depth.official import (
    OfficialAlignment,
    OfficialMetric,
    OfficialScale,
    OfficialScaleShift,
    official_depth_errors,
)
from ttt3r.evaluation.metrics.depth.pixels import DepthPixels


def _error(name: str, heading: str, unit: str = "", digits: int = 3) -> Metric:
    return Metric(name, heading, unit, False, Family.DEPTH, ratio=True, digits=digits)


def _share(name: str, heading: str) -> Metric:
    return Metric(name, heading, "", True, Family.DEPTH, digits=4)


ABS_REL = _error("depth_abs_rel", "AbsRel", digits=4)
"""Mean of |p - g| / g."""
_COLUMNS = (
    ("abs_rel", ABS_REL),
    ("sq_rel", _error("depth_sq_rel", "SqRel", "m")),
    ("rmse", _error("depth_rmse", "RMSE", "m")),
    ("log_rmse", _error("depth_log_rmse", "log RMSE")),
    ("delta_125", _share("depth_delta_125", "d<1.25")),
    ("delta_125_2", _share("depth_delta_125_2", "d<1.25^2")),
    ("delta_125_3", _share("depth_delta_125_3", "d<1.25^3")),
    ("scale", Metric("depth_scale", "depth scale", family=Family.DEPTH, ratio=True)),
)
"""Fields of `DepthErrors`, and what they are."""
PER_PIXEL = tuple(metric for _, metric in _COLUMNS)
"""Errors per pixel, after each alignment."""
_DRIFT = (
    _error("depth_scale_log_std", "scale SD"),
    Metric("depth_scale_log_slope", "scale slope", family=Family.DEPTH, digits=4),
)
PIXELS = Metric("depth_pixels", "pixels", family=Family.PIXELS, digits=0)
"""Number of judged pixels; describes, and judges no rule."""


def depth_metrics(alignments: Iterable[str]) -> tuple[Metric, ...]:
    """All that is measured of pixels, after each alignment."""
    return tuple(metric.variant(name) for name in alignments for metric in PER_PIXEL)


@dataclass(frozen=True)
class StrictDepth(Measure[DepthPixels]):
    """Float64, exact fits, one for the whole sequence; a prediction that is not finite leaves no number.

    Names are `depth_abs_rel/median` and the like, for every alignment; `depth_scale_log_std` and `depth_scale_log_slope`
    (per 100 frames) say how the scale drifts; `depth_pixels` counts the pixels, the weight for pooling.

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
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured. Without an alignment, exact and published numbers are the same."""
        exact = [
            replace(metric, published=metric.name if alignment == MetricDepth() else "")
            for name, alignment in self.alignments
            for metric in depth_metrics([name])
        ]
        return (*exact, *_DRIFT, PIXELS)

    def __call__(self, sample: DepthPixels) -> Measurement:
        """The numbers of a sequence."""
        count = len(sample.truth)
        if count == 0:
            return nothing(self.names, Status.INVALID_TRUTH, "no pixel has a true depth within the limits")
        bad = count - int(np.isfinite(sample.predicted).sum())
        if bad:
            return nothing(self.names, Status.NON_FINITE, f"{bad} of {count} predicted depths are not finite")
        values = dict[str, float | Missing]()
        for name, alignment in self.alignments:
            errors = pixel_errors(sample.predicted, sample.truth, alignment, self.clip)
            values.update(_columns(errors, name))
        values.update(_drift(sample))
        return measurement({**values, PIXELS.name: float(count)}, _frames(sample))


MEDIAN_DEPTH = StrictDepth((("median", MedianScale()),))
"""One scale for the whole sequence, and nothing else."""


def _columns(errors: DepthErrors, alignment: str) -> dict[str, float | Missing]:
    missing = Missing(Status.NON_FINITE, "no positive scale fits: most predictions lie behind the camera")
    fits = bool(np.isfinite(errors.scale))
    return {metric.variant(alignment).name: getattr(errors, field) if fits else missing for field, metric in _COLUMNS}


def _drift(sample: DepthPixels) -> dict[str, float | Missing]:
    drift = scale_drift(sample)
    values: tuple[float | Missing, ...] = (drift.log_std, drift.log_slope)
    if np.isfinite(drift.scales).sum() < 2:
        values = (Missing(Status.TOO_SHORT, "fewer than two frames have a scale of their own"),) * 2
    return {metric.name: value for metric, value in zip(_DRIFT, values, strict=True)}


def _frames(sample: DepthPixels) -> int:
    """Frames with at least one valid pixel."""
    return int((np.diff(sample.ends, prepend=0) > 0).sum())


@dataclass(frozen=True)
class OfficialDepth(Measure[DepthPixels]):
    """The published alignments and measures, in the number types of their inputs (`ttt3r.evaluation.metrics.depth.official`).

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
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured."""
        return tuple(one.as_published() for one in (*depth_metrics(name for name, _ in self.alignments), PIXELS))

    def __call__(self, sample: DepthPixels) -> Measurement:
        """The numbers of a sequence."""
        if len(sample.truth) == 0:
            return nothing(
                self.names, Status.INVALID_TRUTH, "no pixel has a true depth; the published run counts 0 pixels"
            )
        p, g = torch.from_numpy(np.array(sample.predicted, np.float32)), torch.from_numpy(np.array(sample.truth))
        values = list[float]()
        for _, alignment in self.alignments:
            errors = official_depth_errors(p, g, alignment, self.clip)
            values += [getattr(errors, field) for field, _ in _COLUMNS]
        return measurement(dict(zip(self.names, [*values, float(len(g))], strict=True)), _frames(sample))
