"""How sure a difference is: intervals by bootstrap, sign-flip tests, Holm's correction, the run-to-run noise floor.

Sequences of one scene share its difficulties, so both the bootstrap and the sign flips take a scene as one piece.
Everything that draws is seeded: the same rows give the same report.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int8

DRAWS = 10_000
"""Bootstrap draws."""
EXACT_UP_TO = 16
"""Scenes for which all 2^n sign patterns are counted; with more, patterns are drawn."""
MONTE_CARLO = 99_999
"""Sign patterns that are drawn where there are too many to count."""


@dataclass(frozen=True)
class BootstrapInterval:
    """A mean and its percentile interval.

    Args:
        mean: over all values.
        low: lower end; NaN with fewer than two clusters, where nothing is known of the spread.
        high: upper end, likewise.
        level: the share of cases in which such an interval should hold the true mean.
        clusters: independent pieces. Below about eight a percentile interval is known to be too narrow.
    """

    mean: float
    low: float
    high: float
    level: float
    clusters: int


@dataclass(frozen=True)
class SignFlipTest:
    """Two-sided test whether differences this large are to be expected if each scene's sign were a coin's.

    Args:
        p: share of sign patterns with a mean at least as far from zero.
        smallest: the smallest p that these scenes could have given; if it is above 0.05, no data could have been sure.
        exact: whether all patterns were counted.
        clusters: scenes.
    """

    p: float
    smallest: float
    exact: bool
    clusters: int


@dataclass(frozen=True)
class NoiseFloor:
    """How much the number of one sequence differs between runs of the same rule.

    Args:
        deviation: pooled standard deviation; of ln(value) where ratios are compared. NaN without repeats.
        degrees: repeats beyond the first, over all sequences; 0 means that nothing was repeated.
    """

    deviation: float
    degrees: int

    def of_mean_difference(self, sequences: int, repeats: float) -> float:
        """Standard deviation that noise alone gives to a mean difference of two rules: deviation sqrt(2 / (n r))."""
        return self.deviation * math.sqrt(2 / (sequences * repeats)) if sequences else math.nan


def _cluster_numbers(clusters: Sequence[str], count: int) -> Int[np.ndarray, " value"]:
    if len(clusters) != count:
        raise ValueError(f"{count} values and {len(clusters)} scenes; give each value the scene that it belongs to")
    return np.unique(np.asarray(clusters, dtype=str), return_inverse=True)[1] if count else np.zeros(0, np.int64)


@functools.lru_cache(maxsize=4)  # a report asks for the same draws again and again
def _bootstrap_counts(count: int, draws: int, seed: int) -> Int[np.ndarray, "draw cluster"]:
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)


@functools.lru_cache(maxsize=4)
def _sign_patterns(count: int, draws: int, seed: int) -> Int8[np.ndarray, "draw cluster"]:
    return 1 - 2 * np.random.default_rng(seed).integers(0, 2, size=(draws, count), dtype=np.int8)


def bootstrap_interval(
    values: Float[np.ndarray, " value"],
    clusters: Sequence[str],
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> BootstrapInterval:
    """Percentile bootstrap of the mean: whole clusters are drawn with replacement.

    A draw that takes cluster c w_c times has the mean sum w_c S_c / sum w_c n_c, with S_c and n_c the sum and the number of
    its values; the w are multinomial, so that all draws are one matrix product.

    Args:
        values: one for each sequence.
        clusters: the scene of each.
        draws: of the bootstrap.
        level: of the interval.
        seed: of the draws.

    Raises:
        ValueError: if there is not one cluster for each value.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    numbers = _cluster_numbers(clusters, len(values))
    if not len(values):
        return BootstrapInterval(math.nan, math.nan, math.nan, level, 0)
    sums, sizes = np.bincount(numbers, weights=values), np.bincount(numbers)
    mean, count = float(values.mean()), len(sums)
    if count < 2:
        return BootstrapInterval(mean, math.nan, math.nan, level, count)
    drawn = _bootstrap_counts(count, draws, seed)
    low, high = np.quantile((drawn @ sums) / (drawn @ sizes), [(1 - level) / 2, (1 + level) / 2])
    return BootstrapInterval(mean, float(low), float(high), level, count)


def sign_flip_test(
    values: Float[np.ndarray, " value"], clusters: Sequence[str], *, draws: int = MONTE_CARLO, seed: int = 0
) -> SignFlipTest:
    """Sign-flip (paired permutation) test of a zero mean, a scene's values turning together.

    Up to 2^16 patterns are all counted, and p = #(|mean of pattern| >= |mean|) / 2^n. Beyond, patterns are drawn, and
    p = (1 + #) / (1 + draws), which is never zero.

    Args:
        values: paired differences, one for each sequence.
        clusters: the scene of each.
        draws: patterns, where not all can be counted.
        seed: of the draws.

    Raises:
        ValueError: if there is not one cluster for each value.

    Source: Phipson and Smyth 2010, Permutation p-values should never be zero.
    """
    numbers = _cluster_numbers(clusters, len(values))
    sums = np.bincount(numbers, weights=values) if len(values) else np.zeros(0)
    count, moving = len(sums), int(np.count_nonzero(sums))
    if moving == 0:
        return SignFlipTest(1.0, 1.0, True, count)
    reached = abs(sums.sum()) - 1e-12 * np.abs(sums).sum()  # equal patterns differ by rounding
    if count <= EXACT_UP_TO:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        p = float(np.mean(np.abs((1 - 2.0 * bits) @ sums) >= reached))
        return SignFlipTest(p, 2.0 / 2**moving, True, count)
    signs = _sign_patterns(count, draws, seed)
    hits = sum(int(np.sum(np.abs(part @ sums) >= reached)) for part in np.array_split(signs, 10))
    return SignFlipTest((1 + hits) / (1 + draws), 1 / (1 + draws), False, count)


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected p-values: p_(i) becomes max over j <= i of min(1, (m - j + 1) p_(j)), in the order given.

    They bound the chance of even one false finding in the family. NaN (no test) stays NaN and is not counted.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    corrected, highest = [math.nan] * len(p_values), 0.0
    for rank, (p, index) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        corrected[index] = highest
    return corrected


def noise_floor(repeats: Sequence[Sequence[float]]) -> NoiseFloor:
    """Pooled standard deviation within sequences: sqrt(sum_i (k_i - 1) s_i^2 / sum_i (k_i - 1)).

    Args:
        repeats: for each sequence, the values of its runs.
    """
    groups = [np.asarray(values, dtype=np.float64) for values in repeats if len(values) > 1]
    degrees = sum(len(group) - 1 for group in groups)
    if degrees == 0:
        return NoiseFloor(math.nan, 0)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return NoiseFloor(math.sqrt(squares / degrees), degrees)
