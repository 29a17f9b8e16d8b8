"""What a number means: its unit, which way is better, how it is compared and printed.

    WITHIN = Metric("ate_within_5cm", "within 5 cm", higher_is_better=True)

Whatever makes a number declares it, once (`Measure.metrics`, `Task.metrics`); the declaration is stored with the results, and
tables, figures and verdicts read it there. Nothing is read from a name.
"""

import enum
from dataclasses import dataclass, replace

from ttt3r.files import escaped

MOST_DIGITS = 17
"""After the point; more say nothing in float64."""


class Family(enum.Enum):
    """What a metric is about; the official scripts average each family in a way of its own."""

    TRAJECTORY = "trajectory"
    DEPTH = "depth"
    PIXELS = "pixels"
    """How many pixels of a sequence were judged: the weights of its depth errors in official means, in no table of results."""
    POINTS = "points"
    RECALL = "recall"
    GAIN = "gain"
    COST = "cost"
    OTHER = "other"


@dataclass(frozen=True)
class Metric:
    """How a number is read.

    Args:
        name: as in the rows, e.g. `depth_abs_rel/median`. Any text; nothing is read from it.
        heading: for people, without unit; by default the name with blanks for underscores.
        unit: `m`, `deg`, ... or empty.
        higher_is_better: whether more is better; `None` for a description such as a mean gain: it is shown, and no rule wins
            by it.
        family: what it is about.
        ratio: two rules are compared by ln(a / b); otherwise by a - b. Ratios suit errors, which are positive and spread
            over decades; they do not suit fractions (delta thresholds) and numbers that may be zero or negative.
        digits: after the point, in print.
        quantity: the name that all variants of one number share, e.g. `ate` of `ate/se3`; by default the name.
        official: whether it is computed as the published scripts do.
        published: the name under which papers print the same number, e.g. `ate` of `official/ate`; empty if they do not.
        peak: of a cost: the largest of several counts, not their mean.

    Raises:
        ValueError: if `digits` is not from 0 to `MOST_DIGITS`.
    """

    name: str
    heading: str = ""
    unit: str = ""
    higher_is_better: bool | None = None
    family: Family = Family.OTHER
    ratio: bool = False
    digits: int = 3
    quantity: str = ""
    official: bool = False
    published: str = ""
    peak: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.digits <= MOST_DIGITS:
            raise ValueError(f"metric {self.name!r} has digits={self.digits}; give 0 to {MOST_DIGITS}")
        object.__setattr__(self, "heading", self.heading or escaped(self.name.replace("_", " ")))
        object.__setattr__(self, "quantity", self.quantity or self.name)

    @property
    def label(self) -> str:
        """Heading and unit, e.g. `ATE m`."""
        return f"{self.heading} {self.unit}".strip()

    @property
    def directed(self) -> bool:
        """Whether a rule can win by it."""
        return self.higher_is_better is not None

    def better(self, value: float, other: float) -> bool:
        """Whether `value` beats `other`; never for a metric without direction, nor for NaN."""
        if self.higher_is_better is None:
            return False
        return bool(value > other if self.higher_is_better else value < other)

    def variant(self, name: str) -> "Metric":
        """The same quantity measured in another way, e.g. `ate/se3` of `ate`."""
        published = f"{self.published}/{name}" if self.published else ""
        return replace(self, name=f"{self.name}/{name}", heading=f"{self.heading} {name}", published=published)

    def as_published(self) -> "Metric":
        """The same computed as the published scripts do, e.g. `official/ate` of `ate`."""
        heading = f"{self.heading} official"
        return replace(self, name=f"official/{self.name}", heading=heading, official=True, published=self.name)
