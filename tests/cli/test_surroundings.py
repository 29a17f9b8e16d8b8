"""`ttt3r` where the machine is odd: no docstrings, no name of the user, a backend that is none, the package in a zip."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = ["run", "photos", "--network", "nano", "--device", "cpu", "--out", "out", "--stop", "2"]


def python(*arguments, path=ROOT, **environment):
    clean = {key: value for key, value in os.environ.items() if key not in ("MPLBACKEND", "TTT3R_TYPECHECK")}
    clean |= {"PYTHONPATH": str(path), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run([sys.executable, *arguments], env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_without_docstrings(here):
    python("-OO", "-m", "ttt3r", *RUN)
    python("-OO", "-m", "ttt3r", "rules", "check", "ttt3r")
    python("-OO", "-m", "ttt3r", "--help")
    assert (here / "out/points.png").exists()


def test_with_a_backend_that_is_none(here):
    pytest.importorskip("matplotlib")
    python("-m", "ttt3r", *RUN, MPLBACKEND="nonsense")
    assert (here / "out/points.png").exists()


NAMELESS = """
import getpass, os, pwd, sys
def nobody(*_): raise KeyError("getpwuid(): uid not found")
pwd.getpwuid = pwd.getpwnam = nobody
from ttt3r.cli import main
from ttt3r.viewer.serving import tunnel
assert "USER@" in tunnel(8080)
sys.exit(main(sys.argv[1:]))
"""


def test_for_a_user_without_a_name(here, monkeypatch):
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    python("-c", NAMELESS, *RUN)
    assert (here / "out/points.png").exists()


def test_from_a_zip(here):
    with zipfile.ZipFile(here / "ttt3r.whl", "w") as file:
        for path in (ROOT / "ttt3r").rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                file.write(path, path.relative_to(ROOT))
    said = python("-c", "import ttt3r; print(ttt3r.__file__)", path=here / "ttt3r.whl")
    assert "ttt3r.whl" in said
    python("-m", "ttt3r", *RUN, path=here / "ttt3r.whl")
    assert (here / "out/points.png").exists()
