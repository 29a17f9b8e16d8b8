"""What `import ttt3r` costs, and that shape checks are off unless they are asked for. Each in a new interpreter."""

import os
import subprocess
import sys

import pytest

HEAVY = "lightning pytorch_lightning torchmetrics av trimesh scipy matplotlib viser jsonargparse rich evo pycolmap omegaconf"

WRONG_SHAPE = """
import ttt3r, torch
from ttt3r.types import Memory
Memory.start(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3))
"""


def python(code: str, typecheck: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "TTT3R_TYPECHECK"}
    if typecheck is not None:
        environment["TTT3R_TYPECHECK"] = typecheck
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Names of the modules that `import ttt3r` loads."""
    done = python("import ttt3r, sys; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("library", HEAVY.split())
def test_importing_the_package_leaves_heavy_libraries_alone(loaded, library):
    assert library not in loaded, f"`import ttt3r` loads {library}: import it inside the function that needs it"


def test_shape_checks_are_off_by_default(loaded):
    assert "beartype" not in loaded
    done = python(WRONG_SHAPE)
    assert done.returncode == 0, done.stderr


def test_shape_checks_are_on_when_asked_for():
    done = python(WRONG_SHAPE, typecheck="1")
    assert done.returncode != 0
    assert "TypeCheckError" in done.stderr
