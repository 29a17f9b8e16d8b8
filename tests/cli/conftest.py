"""An empty folder to stand in, a few pictures, and `ttt3r` as it is typed."""

import json

import numpy as np
import pytest
from PIL import Image

LAB = '''
"""A user's file: nothing of it is registered anywhere."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence


@dataclass(frozen=True)
class MyRule(GatedUpdateRule):
    """A fixed share.

    Args:
        scale: the share.
    """

    scale: float = 0.25

    def gain(self, state: Tensor, candidate: Tensor, evidence: Evidence, rule_state: RuleState) -> Gain:
        return Gain(torch.full_like(state[..., :1], self.scale))


@dataclass(frozen=True)
class WrongShape(GatedUpdateRule):
    def gain(self, state: Tensor, candidate: Tensor, evidence: Evidence, rule_state: RuleState) -> Gain:
        return Gain(torch.ones(state.shape[0], 3, 1))


@dataclass(frozen=True)
class TooMuch(GatedUpdateRule):
    def gain(self, state: Tensor, candidate: Tensor, evidence: Evidence, rule_state: RuleState) -> Gain:
        return Gain(torch.full_like(state[..., :1], 1.5))


@dataclass(frozen=True)
class Mistaken(GatedUpdateRule):
    def gain(self, state: Tensor, candidate: Tensor, evidence: Evidence, rule_state: RuleState) -> Gain:
        return {}["nothing here"]
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder of the test: empty but for pictures in `photos` and a rule in `my_lab.py`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TTT3R_DEBUG", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "my_lab.py").write_text(LAB)
    (tmp_path / "photos").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (48, 96, 3), dtype=np.uint8)
    for i in range(4):
        Image.fromarray(noise[:, 3 * i : 3 * i + 64]).save(tmp_path / f"photos/photo{i}.png")
    return tmp_path


@pytest.fixture
def typed(here, capsys):
    """Type a command: exit code, what it said, and its error if any."""
    from ttt3r.cli import main

    def run(line):
        code = main(line.split())
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return run


@pytest.fixture
def refused(typed):
    """Type a command that must fail with one line; that line."""

    def run(line, code=2):
        found, _, error = typed(line)
        lines = [text for text in error.splitlines() if not text.startswith("warning:")]
        assert found == code
        assert len(lines) == 1, error
        assert lines[0].startswith("ttt3r: error: ")
        return lines[0]

    return run


@pytest.fixture
def undrawn(monkeypatch, request):
    """`ttt3r run` without pictures, since drawing takes longer than all else; but for tests with "draws" in their name."""
    if "draws" not in request.node.name:
        monkeypatch.setattr("ttt3r.cli.run_output.draw_pictures", lambda folder: [])
        monkeypatch.setattr("ttt3r.cli.run.pictures_are_missing", lambda folder: False)


@pytest.fixture
def record():
    """Reads the record of a run."""
    return lambda folder: json.loads((folder / "run.json").read_text())
