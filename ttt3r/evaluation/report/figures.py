"""Figures of a report: error against length, sequences one by one, gain over time, cost against accuracy.

Every figure is drawn once, in the colours of a light page. For the HTML page it becomes SVG whose colours are names, so that
the page decides what they look like in the light and in the dark.
"""

import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.plots.palette import COLORS, GREY, RuleStyle
from ttt3r.evaluation.plots.pictures import new_figure, save_figure
from ttt3r.evaluation.plots.plots import FAINT, INK, LEGEND, quiet_axes
from ttt3r.evaluation.report.aggregate import common_set
from ttt3r.evaluation.report.arrays import UnitArrays
from ttt3r.evaluation.report.contents import Means
from ttt3r.evaluation.report.costs import RuleCosts
from ttt3r.evaluation.report.pairing import PairedComparison
from ttt3r.evaluation.report.results import Slice
from ttt3r.evaluation.report.statistics import bootstrap_interval
from ttt3r.evaluation.results.knowing_nothing import KNOWS_NOTHING

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

MOST_PAIRS = 6
"""Panels of the figure of pairs."""


@dataclass(frozen=True)
class Figure:
    """A drawing with its name and what a reader has to know.

    Args:
        name: of its file.
        title: for people.
        caption: how to read it.
        drawing: made by matplotlib.
    """

    name: str
    title: str
    caption: str
    drawing: "matplotlib.figure.Figure"

    def save(self, folder: Path) -> None:
        """Write a PNG for the screen and a PDF for a paper."""
        save_figure(self.drawing, folder / f"{self.name}.png")
        save_figure(self.drawing, folder / f"{self.name}.pdf")

    def svg(self) -> str:
        """For a page that defines the colours `--rule-0` to `--rule-8` and `--faint`; ink is the page's own text colour."""
        import matplotlib

        text = io.StringIO()
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name}):
            self.drawing.savefig(text, format="svg", transparent=True, metadata={"Date": None})
        drawn = text.getvalue()
        names = {color: f"var(--rule-{place})" for place, color in enumerate((*COLORS, GREY))}
        for color, name in {**names, INK: "currentColor", FAINT: "var(--faint)", "#000000": "currentColor"}.items():
            drawn = drawn.replace(color.lower(), name)
        start = drawn.index("<svg")  # what stands before it is not for a page
        return drawn[start:].replace("<svg", f'<svg role="img" aria-label="{html.escape(self.title)}"', 1)


@dataclass(frozen=True)
class Drawer:
    """What all figures of a report share.

    Args:
        means: of all slices.
        styles: of the rules.
        seed: of the intervals.
    """

    means: Means
    styles: Mapping[str, RuleStyle]
    seed: int = 0

    def errors(self, part: Slice, metric: str, name: str) -> Figure:
        """Error against length, a curve for each rule over the common set, with 95 % bootstrap bands by scene.

        Args:
            part: the slice.
            metric: name.
            name: of the figure.
        """
        read, results = self.means.results.metric(metric), self.means.results.of(part)
        drawing = new_figure(6.0, 3.8)
        axes = drawing.subplots()
        rows = [row for row in results.rows if row.metric == metric and self.means.aggregation.counts(row)]
        rules = [rule for rule in results.rules if any(row.rule == rule for row in rows)]
        common = common_set(results, part, metric, self.means.aggregation).sequences
        lengths = sorted({row.length for row in rows})
        for rank, rule in enumerate(rules):
            style, found = self.styles[rule], []
            for length in lengths:
                here = [row for row in rows if (row.rule, row.length) == (rule, length) and row.sequence in common]
                values = np.array([row.value for row in here], np.float64)
                found.append(bootstrap_interval(values, [row.scene for row in here], draws=2000, seed=self.seed))
            low, high, mean = ([getattr(one, end) for one in found] for end in ("low", "high", "mean"))
            if len(lengths) > 1:
                axes.fill_between(lengths, low, high, color=style.color, alpha=0.14, linewidth=0)
                axes.plot(lengths, mean, linestyle=style.line, color=style.color, linewidth=1.8, label=rule)
                axes.plot(lengths, mean, "o", color=style.color, markersize=4)
            else:
                axes.plot([rank, rank], [low[0], high[0]], color=style.color, linewidth=2)
                axes.plot([rank], mean, "o", color=style.color, markersize=7, label=rule)
        if len(lengths) > 1:
            axes.set_xlabel("frames")
        else:
            axes.set_xticks(range(len(rules)), ["\n".join(rule.split(" ", 2)) for rule in rules])
            axes.set_xlim(-0.6, len(rules) - 0.4)
        axes.set_ylabel(read.label, parse_math=False)
        if read.ratio:
            axes.set_ylim(bottom=0)
        quiet_axes(axes)
        if len(lengths) > 1:
            _legend(drawing, axes)
        title = f"{read.heading} against length, {part.label}" if len(lengths) > 1 else f"{read.heading}, {part.label}"
        caption = f"Mean over {len(common)} sequences that every rule has; band: 95 % bootstrap interval by scene. "
        caption += "Rules share sequences, so bands that overlap do not mean that the rules are equal."
        return Figure(name, title, caption, drawing)

    def pairs(self, comparisons: Sequence[PairedComparison], name: str) -> Figure:
        """Every sequence as a point, one rule against the other; below the diagonal the first has the lower number.

        Args:
            comparisons: of one slice and metric.
            name: of the figure.
        """
        present = [one for one in comparisons if one.sequences]
        chosen = sorted(present, key=lambda one: one.against in KNOWS_NOTHING)[:MOST_PAIRS]  # rules with rules first
        columns = min(2, max(1, len(chosen)))
        lines = max(1, math.ceil(len(chosen) / columns))
        drawing = new_figure(2.9 * columns + 0.4, 2.9 * lines + 0.2)
        grid = np.atleast_1d(drawing.subplots(lines, columns)).ravel()
        for axes, one in zip(grid, [*chosen, *[None] * (len(grid) - len(chosen))], strict=True):
            if one is None:
                axes.set_visible(False)
                continue
            _scatter(axes, one, self.styles[one.rule])
        caption = "A point for each sequence; on the line both rules are equal, below it the rule at the left has less."
        part = chosen[0].slice.label if chosen else ""
        heading = chosen[0].metric.heading if chosen else ""
        return Figure(name, f"{heading} of every sequence, {part}", caption, drawing)

    def gains(self, part: Slice, arrays: Sequence[UnitArrays], name: str) -> Figure:
        """Gain over time, a curve for each rule: mean over sequences, with the mean spread over tokens as a band.

        Args:
            part: the slice.
            arrays: of all units.
            name: of the figure.
        """
        drawing = new_figure(6.0, 3.4)
        axes = drawing.subplots()
        for rule in self.means.results.of(part).rules:
            here = [one for one in arrays if (one.slice, one.rule) == (part, rule) and len(one.gain_mean)]
            if not here:
                continue
            mean, spread = _padded([one.gain_mean for one in here]), _padded([one.gain_std for one in here])
            style, frames = self.styles[rule], np.arange(len(mean))
            axes.fill_between(frames, mean - spread, mean + spread, color=style.color, alpha=0.12, linewidth=0)
            axes.plot(frames, mean, linestyle=style.line, color=style.color, linewidth=1.6, label=rule)
        axes.set_ylim(-0.04, 1.04)
        axes.set_xlabel("frame")
        axes.set_ylabel("gain")
        quiet_axes(axes)
        _legend(drawing, axes)
        caption = (
            "Mean over sequences; band: one standard deviation over the tokens of a frame. A gain of 1 overwrites."
        )
        return Figure(name, f"Gain over time, {part.label}", caption, drawing)

    def costs(self, part: Slice, metric: str, costs: Mapping[str, RuleCosts], name: str) -> Figure:
        """Cost against accuracy at the largest length: a rule at the lower left is cheap and exact.

        Args:
            part: the slice.
            metric: name.
            costs: by rule.
            name: of the figure.
        """
        read, results = self.means.results.metric(metric), self.means.results.of(part)
        drawing = new_figure(6.0, 3.8)
        axes = drawing.subplots()
        length = max(row.length for row in results.rows if row.metric == metric)
        for rule in [rule for rule in results.rules if rule in costs]:
            at = costs[rule].main, self.means.value(part, rule, length, metric)
            mark = "D" if rule in results.gate_of else "o"
            axes.plot(*at, mark, color=self.styles[rule].color, markersize=8, label=rule)
        axes.set_xlabel("seconds per frame")
        axes.set_ylabel(read.label, parse_math=False)
        axes.margins(0.2)
        axes.set_xlim(left=0)
        quiet_axes(axes)
        _legend(drawing, axes)
        caption = "Rules that ran in one pass share its times and stand one above the other; rules without times are left out."
        return Figure(name, f"Cost against {read.heading}, {part.label}", caption, drawing)


def _padded(curves: Sequence[Float[np.ndarray, " step"]]) -> Float[np.ndarray, " frame"]:
    """Mean of curves of unequal length, each frame over those that have it."""
    longest = max(len(curve) for curve in curves)
    return np.array([np.mean([curve[frame] for curve in curves if frame < len(curve)]) for frame in range(longest)])


def _scatter(axes: "matplotlib.axes.Axes", one: PairedComparison, style: RuleStyle) -> None:
    from matplotlib.ticker import NullLocator

    both = np.concatenate([one.values, one.others])
    low, high = float(both.min()), float(both.max())
    room = (high / low) ** 0.12 if one.ratio and high > low else 1.3
    ends = (low / room, high * room) if one.ratio else (low - 0.1 * (high - low or 1), high + 0.1 * (high - low or 1))
    axes.plot(ends, ends, color=INK, linewidth=0.8)
    axes.scatter(one.others, one.values, s=26, color=style.color, alpha=0.8, linewidths=0, zorder=3)
    if one.ratio and high > 4 * low:
        for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
            scale("log")
            marks = [digit * 10.0**power for power in range(-9, 9) for digit in _digits(low, high)]
            axis.set_ticks([mark for mark in marks if ends[0] <= mark <= ends[1]])
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlabel(_short(one.against, one.metric), fontsize=9, parse_math=False)
    axes.set_ylabel(_short(one.rule, one.metric), fontsize=9, parse_math=False)
    quiet_axes(axes)


def _digits(low: float, high: float) -> tuple[int, ...]:
    """Marks of a logarithmic axis: fewer of them the more decades it has."""
    return (1, 2, 5) if high < 30 * low else (1,)


def _short(rule: str, metric: Metric) -> str:
    name = rule if len(rule) <= 26 else f"{rule[:25]}…"
    return f"{name}  ({metric.unit})" if metric.unit else name


def _legend(drawing: "matplotlib.figure.Figure", axes: "matplotlib.axes.Axes") -> None:
    handles, names = axes.get_legend_handles_labels()
    longest = max((len(name) for name in names), default=1)
    columns = max(1, min(len(names), 80 // (longest + 6)))
    where = "outside lower center"
    legend = drawing.legend(handles, names, loc=where, ncols=columns, frameon=False, fontsize=9, handlelength=LEGEND)
    for text in legend.get_texts():
        text.set_color(INK)
