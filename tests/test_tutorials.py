"""Every tutorial runs from beginning to end, with shape checks on, and its exercises know right from wrong."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TUTORIALS = sorted((ROOT / "tutorials").glob("[0-9]*.py"))


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs_and_says_what_was_learned(tutorial, tmp_path):
    settings = {"SMOKE_TEST": "1", "TTT3R_TYPECHECK": "1", "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(tutorial)], env=os.environ | settings, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    text = tutorial.read_text()
    assert text.startswith("# %% [markdown]\n# # ")
    assert text.count("\ndef check_") == 2
    assert done.stdout.count("not yet") == 2
    assert "**Learned:**" in text


def test_there_are_tutorials():
    assert TUTORIALS


def test_the_exercises_of_the_first_tutorial_take_the_right_answers(monkeypatch, tmp_path):
    import tempfile

    import ttt3r

    monkeypatch.setenv("SMOKE_TEST", "1")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = runpy.run_path(str(TUTORIALS[0]))
    assert made["check_share_left"](lambda g, n: (1 - g) ** n) == "right"

    def answer(images):
        return (ttt3r.Frame(image, write=index != 2) for index, image in enumerate(images))

    assert made["check_without_a_trace"](answer) == "right"
    assert "4 frames go in" in made["check_without_a_trace"](lambda images: answer(images[:3]))
