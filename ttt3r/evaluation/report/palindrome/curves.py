"""Errors against lag: means in bins of lags, with intervals over segments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.metrics.intervals import Interval, mean_interval
from ttt3r.evaluation.metrics.palindrome import LagBin, Palindrome, PalindromeErrors, lag_bins


@dataclass(frozen=True)
class Quantity:
    """One of the three errors.

    Args:
        name: of its table.
        heading: for people.
        short: where there is little room.
        digits: in print.
        values: the errors by frame.
    """

    name: str
    heading: str
    short: str
    digits: int
    values: Callable[[PalindromeErrors], Float[np.ndarray, " frame"]]


ROTATION = Quantity("rotation", "rotation deg", "rot deg", 2, lambda errors: errors.rotation_degrees)
TRANSLATION = Quantity("translation", "translation / path", "t / path", 3, lambda errors: errors.translation_per_path)
TRANSLATION_IN_VIEWS = Quantity(
    "translation_in_views", "translation / view", "t / view", 3, lambda errors: errors.translation
)
LOG_DEPTH = Quantity("log_depth", "log depth", "log depth", 3, lambda errors: errors.log_depth)
QUANTITIES = (TRANSLATION, ROTATION, LOG_DEPTH)
"""Those with a panel and a table by lag."""
GLANCE = (TRANSLATION, TRANSLATION_IN_VIEWS, ROTATION, LOG_DEPTH)
"""Those of the first table. In units of the first view a short path makes no error large, and a long one none small."""


def rules_of(found: Sequence[Palindrome]) -> list[str]:
    """All rules that took part, controls right after what they are controls of."""
    named = list(dict.fromkeys(name for one in found for name in (*one.errors, *one.stopped)))
    control_of = {name: of for one in found for name, of in one.control_of.items()}
    first = [name for name in named if name not in control_of]
    return [name for of in first for name in (of, *(n for n in named if control_of.get(n) == of))]


def bins_of(found: Sequence[Palindrome]) -> tuple[LagBin, ...]:
    """The bins of all lags that there are."""
    return lag_bins(max((2 * (len(one.frames) - 1) for one in found), default=2))


def over_segments(found: Sequence[Palindrome], rule: str, value: Callable[[PalindromeErrors], float]) -> Interval:
    """Mean over the segments in which the rule came to the end, with a 95 % interval; without one for a single segment."""
    return mean_interval(np.array([value(one.errors[rule]) for one in found if rule in one.errors], np.float64))


def curve(found: Sequence[Palindrome], rule: str, quantity: Quantity) -> list[Interval]:
    """A quantity in each bin of lags: a mean over its frames in every segment, then over segments."""
    return [
        over_segments(found, rule, lambda errors, part=part: _mean(quantity.values(errors)[part.of(errors.lag)]))
        for part in bins_of(found)
    ]


def overall(found: Sequence[Palindrome], rule: str, quantity: Quantity) -> Interval:
    """A quantity over all lags."""
    return over_segments(found, rule, lambda errors: _mean(quantity.values(errors)))


def _mean(values: Float[np.ndarray, " frame"]) -> float:
    return float(values.mean()) if len(values) else float("nan")
