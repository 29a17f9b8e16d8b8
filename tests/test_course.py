"""The grader of the course grades what works, names what does not, and survives whatever a file does."""

import csv
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GRADER = ROOT / "docs" / "course" / "grade.py"

GOOD = """
from dataclasses import dataclass
import torch
from ttt3r.update_rules import Gain, GatedUpdateRule

@dataclass(frozen=True)
class Calm(GatedUpdateRule):
    most: float = 0.5

    def gain(self, state, candidate, evidence, rule_state):
        change = (candidate - state).norm(dim=-1, keepdim=True)
        return Gain(self.most * torch.sigmoid(change - 5))
"""
CARELESS = GOOD.replace("Gain(self.most * torch.sigmoid(change - 5))", "Gain((change / change.max()).clamp(0, 1))")


@pytest.fixture(scope="module")
def grader():
    return runpy.run_path(str(GRADER))


@pytest.fixture
def grade(grader, tmp_path, monkeypatch):
    """Grade a text as a student's file."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def grade(text: str, seconds: float = 120):
        path = tmp_path / "ada.py"
        path.write_text(text)
        return grader["grade_file"](path, worlds=2, length=3, seconds=seconds)

    return grade


def test_a_good_rule_gets_all_points_and_its_control_is_reported(grade):
    (found,) = grade(GOOD)
    assert (found.file, found.rule, found.points, found.note) == ("ada.py", "Calm", 10, "")
    kept, tried = found.laws.split("/")
    assert kept == tried
    assert "2 houses, ConstantRate(rate=" in found.control


def test_a_broken_law_costs_its_share_and_is_named(grade):
    (found,) = grade(GOOD.replace("@dataclass(frozen=True)", "@dataclass(eq=False)"))
    assert 5 < found.points < 10
    assert "settings_print_compare_and_hash" in found.note
    assert "at most" not in found.note


@pytest.mark.parametrize(
    ("text", "law"),
    [
        (CARELESS, "samples are independent"),
        (GOOD.replace("change - 5", "change - 5 + torch.rand(1)"), "results repeat"),
        (GOOD.replace("change =", "state.mul_(1.001)\n        change ="), "inputs are never changed"),
    ],
    ids=["a leak in the batch", "chance", "inputs changed"],
)
def test_a_rule_whose_numbers_cannot_be_believed_gets_half_at_most(grade, text, law):
    (found,) = grade(text)
    assert found.points <= 5
    assert "cannot be believed: " in found.note
    assert law in found.note.partition(";")[0]


@pytest.mark.parametrize(
    ("gain", "points"),
    [
        ("torch.full_like(state[..., :1], self.most)", 5),
        ("torch.ones_like(state[..., :1])", 5),
        ("torch.linspace(0, 1, state.shape[1]).to(state)[None, :, None].expand(len(state), -1, 1)", 5),
        ("torch.full_like(state[..., :1], self.most) + 1e-6 * torch.tanh(candidate - state)", 5),
        ("(1 / (1 + evidence.age.to(state)))[:, None, None].expand(-1, state.shape[1], -1)", 10),
    ],
    ids=["constant", "overwrite", "a pattern", "all but constant", "by age"],
)
def test_a_gain_that_depends_on_nothing_is_the_control_and_gets_half(grade, gain, points):
    text = GOOD.replace("self.most * torch.sigmoid(change - 5)", gain)
    (found,) = grade(text)
    assert found.points == points, found
    assert ("that is the control" in found.note) == (points == 5)


def test_a_rule_that_fails_is_told_where(grade):
    (found,) = grade(GOOD.replace("candidate - state", "candidate - stat"))
    assert found.points == 2
    assert found.laws.startswith("0/")
    assert "name 'stat' is not defined" in found.note
    assert "(line 11)" in found.note


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("def broken(:", "SyntaxError"),
        ("x = 1 / 0", "ZeroDivisionError: division by zero (line 1)"),
        ("import sys; sys.exit()", "SystemExit"),
        ("import os; os._exit(3)", "ended with code 3"),
        ("import os; os.kill(os.getpid(), 11)", "ended with code -11"),
        ("print('hello')", "no rule is defined here"),
        ("from ttt3r.update_rules import TTT3R", "no rule is defined here"),
        (GOOD.replace("most: float = 0.5", "most: float"), "cannot be made"),
    ],
)
def test_a_file_without_a_working_rule_gets_nothing_and_is_told_why(grade, text, note):
    (found,) = grade(text)
    assert found.points == 0
    assert note in found.note


def test_a_file_that_hangs_is_stopped_and_keeps_what_it_earned(grade):
    hanging = GOOD.replace("        change =", "        while True: pass\n        change =")
    (found,) = grade(hanging, seconds=12)
    assert found.points in (0, 2)  # on a slow machine the time is over before the class is made
    assert "stopped after 12 s" in found.note


def test_the_table_and_a_file_that_is_not_there(grader, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "bob.py").write_text("x = 1 / 0")
    words = [str(tmp_path / "bob.py"), str(tmp_path / "eve.py"), "--csv", str(tmp_path / "grades.csv")]
    assert grader["main"](words) == 0
    assert "bob.py -: 0 of 10" in capsys.readouterr().out
    with (tmp_path / "grades.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file"] for row in rows] == ["bob.py", "eve.py"]
    assert rows[1]["note"] == "there is no such file"


def test_impossible_settings_are_refused(grader, tmp_path):
    with pytest.raises(SystemExit):
        grader["main"]([str(tmp_path / "bob.py"), "--worlds", "1"])
