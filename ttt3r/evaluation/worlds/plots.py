"""Pictures of the experiment on procedural worlds: errors against length, and what memories answer."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ttt3r.evaluation.metrics.intervals import Interval, mean_interval, pooled_ratio_interval
from ttt3r.evaluation.plots.palette import RuleStyle, rule_styles
from ttt3r.evaluation.plots.pictures import new_figure, save_figure
from ttt3r.evaluation.plots.plots import INK, legend_below, quiet_axes
from ttt3r.evaluation.results.knowing_nothing import KNOWS_NOTHING
from ttt3r.evaluation.worlds.forgetting import RecallScores
from ttt3r.evaluation.worlds.scores import WorldScores

if TYPE_CHECKING:
    import matplotlib.axes

BINS = ((0, 0), (1, 3), (4, 7), (8, 15), (16, 31), (32, 63), (64, 10**9))
"""Frames since a view was last seen, first and last of each bin."""


def plot_errors_by_length(
    path: str | Path, scores: WorldScores, training_length: int | None, names: Sequence[str] | None = None
) -> None:
    """Draw rotation, translation and aligned trajectory errors against length, one curve for each rule with its 95 % band.

    Args:
        path: the picture.
        scores: of the worlds.
        training_length: marked by a line; what lies right of it is extrapolation. `None` if it is not known.
        names: of the rules to draw, by default all.

    Raises:
        ImportError: without the extra `eval`.
    """
    figure = new_figure(13.0, 4.9)
    panels = figure.subplots(1, 3)
    tables = (scores.rotation_degrees, scores.translation, scores.ate)
    titles = ("rotation error, degrees", "translation error / first view", "ATE after Sim(3) / first view")
    styles = rule_styles(_drawn(scores.rotation_degrees, names))
    for axes, table, title in zip(panels, tables, titles, strict=True):
        for name in _drawn(table, names):
            draw_curve(axes, scores.lengths, [mean_interval(row) for row in table[name]], name, styles[name])
        draw_lengths(axes, scores.lengths, training_length)
        axes.set_ylim(bottom=0)
        axes.set_title(title, fontsize=11, color=INK)
    legend_below(figure, panels[0])
    save_figure(figure, path)


def draw_lengths(axes: "matplotlib.axes.Axes", lengths: Sequence[int], training_length: int | None) -> None:
    """Frames along the axis, with a line at the longest clip of the training."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(lengths, [str(length) for length in lengths])
    marked = [*lengths, *([] if training_length is None else [training_length])]
    axes.set_xlim(min(marked) / 1.1, max(marked) * 1.1)  # a logarithmic axis finds none where no rule has a number
    if training_length is not None:
        axes.axvline(training_length, color=INK, linewidth=0.8, linestyle=":")
    axes.set_xlabel("frames" if training_length is None else "frames (dotted: longest in training)")
    quiet_axes(axes)


def recall_intervals(asked: Sequence[RecallScores], name: str) -> list[Interval]:
    """Explained variance for each of `BINS` over all questions of all worlds, 1 - sum of errors / sum of variances."""
    unseen, variance, error = (
        np.concatenate(parts)
        for parts in zip(*((part.unseen, part.variance, part.color_error[name]) for part in asked), strict=True)
    )
    found = []
    for first, last in BINS:
        chosen = (unseen >= first) & (unseen <= last)
        ratio = pooled_ratio_interval(*(np.where(chosen, part, 0).sum(axis=0) for part in (error, variance)))
        found.append(Interval(1 - ratio.mean, ratio.half, ratio.count))
    return found


def plot_recall(path: str | Path, asked: Sequence[RecallScores], names: Sequence[str] | None = None) -> None:
    """Draw recall against frames since a view was last seen, one curve for each rule with its 95 % band.

    Args:
        path: the picture.
        asked: the answers, at any lengths.
        names: of the memories to draw; those that bound what one may expect are drawn in any case.

    Raises:
        ImportError: without the extra `eval`.
    """
    figure = new_figure(8.6, 5.6)
    axes = figure.subplots()
    places = list(range(len(BINS)))
    drawn = _drawn(asked[0].color_error, names)
    styles = rule_styles(drawn)
    for name in drawn:
        draw_curve(axes, places, recall_intervals(asked, name), name, styles[name])
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks(places, [bin_name(*ends) for ends in BINS])
    axes.set_xlabel("frames since the view was last seen")
    axes.set_ylabel("explained variance of its colours")
    axes.set_title("asked for an earlier frame by its rays", fontsize=11, color=INK)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -2.4), min(1.0, high))  # trivial predictors lie about -2, and stay in sight
    quiet_axes(axes)
    legend_below(figure, axes)
    save_figure(figure, path)


def bin_name(first: int, last: int) -> str:
    """The bin in words."""
    if first == last:
        return str(first)
    return f"{first}+" if last >= 10**9 else f"{first}-{last}"


def plot_forgetting(path: str | Path, asked: Sequence[RecallScores], names: Sequence[str]) -> None:
    """Draw the forgetting matrix of each rule: after N frames (rows), asked for the frame that was fed so long ago (columns).

    Args:
        path: the picture.
        asked: the answers; each of `RecallScores` is one row.
        names: of the memories to draw; trivial predictors are drawn in any case.

    Raises:
        ImportError: without the extra `eval`.
    """
    names = _drawn(asked[0].color_error, names)
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(3.6 * columns + 0.9, 3.3 * rows + 0.6)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    back = sorted({scores.asked_after - 1 - frame for scores in asked for frame in scores.frames if frame > 0})
    for axes, name in zip(panels, names, strict=False):
        matrix = np.full((len(asked), len(back)), np.nan)
        for row, scores in enumerate(asked):
            for number, frame in enumerate(scores.frames):
                if (steps := scores.asked_after - 1 - frame) in back:
                    ratio = scores.color_error[name][number].sum() / max(scores.variance[number].sum(), 1e-6)
                    matrix[row, back.index(steps)] = 1 - ratio
        axes.imshow(matrix, cmap="RdBu", vmin=-0.6, vmax=0.6, aspect="auto")
        axes.set_xticks(range(len(back)), [str(steps) for steps in back], fontsize=8)
        axes.set_yticks(range(len(asked)), [str(scores.asked_after) for scores in asked], fontsize=8)
        axes.set_title(name, fontsize=10, color=INK)
        axes.set_xlabel("fed so many frames ago", fontsize=9)
        axes.set_ylabel("asked after N frames", fontsize=9)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    figure.colorbar(panels[0].images[0], ax=panels.tolist(), label="explained variance of colours", shrink=0.8)
    save_figure(figure, path)


def _drawn(known: Iterable[str], names: Sequence[str] | None) -> list[str]:
    """The names to draw, with what bounds them."""
    return [name for name in known if names is None or name in names or name in KNOWS_NOTHING]


def draw_curve(
    axes: "matplotlib.axes.Axes", places: Sequence[int], points: Sequence[Interval], name: str, style: RuleStyle
) -> None:
    """A curve with its band."""
    mean = np.array([point.mean for point in points])
    half = np.array([point.half for point in points])
    axes.fill_between(places, mean - half, mean + half, color=style.color, alpha=0.13, linewidth=0)
    axes.plot(places, mean, linestyle=style.line, color=style.color, linewidth=1.8, label=name)
    axes.plot(places, mean, "o", color=style.color, markersize=3.5)  # not in the legend, where it would hide the dashes


def table_of_recall(asked: Sequence[RecallScores]) -> Mapping[str, list[Interval]]:
    """Explained variance and its interval for each of `BINS`, by memory."""
    return {name: recall_intervals(asked, name) for name in asked[0].color_error}
