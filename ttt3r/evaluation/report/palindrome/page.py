"""The figure and the page of palindromes."""

from collections.abc import Sequence

import numpy as np

from ttt3r.evaluation.metrics.palindrome import Palindrome
from ttt3r.evaluation.plots.palette import rule_styles
from ttt3r.evaluation.plots.pictures import new_figure
from ttt3r.evaluation.plots.plots import INK, legend_below, quiet_axes
from ttt3r.evaluation.report.figures import Figure
from ttt3r.evaluation.report.page import Page
from ttt3r.evaluation.report.palindrome.curves import QUANTITIES, bins_of, curve, rules_of
from ttt3r.evaluation.report.palindrome.tables import palindrome_notes, palindrome_tables
from ttt3r.evaluation.report.tables import Cell, Column, Table

READING = (
    (
        "The idea",
        "The video is shown forwards and then backwards. Whatever the camera did, it must come back through the same places, "
        "so each frame is read twice and the two readings must agree. No ground truth is needed.",
    ),
    (
        "Lag",
        "How many frames lie between the two readings: few near the turn, twice the length of the video for its first frame. "
        "An error that grows with the lag is forgetting, or drift.",
    ),
    (
        "What it does not show",
        "Agreement is not truth. A rule that never writes (frozen) answers every frame twice alike and makes no error but on "
        "the first one. So look at the length of the predicted path, its spread and the largest turn beside each error.",
    ),
    (
        "The controls",
        "frozen never writes. RULE@N, with N the frames of a segment, forgets everything where the video turns: what a rule "
        "makes less than it, it owes to its memory. A control of a gate is the constant of the gate's mean gain.",
    ),
    (
        "Intervals",
        "Over segments of one video, each a palindrome of its own. They speak of this video, not of others.",
    ),
)


def palindrome_figure(found: Sequence[Palindrome]) -> Figure:
    """Three errors against lag, a curve for each rule, with 95 % bands over segments.

    Raises:
        ImportError: without the extra `eval`.
    """
    drawing = new_figure(13.0, 4.6)
    panels = drawing.subplots(1, len(QUANTITIES))
    rules = [rule for rule in rules_of(found) if any(rule in one.errors for one in found)]
    styles, parts = rule_styles(rules), bins_of(found)
    places = [float(np.sqrt(part.first * part.last)) for part in parts]
    for axes, quantity in zip(panels, QUANTITIES, strict=True):
        for rule in rules:
            points, style = curve(found, rule, quantity), styles[rule]
            mean = np.array([point.mean for point in points])
            half = np.nan_to_num(np.array([point.half for point in points]))
            axes.fill_between(places, mean - half, mean + half, color=style.color, alpha=0.13, linewidth=0)
            axes.plot(places, mean, linestyle=style.line, color=style.color, linewidth=1.8, label=rule)
            axes.plot(places, mean, "o", color=style.color, markersize=3.5)
        axes.set_xscale("log", base=2)
        axes.set_xticks(places, [str(part) for part in parts], fontsize=8)
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_xlabel("lag: frames between the two readings")
        axes.set_title(quantity.heading, fontsize=11, color=INK)
        quiet_axes(axes)
    legend_below(drawing, panels[0])
    band = "one segment, so no bands" if len(found) == 1 else f"band: 95 % over {len(found)} segments"
    return Figure("palindrome", "Forwards and backwards", f"Mean over the lags of a bin; {band}.", drawing)


def palindrome_page(found: Sequence[Palindrome], figure: Figure | None, settings: Sequence[tuple[str, str]]) -> Page:
    """One HTML file with everything.

    Args:
        found: all segments.
        figure: of them; `None` without matplotlib.
        settings: (name, value) of what the numbers depend on.
    """
    first, rules = found[0], rules_of(found)
    facts = Table(
        name="settings",
        title="Settings",
        columns=(Column("setting", numeric=False), Column("value", numeric=False)),
        rows=tuple((Cell(name), Cell(value)) for name, value in settings),
    )
    missing = () if figure is not None else ("No figure: it needs matplotlib (pip install 'ttt3r[eval]').",)
    return Page(
        title=f"Forwards and backwards: {first.source}",
        subtitle=f"{len(rules)} rules, {len(found)} segment{'s' * (len(found) != 1)} of {len(first.frames)} frames",
        verdicts=(),
        styles=tuple(rule_styles(rules).items()),
        tables=palindrome_tables(found),
        figures=() if figure is None else (figure,),
        scenes=(),
        plotly="",
        notes=(*palindrome_notes(found), *missing),
        facts=(facts,),
        reading=READING,
    )
