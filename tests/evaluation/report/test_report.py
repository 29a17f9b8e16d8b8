import base64
import csv
import io
import json
import re

import numpy as np
import pytest
from report_rows import NAN, row, unit, units, write_arrays

from evaluation.report.test_tables import html_cells
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.plots.palette import COLORS, rule_styles
from ttt3r.evaluation.report import scenes
from ttt3r.evaluation.report.aggregate import OfficialMean
from ttt3r.evaluation.report.arrays import read_usable_arrays
from ttt3r.evaluation.report.results import collect
from ttt3r.evaluation.report.tables import PRINTED, Cell
from ttt3r.evaluation.report.writing import ReportSettings, make_report, write_report
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.update_rules import RULES

MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A whole report: three rules and a control on 8 sequences at 3 lengths, two runs each, one failure, arrays."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("plotly")
    folder = tmp_path_factory.mktemp("made")
    results = units(arrays=True, repeats=2)
    write_arrays([entry for entry in results if entry.settings["repeat"] == "0"][-9:], folder)
    failed = row("frozen", 3, value=NAN, status=Status.NON_FINITE, note="NaN from <frame> 40 on")
    rest = [row("frozen", index, value=0.4 + index / 100) for index in range(8) if index != 3]
    results.append(unit(failed, *rest))
    report = write_report(results, folder / "report", ReportSettings(against=True), arrays=folder)
    return report, folder / "report"


def _again(text, cell):
    """What a cell shows, made from what its CSV file holds."""
    if isinstance(cell.value, float) and text:
        return Cell(float(text), cell.form, cell.after).text
    return text or cell.text


def test_all_forms_show_the_same_numbers(made):
    """Terminal, CSV, Markdown, LaTeX and HTML are taken apart again and compared cell by cell."""
    report, folder = made
    page = (folder / "report.html").read_text()
    markdown, latex = (folder / "table.md").read_text(), (folder / "table.tex").read_text()
    assert len(report.written) >= 6
    for table in report.written:
        texts = [[cell.text for cell in line] for line in table.rows]
        shown = re.search(rf'<figure class="table" id="table-{table.name}">.*?</figure>', page, re.DOTALL)
        assert html_cells(shown[0])[1:] == texts
        sheet = list(csv.reader(io.StringIO((folder / f"{table.name}.csv").read_text())))[1:]
        for line, cells in zip(sheet, table.rows, strict=True):
            again = [_again(text, cell) for text, cell in zip(line, cells, strict=True)]
            assert again == [cell.text for cell in cells]
        numbers = [[text for text in line if re.fullmatch(r"[+-]?[\d.]+", text)] for line in texts]
        block = markdown[markdown.index(f"**{table.title}**") :].splitlines()[4:]
        tex = latex[latex.index(rf"\label{{tab:{table.name}}}") :].split(r"\midrule")[1].split(r"\bottomrule")[0]
        tex_lines = [line for line in tex.splitlines() if line.endswith(r"\\")]
        for found, md_line, tex_line in zip(numbers, block, tex_lines, strict=False):
            in_markdown = [text.strip("* ") for text in md_line.split("|")]
            in_latex = [re.sub(r"textbf\{(.*)\}", r"\1", text.strip(" \\")) for text in tex_line.split("&")]
            assert all(text in in_markdown for text in found)
            shown = [text for text in found if text in in_latex]  # of a wide table, what a page has room for
            assert len(shown) == len(found) or len(table.columns) - table.keys > PRINTED
            assert shown or not found
        assert len(tex_lines) == len(texts)


def test_the_sheet_of_all_means_agrees_with_the_tables(made):
    report, folder = made
    sheet = list(csv.DictReader(io.StringIO((folder / "table.csv").read_text())))
    summary = next(table for table in report.tables if table.name == "summary")
    place = [column.name for column in summary.columns].index("ate")
    for line in summary.rows:
        found = [
            entry
            for entry in sheet
            if (entry["set"], entry["rule"]) == ("common", line[1].value) and float(entry["frames"]) == line[0].value
        ]
        assert len(found) == 1
        assert float(found[0]["ate"]) == line[place].value
    assert {entry["protocol_hash"] for entry in sheet} == {"hash-of-tum/1000"}


def test_means_are_those_of_numpy(made):
    report, _ = made
    rows = [row for row in report.results.rows if (row.rule, row.length, row.metric) == ("ttt3r", 200, "ate")]
    kept = [row.value for row in rows if row.sequence != "sequence_3"]  # frozen failed there
    assert report.means.value(report.results.slices[0], "ttt3r", 200, "ate") == pytest.approx(np.mean(kept), rel=1e-14)


def test_the_page_stands_alone_and_is_not_too_large(made):
    page = (made[1] / "report.html").read_text()
    assert len(page.encode()) < MOST_BYTES
    own = re.sub(r"<script>/\*\*.*?</script>", "", page, flags=re.DOTALL)  # plotly's own code names addresses
    assert len(own) < len(page) - 1_000_000  # it was taken out, and it was there once
    assert not re.search(r"""(src|href)=["'](?!#)""", own)
    assert not re.search(r"url\((?!#)|@import", own)
    assert "NaN from &lt;frame&gt; 40 on" in page
    assert "prefers-color-scheme: dark" in page


def test_figures_are_there_in_the_colours_of_the_page(made):
    report, folder = made
    assert sorted(path.name for path in (folder / "figures").iterdir()) == [
        f"{name}.{end}" for name in ("costs", "errors", "gains", "pairs") for end in ("pdf", "png")
    ]
    page = (folder / "report.html").read_text()
    drawing = re.search(r'<figure id="figure-errors">.*?</figure>', page, re.DOTALL)[0]
    for style in rule_styles(report.results.rules).values():
        assert f"stroke: var(--rule-{style.place})" in drawing
        assert style.color.lower() not in drawing
    assert "Mean over 7 sequences" in drawing  # frozen failed on one


def scene_data(folder):
    page = (folder / "report.html").read_text()
    return json.loads(re.search(r'<script type="application/json" id="scenes">(.*?)</script>', page, re.DOTALL)[1])


def decoded(array):
    return np.frombuffer(base64.b64decode(array["bdata"]), {"f4": np.float32, "u1": np.uint8}[array["dtype"]])


def test_the_view_holds_every_rule_beside_the_truth(made):
    data = scene_data(made[1])
    assert data
    first = data[0]["panels"]
    assert first[0]["title"] == "all paths, and the true one"
    for panel in first[1:]:
        names = [trace["name"] for trace in panel["figure"]["data"]]
        assert names == ["cloud", "truth", panel["title"]]
        truth, path = panel["figure"]["data"][1:]
        both = [np.stack([decoded(trace[axis]) for axis in "xyz"], axis=1) for trace in (truth, path)]
        np.testing.assert_allclose(both[0][0], 0, atol=1e-6)  # seen from the first true camera
        assert (
            0 < np.linalg.norm(both[1] - both[0], axis=1).mean() < 0.5
        )  # moved onto the truth, which is 1.4 times smaller
        assert "scale 0.7" in panel["note"]


def test_colours_of_the_cloud_survive_the_palette(made):
    cloud = scene_data(made[1])[0]["panels"][1]["figure"]["data"][0]
    scale = np.array([list(map(int, re.findall(r"\d+", color))) for _, color in cloud["marker"]["colorscale"]])
    shown = np.take(scale, decoded(cloud["marker"]["color"]).astype(int), axis=0)
    walls = np.array([[200, 90, 60], [90, 150, 90], [80, 110, 190]])
    nearest = np.abs(shown[:, None, :] - walls).max(axis=2).min(axis=1)
    assert np.quantile(nearest, 0.95) <= 40  # the walls vary by 30


def test_the_same_results_give_the_same_page(made, tmp_path):
    write_report(units(sequences=3), tmp_path / "a")
    write_report(units(sequences=3), tmp_path / "b")
    for name in ("report.html", "table.csv", "table.tex", "comparisons.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_path_that_cannot_be_aligned_is_drawn_and_says_so(tmp_path):
    pytest.importorskip("plotly")
    entry = units(("cut3r",), 1, arrays=True)[0]
    still, true = np.tile(np.eye(4), (9, 1, 1)), np.tile(np.eye(4), (9, 1, 1))
    true[:, 0, 3], true[4] = np.arange(9), np.nan  # one frame has no truth
    np.savez(tmp_path / entry.arrays, camera_to_world=still, true_camera_to_world=true)
    results = collect([entry])
    (found,) = scenes.make_scenes(results, read_usable_arrays([entry], tmp_path)[0], rule_styles(results.rules))
    assert found.panels[1].note == "cannot be moved onto the truth: drawn from its own first camera"
    assert json.loads(found.panels[1].figure)["data"][0]["name"] == "truth"


def test_a_page_without_plotly_says_what_is_missing(tmp_path, monkeypatch):
    entries = units(("cut3r", "ttt3r"), 2, arrays=True, control=False)
    write_arrays(entries, tmp_path)

    def missing():
        raise ImportError("the interactive view needs plotly: pip install 'ttt3r[eval]'")

    monkeypatch.setattr(scenes, "_plotly", missing)
    write_report(entries, tmp_path / "out", arrays=tmp_path)
    page = (tmp_path / "out/report.html").read_text()
    assert "No interactive view: the interactive view needs plotly" in page
    assert 'id="scenes"' not in page


def test_several_data_sets_have_a_verdict_each(tmp_path):
    report = make_report([*units(), *units(protocol="bonn/500", sequences=5)])
    assert [verdict.slice.dataset for verdict in report.verdicts] == ["tum", "bonn"]
    assert [verdict.sure for verdict in report.verdicts] == [True, False]
    assert {"summary_1", "summary_2"} <= {table.name for table in report.tables}


def test_official_means_lead_with_the_changing_set():
    rows = [row(rule, i, value=1.0 + i, length=n) for rule in ("cut3r", "ttt3r") for i in range(4) for n in (50, 100)]
    rows[-1] = row("ttt3r", 3, value=NAN, length=100, status=Status.DEGENERATE)
    strict = make_report([unit(*rows)])
    official = make_report([unit(*rows)], ReportSettings(aggregation=OfficialMean()))
    for report, expected in ((strict, ("3/3", 2.0)), (official, ("4/4", 2.5))):
        table = report.tables[0]
        assert table.name == "summary"
        assert (table.rows[0][2].value, table.rows[0][3].value) == expected  # cut3r at 50 frames
        assert report.tables[1].name == "other_set"


def test_numbers_that_fell_short_are_in_the_table_of_failures(made):
    report, _ = made
    table = next(table for table in report.facts if table.name == "failures")
    found = {line[1].text: [cell.text for cell in line[2:]] for line in table.rows}
    assert found["non_finite"] == ["sequence_3", "frozen", "200", "ate", "NaN from <frame> 40 on"]
    assert found["no result"][1:4] == ["frozen", "50, 100", "all"]  # it was run at the largest length only
    assert found["no result"][0].count("sequence_") == 8


def test_metrics_that_need_more_frames_do_not_count_as_failures_of_a_rule():
    made = [*units(), *(unit(row("cut3r", i, "drift_per_metre", NAN, status=Status.TOO_SHORT)) for i in range(8))]
    report = make_report(made)
    assert report.verdicts[0].sentences[-1].startswith("No ATE is missing: every rule has it on all 8 sequences")
    assert "8 results have no number of another metric" in report.verdicts[0].sentences[-1]


def test_costs_are_means_and_peaks():
    costs = [
        {"seconds_per_frame": 0.1, "peak_memory_bytes": 2.0**30},
        {"seconds_per_frame": 0.2, "peak_memory_bytes": 2.0**31},
    ]
    made = [UnitResult((row("cut3r", index),), {}, one) for index, one in enumerate(costs)]
    table = next(table for table in make_report(made).tables if table.name == "costs")
    assert [cell.text for cell in table.rows[0]] == ["cut3r", "0.1500", "2.00"]


def test_the_colour_of_a_rule_hangs_on_its_name_alone():
    labels = (
        "my",
        "ttt3r",
        "control of ttt3r",
        "cut3r",
        "ttt3r@8",
        "constant:rate=0.1",
        "constant:rate=0.3",
        "no motion",
    )
    styles = rule_styles(labels)
    for label in labels:
        assert rule_styles([label])[label].color == styles[label].color
        assert rule_styles(["frozen", "retain", label])[label].color == styles[label].color
    assert styles["control of ttt3r"].color == styles["ttt3r@8"].color == styles["ttt3r"].color
    assert styles["no motion"].color not in COLORS
    assert len({styles[name].color for name in ("cut3r", "ttt3r", "constant:rate=0.1", "no motion", "my")}) == 5
    many = rule_styles([*RULES, *(f"rule {i}" for i in range(20)), *(f"control of {rule}" for rule in RULES)])
    assert len(set(many.values())) == len(many)  # what shares a colour has another line
