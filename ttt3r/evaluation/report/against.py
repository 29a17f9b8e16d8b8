"""Ours beside the published numbers, for the same rule, protocol, length and metric."""

from collections.abc import Sequence
from dataclasses import dataclass

from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.protocols.paper import PAPER, PublishedValue, protocol_key, published_values
from ttt3r.evaluation.report.aggregate import Aggregate, Aggregation, OfficialMean, aggregates
from ttt3r.evaluation.report.results import Results, Slice


@dataclass(frozen=True)
class AgainstPaper:
    """Our number beside the published ones for the same rule, protocol, length and metric.

    Args:
        ours: as it was aggregated.
        metric: how the number is read.
        published: the authors' number; NaN where only others have one.
        others: all numbers of others, as printed.
        sources: who printed them.
    """

    ours: Aggregate
    metric: Metric
    published: float
    others: tuple[float, ...]
    sources: tuple[str, ...]

    @property
    def theirs(self) -> float:
        """The authors' number, or where there is none the middle of the band."""
        low, high = self.band
        return self.published if self.published == self.published else (low + high) / 2

    @property
    def difference(self) -> float:
        """Ours - theirs, in the metric's unit."""
        return self.ours.value - self.theirs

    @property
    def percent(self) -> float:
        """100 (ours / theirs - 1)."""
        return 100 * (self.ours.value / self.theirs - 1)

    @property
    def band(self) -> tuple[float, float]:
        """Smallest and largest of all printed numbers, the authors' included: what the same weights gave to different hands."""
        values = [*self.others, *([self.published] if self.published == self.published else [])]
        return min(values), max(values)

    @property
    def inside(self) -> bool:
        """Whether ours lies within the band."""
        low, high = self.band
        return low <= self.ours.value <= high


def against_paper(results: Results, aggregation: Aggregation = OfficialMean()) -> tuple[AgainstPaper, ...]:
    """Ours, theirs and the band of others, for every number that somebody has published under the same protocol.

    Rules are matched by their whole label: a constant, a control, or a rule with settings of its own has no published number.
    A metric is matched by the name under which papers print it, as it declares (`Metric.published`): what is computed as in the
    published scripts, and what is the same either way (errors of trajectories, depth without alignment). A protocol whose name
    holds no number of frames is matched at its largest length.

    Args:
        results: see `collect`.
        aggregation: papers contain official means.
    """
    table: dict[tuple[tuple[str, int], str, str], list[PublishedValue]] = {}
    for value in published_values():
        if value.rule and value.statistic == "mean":
            table.setdefault((value.key, value.rule, value.metric), []).append(value)
    longest = {part: max(results.of(part).lengths) for part in results.slices}
    made: dict[tuple[Slice, int, str, str], AgainstPaper] = {}
    for ours in aggregates(results, aggregation):
        stem, length = protocol_key(ours.slice.protocol, ours.length)
        if stem == ours.slice.protocol and length == longest[ours.slice]:
            length = 0
        name = ours.declared.published
        found = table.get(((stem, length), ours.rule, name), ()) if name else ()
        place = (ours.slice, ours.length, ours.rule, name)
        if found and (ours.declared.official or place not in made):
            made[place] = _beside(ours, found)
    return tuple(made.values())


def _beside(ours: Aggregate, found: Sequence[PublishedValue]) -> AgainstPaper:
    authors = [value.value for value in found if value.kind == PAPER]
    rest = [value for value in found if value.kind != PAPER]
    return AgainstPaper(
        ours,
        ours.declared,
        authors[0] if authors else float("nan"),
        tuple(value.value for value in rest),
        tuple(dict.fromkeys(value.source for value in rest)),
    )
