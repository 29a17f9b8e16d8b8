import csv
import io
import math
from html.parser import HTMLParser

import pytest
from rich.console import Console

from ttt3r.evaluation.report.tables import PRINTED, Cell, Column, Table

TABLE = Table(
    "demo",
    "A & B",
    (Column("frames", "frames"), Column("rule", "rule", False), Column("ATE m", "ate"), Column("p", "p")),
    (
        (Cell(50.0, ".0f"), Cell("cut3r"), Cell(0.123456, ".4f"), Cell(math.nan)),
        (Cell(50.0, ".0f"), Cell("a|b_c*"), Cell(0.023456, ".4f", sure=True), Cell(0.5, ".2f")),
        (Cell(100.0, ".0f"), Cell("<script>"), Cell(-2.0, "+.1f", " %"), Cell(0.5, ".2f")),
    ),
    keys=2,
    caption="50 % of it_all",
)


class Cells(HTMLParser):
    """Texts of the cells of a page's tables."""

    def __init__(self):
        super().__init__()
        self.rows, self.inside = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.inside = True
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def html_cells(text):
    parser = Cells()
    parser.feed(text)
    return parser.rows


def test_csv_has_every_digit():
    rows = list(csv.reader(io.StringIO(TABLE.csv())))
    assert rows[0] == ["frames", "rule", "ate", "p"]
    assert rows[1] == ["50.0", "cut3r", "0.123456", ""]
    assert float(rows[3][2]) == -2


def test_html_shows_the_texts_and_nothing_runs():
    text = TABLE.html()
    assert html_cells(text)[1:] == [[cell.text for cell in row] for row in TABLE.rows]
    assert "<script>" not in text
    assert 'data-value="0.123456"' in text
    assert text.count('class="group"') == 1  # the length changes once


def test_markdown_is_one_line_a_row():
    lines = TABLE.markdown().splitlines()
    assert lines[2:5] == [
        "| frames | rule | ATE m | p |",
        "| ---: | --- | ---: | ---: |",
        "| 50 | cut3r | 0.1235 | - |",
    ]
    assert lines[5] == r"| 50 | a\|b\_c\* | **0.0235** | 0.50 |"


def test_latex_escapes_and_uses_booktabs():
    text = TABLE.latex()
    assert r"\caption{A \& B. 50 \% of it\_all}" in text
    assert r"50 & a\textbar{}b\_c* & \textbf{0.0235} & 0.50 \\" in text
    assert r"\begin{tabular}{rlrr}" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\addlinespace") < text.index(r"\bottomrule")
    assert text.count(r"\addlinespace") == 1


def printed(table, width):
    text = io.StringIO()
    console = Console(width=width, file=text, force_terminal=False)
    for part in table.rich(width):
        console.print(part)
    return text.getvalue()


@pytest.mark.parametrize("width", [80, 30])
def test_the_terminal_shows_every_number_within_its_width(width):
    text = printed(TABLE, width)
    assert max(len(line) for line in text.splitlines()) <= width
    for number in ("0.1235", "0.0235", "-2.0 %", "0.50"):
        assert number in text


def test_a_wide_table_is_broken_and_keeps_its_keys():
    wide = Table(
        "wide",
        "Wide",
        (Column("rule", numeric=False), *(Column(f"number {i}") for i in range(14))),
        tuple(
            (Cell(rule), *(Cell(100.0 * i + row, ".2f") for i in range(14)))
            for row, rule in enumerate(("cut3r", "ttt3r"))
        ),
    )
    parts = wide.rich(80)
    assert len(parts) == 3
    text = printed(wide, 80)
    assert text.count("cut3r") == 3
    assert "…" not in text
    assert all(f"{100.0 * i + 1:.2f}" in text for i in range(14))


def test_rows_must_fit():
    with pytest.raises(ValueError, match="2 columns, and a row of 1 cells"):
        Table("t", "T", (Column("a"), Column("b")), ((Cell("x"),),))


def test_latex_of_a_wide_table_has_the_columns_that_a_page_has_room_for():
    columns = (Column("rule", numeric=False), *(Column(f"m{i}", aside=i == 1) for i in range(44)))
    wide = Table("wide", "Wide", columns, ((Cell("cut3r"), *(Cell(float(i), ".0f") for i in range(44))),), 1, "caption")
    text = wide.latex()
    assert r"\begin{tabular}{l" + "r" * PRINTED + "}" in text
    assert r"cut3r & 0 & 2 & 3 & 4 & 5 & 6 & 7 & 8 \\" in text
    assert "36 more columns: wide.csv" in text
    assert len(wide.csv().splitlines()[0].split(",")) == 45
