"""What rules cost: seconds and bytes by rule, joined over units as each cost declares, and their table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttt3r.evaluation.measures.cost import GROWTH, NETWORK_SECONDS, PEAK_MEMORY, RULES_IN_PASS, SECONDS
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.report.metrics import declared_by, metric_named
from ttt3r.evaluation.report.pair_table import RULE
from ttt3r.evaluation.report.results import rule_of
from ttt3r.evaluation.report.tables import Cell, Column, Table
from ttt3r.evaluation.results.rows import UnitResult

GIB, KIB = 1024**3, 1024


@dataclass(frozen=True)
class RuleCosts:
    """The costs of one rule.

    Args:
        values: by name.
        declared: how they are read, by name.
    """

    values: Mapping[str, float]
    declared: Mapping[str, Metric]

    @property
    def main(self) -> float:
        """Seconds per frame: in all, or else of the network, or else the sum of all parts; NaN without any."""
        for metric in (SECONDS, NETWORK_SECONDS):
            if metric.name in self.values:
                return self.values[metric.name]
        parts = [value for name, value in self.values.items() if self.declared[name].unit == SECONDS.unit]
        return math.fsum(parts) if parts else math.nan

    @property
    def peak_bytes(self) -> float:
        """Most memory held at once; 0 where it was not measured."""
        peaks = [name for name, metric in self.declared.items() if metric.peak and metric.unit == PEAK_MEMORY.unit]
        return next((self.values[name] for name in peaks if name in self.values), 0.0)

    @property
    def together(self) -> float:
        """How many rules share the times of a pass."""
        return self.values.get(RULES_IN_PASS.name, 1.0)


def mean_costs(units: Sequence[UnitResult]) -> dict[str, RuleCosts]:
    """By rule, the mean of each cost over the units that measured it; a peak is the largest one."""
    found: dict[str, dict[str, list[float]]] = {}
    for unit in units:
        for rule in dict.fromkeys(rule_of(row) for row in unit.rows):
            for name, value in unit.costs.items():
                if math.isfinite(value):
                    found.setdefault(rule, {}).setdefault(name, []).append(value)
    known = declared_by(units)
    declared = {name: known.get(name) or metric_named(name) for costs in found.values() for name in costs}
    return {
        rule: RuleCosts(
            {name: max(v) if declared[name].peak else math.fsum(v) / len(v) for name, v in costs.items()}, declared
        )
        for rule, costs in found.items()
    }


def cost_table(costs: Mapping[str, RuleCosts], rules: Sequence[str]) -> Table:
    """Seconds per frame by part and peak memory, a line for each rule.

    Args:
        costs: by rule, see `mean_costs`.
        rules: in the order of the lines.
    """
    declared = {name: one.declared[name] for one in costs.values() for name in one.values}
    rows = [
        (Cell(rule), *(_cell(metric, costs[rule].values.get(name, math.nan)) for name, metric in declared.items()))
        for rule in rules
        if rule in costs
    ]
    caption = "seconds for each frame, means over sequences; rules that ran in one pass share its times"
    columns = [Column(_heading(metric), name) for name, metric in declared.items()]
    return Table("costs", "Costs", (RULE, *columns), tuple(rows), 1, caption if rows else "")


def _cell(metric: Metric, value: float) -> Cell:
    if metric.unit == PEAK_MEMORY.unit:
        return Cell(value / GIB, ".2f")
    if metric.unit == GROWTH.unit:
        return Cell(value / KIB, ".1f")
    return Cell(value, f".{metric.digits}f" if metric.unit == SECONDS.unit else ".4g")


def _heading(metric: Metric) -> str:
    if metric.unit == PEAK_MEMORY.unit:
        return f"{metric.heading} GiB"
    if metric.unit == GROWTH.unit:
        return "KiB per frame" if metric == GROWTH else f"{metric.heading} KiB per frame"
    if metric.unit == SECONDS.unit:
        return metric.unit if metric == SECONDS else f"{metric.unit} {metric.heading}"
    return metric.label
