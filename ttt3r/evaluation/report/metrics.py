"""How the numbers of results are read: as their files declare, or else as this package's own measures do."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence

from ttt3r.evaluation.measures.cost import FRAMES_PER_SECOND, METER_COSTS, PASS_COSTS
from ttt3r.evaluation.measures.depth import PER_PIXEL, OfficialDepth, depth_metrics
from ttt3r.evaluation.measures.metric import Family, Metric
from ttt3r.evaluation.measures.points import PER_POINT, SHARES
from ttt3r.evaluation.measures.trajectory import StrictTrajectory
from ttt3r.evaluation.measures.worlds import RECALL, SCORES
from ttt3r.evaluation.protocols.table import PROTOCOLS
from ttt3r.evaluation.results.rows import UnitResult

OLDER = (
    Metric("alignment_scale", "scale", family=Family.TRAJECTORY),
    Metric("depth_valid_pixels", "pixels", family=Family.PIXELS, digits=0),
)
"""What older releases wrote."""

PRIMARY = (
    *("ate", "depth_abs_rel", "points_chamfer", "points_accuracy", "recall_color", "rotation_degrees"),
    "translation_per_first_view",
)
"""By the first of these quantities that the rows hold, a verdict is given, unless another metric is asked for."""

FEW = 8
"""Up to so many metrics are all shown at first."""
CORE = frozenset(
    {
        *("ate", "rpe_translation", "rpe_rotation_degrees", "depth_abs_rel", "depth_delta_125", "recall_color"),
        *("points_accuracy", "points_completeness", "points_normal_consistency", "points_f_score"),
    }
)
"""The quantities of this package that a first look needs."""


@functools.cache
def built_in() -> Mapping[str, Metric]:
    """By name, what this package's own measures declare; quantities without an alignment, for numbers brought in by hand."""
    measured = [metric for protocol in PROTOCOLS.values() for metric in protocol.metrics]
    measured += [*StrictTrajectory(segments=(100.0,)).metrics, *SCORES, RECALL]
    printed = [*depth_metrics(name for name, _ in OfficialDepth().alignments), FRAMES_PER_SECOND]
    plain = [*PER_PIXEL, *PER_POINT, *SHARES]
    known: dict[str, Metric] = {}
    for metric in (*measured, *printed, *plain, *PASS_COSTS, *METER_COSTS, *OLDER):
        known.setdefault(metric.name, metric)
    return known


def metric_named(name: str) -> Metric:
    """How this package's number of exactly that name is read; any other is shown, and no rule wins by it."""
    return built_in().get(name) or Metric(name)


def declared_by(units: Iterable[UnitResult]) -> dict[str, Metric]:
    """By name, what results say of their numbers; where headings differ, the newest result counts.

    Raises:
        ValueError: if one name has two directions or units.
    """
    found: dict[str, Metric] = {}
    for unit in sorted(units, key=lambda unit: unit.origin.made):
        own = {metric.name: metric for metric in unit.metrics}
        for name in dict.fromkeys([*(row.metric for row in unit.rows), *unit.costs]):
            metric = own.get(name) or built_in().get(name)
            if metric is None:
                continue
            known = found.get(name, metric)
            if (known.higher_is_better, known.unit) != (metric.higher_is_better, metric.unit):
                raise ValueError(
                    f"{name!r} is declared in two ways: {_way(known)}, and {_way(metric)}; rename one of the metrics"
                )
            found[name] = metric
    return found


def _way(metric: Metric) -> str:
    way = {True: "higher is better", False: "lower is better", None: "neither way is better"}[metric.higher_is_better]
    return f"{way}, in {metric.unit}" if metric.unit else f"{way}, without unit"


ReadMetric = Callable[[str], Metric]
"""How the metric of a name is read."""


def core_metrics(names: Sequence[str], read: ReadMetric = metric_named) -> list[str]:
    """Those that a first look needs: all of them if they are few, else the first variant of each quantity in `CORE`.

    What is not this package's own was added by somebody who wants to see it.

    Args:
        names: in the order of the rows.
        read: how they are read.
    """
    if len(names) <= FEW:
        return list(names)
    first: dict[str, str] = {}
    for name in names:
        if (quantity := read(name).quantity) in CORE:
            first.setdefault(quantity, name)
    chosen = {quantity if quantity in names else name for quantity, name in first.items()}
    chosen |= {name for name in names if read(name).directed and name not in built_in()}
    return [name for name in names if name in chosen] or list(names[:FEW])


def primary_metric(names: Sequence[str], read: ReadMetric = metric_named) -> str:
    """The metric by which a verdict is given: the first of `PRIMARY`, or else the first that has a direction.

    Args:
        names: in the order of the rows.
        read: how they are read.

    Raises:
        ValueError: if no metric has a direction.
    """
    directed = [name for name in names if read(name).directed]
    for quantity in PRIMARY:
        found = [name for name in directed if read(name).quantity == quantity]
        if found:
            return quantity if quantity in found else found[0]
    if not directed:
        raise ValueError(
            f"none of the metrics {list(names)} says which way is better; declare it, Metric(..., higher_is_better=True)"
        )
    return directed[0]
