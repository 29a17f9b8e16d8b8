"""Results that are damaged in any way: the report comes from the others, and names the files that cannot be read."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damage import array_damages, json_damages, text_damages
from report_rows import units, write_arrays
from rich.console import Console

from ttt3r.cli.aggregate import report, show
from ttt3r.evaluation.report.arrays import read_usable_arrays
from ttt3r.evaluation.report.writing import ReportSettings, make_report
from ttt3r.evaluation.results.files import read_folder
from ttt3r.evaluation.results.format import Content, text_of

COUNT = 2


@pytest.fixture
def out(tmp_path):
    """Two rules on a sequence, two numbers each."""
    folder = tmp_path / "out/units"
    folder.mkdir(parents=True)
    made = units(rules=("cut3r", "ttt3r"), sequences=1, control=False, arrays=True, lengths=(50,))
    write_arrays(made, folder)
    for unit in made:
        name = unit.arrays.removesuffix(".npz")
        (folder / f"{name}.json").write_text(
            text_of(Content(f"key of {name}", (name,), replace(unit, rows=unit.rows[:2])))
        )
    return tmp_path / "out"


def test_every_damage_to_a_result_leaves_the_others(out):
    path = sorted((out / "units").glob("*.json"))[0]
    number = 0
    for number, (what, content) in enumerate(json_damages(path.read_text())):
        path.write_bytes(content)
        reading = read_folder(out)
        aside = sum(int(line.split()[0]) for line in reading.aside)
        assert len(reading.units) + len(reading.broken) + aside == COUNT, what
        for line in reading.broken:
            assert str(path) in line, what
            assert "run the evaluation again" in line
            assert "\n" not in line
        if not reading.broken and number % 12 == 0:  # it is a result, though an odd one: it is shown
            make_report(reading.units, ReportSettings(against=True))
            show(reading, out, Console(file=io.StringIO()))
    assert number > 200


def test_every_damage_to_arrays_is_named_and_leaves_the_others(out, tmp_path):
    made = read_folder(out).units
    path = sorted((out / "units").glob("*.npz"))[0]
    for what, content in array_damages(path, tmp_path):
        path.write_bytes(content)
        found, broken = read_usable_arrays(made, Path())
        assert len(found) + len(broken) == COUNT, what
        assert all(path.name in line and "\n" not in line for line in broken), what
        if any(
            word in what for word in ("bomb", "unfolds", "negative", "code", "texts", "complex", "one axis more", "cut")
        ):
            assert broken, what


def test_arrays_that_unfold_to_more_than_the_file_can_hold_are_not_made(out):
    path = sorted((out / "units").glob("*.npz"))[0]
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("points.npy", "w", force_zip64=True) as part,
    ):
        np.lib.format.write_array_header_1_0(part, {"descr": "<f4", "fortran_order": False, "shape": (8 * 10**6, 3)})
        for _ in range(96):
            part.write(bytes(10**6))
    _, (line,) = read_usable_arrays(read_folder(out).units, Path())
    assert "unfold to far more bytes" in line


@pytest.mark.parametrize("what", ["empty", "cut", "zeros", "not UTF-8", "deep"])
def test_a_report_comes_and_names_what_is_damaged(out, what):
    result, arrays = sorted((out / "units").glob("*.json"))[0], sorted((out / "units").glob("*.npz"))[-1]
    for path in (result, arrays):
        path.write_bytes(dict(text_damages(path.read_bytes()))[what])
    console = Console(record=True, width=300, file=io.StringIO())
    assert report(out, console) == 0
    said, page = console.export_text(), (out / "report/report.html").read_text()
    for path in (result, arrays):
        assert path.name in said
        assert path.name in page
    assert "sequence_0" in (out / "rows.csv").read_text()


def test_nothing_but_damaged_results(out):
    for path in (out / "units").glob("*.json"):
        path.write_bytes(b"")
    console = Console(record=True, width=300, file=io.StringIO())
    assert report(out, console) == 1
    said = console.export_text()
    assert "none of the results can be read" in said
    assert said.count("run the evaluation again") == COUNT
