"""`ttt3r run --record-gains`: what it writes, and that it changes no result."""

import numpy as np
import torch

from ttt3r import Memory
from ttt3r.cli import main
from ttt3r.export import SavedRun
from ttt3r.update_rules import AttentionRecord

from .conftest import FRAMES


def test_recording_changes_no_result(runs):
    recorded, plain = SavedRun.open(runs / "b"), SavedRun.open(runs / "plain")
    np.testing.assert_array_equal(recorded.camera_to_world[:4], plain.camera_to_world)
    np.testing.assert_array_equal(recorded.gains.mean[:4], plain.gains.mean)
    assert plain.token_gains(0) is None


def test_the_record_agrees_with_the_table(runs):
    run = SavedRun.open(runs / "b")
    for frame in range(FRAMES):
        gains = run.token_gains(frame)
        assert abs(float(gains.gain.mean()) - run.gains.mean[frame]) < 1e-3  # float16
        assert 0 < float(gains.attention.sum(axis=1).max()) <= 1.001


def test_the_memory_goes_on_with_its_record(runs):
    memory = Memory.load(runs / "b/memory.safetensors")
    assert isinstance(memory.rule, AttentionRecord)
    last = SavedRun.open(runs / "b").token_gains(FRAMES - 1)
    torch.testing.assert_close(memory.rule.attention[0], torch.from_numpy(last.attention), rtol=0, atol=1e-3)


def test_a_resumed_run_must_go_on_recording(runs, capsys):
    words = ["run", str(runs.parent / "sequence/rgb"), "--network", "tiny-random", "--min-confidence", "1"]
    assert main([*words, "--rule", "ttt3r", "--resume", "--out", str(runs / "b")]) == 2
    assert "attention_recorded" in capsys.readouterr().err
