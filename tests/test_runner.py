"""The main job: what is on disk after a run that ended well, badly or early, and after it went on."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from ttt3r.cli import main
from ttt3r.data import BrokenImage, CropToPatches, Prefetch, open_source
from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.frames.prepared import PreparedFrames
from ttt3r.export import PointSelection, RunFolder, RunRecord, SavedRun
from ttt3r.guard import BadStep, ChunkTooLarge
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reconstructor
from ttt3r.runner import RunOptions, fitting_chunk, run
from ttt3r.types import Outputs
from ttt3r.update_rules import TTT3R

SIZE = 64
POINTS = PointSelection(min_confidence=0.0, budget=500)


@pytest.fixture(scope="module")
def model():
    return Reconstructor(CUT3R.random(CUT3RConfig.tiny(), seed=1), TTT3R())


@pytest.fixture
def photos(tmp_path):
    """Nine pictures of a moving edge, of which number 5 may be broken by a test."""
    folder = tmp_path / "photos"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (48, 96, 3), dtype=np.uint8)
    for i in range(9):
        Image.fromarray(noise[:, 3 * i : 3 * i + 64]).save(folder / f"photo{i}.png")
    return folder


def source_of(photos, skip_broken=False):
    return open_source(photos, policy=CropToPatches(SIZE), skip_broken=skip_broken)


def go(model, photos, out, resume=False, skip_broken=False, **options):
    folder = RunFolder.resume(out, {}, POINTS) if resume else RunFolder.create(out, {}, POINTS)
    memory = folder.restore() if resume else None
    run(model, Prefetch(source_of(photos, skip_broken)), folder, RunOptions(**options), memory)
    return folder


def record(out):
    return json.loads((out / "run.json").read_text())


def content(out):
    """Every file but run.json, whose times differ."""
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != "run.json"}


def depth_files(out):
    return len(list((out / "depth").glob("*.npz")))


def test_a_run_says_what_it_read(model, photos, tmp_path):
    go(model, photos, tmp_path / "out")
    found = record(tmp_path / "out")
    assert (found["status"], found["frames"]) == ("complete", 9)
    source = found["extra"]["source"]
    assert source == source | {
        "name": str(photos),
        "first_frame": "photo0.png",
        "last_frame": "photo8.png",
        "frames": 9,
    }
    assert found["extra"]["skipped"] == []
    assert depth_files(tmp_path / "out") == 9


class Remarked(ImageFiles):
    """Images of which something is to be said."""

    @property
    def notes(self):
        return ("pixels are 2:1: stretched to square", "interlaced")


def test_what_a_source_had_to_say_stands_in_the_record(model, photos, tmp_path):
    go(model, photos, tmp_path / "plain")
    assert record(tmp_path / "plain")["extra"]["notes"] == []
    frames = PreparedFrames(Remarked("photos", sorted(photos.iterdir())), CropToPatches(SIZE))
    run(model, Prefetch(frames), RunFolder.create(tmp_path / "out", {}, POINTS), RunOptions())
    assert record(tmp_path / "out")["extra"]["notes"] == ["pixels are 2:1: stretched to square", "interlaced"]


def test_a_record_of_an_older_release_without_notes_opens_and_goes_on(model, photos, tmp_path):
    out = tmp_path / "out"
    go(model, photos, out)
    old = record(out)
    del old["extra"]["notes"]
    (out / "run.json").write_text(json.dumps(old))
    assert "notes" not in RunRecord.load(out).extra
    assert SavedRun.open(out).frames == 9
    go(model, photos, out, resume=True)
    assert record(out)["extra"]["notes"] == []


def test_a_chunk_left_open_is_chosen_at_the_first_frame(model, photos, tmp_path):
    go(model, photos, tmp_path / "one", chunk=1)
    go(model, photos, tmp_path / "open", chunk=None)
    first, second = ((tmp_path / name / "trajectory.txt").read_bytes() for name in ("one", "open"))
    assert first == second
    image = next(iter(source_of(photos))).image
    assert fitting_chunk(model.network, image, Outputs.ALL) == 1  # on a CPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_with_room_takes_several_frames_together():
    network = CUT3R.random(CUT3RConfig.tiny(), seed=1).to("cuda")
    assert fitting_chunk(network, torch.zeros(1, 3, 48, 64), Outputs.ALL, most=12) == 12


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_broken_image_stops_after_all_before_it_and_the_mended_run_goes_on(model, photos, tmp_path, chunk):
    go(model, photos, tmp_path / "whole", chunk=chunk)
    good = (photos / "photo5.png").read_bytes()
    (photos / "photo5.png").write_bytes(good[:60])
    out = tmp_path / "out"
    with pytest.raises(BrokenImage, match=r"photo5\.png.*skip_broken"):
        go(model, photos, out, chunk=chunk)
    found = record(out)
    assert (found["status"], found["frames"]) == ("failed", 5)
    assert "photo5.png" in found["extra"]["error"]
    assert found["extra"]["source"]["last_frame"] == "photo4.png"
    assert depth_files(out) == 5
    assert (out / "points.ply").stat().st_size > 0
    assert (out / "colmap/images.txt").exists()
    (photos / "photo5.png").write_bytes(good)
    go(model, photos, out, resume=True, chunk=chunk)
    assert record(out)["status"] == "complete"
    if chunk == 1:  # chunks that begin elsewhere give the same numbers only up to rounding
        assert content(out) == content(tmp_path / "whole")
    else:
        assert content(out).keys() == content(tmp_path / "whole").keys()


def test_a_broken_image_is_left_out_on_request(model, photos, tmp_path):
    (photos / "photo5.png").write_bytes(b"")
    go(model, photos, tmp_path / "out", skip_broken=True)
    found = record(tmp_path / "out")
    assert (found["status"], found["frames"]) == ("complete", 8)
    assert [name for name, _ in found["extra"]["skipped"]] == ["photo5.png"]
    assert "photo5" not in (tmp_path / "out/gains.csv").read_text()


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_nan_stops_at_its_frame_and_the_mended_run_goes_on(model, photos, tmp_path, monkeypatch, chunk):
    encode = model.network.encode
    poison = list(source_of(photos))[6].image

    def poisoned(frame):
        tokens = encode(frame)
        bad = (frame.image == poison).flatten(1).all(dim=1)
        return type(tokens)(torch.where(bad[:, None, None], torch.nan, tokens.patches), tokens.grid)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(model.network, "encode", poisoned)
        with pytest.raises(BadStep, match=r"frame 6, rule TTT3R: the result is not finite"):
            go(model, photos, out, chunk=chunk)
    found = record(out)
    assert (found["status"], found["frames"]) == ("failed", 6)
    assert found["extra"]["error"].startswith("frame 6")
    memory = RunFolder.resume(out, {}, POINTS).restore()
    assert int(memory.seen) == 6
    assert memory.state.isfinite().all()
    go(model, photos, out, resume=True, chunk=chunk)
    assert (record(out)["status"], record(out)["frames"]) == ("complete", 9)


def test_images_of_differing_sizes_name_both_and_keep_what_came_before(model, photos, tmp_path):
    Image.new("RGB", (48, 64)).save(photos / "photo3.png")
    with pytest.raises(ValueError, match=r"photo3.png is .* but photo0.png is .*one size"):
        go(model, photos, tmp_path / "out", chunk=2)
    assert record(tmp_path / "out")["frames"] == 3


def test_too_little_memory_names_the_chunk_and_a_smaller_one_goes_on(model, photos, tmp_path, monkeypatch):
    encode = model.network.encode

    def greedy(frame):
        if frame.batch > 2:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes")
        return encode(frame)

    monkeypatch.setattr(model.network, "encode", greedy)
    with pytest.raises(ChunkTooLarge, match="4 frames at a time do not fit into memory; use a smaller chunk"):
        go(model, photos, tmp_path / "out", chunk=4)
    assert record(tmp_path / "out")["status"] == "failed"
    go(model, photos, tmp_path / "out", resume=True, chunk=2)
    assert record(tmp_path / "out")["frames"] == 9


def test_resume_where_nothing_was_saved_starts_at_the_first_frame(model, photos, tmp_path):
    RunFolder.create(tmp_path / "out", {}, POINTS)  # killed before its first frame
    go(model, photos, tmp_path / "out", resume=True)
    go(model, photos, tmp_path / "whole")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_options_out_of_range_are_named():
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        RunOptions(chunk=0)
    with pytest.raises(ValueError, match="checkpoint_every must be at least 1"):
        RunOptions(checkpoint_every=0)


SLOW = """
import os, signal, sys, time
from ttt3r.network.cut3r import CUT3R
from ttt3r.cli import main
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests were started from
signal.signal(signal.SIGINT, signal.default_int_handler)
encode, last = CUT3R.encode, sys.argv[1]
# Once that file is there, every frame takes seconds: whoever waits for it has the time to kill, on a busy machine too.
CUT3R.encode = lambda self, frame: (time.sleep(5 if os.path.exists(last) else 0.01), encode(self, frame))[1]
sys.exit(main(sys.argv[2:]))
"""


def kill_at(frame, kill, arguments, out):
    """Run slowly in a process of its own and kill it once that frame is written; its exit code and what it said."""
    environment = {
        **os.environ,
        "TTT3R_TYPECHECK": "0",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    last = out / f"depth/frame_{frame:06d}.npz"
    words = [sys.executable, "-c", SLOW, str(last), *arguments]
    process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not last.exists():
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(kill)
    errors = process.communicate(timeout=60)[1]
    return process.returncode, errors


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_files(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    common = ["run", "photos", "--network", "tiny-random", "--size", "64", "--min-confidence", "0"]
    common += ["--checkpoint-every", "2", "--device", "cpu"]
    assert main([*common, "--out", "whole"]) == 0
    part = tmp_path / "part"
    kill_at(2, signal.SIGKILL, [*common, "--out", "part"], part)
    assert record(part)["status"] == "running"
    for frame, kind in ((3, signal.SIGHUP), (4, signal.SIGTERM), (6, signal.SIGINT)):
        code, errors = kill_at(frame, kind, [*common, "--out", "part", "--resume"], part)
        assert code == 130
        assert "goes on with --resume" in errors
        assert "Traceback" not in errors
        assert record(part)["status"] == "interrupted"
        assert frame <= record(part)["frames"] < 9
        assert (part / "points.ply").exists()
    assert main([*common, "--out", "part", "--resume"]) == 0
    assert content(part) == content(tmp_path / "whole")


def test_outputs_that_were_not_asked_for_are_not_written(model, photos, tmp_path):
    go(model, photos, tmp_path / "out", outputs=Outputs.CAMERA)
    assert not (tmp_path / "out/depth").exists()
    assert (tmp_path / "out/trajectory.txt").exists()
