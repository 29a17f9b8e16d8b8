"""One colour for each rule, in every figure and view of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttt3r.evaluation.plots import COLORS, LINES

FIXED = {"cut3r": 0, "ttt3r": 1, "constant": 2, "frozen": 3, "ttsa3r": 4, "filt3r": 5}
"""Places in `COLORS` (Okabe and Ito's palette, told apart by colour-blind readers) that are the same in every report."""

DARK = ("#4DA6E0", "#FF8A3D", "#2FC79B", "#E59BC4", "#F0B540", "#8CCBF2", "#C08BD0", "#BDBD3F")
"""The same hues, lighter, for a dark page."""


@dataclass(frozen=True)
class RuleStyle:
    """How a rule is drawn.

    Args:
        place: in `COLORS`.
        line: of matplotlib; controls are dotted in the colour of their gate.
    """

    place: int
    line: str

    @property
    def color(self) -> str:
        """On a light page."""
        return COLORS[self.place]


def rule_styles(rules: Sequence[str], gate_of: Mapping[str, str]) -> dict[str, RuleStyle]:
    """A style for each rule: fixed ones first, then the free colours in order, then other line styles.

    Args:
        rules: labels.
        gate_of: the gate of each control.
    """
    styles: dict[str, RuleStyle] = {}
    asked = [rule for rule in rules if rule not in gate_of]
    for rule in asked:
        place = FIXED.get(rule.partition(":")[0])
        if place is not None and all(style.place != place for style in styles.values()):
            styles[rule] = RuleStyle(place, LINES[0])
    taken = {style.place for style in styles.values()}
    free = [(place, LINES[0]) for place in range(len(COLORS)) if place not in taken]
    free += [(place, line) for line in LINES[1:] for place in range(len(COLORS))]
    for number, rule in enumerate(rule for rule in asked if rule not in styles):
        styles[rule] = RuleStyle(*free[number % len(free)])
    for control, gate in gate_of.items():
        styles[control] = RuleStyle(styles[gate].place if gate in styles else 0, ":")
    return styles
