"""`ttt3r run` as it is typed: real files of every kind, users' rules, and each kind of wrong input with its cure."""

import importlib.metadata
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

from ttt3r.export import PointCloud, PointSelection
from ttt3r.network import CUT3R, CUT3RConfig, save_network
from ttt3r.types import Memory

RUN = "run photos --network tiny-random --size 64 --device cpu"


pytestmark = pytest.mark.usefixtures("undrawn")


def test_a_run_draws_and_says_where_the_results_are(typed, here, record):
    code, said, errors = typed(f"{RUN} --out out --min-confidence 0")
    assert (code, errors) == (0, "")
    assert "4 frames -> out" in said
    assert "numbers mean nothing" in said
    found = record(here / "out")
    assert (found["device"], found["status"]) == ("cpu", "complete")
    assert {"ttt3r", "torch", "numpy", "python"} <= found["versions"].keys()
    assert found["settings"]["rule"] == "ttt3r"
    assert found["settings"]["network_sha256"] == "tiny-random"
    assert found["extra"]["source"]["last_frame"] == "photo3.png"
    for name in ("trajectory.png", "points.png"):
        with Image.open(here / "out" / name) as picture:
            assert min(picture.size) > 400


def test_frames_that_were_added_to_a_folder_are_run_by_resume(typed, here):
    whole = sorted((here / "photos").iterdir())
    assert typed(f"{RUN} --out whole")[0] == 0
    later = whole[len(whole) // 2 :]
    for path in later:
        path.rename(here / path.name)
    assert typed(f"{RUN} --out out")[0] == 0
    for path in later:
        (here / path.name).rename(path)
    code, said, _ = typed(f"{RUN} --out out --resume")
    assert code == 0
    assert f"going on after {len(whole) - len(later)} frames" in said
    same = [(here / name / "trajectory.txt").read_text() for name in ("whole", "out")]
    assert same[0] == same[1]
    assert (here / "whole/points.ply").read_bytes() == (here / "out/points.ply").read_bytes()
    assert "nothing to do" in typed(f"{RUN} --out out --resume")[1]


def test_a_complete_run_is_left_alone(typed, here):
    typed(f"{RUN} --out out")
    before = {path: path.stat().st_mtime_ns for path in (here / "out").rglob("*") if path.name != ".lock"}
    code, said, _ = typed(f"{RUN} --out out --resume")
    assert code == 0
    assert "complete: nothing to do" in said
    assert {path: path.stat().st_mtime_ns for path in (here / "out").rglob("*") if path.name != ".lock"} == before


@pytest.mark.parametrize(
    ("source", "frames"),
    [("photos/*.png", 4), ("photos/photo2.png photos/photo0.png", 2), ("photos/photo1.png", 1), ("film.mp4", 3)],
)
def test_globs_lists_single_images_and_videos(typed, here, source, frames, record):
    if source.endswith("mp4"):
        film(here / source, 3)
    code, _, _ = typed(f"run {source} --network tiny-random --size 64 --out out")
    assert code == 0
    assert record(here / "out")["frames"] == frames
    assert record(here / "out")["settings"]["path"] == (source.split() if " " in source else source)


def film(path, frames, size=(64, 48)):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for i in range(frames):
            grain = np.random.default_rng(i).integers(
                0, 255, (size[1], size[0], 3), dtype=np.uint8
            )  # packets beat headers
            picture = av.VideoFrame.from_ndarray(grain, format="rgb24")
            for packet in stream.encode(picture):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def test_a_rule_in_a_file_of_the_current_folder(typed, here, record):
    assert typed(f"{RUN} --out out --rule my_lab.MyRule --rule.scale 0.5")[0] == 0
    assert record(here / "out")["settings"]["rule"] == "my_lab.MyRule:scale=0.5"
    gains = [line.split(",")[3] for line in (here / "out/gains.csv").read_text().splitlines()[1:]]
    assert [float(gain) for gain in gains] == [1, 0.5, 0.5, 0.5]


def test_a_rule_of_an_installed_package(typed, here, monkeypatch, record):
    monkeypatch.syspath_prepend(str(here))
    point = importlib.metadata.EntryPoint("patient", "my_lab:MyRule", "ttt3r.rules")
    monkeypatch.setattr("ttt3r.update_rules.naming.find.entry_points", lambda group: [point])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    assert typed(f"{RUN} --out out --rule patient --rule.scale 0.75")[0] == 0
    assert record(here / "out")["settings"]["rule"] == "patient:scale=0.75"
    assert "my_lab:MyRule" in typed("rules")[1]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("ttr3", "unknown rule 'ttr3'; did you mean ttt3r"),
        ("my_lab.MyRul", "did you mean MyRule?"),
        ("her_lab.MyRule", "no file her_lab.py in"),
        ("constant --rule.rate 7", "rate must lie in [0, 1], got 7"),
        ("constant --rule.rat 0.5", "no setting 'rat'; did you mean rate?"),
    ],
)
def test_unknown_rules_and_settings(refused, here, rule, expected):
    assert expected in refused(f"{RUN} --out out --rule {rule}")
    assert not (here / "out").exists()


def test_rules_with_mistakes_stop_at_their_frame_and_lose_nothing(refused, here, record):
    assert "gain" in refused(f"{RUN} --out shape --rule my_lab.WrongShape")
    assert record(here / "shape")["status"] == "failed"
    line = refused(f"{RUN} --out much --rule my_lab.TooMuch")
    assert "frame 1, rule TooMuch: the gain lies in [1.5, 1.5], outside its bounds" in line
    assert record(here / "much")["frames"] == 1
    line = refused(f"{RUN} --out mistaken --rule my_lab.Mistaken")
    assert "KeyError: 'nothing here' (my_lab.py, line 44); TTT3R_DEBUG=1 shows" in line
    assert record(here / "mistaken")["status"] == "failed"


def test_empty_folders_and_folders_of_texts(refused, here):
    (here / "empty").mkdir()
    assert "no image in empty: nothing is there" in refused("run empty --network tiny-random --out out")
    (here / "texts").mkdir()
    (here / "texts/readme.txt").write_text("hello")
    assert "found 1 x .txt (such as readme.txt)" in refused("run texts --network tiny-random --out out")
    assert "nothing at nowhere" in refused("run nowhere --network tiny-random --out out")
    assert not (here / "out").exists()


def test_one_corrupt_image_stops_or_is_left_out(typed, refused, here, record):
    (here / "photos/photo2.png").write_bytes((here / "photos/photo2.png").read_bytes()[:50])
    line = refused(f"{RUN} --out out --chunk 4")
    assert "photo2.png" in line
    assert "--skip-broken" in line
    assert record(here / "out")["frames"] == 2
    code, said, _ = typed(f"{RUN} --out out --resume --skip-broken")
    assert code == 0
    assert "going on after 2 frames" in said
    assert "skipped photo2.png" in said
    assert record(here / "out")["frames"] == 3


def test_videos_without_frames_or_cut_short(typed, refused, here, record):
    film(here / "film.avi", 30)
    whole = (here / "film.avi").read_bytes()
    (here / "text.mp4").write_text("no film")
    assert "text.mp4" in refused("run text.mp4 --network tiny-random --size 64 --out text")
    assert not (here / "text").exists()
    (here / "cut.avi").write_bytes(whole[: len(whole) * 6 // 10])
    line = refused("run cut.avi --network tiny-random --size 64 --out out")
    assert "cut.avi is broken after" in line
    assert "--skip-broken" in line
    done = record(here / "out")["frames"]
    assert 0 < done < 30
    code, said, _ = typed("run cut.avi --network tiny-random --size 64 --out out --resume --skip-broken")
    assert (code, record(here / "out")["status"], record(here / "out")["frames"]) == (0, "complete", done)
    assert "skipped cut.avi" in said


def test_images_of_differing_sizes(refused, here, record):
    Image.new("RGB", (48, 64)).save(here / "photos/photo3.png")
    assert "a stream has one size: bring the images to one size" in refused(f"{RUN} --out out")
    assert record(here / "out")["frames"] == 3


def test_networks_that_do_not_fit(refused, here):
    save_network(CUT3R.random(CUT3RConfig.tiny()), here / "net")
    config = json.loads((here / "net/config.json").read_text())
    config["state_size"] = config.get("state_size", 8) + 1
    (here / "net/config.json").write_text(json.dumps(config))
    assert "net" in refused("run photos --network net --out out")
    (here / "junk.pth").write_bytes(b"PK\x03\x04 cut off")
    assert "junk.pth" in refused("run photos --network junk.pth --out out")
    assert "no.pth" in refused("run photos --network no.pth --out out")
    assert not (here / "out").exists()


def test_output_folders_that_cannot_be_used(refused, here):
    (here / "file").write_text("")
    assert "cannot write to the output folder file/out" in refused(f"{RUN} --out file/out")
    (here / "full").mkdir()
    (here / "full/mine.txt").write_text("keep")
    assert "full is not empty and holds no run" in refused(f"{RUN} --out full --overwrite")
    assert (here / "full/mine.txt").read_text() == "keep"
    assert [path.name for path in (here / "full").iterdir()] == ["mine.txt"]


def test_an_older_run_is_kept_unless_told_otherwise(typed, refused, here, record):
    typed(f"{RUN} --out out")
    assert "go on with --resume, or replace it with --overwrite" in refused(f"{RUN} --out out")
    assert "size" not in refused(f"{RUN} --out out --resume --rule cut3r")
    assert "rule (" in refused(f"{RUN} --out out --resume --rule cut3r")
    assert "stop (null -> 2)" in refused(f"{RUN} --out out --resume --stop 2")
    assert "no run to resume" in refused(f"{RUN} --out other --resume")
    assert "give one of them" in refused(f"{RUN} --out out --resume --overwrite")
    assert typed(f"{RUN} --out out --overwrite --stop 2")[0] == 0
    assert record(here / "out")["frames"] == 2


def test_devices_and_numbers_that_do_not_exist(refused):
    assert "no device 'abacus'; expected auto" in refused("run photos --network tiny-random --out out --device abacus")
    assert "--chunk must be a whole number of at least 1" in refused(f"{RUN} --out out --chunk 0")
    assert "--stride must be a whole number of at least 1" in refused(f"{RUN} --out out --stride 0")
    assert "--points must be a whole number of at least 1" in refused(f"{RUN} --out out --points 0")
    assert "size=7 is less than one 16-pixel patch" in refused("run photos --network tiny-random --out out --size 7")
    assert "--out (see ttt3r run --help)" in refused(RUN)
    assert "see ttt3r run --help" in refused(f"{RUN} --out out --voxel large")


def test_too_little_memory_for_the_chunk(refused, here, monkeypatch):
    encode = CUT3R.encode

    def greedy(self, frame):
        if frame.batch > 1:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes")
        return encode(self, frame)

    monkeypatch.setattr(CUT3R, "encode", greedy)
    line = refused(f"{RUN} --out out --chunk 3")
    assert "3 frames at a time do not fit into memory; use a smaller chunk" in line


@pytest.mark.shared
@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("rgb_fox/images", (48, 112)),
        ("video/sam2_01_dog.mp4", None),
        ("sintel/training/final/*/*.png", None),
        ("7scenes_layout/redkitchen", (112, 80)),
    ],
)
def test_real_input_of_every_kind(typed, here, shared, source, size):
    path = shared / "data" / source
    code, _, _ = typed(f"run {path} --network tiny-random --size 112 --out out --stop 3")
    assert code == 0
    images = sorted((here / "out/images").iterdir())
    assert len(images) == 3
    if size is not None:
        with Image.open(images[0]) as image:
            assert image.size == size


def test_products_in_another_precision_give_nearly_the_same(typed, here, record):
    paths = {}
    for name in ("float32", "bfloat16"):
        assert typed(f"{RUN} --outputs cameras --precision {name} --out {name}")[0] == 0
        paths[name] = np.loadtxt(here / name / "trajectory.txt")
        assert record(here / name)["settings"]["precision"] == name
        assert Memory.load(here / name / "memory.safetensors").state.dtype is torch.float32
    difference = np.abs(paths["float32"] - paths["bfloat16"]).max()
    assert 0 < difference < 0.1 * np.abs(paths["float32"][:, 1:]).max()
    code, _, errors = typed(f"{RUN} --precision float16 --out half")
    assert code == 2
    assert "float16 is for GPUs" in errors
    assert not (here / "half").exists()


def test_the_cloud_keeps_a_share_of_every_frame_and_says_so(typed, here):
    code, said, _ = typed(f"{RUN} --out out")
    assert code == 0
    said = " ".join(said.split())
    total = 4 * 64 * 48
    kept = len(PointCloud.load(next((here / "out").glob("points_*.npz"))))
    assert 0.69 * total <= kept <= 0.75 * total
    assert f"{kept:,} of {total:,} points are in the cloud (30% of least confidence in each frame left out)" in said
    assert "colmap is left out: no focal length was found in" in said or (here / "out/colmap/images.txt").exists()
    said = " ".join(typed(f"{RUN} --out out --overwrite --min-confidence 99")[1].split())
    assert f"0 of {total:,} points are in the cloud (confidence of 99 or more); lower --min-confidence" in said
    assert not (here / "out/points.ply").exists()
    assert typed(f"{RUN} --out out --overwrite --min-quantile 0")[0] == 0
    assert len(PointCloud.load(next((here / "out").glob("points_*.npz")))) == total


def test_the_limits_of_the_cloud_are_those_of_python(typed, here, record):
    assert typed(f"{RUN} --out out")[0] == 0
    assert record(here / "out")["points"] == asdict(PointSelection())
    assert typed(f"{RUN} --out out --overwrite --min-confidence 1.5")[0] == 0
    assert record(here / "out")["points"] == asdict(PointSelection(min_confidence=1.5))


def test_a_run_keeps_the_limits_of_its_cloud_when_it_goes_on(typed, here, record):
    assert typed(f"{RUN} --out out --min-confidence 1.5")[0] == 0
    Image.new("RGB", (64, 48)).save(here / "photos/photo9.png")
    assert typed(f"{RUN} --out out --resume")[0] == 0
    assert record(here / "out")["points"]["min_confidence"] == 1.5
    assert record(here / "out")["frames"] == 5
