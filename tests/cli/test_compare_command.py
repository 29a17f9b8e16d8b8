"""`ttt3r compare` as it is typed: its table, its files, and what it refuses."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from ttt3r.data import write_demo_sequence
from ttt3r.export import read_trajectory
from ttt3r.files import locked

COMPARE = "compare room --network tiny-random --size 64 --device cpu"


@pytest.fixture
def room(here):
    return write_demo_sequence(here / "room", frames=5, size=(80, 60))


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_table_fits_a_terminal_and_the_files_are_there(typed, here, room):
    line = f"{COMPARE} --rules cut3r,constant:rate=0.5,my_lab.MyRule:scale=0.125 --lengths 3,5 --out out"
    code, said, errors = typed(line)
    assert (code, errors) == (0, "")
    assert all(len(text) <= 80 for text in said.splitlines())
    for heading in ("frames", "rule", "ATE m", "RPE m", "RPE deg", "AbsRel", "gain"):
        assert heading in said
    assert "0.12±0.00" in said
    assert "s a frame" in said
    assert "untrained or tiny" in said
    table = rows(here / "out/comparison.csv")
    assert [(row["rule"], row["frames"]) for row in table] == [
        (rule, length) for rule in ("cut3r", "constant:rate=0.5", "my_lab.MyRule:scale=0.125") for length in ("3", "5")
    ]
    assert [float(row["gain_mean"]) for row in table[::2]] == [1, 0.5, 0.125]
    times, cameras = read_trajectory(here / "out/room.constant_rate_0.5.txt")
    np.testing.assert_allclose(times, 1000 + np.arange(5) / 10)
    assert cameras.shape == (5, 4, 4)
    with Image.open(here / "out/room.png") as picture:
        assert min(picture.size) > 400


def test_long_names_of_rules_still_fit(typed, here, room):
    (here / "my_very_long_laboratory_name.py").write_text((here / "my_lab.py").read_text())
    code, said, _ = typed(f"{COMPARE} --rules my_very_long_laboratory_name.MyRule:scale=0.123456789 --lengths 2")
    assert code == 0
    assert all(len(text) <= 80 for text in said.splitlines())
    assert "frames" in said
    assert "AbsRel" in said


def test_an_error_in_a_later_sequence_loses_none_of_the_earlier(typed, refused, here, room, monkeypatch):
    monkeypatch.setattr("ttt3r.cli.compare.plot_trajectories", lambda *_: None)
    other = write_demo_sequence(here / "other", frames=4, size=(80, 60))
    sorted((other / "rgb").iterdir())[2].write_bytes(b"")
    line = COMPARE.replace("room", "room other") + " --rules cut3r --out out"
    error = refused(line)
    assert "other/rgb" in error
    assert "--skip-broken" in error
    assert [row["clip"] for row in rows(here / "out/comparison.csv")] == ["room"]
    code, said, _ = typed(f"{line} --skip-broken --overwrite")
    assert code == 0
    assert "skipped" in said
    assert [(row["clip"], row["frames"]) for row in rows(here / "out/comparison.csv")] == [
        ("room", "5"),
        ("other", "3"),
    ]


def test_what_is_refused(refused, here, room):
    assert "did you mean cut3r?" in refused(f"{COMPARE} --rules cutr,ttt3r")
    assert "'cut3r' is named twice" in refused(f"{COMPARE} --rules cut3r,cut3r")
    assert "no rules named" in refused(f"{COMPARE} --rules ,")
    assert "rules show constant" in refused(f"{COMPARE} --rules constant:rat=0.5")
    assert "rate must lie in [0, 1]" in refused(f"{COMPARE} --rules constant:rate=5")
    assert "--lengths takes whole numbers" in refused(f"{COMPARE} --lengths 3,many")
    assert "at least 2 frames" in refused(f"{COMPARE} --lengths 1,3")
    assert "none of the known layouts" in refused("compare photos --network tiny-random")
    assert "no folder at nowhere" in refused("compare nowhere --network tiny-random")
    assert "two sequences are called room" in refused(COMPARE.replace("room", "room room") + " --rules cut3r")
    assert "rule TooMuch: the gain lies in [1.5, 1.5]" in refused(f"{COMPARE} --rules my_lab.TooMuch")
    assert "chunk" in refused(f"{COMPARE} --chunk 0")


def test_a_rule_that_fails_costs_itself_only(typed, here, room):
    code, said, _ = typed(f"{COMPARE} --rules my_lab.Mistaken,cut3r,my_lab.TooMuch --chunk 2 --out out")
    assert code == 1
    said = " ".join(said.split())
    assert "rule TooMuch: the gain lies in [1.5, 1.5]" in said
    assert "KeyError: 'nothing here' (my_lab.py, line" in said
    table = {row["rule"]: row for row in rows(here / "out/comparison.csv")}
    assert float(table["cut3r"]["gain_mean"]) == 1
    assert table["my_lab.TooMuch"]["gain_mean"] == "nan"
    assert (here / "out/room.cut3r.txt").is_file()
    assert not (here / "out/room.my_lab.TooMuch.txt").exists()
    code, said, _ = typed(
        "compare worlds --network tiny-random --device cpu --rules cut3r,my_lab.TooMuch --worlds 2 --lengths 2,3 --out worlds"
    )
    assert code == 1
    assert "my_lab.TooMuch did not come to the end" in " ".join(said.split())
    assert {row["rotation_degrees"] for row in rows(here / "worlds/worlds.csv") if "TooMuch" in row["rule"]} == {"nan"}


def test_output_folders_that_cannot_be_used(typed, refused, here, room):
    assert "photos is not empty and holds no comparison" in refused(f"{COMPARE} --out photos")
    (here / "file").write_text("")
    assert "cannot write to the output folder file/out" in refused(f"{COMPARE} --out file/out")
    (here / "old").mkdir()
    (here / "old/comparison.csv").write_text("old")
    assert "already holds a comparison; replace it with --overwrite" in refused(f"{COMPARE} --out old")
    assert (here / "old/comparison.csv").read_text() == "old"
    assert not (here / "photos/.lock").exists()


@pytest.mark.parametrize("wrong", ["compare nowhere --network tiny-random", "compare worlds --lengths 1"])
def test_a_mistake_before_the_first_number_keeps_no_folder(typed, refused, here, room, wrong):
    refused(f"{wrong} --rules cut3r --out out")
    assert typed(f"{COMPARE} --rules cut3r --out out")[0] == 0
    assert {path.name for path in (here / "out").glob("*.csv")} == {"comparison.csv"}


@pytest.mark.shared
@pytest.mark.parametrize("path", ["tum/rgbd_dataset_freiburg3_cabinet", "7scenes_layout/redkitchen"])
def test_real_sequences_with_the_recorded_checkpoint(typed, here, shared, path):
    network = shared / "golden/tiny_official_layout.pth"
    code, said, _ = typed(f"compare {shared / 'data' / path} --network {network} --size 112 --lengths 4")
    assert code == 0
    assert all(name in said for name in ("cut3r", "ttt3r", "constant", "frozen"))
    assert "nan" not in said
    assert "untrained or tiny" in said


def test_controls_stand_below_their_gates(typed, here, room):
    code, said, _ = typed(f"{COMPARE} --rules ttt3r,cut3r --lengths 3,4 --controls --out out")
    assert code == 0
    order = [line.split()[1] for line in said.splitlines() if line.strip().startswith(("3 ", "4 "))]
    assert order == ["ttt3r", "control", "cut3r"] * 2
    assert (here / "out/room.gains.png").is_file()
    assert (here / "out/room.control_of_ttt3r.txt").is_file()
    with (here / "out/comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["control_of"] for row in rows].count("ttt3r") == 2


@pytest.mark.parametrize("path", ["a@8.st", "x:rate=1/a,b.st", "C:\\gate.st", "null"])
def test_weights_at_odd_paths(here, room, capsys, path):
    from ttt3r.cli import main
    from ttt3r.update_rules import LearnedToken, RuleLabel

    (here / path).parent.mkdir(exist_ok=True)
    LearnedToken(channel=48, start=0.9).save(here / path)
    label = str(RuleLabel("learned_token", (("weights", path),)))
    words = ["--network", "tiny-random", "--size", "64", "--device", "cpu"]
    assert main(["compare", "room", *words, "--rules", f"cut3r,{label}@2", "--lengths", "3", "--out", "out"]) == 0
    with (here / "out/comparison.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [row["rule"] for row in found] == ["cut3r", f"{label}@2"]
    assert float(found[1]["gain_mean"]) == pytest.approx(0.9, abs=1e-6)
    given = [["--rule", label], ["--rule", "learned_token", "--rule.weights", path]]
    if path == "null":
        given[1][-1] = "'null'"
    for number, rule in enumerate(given):
        assert (
            main(["run", "room/rgb", *words, *rule, "--stop", "2", "--outputs", "cameras", "--out", f"run{number}"])
            == 0
        )
        assert json.loads((here / f"run{number}/run.json").read_text())["settings"]["rule"] == label
    capsys.readouterr()


def test_a_trained_rule_is_named_with_its_weights(typed, here):
    from ttt3r.update_rules import LearnedToken

    rule = LearnedToken(channel=48, start=0.9)
    rule.save(here / "gate.safetensors")
    write_demo_sequence(here / "room", frames=3, size=(80, 60))
    words = "--network tiny-random --size 64 --device cpu"
    code, said, errors = typed(f"compare room {words} --rules cut3r,learned_token:weights=gate.safetensors")
    assert (code, errors) == (0, "")
    assert "0.90" in said
    code, _, errors = typed(f"compare room {words} --rules learned_token:weights=none.safetensors")
    assert code == 2
    assert "no weights at none.safetensors" in errors
    code, said, _ = typed(f"run room/rgb {words} --rule learned_token --rule.weights gate.safetensors --out run")
    assert code == 0
    assert (
        json.loads((here / "run/run.json").read_text())["settings"]["rule"] == "learned_token:weights=gate.safetensors"
    )
    with (here / "run/gains.csv").open() as stream:
        gains = [float(row["gain_mean"]) for row in csv.DictReader(stream)]
    assert gains[1:] == pytest.approx([0.9] * 2, abs=1e-6)  # the first frame is taken whole


def test_frames_without_a_pose_are_named_beside_the_table(typed, here):
    frames = [{"file_path": f"images/{i}.png", "transform_matrix": np.eye(4).tolist()} for i in range(4)]
    for i, frame in enumerate(frames):
        frame["transform_matrix"][0][3] = 0.1 * i * i
        (here / "part/images").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 60), (60 * i, 99, 20)).save(here / f"part/images/{i}.png")
    frames[2]["transform_matrix"] = None
    (here / "part/transforms.json").write_text(json.dumps({"fl_x": 60, "frames": frames}))
    code, said, _ = typed("compare part --network tiny-random --size 64 --device cpu --rules cut3r")
    assert code == 0
    assert "1 of 4 images of part have no pose of its number (2.png)" in " ".join(said.split())


def test_a_comparison_that_was_cut_off_can_be_replaced(typed, refused, here, room, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    line = f"{COMPARE} --rules cut3r --out out"
    with monkeypatch.context() as broken:
        broken.setattr("ttt3r.cli.compare._write", fail)
        refused(line)
    assert "--overwrite" in refused(line)
    assert typed(f"{line} --overwrite")[0] == 0
    assert len(rows(here / "out/comparison.csv")) == 1


def test_two_comparisons_do_not_write_into_one_folder(refused, here, room):
    (here / "out").mkdir()
    with locked(here / "out", "comparison"):
        assert "another comparison is at work" in refused(f"{COMPARE} --rules cut3r --out out")
    assert [path.name for path in (here / "out").iterdir()] == [".lock"]


def test_what_is_wrong_with_the_files_is_said_beside_the_table(typed, here, room):
    path = room / "groundtruth.txt"
    table = np.loadtxt(path)
    table[:, 4:] *= 2
    np.savetxt(path, table, fmt="%.9f")
    code, said, _ = typed(f"{COMPARE} --rules cut3r --out out")
    assert code == 0
    assert "poses not rigid: 5 of 5 quaternions" in " ".join(said.split())
