"""The wheel, installed in another environment and used from another folder, holds all that the package needs."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("build", reason="pip install 'ttt3r[dev]' to build the wheel")
pytest.importorskip("hatchling", reason="pip install 'ttt3r[dev]' to build the wheel")

ROOT = Path(__file__).resolve().parent.parent

SMOKE = """
import importlib.metadata, importlib.resources, pathlib, sys
import ttt3r
import ttt3r.types
home = pathlib.Path(ttt3r.__file__).resolve().parent
assert home.is_relative_to(pathlib.Path(sys.prefix).resolve()), f"{home} is not the installed copy"
assert importlib.metadata.version("ttt3r") == ttt3r.__version__
assert (importlib.resources.files("ttt3r") / "py.typed").is_file()
print(ttt3r.__version__)
"""


def run(command: list[str | Path], **settings) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("TTT3R_TYPECHECK", "PYTHONPATH")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, **settings)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT])
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory) -> Path:
    """A new environment with the wheel; what it depends on is borrowed from the running environment."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(home)
    run([sys.executable, "-m", "pip", "--python", home, "install", "--quiet", "--no-deps", "--no-index", wheel])
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}))
    # Python reads no .pth files in a folder that a .pth file adds: the editable install stays out of sight.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    listed = run(["git", "ls-files", "ttt3r"], cwd=ROOT).split() if (ROOT / ".git").exists() else []
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert "ttt3r/py.typed" in packed
    assert set(listed) <= packed, f"left out of the wheel: {sorted(set(listed) - packed)}"


def test_nothing_but_the_package_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        folders = {name.split("/")[0] for name in archive.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"ttt3r"}


def test_the_wheel_works_from_another_folder(elsewhere, tmp_path):
    assert run([elsewhere / "bin" / "python", "-I", "-c", SMOKE], cwd=tmp_path).strip()


def test_the_command_is_installed(elsewhere, tmp_path):
    assert "ttt3r" in run([elsewhere / "bin" / "ttt3r", "rules"], cwd=tmp_path)
