"""Commands that are killed while they draw: no picture of older numbers stays beside new ones, and the next call makes all."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ttt3r.cli.comparison_folder import clear, gains_of, picture_of, prepare, trajectory_of
from ttt3r.data import write_demo_sequence
from ttt3r.files import is_partial

KILLED = """
import os, sys
from pathlib import Path
from matplotlib.figure import Figure
from ttt3r.cli import main
def die(figure, path, **settings):
    Path(path).write_bytes(b"half of a picture")
    os._exit(9)
Figure.savefig = die
main(sys.argv[1:])
"""
COMPARE = "compare room --network tiny-random --size 64 --device cpu --out out --rules"
WORLDS = "compare worlds --network tiny-random --device cpu --worlds 2 --lengths 2 --out out --rules"


@pytest.fixture(autouse=True)
def _needs_matplotlib():
    pytest.importorskip("matplotlib")


@pytest.fixture
def room(here):
    return write_demo_sequence(here / "room", frames=4, size=(80, 60))


def killed(line):
    """Type a command that dies, without a word, when half of its first picture is written."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    environment.pop("TTT3R_TYPECHECK", None)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *line.split()], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 9, done.stderr


def names(folder):
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    }


def rules(table):
    with table.open() as file:
        return {row["rule"] for row in csv.DictReader(file)}


def are_whole(folder):
    pictures = list(folder.rglob("*.png"))
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
    return bool(pictures)


def test_a_comparison(typed, refused, here, room):
    out = here / "out"
    assert typed(f"{COMPARE} cut3r,ttt3r")[0] == 0
    (out / "notes.txt").write_text("mine")
    (out / "mine.png").write_text("mine")
    own = {"notes.txt", "mine.png"}
    killed(f"{COMPARE} frozen --overwrite")
    assert rules(out / "comparison.csv") == {"frozen"}
    left = {name for name in names(out) if not is_partial(name)}
    assert left == {"comparison.csv", "room.frozen.txt", *own}
    assert "--overwrite" in refused(f"{COMPARE} frozen")
    assert typed(f"{COMPARE} frozen --overwrite")[0] == 0
    assert names(out) == {"comparison.csv", "room.frozen.txt", "room.png", "room.gains.png", *own}
    (out / "mine.png").unlink()
    assert are_whole(out)


def test_a_comparison_on_worlds(typed, here):
    out, report = here / "out", here / "out/report"
    stale = ["worlds.csv", "recall.csv", "tables.md", "summary.md", "errors.png", "recall.png", "forgetting.png"]
    stale += [f"report/{name}" for name in ("report.html", "table.csv", "summary_2.csv", "paper.csv", "table.tex")]
    stale += ["report/figures/errors.png", "report/figures/pairs_2.pdf"]
    (report / "figures").mkdir(parents=True)
    for name in stale:
        (out / name).write_text("old")
    (report / "mine.csv").write_text("mine")
    killed(f"{WORLDS} ttt3r --overwrite")
    assert "ttt3r" in rules(out / "worlds.csv")
    assert "ttt3r" in (out / "summary.md").read_text()
    left = {name for name in names(out) if not is_partial(name)}
    assert left == {"worlds.csv", "recall.csv", "tables.md", "summary.md", "report/mine.csv"}
    assert typed(f"{WORLDS} frozen --overwrite")[0] == 0
    assert {*stale[:7], "report/report.html", "report/figures/errors.png", "report/mine.csv"} < names(out)
    assert not {"report/summary_2.csv", "report/figures/pairs_2.pdf"} & names(out)
    assert not any(path.read_bytes() == b"old" for path in out.rglob("*") if path.is_file())
    assert are_whole(out)


def test_a_report(typed, here, room):
    line = "evaluate folder --root room --network tiny-random --size 64 --device cpu --lengths 3 --out out --rules"
    report = here / "out/report"
    assert typed(f"{line} cut3r")[0] == 0
    assert typed("evaluate --aggregate out")[0] == 0
    made = names(report)
    assert typed(f"{line} cut3r,ttt3r")[0] == 0
    killed("evaluate --aggregate out")
    assert rules(report / "table.csv") == rules(here / "out/rows.csv") == {"cut3r", "ttt3r"}
    assert not {name for name in names(report) if name.startswith(("figures/e", "figures/g", "report.html"))}
    assert typed("evaluate --aggregate out")[0] == 0
    assert names(report) > made
    assert are_whole(report)
    assert "ttt3r" in (report / "report.html").read_text()


def test_a_comparison_of_another_kind_leaves_nothing_of_the_first(tmp_path):
    table = io.StringIO()
    csv.writer(table).writerows([["clip", "rule"], ["a/b", "ttt3r@8"], ["'=1", "cut3r"], ["字" * 60, "cut3r"]])
    (tmp_path / "comparison.csv").write_text(table.getvalue())
    ours = [picture_of("a/b"), gains_of("a/b"), trajectory_of("a/b", "ttt3r@8"), picture_of("=1")]
    ours += [picture_of("字" * 60), trajectory_of("字" * 60, "cut3r")]
    for name in (*ours, "recall.csv", "other.png"):
        (tmp_path / name).touch()
    prepare(tmp_path, "worlds.csv", overwrite=True)
    assert {*ours, "comparison.csv"} < names(tmp_path)
    clear(tmp_path, "worlds.csv")
    assert names(tmp_path) == {"worlds.csv", "recall.csv", "other.png"}  # of worlds nothing was there


@pytest.mark.parametrize("table", [b"", b"\xff\x00", b"clip\n", b'"', b"clip,rule\n\n../x\n"])
def test_a_damaged_table_of_an_older_comparison(tmp_path, table):
    (tmp_path / "comparison.csv").write_bytes(table)
    clear(tmp_path, "worlds.csv")
    assert names(tmp_path) == {"worlds.csv"}


def test_an_older_comparison_stays_until_there_is_a_new_one(typed, refused, here, room):
    assert typed(f"{COMPARE} cut3r")[0] == 0
    before = {path: path.read_bytes() for path in (here / "out").iterdir()}
    refused(f"{COMPARE.replace('room', 'nowhere')} cut3r --overwrite")
    refused(f"{COMPARE} my_lab.Mistaken --overwrite")
    assert {path: path.read_bytes() for path in (here / "out").iterdir()} == before
