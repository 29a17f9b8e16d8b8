"""Means over worlds with their 95 % intervals, plain and paired."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Interval:
    """A mean and half the width of its 95 % interval; NaN where there are too few values.

    Args:
        mean: over the finite values.
        half: t quantile times standard error.
        count: how many values were finite.
    """

    mean: float
    half: float
    count: int

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.half

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return "-" if np.isnan(self.mean) else f"{self.mean:.3f}±{self.half:.3f}"


def mean_interval(values: Float[np.ndarray, " world"]) -> Interval:
    """The mean over worlds: m ± t_{0.975, n - 1} s / sqrt(n). Values that are not finite are left out and not counted.

    For the difference of two rules on the same worlds give the differences: that interval is paired.

    Raises:
        ImportError: without the extra `eval`.
    """
    from scipy.stats import sem, t

    good = values[np.isfinite(values)]
    if len(good) < 2:
        return Interval(float(good.mean()) if len(good) else float("nan"), float("nan"), len(good))
    _, half = t.interval(0.95, len(good) - 1, scale=sem(good)) if np.ptp(good) > 0 else (0.0, 0.0)
    return Interval(float(good.mean()), float(half), len(good))


def pooled_ratio_interval(numerator: Float[np.ndarray, " world"], denominator: Float[np.ndarray, " world"]) -> Interval:
    """Ratio of sums over worlds, sum(a) / sum(b), with an interval from leaving out one world at a time (the jackknife).

    Where worlds have denominators of very different sizes, the mean of their ratios hangs on the smallest ones; the ratio of
    sums does not. Worlds whose denominator is 0 say nothing and are not counted.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11.

    Raises:
        ImportError: without the extra `eval`.
    """
    from scipy.stats import t

    counted = denominator > 0
    a, b = numerator[counted], denominator[counted]
    if len(a) < 2:
        return Interval(float(a.sum() / b.sum()) if len(a) else float("nan"), float("nan"), len(a))
    without = (a.sum() - a) / (b.sum() - b)
    error = np.sqrt((len(a) - 1) / len(a) * np.square(without - without.mean()).sum())
    return Interval(float(a.sum() / b.sum()), float(t.ppf(0.975, len(a) - 1) * error), len(a))


def ratio_interval(
    worse: Float[np.ndarray, " world"], better: Float[np.ndarray, " world"], draws: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Ratio of means, mean(worse) / mean(better), with the 2.5 and 97.5 percentiles of a bootstrap over worlds."""
    picks = np.random.default_rng(seed).integers(len(worse), size=(draws, len(worse)))
    ratios = worse[picks].mean(axis=1) / better[picks].mean(axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(worse.mean() / better.mean()), float(low), float(high)
