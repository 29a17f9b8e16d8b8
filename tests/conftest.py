"""Shared fixtures. Nothing of ttt3r is imported at the top: type checks must be switched on before."""

import os
import signal
import sys
from pathlib import Path

os.environ.setdefault("TTT3R_TYPECHECK", "1")

import pytest  # noqa: E402
import torch  # noqa: E402

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Tests that were started in the background ignore Ctrl-C, and so would the commands that they start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


def pytest_collection_modifyitems(items):
    for item in items:
        if "shared" in item.keywords and not SHARED.is_dir():
            item.add_marker(pytest.mark.skip(reason="../shared (recorded reference data) is absent"))
        if "gpu" in item.keywords and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def shared():
    """The folder of recorded reference data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("../shared (recorded reference data) is absent")
    return SHARED


@pytest.fixture(autouse=True)
def _no_rules_of_other_tests():
    """A file my_lab.py that another test's folder held is not the one of this test's."""
    sys.modules.pop("my_lab", None)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    torch.set_num_threads(1)
