"""Alignments of a predicted depth before it is judged: one scale, perhaps one shift, for a whole sequence. Exact, in float64.

The published iterative fits, which do not converge, are in `ttt3r.evaluation.metrics.depth.official`.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


class DepthAlignment(ABC):
    """How a predicted depth p is brought to the truth g before it is judged: scale * p + shift, once per sequence."""

    @abstractmethod
    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """(scale, shift) from all valid pixels of the sequence, metres."""


@dataclass(frozen=True)
class MetricDepth(DepthAlignment):
    """No alignment: the prediction is taken as metres."""

    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """(1, 0)."""
        return 1.0, 0.0


@dataclass(frozen=True)
class MedianScale(DepthAlignment):
    """Scale = median(g) / median(p), each the lower of the two middle values where the count is even."""

    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """(median(g) / median(p), 0)."""
        if np.isnan(predicted).any():
            return float("nan"), 0.0
        middle = (len(truth) - 1) // 2
        typical = np.partition(predicted, middle)[middle]
        if not typical > 0:  # most of it lies behind the camera: no scale puts it before
            return float("nan"), 0.0
        return float(np.partition(truth, middle)[middle] / typical), 0.0


@dataclass(frozen=True)
class LeastSquaresScale(DepthAlignment):
    """Scale of least squared error: <p, g> / <p, p>."""

    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """(<p, g> / <p, p>, 0)."""
        return float(predicted @ truth / (predicted @ predicted)), 0.0


@dataclass(frozen=True)
class LeastSquaresScaleShift(DepthAlignment):
    """Scale and shift of least squared error: scale = cov(p, g) / var(p), shift = mean(g) - scale * mean(p)."""

    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """The line of regression; a constant prediction gets scale 0 and the mean of the truth."""
        mean_p, mean_g = predicted.mean(), truth.mean()
        variance = np.square(predicted - mean_p).mean()
        scale = float(((predicted - mean_p) * (truth - mean_g)).mean() / variance) if variance != 0 else 0.0
        return scale, float(mean_g - scale * mean_p)


@dataclass(frozen=True)
class L1Scale(DepthAlignment):
    """Scale of least sum of |scale * p - g|: the median of g / p, weighted by |p|. Exact.

    It resists wrong truths, but a few far too large predictions can pull it down; `MedianScale` resists both.
    """

    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """(weighted median, 0); NaN if p holds NaN, is 0 throughout, or asks for a scale below 0."""
        p, g = predicted.astype(np.float64), truth.astype(np.float64)
        p, g = p[p != 0], g[p != 0]
        if len(p) == 0 or np.isnan(p).any():
            return math.nan, 0.0
        ratio = g / p
        order = np.argsort(ratio, kind="stable")
        weight = np.cumsum(np.abs(p[order]))
        scale = float(ratio[order[np.searchsorted(weight, weight[-1] / 2)]])
        return (scale if scale > 0 else math.nan), 0.0


@dataclass(frozen=True)
class L1ScaleShift(DepthAlignment):
    """Scale and shift of least sum of |scale * p + shift - g|, exact to rounding.

    For each scale the best shift is the median of g - scale * p; what remains is convex in the scale, and bisection of its
    slope finds the minimum.
    """

    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """The line of least absolute deviation; a constant prediction gets scale 0 and the median of the truth."""
        p, g = predicted.astype(np.float64), truth.astype(np.float64)
        if not np.isfinite(p).all():
            return math.nan, math.nan
        if len(p) == 0 or p.min() == p.max():
            return 0.0, float(np.median(g)) if len(g) else math.nan
        p = p - p.mean()  # the slope is better conditioned about the middle
        low, high = _bracket(p, g)
        for _ in range(100):  # far below rounding; fewer would do unless the minimum is at 0
            middle = (low + high) / 2
            slope = _slope(p, g, middle)
            low, high = (middle, middle) if slope == 0 else (low, middle) if slope > 0 else (middle, high)
        scale = min((low, high), key=lambda s: np.abs(s * p - g - np.median(s * p - g)).sum())
        return float(scale), float(np.median(g - scale * p) - scale * predicted.astype(np.float64).mean())


def _bracket(p: Float[np.ndarray, " pixel"], g: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
    """Two scales between which the minimum lies, searched outwards from the least-squares scale."""
    start, step = float(p @ (g - g.mean()) / (p @ p)), float(g.std() / p.std()) or 1.0
    low, high = start - step, start + step
    while _slope(p, g, low) > 0:
        low, step = low - step, 2 * step
    while _slope(p, g, high) < 0:
        high, step = high + step, 2 * step
    return low, high


def _slope(p: Float[np.ndarray, " pixel"], g: Float[np.ndarray, " pixel"], scale: float) -> float:
    """A slope of min over shift of sum |scale * p + shift - g|: sum of sign(r) p, where the signs add up to 0.

    The pixels that the line goes through may take any sign in [-1, 1]; they share what balances the others.
    """
    residual = scale * p - g
    sign = np.sign(residual - np.median(residual))
    on = sign == 0
    if on.any():
        sign[on] = -sign.sum() / on.sum()
    return float(sign @ p)
