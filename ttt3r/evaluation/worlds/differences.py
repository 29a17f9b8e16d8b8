"""Rules against the first one, world by world: paired differences at every length, and which of them are sure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.measures.depth import ABS_REL
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.measures.worlds import ATE_PER_VIEW, ROTATION, TRANSLATION
from ttt3r.evaluation.metrics.intervals import Interval, mean_interval
from ttt3r.evaluation.report.pairing import SIGNIFICANT
from ttt3r.evaluation.report.statistics import holm, sign_flip_test
from ttt3r.evaluation.results.knowing_nothing import MEAN_DEPTH, NO_MOTION
from ttt3r.evaluation.worlds.scores import WorldScores


@dataclass(frozen=True)
class Difference:
    """One rule minus the first one at one length.

    Args:
        interval: mean over worlds and its 95 % interval; below 0 is better.
        sure: the interval leaves 0 out, and the sign-flip test gives at most 0.05 after Holm's correction over all rules that
            are asked the same question at the same length.
    """

    interval: Interval
    sure: bool

    @property
    def better(self) -> bool:
        """Whether the rule is surely better than the first."""
        return self.sure and self.interval.mean < 0


def measured(scores: WorldScores) -> tuple[tuple[Metric, Mapping[str, Float[np.ndarray, "length world"]]], ...]:
    """The errors, of which less is better."""
    return (
        (ROTATION, scores.rotation_degrees),
        (TRANSLATION, scores.translation),
        (ATE_PER_VIEW, scores.ate),
        (ABS_REL, scores.depth_abs_rel),
    )


def differences(
    scores: WorldScores, table: Mapping[str, Float[np.ndarray, "length world"]]
) -> dict[str, list[Difference]]:
    """Every rule, and the trivial predictors, minus the first rule: one difference for each length.

    Args:
        scores: of the worlds.
        table: one of its errors.
    """
    first, *others = scores.gain
    rules = [rule for rule in [*others, NO_MOTION, MEAN_DEPTH] if rule in table]
    by_length = [_at_one_length([table[rule][row] - table[first][row] for rule in rules]) for row in _rows(scores)]
    return {rule: [found[place] for found in by_length] for place, rule in enumerate(rules)}


def _rows(scores: WorldScores) -> range:
    return range(len(scores.lengths))


def _at_one_length(values: Sequence[Float[np.ndarray, " world"]]) -> list[Difference]:
    """The intervals and tests of one family."""
    finite = [one[np.isfinite(one)] for one in values]
    tested = [sign_flip_test(one, [str(i) for i in range(len(one))]).p if len(one) else float("nan") for one in finite]
    found = [mean_interval(one) for one in finite]
    return [Difference(one, one.excludes_zero and p <= SIGNIFICANT) for one, p in zip(found, holm(tested), strict=True)]
