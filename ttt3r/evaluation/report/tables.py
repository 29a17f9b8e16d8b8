"""One table, many forms: terminal, CSV, Markdown, LaTeX and HTML all show the same cells."""

import csv
import dataclasses
import html
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttt3r.files import sheet_cell

if TYPE_CHECKING:
    import rich.console
    import rich.table

MISSING = "-"
"""Shown for NaN; empty in CSV."""
PRINTED = 8
"""Columns beside the keys that fit on a printed page."""
FOLDED = 14
"""Letters after which words may be folded in a terminal."""


@dataclass(frozen=True)
class Cell:
    """A word or a number.

    Args:
        value: what it is.
        form: how a number is printed, as in `format(value, form)`.
        after: follows the number in print, e.g. ` %`; CSV holds the bare number.
        sure: printed bold, which means the same in every table: a difference that the statistics call sure.
    """

    value: str | float
    form: str = ".3f"
    after: str = ""
    sure: bool = False

    @property
    def text(self) -> str:
        """As a person reads it."""
        if isinstance(self.value, str):
            return self.value
        return f"{self.value:{self.form}}{self.after}" if math.isfinite(self.value) else MISSING

    @property
    def plain(self) -> str:
        """For machines: every digit, empty for NaN."""
        if isinstance(self.value, str):
            return self.value
        return repr(self.value) if not math.isnan(self.value) else ""


@dataclass(frozen=True)
class Column:
    """A heading.

    Args:
        heading: for people.
        name: for CSV.
        numeric: set to the right.
        aside: left out of a printed page that has no room for all columns.
    """

    heading: str
    name: str = ""
    numeric: bool = True
    aside: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and rows of cells.

    Args:
        name: of its files, in lower case.
        title: for people.
        columns: headings.
        rows: as many cells each as there are columns.
        keys: so many columns from the left say what a row is of; they are repeated where a wide table is broken.
        caption: what has to be known to read it.

    Raises:
        ValueError: if a row has another number of cells than there are columns.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    keys: int = 1
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.name} has {len(self.columns)} columns, and a row of {len(row)} cells")

    def csv(self) -> str:
        """Comma-separated, full precision, names of columns in the first line."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([sheet_cell(column.name or column.heading) for column in self.columns])
        writer.writerows([[sheet_cell(cell.plain) for cell in row] for row in self.rows])
        return text.getvalue()

    def markdown(self) -> str:
        """A pipe table with its title and caption."""
        lines = [f"**{self.title}**", "", _piped([_cleaned(column.heading) for column in self.columns])]
        lines.append(_piped(["---:" if column.numeric else "---" for column in self.columns]))
        for row in self.rows:
            lines.append(_piped([f"**{_cleaned(cell.text)}**" if cell.sure else _cleaned(cell.text) for cell in row]))
        return "\n".join([*lines, "", *([_cleaned(self.caption), ""] if self.caption else [])])

    def latex(self) -> str:
        """A floating table; the preamble needs `booktabs`. Of a wide table it has the first columns; the CSV has all."""
        beside = range(self.keys, len(self.columns))
        if len(beside) > PRINTED:
            shown = [index for index in beside if not self.columns[index].aside][:PRINTED]
            note = f"{len(beside) - len(shown)} more columns: {self.name}.csv"
            caption = "; ".join(part for part in (self.caption, note) if part)
            return dataclasses.replace(self._with_columns(shown), caption=caption).latex()
        form = "".join("r" if column.numeric else "l" for column in self.columns)
        lines = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(f'{self.title}. {self.caption}'.strip())}}}"]
        lines += [rf"\label{{tab:{self.name}}}", rf"\begin{{tabular}}{{{form}}}", r"\toprule"]
        lines += [" & ".join(_latex(column.heading) for column in self.columns) + r" \\", r"\midrule"]
        for row, before in zip(self.rows, [None, *self.rows], strict=False):
            if before is not None and self.keys > 1 and row[0].text != before[0].text:
                lines.append(r"\addlinespace")
            cells = [rf"\textbf{{{_latex(cell.text)}}}" if cell.sure else _latex(cell.text) for cell in row]
            lines.append(" & ".join(cells) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])

    def html(self) -> str:
        """A `<table>` whose cells carry their values, so that a script can sort them."""
        heads = "".join(
            f'<th scope="col"{_class("number" if column.numeric else "")}><button type="button">'
            f"{html.escape(column.heading)}</button></th>"
            for column in self.columns
        )
        body = []
        for row, before in zip(self.rows, [None, *self.rows], strict=False):
            group = before is not None and self.keys > 1 and row[0].text != before[0].text
            cells = "".join(
                f"<td{_class('number' if column.numeric else '', 'sure' if cell.sure else '')} "
                f'data-value="{html.escape(cell.plain)}">{html.escape(cell.text)}</td>'
                for column, cell in zip(self.columns, row, strict=True)
            )
            body.append(f"<tr{_class('group' if group else '')}>{cells}</tr>")
        caption = f'<p class="caption">{html.escape(self.caption)}</p>' if self.caption else ""
        return (
            f'<figure class="table" id="table-{html.escape(self.name)}"><figcaption>{html.escape(self.title)}</figcaption>'
            f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
            f"{caption}</figure>"
        )

    def rich(self, width: int = 80) -> "tuple[rich.table.Table, ...]":
        """For the terminal; a table wider than `width` is broken into several with the same key columns."""
        from rich.box import SIMPLE_HEAD
        from rich.markup import escape
        from rich.table import Table as RichTable

        made = []
        parts = list(self._parts(width))
        for part in parts:
            last = part is parts[-1]
            table = RichTable(
                title=escape(part.title) if part is parts[0] else None,
                caption=escape(part.caption) if last and part.caption else None,
                box=SIMPLE_HEAD,
                padding=(0, 1, 0, 0),
            )
            for column in part.columns:
                fixed = column.numeric
                table.add_column(
                    escape(column.heading), justify="right" if fixed else "left", no_wrap=fixed, overflow="fold"
                )
            for row, after in zip(part.rows, [*part.rows[1:], None], strict=True):
                cells = [f"[bold]{escape(cell.text)}[/]" if cell.sure else escape(cell.text) for cell in row]
                ends = after is not None and part.keys > 1 and after[0].text != row[0].text
                table.add_row(*cells, end_section=ends)
            made.append(table)
        return tuple(made)

    def show(self, console: "rich.console.Console", width: int = 0) -> None:
        """Print it to the terminal, as wide as that is or narrower."""
        width = min(width or console.width, console.width)
        for part in self.rich(width):
            console.print(part, width=width)

    def _parts(self, width: int) -> "Iterator[Table]":
        """The table in pieces that fit; a column needs two blanks beside it, and words may be folded."""
        needs = []
        for index, column in enumerate(self.columns):
            longest = max(len(column.heading), *(len(row[index].text) for row in self.rows), 0)
            needs.append(2 + (longest if column.numeric else min(longest, FOLDED)))
        room = width - 1 - sum(needs[: self.keys])
        chosen: list[int] = []
        for index in range(self.keys, len(self.columns)):
            if chosen and sum(needs[i] for i in (*chosen, index)) > room:
                yield self._with_columns(chosen)
                chosen = []
            chosen.append(index)
        yield self._with_columns(chosen)

    def _with_columns(self, chosen: Sequence[int]) -> "Table":
        indices = [*range(self.keys), *chosen]
        rows = tuple(tuple(row[index] for index in indices) for row in self.rows)
        return dataclasses.replace(self, columns=tuple(self.columns[index] for index in indices), rows=rows)


def _class(*names: str) -> str:
    given = " ".join(name for name in names if name)
    return f' class="{given}"' if given else ""


def _piped(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cleaned(text: str) -> str:
    """Markdown's own marks lose their meaning."""
    for mark in "\\|*_<`":
        text = text.replace(mark, f"\\{mark}")
    return text


_LATEX = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "−": "$-$",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
