"""One HTML file that holds a whole report and opens from disk: no network, no other file, light and dark."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from ttt3r.evaluation.plots.palette import COLORS, DARK, DARK_GREY, GREY, RuleStyle
from ttt3r.evaluation.report.figures import Figure
from ttt3r.evaluation.report.scenes import Scene
from ttt3r.evaluation.report.tables import Table
from ttt3r.evaluation.report.verdict import Verdict

READING = (
    (
        "The verdict",
        "A winner is called sure if the corrected p-value is at most 0.05, the interval of the difference leaves out zero, "
        "and the difference exceeds the noise between runs where that is known. Everything else may be chance. "
        "Bold means sure, in every table. No rule wins that does not surely beat the trivial predictors.",
    ),
    (
        "Differences",
        "Rules are compared on the same sequences, one by one: errors by the logarithm of their ratio, which is then given in "
        "per cent; fractions by their difference. So a hard sequence does not outweigh all others, as it does in a mean.",
    ),
    (
        "How sure",
        "The interval is a percentile bootstrap that draws whole scenes. The test flips the signs of whole scenes, all "
        "patterns up to 2^16 of them; few scenes cannot give a small p, and the smallest one they can give is stated. "
        "Holm's correction counts all comparisons of one metric in this report.",
    ),
    (
        "The control",
        "A lower gain alone changes every error. So beside each gate stands the constant rate that has its mean gain on that "
        "sequence: a gate that does not beat it only writes less.",
    ),
    (
        "Two sets of sequences",
        "Strict means along a curve are taken over the sequences that every rule has at the largest length. Official means are "
        "taken over whatever is left at each length, as in the published scripts, so their curves compare different sets.",
    ),
)
"""How to read a report: headings and texts of the page."""


@dataclass(frozen=True)
class Page:
    """What the page shows, from top to bottom.

    Args:
        title: of the page.
        subtitle: one line of facts.
        verdicts: on top.
        styles: (rule, style) of the legend.
        tables: of means, comparisons, gains, costs, published values: whatever the report has, in order.
        figures: drawn from the same numbers.
        scenes: for the interactive view.
        plotly: the library that draws them; empty without scenes.
        notes: what is missing from the page and why.
        facts: tables at the end: failures, remarks, settings.
        reading: (what, how to read it), at the very end.
    """

    title: str
    subtitle: str
    verdicts: tuple[Verdict, ...]
    styles: tuple[tuple[str, RuleStyle], ...]
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]
    scenes: tuple[Scene, ...]
    plotly: str
    notes: tuple[str, ...]
    facts: tuple[Table, ...]
    reading: tuple[tuple[str, str], ...] = READING

    def html(self) -> str:
        """The whole file."""
        title = html.escape(self.title)
        return "\n".join(
            [
                "<!doctype html>",
                '<html lang="en"><head><meta charset="utf-8">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                f"<title>{title}</title><style>{_colors()}{_asset('page.css')}</style></head><body>",
                f'<header class="top"><h1>{title}</h1><p class="dim">{html.escape(self.subtitle)}</p>',
                f"<nav>{self._links()}</nav></header><main>",
                *self._sections(),
                "<footer>Made by ttt3r. This file needs no network and no other file.</footer></main>",
                *self._scripts(),
                "</body></html>",
                "",
            ]
        )

    def _parts(self) -> list[tuple[str, str, str]]:
        """(id, heading, content) of every section that has something to say."""
        verdicts = "".join(map(_verdict, self.verdicts)) + _legend(self.styles)
        notes = "".join(f'<p class="dim">{html.escape(note)}</p>' for note in self.notes)
        found = [
            ("verdict", "Verdict" if self.verdicts else "Rules", verdicts + notes),
            ("tables", "Tables", "".join(map(_table, self.tables))),
            (
                "figures",
                "Figures",
                f'<div class="drawings">{"".join(map(_drawing, self.figures))}</div>' * bool(self.figures),
            ),
            ("views", "Trajectories and clouds", _views(self.scenes) if self.scenes else ""),
            ("facts", "Failures and settings", "".join(map(_table, self.facts))),
            (
                "reading",
                "How to read this",
                "".join(f"<p><b>{head}.</b> {html.escape(text)}</p>" for head, text in self.reading),
            ),
        ]
        return [part for part in found if part[2]]

    def _links(self) -> str:
        return "".join(f'<a href="#{name}">{heading}</a>' for name, heading, _ in self._parts())

    def _sections(self) -> list[str]:
        return [
            f'<section id="{name}"><h2>{heading}</h2>{content}</section>' for name, heading, content in self._parts()
        ]

    def _scripts(self) -> list[str]:
        if not self.scenes:
            return [f"<script>{_asset('page.js')}</script>"]
        return [
            f'<script type="application/json" id="scenes">{_scene_data(self.scenes)}</script>',
            f"<script>{self.plotly}</script>",
            f"<script>{_asset('page.js')}</script>",
        ]


def _colors() -> str:
    """The colours of the rules, in the light and in the dark."""
    both = (*COLORS, GREY), (*DARK, DARK_GREY)
    light, dark = ("".join(f"--rule-{place}:{color};" for place, color in enumerate(colors)) for colors in both)
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _asset(name: str) -> str:
    return resources.files("ttt3r.evaluation.report").joinpath(name).read_text(encoding="utf-8")


def _verdict(verdict: Verdict) -> str:
    items = "".join(f"<li>{_prose(sentence)}</li>" for sentence in verdict.sentences)
    sure = "verdict sure" if verdict.sure else "verdict"
    return f'<article class="{sure}"><h3>{_prose(verdict.headline)}</h3><ul>{items}</ul></article>'


def _prose(text: str) -> str:
    """Escaped, with numbers and their per cent on one line."""
    return html.escape(text).replace(" %", "&nbsp;%")


def _legend(styles: Sequence[tuple[str, RuleStyle]]) -> str:
    """Colour and line of each rule, the same in every figure."""
    items = "".join(
        f'<li><svg viewBox="0 0 40 8" aria-hidden="true"><line x1="0" y1="4" x2="40" y2="4" stroke="var(--rule-{style.place})" '
        f'stroke-width="2"{_dashes(style)}/></svg>{html.escape(rule)}</li>'
        for rule, style in styles
    )
    return f'<ul class="rules">{items}</ul>'


def _dashes(style: RuleStyle) -> str:
    return f' stroke-dasharray="{" ".join(f"{2 * part:g}" for part in style.dashes)}"' if style.dashes else ""


def _table(table: Table) -> str:
    """A table that is second to another one is folded away."""
    if not table.rows:
        return ""
    if table.name.startswith("other_"):
        return f"<details><summary>{html.escape(table.title)}</summary>{table.html()}</details>"
    return table.html()


def _drawing(figure: Figure) -> str:
    return (
        f'<figure id="figure-{html.escape(figure.name)}"><figcaption>{html.escape(figure.title)}</figcaption>{figure.svg()}'
        f'<p class="caption">{html.escape(figure.caption)}</p></figure>'
    )


def _views(scenes: Sequence[Scene]) -> str:
    options = "".join(
        f'<option value="{index}">{html.escape(scene.label)}</option>' for index, scene in enumerate(scenes)
    )
    return (
        "<p>Drag to turn, scroll to come nearer; all views turn together. A dot marks the first frame; paths and clouds have "
        "the unit of the truth and are seen from the first true camera.</p>"
        f'<label>Sequence: <select id="scene-of">{options}</select></label><div class="panels"></div>'
    )


def _scene_data(scenes: Sequence[Scene]) -> str:
    """The figures as JSON; `</` cannot end the script element."""
    parts = []
    for scene in scenes:
        panels = ",".join(
            f'{{"title":{json.dumps(panel.title)},"note":{json.dumps(panel.note)},"figure":{panel.figure}}}'
            for panel in scene.panels
        )
        parts.append(f'{{"panels":[{panels}]}}')
    return f"[{','.join(parts)}]".replace("</", "<\\/").replace("<!--", "<\\!--")
