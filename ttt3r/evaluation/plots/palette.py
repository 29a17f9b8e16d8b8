"""One colour for each rule, in every figure and report. What shares a colour differs in its line."""

import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from ttt3r.evaluation.results.knowing_nothing import KNOWS_NOTHING
from ttt3r.update_rules import RULES, Control
from ttt3r.update_rules.fast_weights import FAST_WEIGHTS
from ttt3r.update_rules.naming.labels import family_of

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F3C8D", "#8C8C00")
"""Okabe and Ito's palette: distinct for colour-blind readers, and in print."""
DARK = ("#4DA6E0", "#FF8A3D", "#2FC79B", "#E59BC4", "#F0B540", "#8CCBF2", "#C08BD0", "#BDBD3F")
"""The same hues, lighter, for a dark page."""
GREY, DARK_GREY = "#777777", "#A0A8B4"
"""Of trivial predictors."""

FIXED = {"cut3r": 0, "ttt3r": 1, "constant": 2, "frozen": 3, "ttsa3r": 4, "filt3r": 5, "stride": 6}
OTHERS = (6, 7, 4, 5)
"""Places in `COLORS` of the rules that stand in most pictures; all other rules share the last four."""

FAST_COLORS = dict(zip(FAST_WEIGHTS, COLORS, strict=True))
"""Of the fast-weight rules, which stand in pictures of their own."""

Dashes = tuple[float, ...]
LINES: tuple[Dashes, ...] = ((), (4, 1.5), (4, 1.5, 1, 1.5), (6, 2), (2, 1), (3, 1, 1, 1, 1, 1))
DOTTED: tuple[Dashes, ...] = ((1, 1.5), (1, 3), (1, 1, 1, 3))
"""Lengths of stroke and gap, in widths of the line; of rules, and of the controls of gates in the colour of their gate."""


@dataclass(frozen=True)
class RuleStyle:
    """How a rule is drawn.

    Args:
        place: in `COLORS`; behind its end for trivial predictors, which are grey.
        dashes: of the line; none for a solid one.
    """

    place: int
    dashes: Dashes = ()

    @property
    def color(self) -> str:
        """On a light page."""
        return (*COLORS, GREY)[self.place]

    @property
    def line(self) -> str | tuple[float, Dashes]:
        """For matplotlib."""
        return (0, self.dashes) if self.dashes else "-"


def color_place(label: str) -> int:
    """The place of a rule in `COLORS`: by its name alone, whatever its settings and resets and whatever stands beside it.

    Examples:
        >>> color_place("ttt3r@8") == color_place("ttt3r") == color_place("control of ttt3r")
        True
    """
    if label in KNOWS_NOTHING:
        return len(COLORS)
    name = family_of(label)
    others = [known for known in RULES if known not in FIXED]
    rank = others.index(name) if name in others else zlib.crc32(name.encode())
    return FIXED[name] if name in FIXED else OTHERS[rank % len(OTHERS)]


def rule_styles(labels: Sequence[str]) -> dict[str, RuleStyle]:
    """A style for each label of a picture: `color_place`, and the first line that nothing else of that colour has."""
    styles: dict[str, RuleStyle] = {}
    for label in labels:
        place = color_place(label)
        lines = (
            DOTTED if Control.split(label)[0] is not Control.NONE else LINES[1:] if label in KNOWS_NOTHING else LINES
        )
        taken = {style.dashes for style in styles.values() if style.place == place}
        more = (
            (stroke, 1.5) for stroke in itertools.count(9)
        )  # longer and longer strokes: nothing is drawn like another
        free = (dashes for dashes in itertools.chain(lines, more) if dashes not in taken)
        own = KNOWS_NOTHING.index(label) if label in KNOWS_NOTHING else 0
        styles[label] = RuleStyle(place, lines[own] if label in KNOWS_NOTHING else next(free))
    return styles
