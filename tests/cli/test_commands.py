"""The smaller commands, the door, and what it costs to open it."""

import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from ttt3r import __version__
from ttt3r.cli import main
from ttt3r.data import write_demo_sequence
from ttt3r.network import CUT3R, CUT3RConfig, save_network


@pytest.mark.parametrize(
    "command", ["", "run", "compare", "convert", "rules", "data", "data demo", "data check", "data list", "doctor"]
)
def test_help_fits_a_terminal(here, capsys, command):
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert "usage:" in said
    assert "<class" not in said
    wide = [line for line in said.splitlines() if len(line) > 80 and not line.startswith("How the memory")]
    assert wide == []


def test_version_and_unknown_commands(here, capsys, refused):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert __version__ in capsys.readouterr().out
    assert "invalid choice: 'walk'" in refused("walk")
    assert "{demo,check,list}" in refused("data")
    assert "--help" in refused("")


def test_rules_are_listed_shown_and_checked(typed, refused):
    code, said, _ = typed("rules")
    assert code == 0
    assert all(len(line) <= 80 for line in said.splitlines())
    for words in ("cut3r", "S = candidate", "https://arxiv.org/abs/2509.26645", "constant", "frozen"):
        assert words in said
    assert "settings: rate=0.3" in typed("rules list --verbose")[1]
    said = typed("rules --verbose")[1]
    assert "needs: state attention" in said
    assert "carries: 2.25 MiB a sequence (768 tokens of width 768)" in said
    assert "costs: heads before the write (no chunks)" in said
    assert "costs: arithmetic on the state" in typed("rules show cut3r")[1]
    code, said, _ = typed("rules show ttt3r")
    assert "settings: gradient=False" in said
    assert all(len(line) <= 80 for line in said.splitlines() if not line.startswith("source:"))
    code, said, _ = typed("rules check my_lab.MyRule")
    assert code == 0
    assert "MyRule(scale=0.25) keeps all" in said
    code, said, _ = typed("rules check my_lab.TooMuch")
    assert code == 1
    assert "gains_keep_their_bounds: expected gains in [0.0, 1.0]" in said
    code, said, _ = typed("rules check my_lab.Mistaken")
    assert code == 1
    assert "my_lab.py, line 44" in " ".join(said.split())
    assert "needs the name of a rule" in refused("rules check")
    assert "did you mean constant?" in refused("rules show constnt")


def test_data_is_made_and_looked_at(typed, refused, here):
    assert typed("data demo room --frames 3")[0] == 0
    code, said, _ = typed("data check room --size 64")
    assert code == 0
    assert "tum (TUM RGB-D)" in said
    assert re.search(r"room +3 +3 +3 +320 x 240 +none", said)
    assert "-> 64 x 48" in said
    assert "photos: 4 frames" in typed("data check photos --size 64")[1]
    assert "photos is not empty" in refused("data demo photos")
    assert "nothing at nowhere" in refused("data check nowhere")
    (here / "room/groundtruth.txt").write_text("no numbers")
    code, said, _ = typed("data check room")
    assert code == 1
    assert "groundtruth.txt must hold rows of numbers" in " ".join(said.split())


def test_a_checkpoint_is_converted_once(typed, refused, here):
    save_network(CUT3R.random(CUT3RConfig.tiny()), here / "net")
    assert "net is not empty" in refused("convert net net")
    (here / "junk.pth").write_bytes(b"not a checkpoint")
    assert "junk.pth" in refused("convert junk.pth new")
    assert not (here / "new").exists()
    assert typed("run photos --network net --size 64 --out out --outputs cameras")[0] == 0


@pytest.mark.shared
def test_an_official_checkpoint_is_converted_and_gives_the_same(typed, here, shared):
    official = shared / "golden/tiny_official_layout.pth"
    code, said, _ = typed(f"convert {official} net")
    assert code == 0
    assert "use it with --network net" in said
    for name, network in (("a", official), ("b", "net")):
        assert typed(f"run photos --network {network} --size 64 --out {name} --outputs cameras")[0] == 0
    a, b = (np.loadtxt(here / name / "trajectory.txt") for name in "ab")
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_doctor_names_devices_and_cures(typed, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None if name == "av" else find(name, *more))
    code, said, _ = typed("doctor")
    assert code == 0
    assert torch.__version__ in said
    assert "missing: pip install 'ttt3r[video]'" in said
    assert all(len(line) <= 80 for line in said.splitlines())


def test_the_door_leaves_the_process_as_it_was(typed):
    import signal

    before = signal.getsignal(signal.SIGTERM), warnings.showwarning
    typed("rules")
    assert (signal.getsignal(signal.SIGTERM), warnings.showwarning) == before


def test_debug_shows_the_whole_error(here, monkeypatch):
    monkeypatch.setenv("TTT3R_DEBUG", "1")
    with pytest.raises(FileNotFoundError, match="nothing at nowhere"):
        main(["data", "check", "nowhere"])


def test_interrupted_says_how_to_go_on(typed, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ttt3r.cli.rules.execute", stop)
    code, _, error = typed("rules")
    assert code == 130
    assert "--resume" in error


def test_listing_rules_loads_neither_lightning_nor_drawing(tmp_path):
    code = (
        "import sys; from ttt3r.cli import main; main(['rules']); "
        "print(sorted({'lightning', 'torchmetrics', 'matplotlib', 'scipy', 'av', 'trimesh'} & set(sys.modules)))"
    )
    environment = {**os.environ, "TTT3R_TYPECHECK": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"
    started = [sys.executable, "-m", "ttt3r", "rules", "show", "nobody"]
    done = subprocess.run(started, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("ttt3r: error: unknown rule 'nobody'")
    assert len(done.stderr.splitlines()) == 1


def test_demo_sequences_are_the_same_from_both_doors(typed, here):
    typed("data demo a --frames 2 --seed 5")
    write_demo_sequence(here / "b", frames=2, seed=5)
    assert (here / "a/groundtruth.txt").read_bytes() == (here / "b/groundtruth.txt").read_bytes()
