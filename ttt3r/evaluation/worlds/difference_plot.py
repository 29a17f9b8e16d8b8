"""The picture of paired differences against length."""

from collections.abc import Sequence
from pathlib import Path

from ttt3r.evaluation.plots.palette import rule_styles
from ttt3r.evaluation.plots.pictures import new_figure, save_figure
from ttt3r.evaluation.plots.plots import INK, legend_below
from ttt3r.evaluation.worlds.differences import differences, measured
from ttt3r.evaluation.worlds.plots import draw_curve, draw_lengths
from ttt3r.evaluation.worlds.scores import WorldScores


def plot_differences(
    path: str | Path, scores: WorldScores, training_length: int | None, names: Sequence[str] | None = None
) -> None:
    """Draw the paired differences with the first rule against length: a panel for each error, with 95 % bands.

    Args:
        path: the picture.
        scores: of the worlds.
        training_length: as in `plot_errors_by_length`.
        names: of the rules to draw, by default all. Trivial predictors are left out: they are far from any rule.

    Raises:
        ImportError: without the extra `eval`.
    """
    first, *others = scores.gain
    drawn = [name for name in others if names is None or name in names]
    figure = new_figure(13.0, 8.2)
    panels = figure.subplots(2, 2).ravel()
    styles = rule_styles([first, *drawn])  # as in the other pictures
    for axes, (metric, table) in zip(panels, measured(scores), strict=True):
        found = differences(scores, table)
        for name in drawn:
            draw_curve(axes, scores.lengths, [one.interval for one in found[name]], name, styles[name])
        axes.axhline(0, color=INK, linewidth=0.8)
        draw_lengths(axes, scores.lengths, training_length)
        axes.set_title(f"{metric.label}, minus that of {first}", fontsize=11, color=INK)
    legend_below(figure, panels[0])
    save_figure(figure, path)
