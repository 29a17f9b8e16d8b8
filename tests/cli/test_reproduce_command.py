"""The acceptance kit, rehearsed on a random network in the official layout."""

import argparse

import pytest
import torch
from network.test_checkpoint import TINY, official_state

from ttt3r.data import write_demo_sequence
from ttt3r.evaluation.protocols.acceptance import check_checkpoint
from ttt3r.network import CUT3R, CUT3RConfig

NAME = "rgbd_dataset_freiburg3_sitting_xyz"


@pytest.fixture
def checkpoint(here):
    network = CUT3R.random(CUT3RConfig.tiny(), seed=1)
    torch.save({"args": argparse.Namespace(model=TINY), "model": official_state(network)}, here / "cut3r.pth")
    return here / "cut3r.pth"


def test_the_kit_checks_runs_compares_and_reports(typed, here, checkpoint):
    write_demo_sequence(here / f"tum/{NAME}", frames=12, size=(80, 60))
    line = f"reproduce cut3r.pth --data tum/stride3-90=tum --sequences {NAME} --size 64 --device cpu --out out"
    code, said, _ = typed(line)
    assert code == 1  # it is not the official file, and says so
    assert "CC BY-NC-SA" in said
    text = (here / "out/reproduction.md").read_text()
    assert text.count("| NO |") == 4
    rows = [line for line in text.splitlines() if "| official/ate |" in line]
    assert [row.split(" | ")[2] for row in rows] == ["cut3r", "ttt3r"]
    assert "0.0460" in rows[0]  # the published CUT3R number
    assert "0.0280" in rows[1]
    assert f"too_short: {NAME} (ttt3r): the sequence has 4 of 90 frames" in text


def test_what_is_not_there_is_refused(refused, checkpoint):
    assert "no file at nothing.pth" in refused("reproduce nothing.pth --out out")
    assert "PROTOCOL=FOLDER" in refused("reproduce cut3r.pth --data tum --device cpu --out out")


def test_every_fact_about_the_file_is_checked(checkpoint):
    assert [check.what for check in check_checkpoint(checkpoint)] == ["bytes", "SHA-256", "entries", "numbers"]
    checkpoint.write_bytes(b"no archive")
    assert check_checkpoint(checkpoint)[-1].what == "readable"
