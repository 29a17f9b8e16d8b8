"""`ttt3r run --resume`: the rule, the network and the images must be those of the first part."""

import io
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ttt3r.files import locked
from ttt3r.network import CUT3R, CUT3RConfig, save_network
from ttt3r.update_rules import LearnedToken

FILTER = (
    "FILT3R(initial=1.5, decay=1.0, q_min=0.02, q_max=0.5, sharpness=20.0, jump=3.0, smoothing=0.05, floor=0.01, "
    "noise=1.0, lowest=0.01, highest=0.99)"
)
RUN = "run photos --network tiny-random --size 64 --device cpu --out out"


pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(autouse=True)
def _forget_the_helper():
    yield
    sys.modules.pop("helper", None)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def picture(path, seed):
    noise = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def replaced(photos):
    picture(photos / "photo1.png", 9)


def replaced_with_old_times(photos):
    """Of the same size and with the same times."""
    path = photos / "photo1.png"
    before = path.stat()
    pixels = np.asarray(Image.open(path))
    Image.fromarray(pixels[::-1].copy()).save(path)
    content = path.read_bytes()
    path.write_bytes(content + b"\0" * max(0, before.st_size - len(content)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def inserted(photos):
    picture(photos / "photo0b.png", 9)


def removed(photos):
    (photos / "photo1.png").unlink()


def reordered(photos):
    for old, new in (("photo1.png", "other.png"), ("photo2.png", "photo1.png"), ("other.png", "photo2.png")):
        (photos / old).rename(photos / new)


def all_but_the_first_removed(photos):
    for name in ("photo1.png", "photo2.png", "photo3.png"):
        (photos / name).unlink()


CHANGES = [replaced, replaced_with_old_times, inserted, removed, reordered, all_but_the_first_removed]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("state", ["complete", "killed"])
def test_other_images_are_refused_and_nothing_is_touched(typed, refused, here, change, state, record):
    assert typed(f"{RUN} --checkpoint-every 1")[0] == 0
    if state == "killed":
        found = record(here / "out") | {"status": "running", "extra": {}}
        (here / "out/run.json").write_text(json.dumps(found))
    change(here / "photos")
    before = files(here / "out")
    line = refused(f"{RUN} --resume")
    assert "of this run was photo" in line
    assert "--overwrite" in line
    assert files(here / "out") == before
    assert typed(f"{RUN} --overwrite")[0] == 0


def test_images_that_were_copied_or_touched_go_on(typed, here, record):
    assert typed(f"{RUN} --stop 4")[0] == 0
    shutil.copytree(here / "photos", here / "copy")
    shutil.rmtree(here / "photos")
    (here / "copy").rename(here / "photos")
    (here / "photos/photo1.png").touch()
    assert "nothing to do" in typed(f"{RUN} --stop 4 --resume")[1]
    picture(here / "photos/photo4.png", 9)
    assert typed(f"{RUN} --overwrite")[0] == 0
    picture(here / "photos/photo5.png", 10)
    code, said, _ = typed(f"{RUN} --resume")
    assert code == 0
    assert "going on after 5 frames" in said
    assert record(here / "out")["frames"] == 6


def test_another_video_under_the_same_name_is_refused(typed, refused, here, record):
    from tests.cli.test_run import film

    run = "run film.avi --network tiny-random --size 64 --device cpu --out out"
    film(here / "film.avi", 6)
    assert typed(run)[0] == 0
    assert "nothing to do" in typed(f"{run} --resume")[1]
    film(here / "film.avi", 9)  # begins with the same pictures
    assert typed(f"{run} --resume")[0] == 0
    assert record(here / "out")["frames"] == 9
    film(here / "film.avi", 9, size=(64, 64))
    assert "frame 0 of this run was film.avi frame 0" in refused(f"{run} --resume")


def edit_rule(here):
    path = here / "my_lab.py"
    path.write_text(path.read_text().replace("self.scale", "self.scale / 2"))


def edit_helper(here):
    (here / "helper.py").write_text("HALF = 0.25")


@pytest.mark.parametrize("edit", [edit_rule, edit_helper])
def test_an_edited_rule_is_refused(typed, refused, here, monkeypatch, edit):
    monkeypatch.syspath_prepend(str(here))
    (here / "helper.py").write_text("HALF = 0.5")
    (here / "my_lab.py").write_text(
        (here / "my_lab.py").read_text().replace("import torch\n", "import torch\nimport helper\n")
    )
    run = f"{RUN} --rule my_lab.MyRule"
    assert typed(run)[0] == 0
    assert "nothing to do" in typed(f"{run} --resume")[1]
    edit(here)
    before = files(here / "out")
    line = refused(f"{run} --resume")
    assert "the rule (its source, what it imports, or its weights) changed since this run began" in line
    assert "--overwrite" in line
    assert files(here / "out") == before


def test_weights_replaced_under_the_same_path_are_refused(typed, refused, here):
    width = CUT3RConfig.tiny().width
    rule = LearnedToken(channel=width)
    rule.save(here / "gate.safetensors")
    run = f"{RUN} --rule learned_token --rule.weights gate.safetensors"
    assert typed(run)[0] == 0
    assert "nothing to do" in typed(f"{run} --resume")[1]
    with torch.no_grad():
        next(rule.parameters()).add_(0.1)
    rule.save(here / "gate.safetensors")
    assert "changed since this run began" in refused(f"{run} --resume")


def test_a_network_replaced_under_the_same_path_is_refused(typed, refused, here):
    save_network(CUT3R.random(CUT3RConfig.tiny(), seed=1), here / "net")
    run = RUN.replace("tiny-random", "net")
    assert typed(run)[0] == 0
    save_network(CUT3R.random(CUT3RConfig.tiny(), seed=2), here / "net")
    assert "network_sha256" in refused(f"{run} --resume")


def test_a_run_of_an_older_release_goes_on_with_a_note(typed, here, record):
    assert typed(f"{RUN} --stop 4")[0] == 0
    found = record(here / "out")
    del found["identities"]
    found["status"] = "interrupted"
    found["extra"] = {
        "source": {"name": "photos", "first_frame": "photo0.png", "last_frame": "photo3.png"},
        "skipped": [],
    }
    (here / "out/run.json").write_text(json.dumps(found))
    (here / "out/frames.csv").unlink()
    picture(here / "photos/photo4.png", 9)
    code, said, _ = typed(f"{RUN} --stop 4 --resume")
    assert code == 0
    assert "an older release" in said
    assert record(here / "out")["status"] == "complete"
    assert "nothing to do" in typed(f"{RUN} --stop 4 --resume")[1]


FORMER_CLASSES = {
    "Memory": "ttt3r.types:Memory",
    "RuleState": "ttt3r.types:RuleState",
    "AttentionRecord": "ttt3r.update_rules.attention_record:AttentionRecord",
    "Filter": "ttt3r.update_rules.filt3r:Filter",
}
LEARNED = (
    "LearnedToken(\n  channel=48, hidden=64, weights='a,b@8.st'\n  (gate): _Gate(\n    (mlp): Linear(a=48)\n  )\n)"
)


def make_older(folder, rule):
    """The folder as a release before format 2 left it: the rule as Python prints it, another hash, classes with modules."""
    found = json.loads((folder / "run.json").read_text())
    del found["format"]
    found["settings"]["rule"] = rule
    found["identities"] = {"the rule (its source, what it imports, or its weights)": "1e137d224a1de672"}
    found["status"] = "interrupted"
    (folder / "run.json").write_text(json.dumps(found))
    with safe_open(folder / "memory.safetensors", "pt") as file:
        text = file.metadata()["memory"]
    tensors = load_file(folder / "memory.safetensors")
    for name, former in FORMER_CLASSES.items():
        text = text.replace(f'"class": "{name}"', f'"class": "{former}"')
    assert ":" in text
    save_file(tensors, folder / "memory.safetensors", metadata={"memory": text})


@pytest.mark.parametrize(
    ("rule", "former", "other"),
    [
        ("ttt3r", "TTT3R(gradient=False)", "ttt3r:gradient=true"),
        ("ttt3r --record-gains", "AttentionRecorded(rule=TTT3R(gradient=False))", "frozen"),
        ("filt3r", FILTER, "filt3r:decay=0.5"),
        ("learned_token --rule.weights a,b@8.st", LEARNED, "learned_token"),
        ("my_lab.MyRule --rule.scale=0.5", "MyRule(scale=0.5)", "my_lab.MyRule"),
    ],
)
def test_a_run_that_was_begun_before_labels_goes_on(typed, refused, here, rule, former, other):
    LearnedToken(channel=CUT3RConfig.tiny().width).save(here / "a,b@8.st")
    picture(here / "photos/photo4.png", 9)
    assert typed(f"{RUN} --rule {rule}")[0] == 0
    whole = np.loadtxt(here / "out/trajectory.txt")
    shutil.rmtree(here / "out")
    picture_4 = (here / "photos/photo4.png").rename(here / "later.png")
    assert typed(f"{RUN} --rule {rule}")[0] == 0
    make_older(here / "out", former)
    picture_4.rename(here / "photos/photo4.png")
    before = files(here / "out")
    assert "rule (" in refused(f"{RUN} --resume --rule {other}")
    assert files(here / "out") == before
    code, said, _ = typed(f"{RUN} --resume --rule {rule}")
    assert code == 0
    assert "going on after 4 frames" in said
    assert "begun by an older release" in said
    np.testing.assert_array_equal(np.loadtxt(here / "out/trajectory.txt"), whole)


def test_a_record_of_a_newer_release_is_refused(typed, refused, here, record):
    assert typed(RUN)[0] == 0
    (here / "out/run.json").write_text(json.dumps(record(here / "out") | {"format": 3}))
    assert "of format 3, which a newer release wrote; update ttt3r" in refused(f"{RUN} --resume")


def test_a_folder_that_is_written_is_refused_to_another(typed, refused, here):
    assert typed(RUN)[0] == 0
    before = files(here / "out")
    with locked(here / "out", "run"):
        for how in ("--resume", "--overwrite", ""):
            line = refused(f"{RUN} {how}")
            assert "another run is at work in out; wait for it, or choose another folder with --out" in line
    assert files(here / "out") == before


SLOW = """
import sys, time
from pathlib import Path
from ttt3r.network.cut3r import CUT3R
from ttt3r.cli import main
encode = CUT3R.encode
CUT3R.encode = lambda self, frame: (time.sleep(0.4), encode(self, frame))[1]
sys.exit(main(sys.argv[1:]))
"""


def test_of_two_processes_that_go_on_in_one_folder_the_second_is_refused(typed, here, record):
    for number in range(4, 12):
        picture(here / f"photos/photo{number}.png", number)
    run = f"{RUN} --checkpoint-every 1"
    assert typed(run)[0] == 0
    whole = (here / "out/trajectory.txt").read_bytes()
    shutil.rmtree(here / "out")
    assert typed(f"{run} --stop 2")[0] == 0
    found = record(here / "out")
    found["settings"]["stop"] = None
    (here / "out/run.json").write_text(json.dumps(found | {"status": "interrupted"}))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MPLBACKEND": "agg", "TTT3R_TYPECHECK": "0"}
    command = [sys.executable, "-c", SLOW, *run.split(), "--resume"]
    first = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not (here / "out/depth/frame_000002.npz").exists():
        assert first.poll() is None
        time.sleep(0.05)
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert "another run is at work in out" in " ".join(second.stderr.split())
    assert first.wait(timeout=120) == 0, first.communicate()
    found = np.loadtxt(here / "out/trajectory.txt")  # other threads of another process may round otherwise
    np.testing.assert_allclose(found, np.loadtxt(io.BytesIO(whole)), atol=1e-4)
    assert record(here / "out")["frames"] == 12


def test_what_a_kill_kept_from_being_made_is_made_by_resume_which_draws_too(typed, here):
    run = f"{RUN} --min-confidence 0"
    assert typed(run)[0] == 0
    whole = files(here / "out")
    for name in ("points.ply", "points.glb", "trajectory.png", "points.png"):
        (here / "out" / name).unlink()
        code, said, _ = typed(f"{run} --resume")
        assert code == 0
        assert "what was missing" in said, name
        found = files(here / "out")
        found.pop(here / "out/run.json")
        assert found == {path: content for path, content in whole.items() if path.name != "run.json"}
    assert "nothing to do" in typed(f"{run} --resume")[1]


def test_a_folder_that_is_converted_to_is_refused_to_another(typed, refused, here):
    save_network(CUT3R.random(CUT3RConfig.tiny(), seed=1), here / "net")
    (here / "new").mkdir()
    with locked(here / "new", "conversion"):
        assert "another conversion is at work in new" in refused("convert net new")
    assert typed("convert net new")[0] == 0
    assert "new is not empty" in refused("convert net new")
    assert typed("convert net new --overwrite")[0] == 0
