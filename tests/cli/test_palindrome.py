"""`ttt3r palindrome` as it is typed: its tables, its files, and what it refuses."""

import csv
import re

import numpy as np
import pytest
from PIL import Image

from ttt3r.data import write_demo_sequence
from ttt3r.files import locked

PLAY = "palindrome photos --network tiny-random --size 64 --device cpu"


@pytest.fixture(autouse=True)
def wide(here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def undrawn(monkeypatch):
    """Without pictures, since drawing takes longer than all else."""

    def refuse(found):
        raise ImportError("plots need matplotlib: pip install 'ttt3r[eval]'")

    monkeypatch.setattr("ttt3r.cli.palindrome.palindrome_figure", refuse)


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_tables_and_files(typed, here):
    code, said, errors = typed(f"{PLAY} --rules cut3r,my_lab.MyRule:scale=0.125,frozen --out out")
    assert (code, errors) == (0, "")
    assert all(len(line) <= 100 for line in said.splitlines())
    for words in (
        "translation / path",
        "rotation deg",
        "log depth",
        "path",
        "spread",
        "turn",
        "gain",
        "4-6",
        "0.12",
    ):
        assert words in said
    assert "One segment: no interval" in " ".join(said.split())
    assert "frozen never writes" in said
    assert "untrained or tiny" in said
    table = rows(here / "out/palindrome.csv")
    assert [(row["rule"], row["k"], row["lag"]) for row in table] == [
        (rule, str(k), str(6 - 2 * k)) for rule in ("cut3r", "my_lab.MyRule:scale=0.125", "frozen") for k in range(3)
    ]
    assert {row["segment"] for row in table} == {"0"}
    assert [row["frame"] for row in table[:3]] == ["0", "1", "2"]
    assert {row["gain_mean"] for row in table if row["rule"].startswith("my_lab")} == {"0.125"}
    assert {row["true_rotation_degrees"] for row in table} == {""}
    frozen = [row for row in table if row["rule"] == "frozen"]
    assert [float(row["log_depth"]) > 0 for row in frozen] == [True, False, False]
    assert "never writes" in frozen[0]["note"]
    for row in table:
        length = float(row["translation_per_first_view"]) / float(row["path_per_first_view"])
        assert float(row["translation_per_path"]) == pytest.approx(length)
    with Image.open(here / "out/palindrome.png") as picture:
        assert min(picture.size) > 400
    page = (here / "out/palindrome.html").read_text()
    assert page.count("<svg") >= 4  # one drawing, and a legend for each rule
    assert not re.search(r'(src|href)="http', page)
    assert "Agreement is not truth" in page
    assert "ttt3r palindrome photos --network tiny-random" in page
    assert "<h2>Verdict</h2>" not in page
    text = (here / "out/palindrome.md").read_text()
    assert text.startswith("<!-- ttt3r palindrome photos --network tiny-random")
    assert text.count("**") == 8


def test_segments_have_intervals(typed, here, undrawn):
    code, said, _ = typed(f"{PLAY} --rules cut3r,ttt3r --segments 2 --out out")
    assert code == 0
    assert "2 segments of 2 frames" in said
    assert "±" in said
    assert "no pictures: plots need matplotlib" in said
    table = rows(here / "out/palindrome.csv")
    assert [(row["rule"], row["segment"], row["frame"]) for row in table] == [
        ("cut3r", "0", "0"),
        ("ttt3r", "0", "0"),
        ("cut3r", "1", "2"),
        ("ttt3r", "1", "2"),
    ]
    assert (here / "out/palindrome.html").is_file()
    assert not (here / "out/palindrome.png").exists()
    code, said, errors = typed(f"{PLAY} --rules cut3r --length 3")
    assert code == 0
    assert "the last 1 frames of photos make no whole segment of 3 and are left out" in " ".join(errors.split())


def test_controls_stand_below_what_they_are_controls_of(typed, here, undrawn):
    code, said, _ = typed(f"{PLAY} --rules cut3r,ttt3r@2 --controls --out out")
    assert code == 0
    table = rows(here / "out/palindrome.csv")
    controls = {row["rule"]: row["control_of"] for row in table}
    assert controls == {
        "cut3r": "",
        "ttt3r@2": "",
        "frozen": "cut3r",
        "cut3r@4": "cut3r",
        "control of ttt3r@2": "ttt3r@2",
    }
    names = [
        line.split("  ")[0].strip() for line in said.splitlines() if line.startswith(" c") or line.startswith(" frozen")
    ]
    assert names[:4] == ["cut3r", "frozen", "cut3r@4", "control of ttt3r@2"]
    assert {row["restarts"] for row in table if row["rule"] == "cut3r@4"} == {"1"}
    assert "cut3r@4 restarted 1 time" in said


def test_a_sequence_with_truth_is_judged_by_it(typed, here, undrawn):
    write_demo_sequence(here / "room", frames=5, size=(80, 60))
    code, said, _ = typed(f"{PLAY.replace('photos', 'room')} --rules cut3r --out out")
    assert code == 0
    assert "true deg" in said
    assert "ATE m" in said
    table = rows(here / "out/palindrome.csv")
    assert len(table) == 4
    assert float(table[0]["true_rotation_degrees"]) == pytest.approx(0, abs=1e-4)
    assert all(float(row["true_translation_m"]) > 0 for row in table)


def test_what_is_refused(refused, here):
    assert "did you mean cut3r?" in refused(f"{PLAY} --rules cutr")
    assert "nothing at nowhere" in refused(PLAY.replace("photos", "nowhere"))
    assert "gives 1 frame, and a palindrome needs at least 2" in refused(f"{PLAY} --stop 1")
    assert "4 frames, too few for 3 segments" in refused(f"{PLAY} --segments 3")
    assert "gives 4 frames, and a segment was to have 9; give --length 4 or less" in refused(f"{PLAY} --length 9")
    assert "--length must be a whole number of at least 2, got 1" in refused(f"{PLAY} --length 1")
    assert "--segments must be a whole number of at least 1, got 0" in refused(f"{PLAY} --segments 0")
    assert "--chunk must be" in refused(f"{PLAY} --chunk 0")
    (here / "photos/photo2.png").write_bytes(b"")
    assert "--skip-broken" in refused(PLAY)


def test_broken_frames_can_be_left_out(typed, here, undrawn):
    (here / "photos/photo2.png").write_bytes(b"")
    code, said, _ = typed(f"{PLAY} --rules cut3r --skip-broken --out out")
    assert code == 0
    assert "skipped photo2.png" in said
    assert [row["frame"] for row in rows(here / "out/palindrome.csv")] == ["0", "1"]


def test_an_error_in_a_later_segment_loses_none_of_the_earlier(refused, here, undrawn):
    (here / "photos/photo3.png").write_bytes(b"")
    assert "photo3.png" in refused(f"{PLAY} --rules cut3r --segments 2 --out out")
    assert [row["segment"] for row in rows(here / "out/palindrome.csv")] == ["0"]


def test_a_rule_that_fails_costs_itself_only(typed, here, undrawn):
    code, said, _ = typed(f"{PLAY} --rules my_lab.TooMuch,cut3r --out out")
    assert code == 1
    assert (
        "my_lab.TooMuch did not come to the end of segment 0: frame 1, rule TooMuch: the gain lies in [1.5, 1.5]"
        in " ".join(said.split())
    )
    table = {row["rule"]: row for row in rows(here / "out/palindrome.csv")}
    assert "the gain lies in" in table["my_lab.TooMuch"]["note"]
    assert table["my_lab.TooMuch"]["rotation_degrees"] == ""
    assert float(table["cut3r"]["rotation_degrees"]) >= 0


def test_output_folders(typed, refused, here, undrawn):
    assert "photos is not empty and holds no comparison" in refused(f"{PLAY} --out photos")
    assert typed(f"{PLAY} --rules cut3r --out out")[0] == 0
    assert "out already holds a comparison; replace it with --overwrite" in refused(f"{PLAY} --out out")
    (here / "out/palindrome.png").write_text("old")
    (here / "out/mine.txt").write_text("mine")
    assert typed(f"{PLAY} --rules ttt3r --out out --overwrite")[0] == 0
    assert sorted(path.name for path in (here / "out").iterdir()) == [
        ".lock",
        "mine.txt",
        "palindrome.csv",
        "palindrome.html",
        "palindrome.md",
    ]
    with locked(here / "out", "comparison"):
        assert "another comparison is at work in out" in refused(f"{PLAY} --out out --overwrite")


def test_a_comparison_of_another_kind_takes_the_place_of_a_palindrome(typed, here, undrawn):
    assert typed(f"{PLAY} --rules cut3r --out out")[0] == 0
    write_demo_sequence(here / "room", frames=3, size=(80, 60))
    line = "compare room --network tiny-random --size 64 --device cpu --rules cut3r --out out --overwrite"
    assert typed(line)[0] == 0
    assert not {"palindrome.csv", "palindrome.md", "palindrome.html"} & {path.name for path in (here / "out").iterdir()}


def test_a_video_is_read_once(typed, here, undrawn):
    av = pytest.importorskip("av")
    noise = np.random.default_rng(0).integers(0, 255, (48, 96, 3), dtype=np.uint8)
    with av.open(here / "clip.mp4", "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise[:, 3 * index : 3 * index + 64].copy())))
        container.mux(stream.encode())
    code, _, _ = typed(f"{PLAY.replace('photos', 'clip.mp4')} --rules cut3r --stride 2 --out out")
    assert code == 0
    assert [row["frame"] for row in rows(here / "out/palindrome.csv")] == ["0", "2"]


@pytest.mark.shared
def test_a_video_of_a_dog(typed, here, shared, undrawn):
    path = shared / "data/video/sam2_01_dog.mp4"
    code, said, _ = typed(f"palindrome {path} --device cpu --stop 9 --rules cut3r,frozen --out out")
    assert code == 0
    assert not re.search(r"\bnan\b", said)
    table = rows(here / "out/palindrome.csv")
    assert len(table) == 16
    assert max(float(row["rotation_degrees"]) for row in table if row["rule"] == "frozen") < 5


@pytest.mark.shared
def test_a_sequence_of_a_dataset(typed, here, shared, undrawn):
    code, said, _ = typed(
        f"palindrome {shared / 'data/tum/rgbd_dataset_freiburg1_xyz'} --device cpu --stop 5 --rules cut3r"
    )
    assert code == 0
    assert "true deg" in said
