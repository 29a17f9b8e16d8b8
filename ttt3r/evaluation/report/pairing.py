"""Two rules on the same sequences: paired differences, how large they are and how sure.

    d_i = ln(a_i / b_i) for errors,    d_i = a_i - b_i where a ratio makes no sense

The mean of d is given with a bootstrap interval and a sign-flip test, both by scene; p-values are corrected by Holm over all
comparisons of the metric in the report. Beside them stands what runs of one rule differ by among themselves.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.report.aggregate import Aggregation
from ttt3r.evaluation.report.results import ResultKey, Results, Slice
from ttt3r.evaluation.report.statistics import (
    DRAWS,
    BootstrapInterval,
    NoiseFloor,
    SignFlipTest,
    bootstrap_interval,
    holm,
    noise_floor,
    sign_flip_test,
)
from ttt3r.evaluation.results.knowing_nothing import KNOWS_NOTHING
from ttt3r.evaluation.results.rows import ResultRow
from ttt3r.update_rules.rules.cut3r import FullOverwrite

SIGNIFICANT = 0.05
"""Level of the corrected p-value below which a difference is significant."""


@dataclass(frozen=True)
class PairedComparison:
    """One rule against another at one length.

    Args:
        slice: data set and protocol.
        metric: how the numbers are read.
        length: frames asked for.
        rule: a.
        against: b, the baseline, the control of equal mean gain, or a trivial predictor.
        sequences: on which both have a number.
        values: a_i.
        others: b_i.
        ratio: whether the differences are logarithms of ratios.
        interval: of the mean difference.
        test: of a zero mean.
        noise: of a single sequence's number between runs; in the same units as the differences.
        noise_of_mean: standard deviation of the mean difference by that noise alone; NaN if nothing was repeated.
        p_corrected: by Holm over the family: the comparisons of rules with rules, or those with a trivial predictor.
        family: number of tests in it.
    """

    slice: Slice
    metric: Metric
    length: int
    rule: str
    against: str
    sequences: tuple[str, ...]
    values: Float[np.ndarray, " sequence"]
    others: Float[np.ndarray, " sequence"]
    ratio: bool
    interval: BootstrapInterval
    test: SignFlipTest
    noise: NoiseFloor
    noise_of_mean: float
    p_corrected: float = math.nan
    family: int = 0

    @property
    def effect(self) -> tuple[float, float, float]:
        """Mean difference and its interval as a person reads it: percent of b for ratios, else in the metric's unit."""
        ends = (self.interval.mean, self.interval.low, self.interval.high)
        mean, low, high = (100 * math.expm1(end) if self.ratio else end for end in ends)
        return mean, low, high

    @property
    def effect_unit(self) -> str:
        """Of `effect`."""
        return "%" if self.ratio else self.metric.unit

    @property
    def wins(self) -> int:
        """Sequences on which a is better."""
        return sum(self.metric.better(a, b) for a, b in zip(self.values, self.others, strict=True))

    @property
    def losses(self) -> int:
        """Sequences on which b is better."""
        return sum(self.metric.better(b, a) for a, b in zip(self.values, self.others, strict=True))

    @property
    def better(self) -> bool:
        """Whether a is better in the mean."""
        return self.metric.better(self.interval.mean, 0.0)

    @property
    def above_noise(self) -> bool:
        """Whether the mean difference exceeds 1.96 standard deviations of run-to-run noise; true if noise is not known."""
        return not abs(self.interval.mean) < 1.96 * self.noise_of_mean

    @property
    def sure(self) -> bool:
        """Whether corrected p is at most 0.05, the interval leaves zero out, and the difference is above the noise."""
        outside = self.interval.low > 0 or self.interval.high < 0
        return self.p_corrected <= SIGNIFICANT and outside and self.above_noise


def baseline_of(results: Results) -> str:
    """The rule that others are compared with: `cut3r`, the network as it was trained, where it is there; else the first.

    Raises:
        ValueError: if there are only controls.
    """
    if not results.asked:
        raise ValueError("all rows belong to controls; a report needs the rules that they are the controls of")
    trained = [rule for rule in results.asked if rule == FullOverwrite.name]
    return trained[0] if trained else results.asked[0]


def pairs_of(results: Results, baseline: str) -> tuple[tuple[str, str], ...]:
    """(rule, against): every other rule with the baseline, every gate with its control, every rule with trivial predictors."""
    pairs = []
    for rule in results.asked:
        if rule != baseline:
            pairs.append((rule, baseline))
        pairs += [(rule, control) for control in results.rules if results.gate_of.get(control) == rule]
        pairs += [(rule, nothing) for nothing in results.knowing_nothing]
    return tuple(pairs)


@dataclass(frozen=True)
class Comparing:
    """How rules are compared.

    Args:
        aggregation: decides which rows count.
        baseline: the rule that others are compared with; empty for `baseline_of`.
        draws: of the bootstrap.
        level: of the intervals.
        seed: of everything that is drawn.
    """

    aggregation: Aggregation
    baseline: str = ""
    draws: int = DRAWS
    level: float = 0.95
    seed: int = 0

    def compare(self, results: Results, metric: str, length: int, pair: tuple[str, str]) -> PairedComparison:
        """One pair of rules on one slice; not corrected yet. Without common sequences the numbers are NaN.

        Args:
            results: of one slice.
            metric: name.
            length: in frames.
            pair: (rule, against).

        Raises:
            ValueError: if the results are of several slices.
        """
        if len(results.slices) != 1:
            raise ValueError(
                f"rules are compared on one data set under one protocol, got {len(results.slices)}: take `results.of(slice)`"
            )
        read, part = results.metric(metric), results.slices[0]
        rows = {rule: self._rows(results, metric, length, rule) for rule in pair}
        names = tuple(name for name in rows[pair[0]] if name in rows[pair[1]])
        first, second = (np.array([rows[rule][name].value for name in names], np.float64) for rule in pair)
        ratio = read.ratio and bool((first > 0).all() and (second > 0).all())
        differences = np.log(first / second) if ratio else first - second
        scenes = [rows[pair[0]][name].scene for name in names]
        noise, repeats = _noise(
            results, [ResultKey(part, rule, name, length, metric) for rule in pair for name in names], ratio
        )
        return PairedComparison(
            slice=part,
            metric=read,
            length=length,
            rule=pair[0],
            against=pair[1],
            sequences=names,
            values=first,
            others=second,
            ratio=ratio,
            interval=bootstrap_interval(differences, scenes, draws=self.draws, level=self.level, seed=self.seed),
            test=sign_flip_test(differences, scenes, seed=self.seed),
            noise=noise,
            noise_of_mean=noise.of_mean_difference(len(names), repeats),
        )

    def _rows(self, results: Results, metric: str, length: int, rule: str) -> dict[str, ResultRow]:
        return {
            row.sequence: row
            for row in results.rows
            if (row.metric, row.length, row.rule) == (metric, length, rule) and self.aggregation.counts(row)
        }

    def compare_all(self, results: Results, metric: str) -> tuple[PairedComparison, ...]:
        """All pairs of `pairs_of` on every slice that has the metric, at its largest length, corrected by Holm as one family.

        Args:
            results: of any number of slices.
            metric: name.
        """
        made = []
        for part in results.slices:
            whole = results.of(part)
            local = dataclasses.replace(whole, rows=tuple(row for row in whole.rows if row.metric == metric))
            lengths = [row.length for row in local.rows]
            present = {row.rule for row in local.rows}
            for pair in pairs_of(results, self.baseline or baseline_of(results)) if lengths else ():
                if present.issuperset(pair):
                    made.append(self.compare(local, metric, max(lengths), pair))
        return _corrected(made)


def _corrected(made: Sequence[PairedComparison]) -> tuple[PairedComparison, ...]:
    """Holm within each family. A rule must beat all trivial predictors, so these are families of their own."""
    families: dict[str, list[int]] = {}
    for index, one in enumerate(made):
        families.setdefault(one.against if one.against in KNOWS_NOTHING else "", []).append(index)
    found = list(made)
    for members in families.values():
        tested = [made[i].test.p if len(made[i].sequences) else math.nan for i in members]
        family = sum(not math.isnan(p) for p in tested)
        for index, p in zip(members, holm(tested), strict=True):
            found[index] = dataclasses.replace(made[index], p_corrected=p, family=family)
    return tuple(found)


def _noise(results: Results, places: Sequence[ResultKey], ratio: bool) -> tuple[NoiseFloor, float]:
    """The noise floor of the runs at these places, and the mean number of runs."""
    runs = [results.repeats.get(place, ()) for place in places]
    known = [[math.log(value) if ratio else value for value in values] for values in runs if _usable(values, ratio)]
    return noise_floor(known), sum(max(1, len(values)) for values in runs) / max(1, len(runs))


def _usable(values: Sequence[float], ratio: bool) -> bool:
    return len(values) > 1 and all(math.isfinite(value) and (value > 0 or not ratio) for value in values)
