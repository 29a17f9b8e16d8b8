"""Two processes train as one: the same clips between them, the same weights in the end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ttt3r.network import load_network
from ttt3r.training.clips import Share, batch_at, check_shares
from ttt3r.training.fitting import Machine
from ttt3r.training.nano import nano_recipe

SCRIPT = """
import sys
from pathlib import Path
from pathlib import Path
from test_training import MICRO, recipe
from ttt3r.training.fitting import Machine, train
from ttt3r.update_rules import FullOverwrite

if __name__ == "__main__":
    train(MICRO, FullOverwrite(), recipe(4), Path(sys.argv[1]), Machine(workers=0, devices=int(sys.argv[2])))
"""


def test_the_shares_of_a_batch_make_up_the_batch():
    plan = nano_recipe()
    whole = batch_at(plan, 3)
    parts = [batch_at(plan, 3, Share(rank, 2)) for rank in range(2)]
    assert torch.equal(torch.cat([part.image for part in parts], dim=1), whole.image)
    check_shares(plan, 2)
    with pytest.raises(ValueError, match="12 clips cannot be dealt to 5"):
        check_shares(plan, 5)
    with pytest.raises(ValueError, match="rank 2"):
        Share(2, 2)
    with pytest.raises(ValueError, match="devices=0"):
        Machine(devices=0)


def test_two_processes_end_where_one_does(tmp_path):
    (tmp_path / "go.py").write_text(SCRIPT)
    folder = str(Path(__file__).parent)
    networks = []
    for devices in ("1", "2"):
        out = tmp_path / devices
        words = [sys.executable, str(tmp_path / "go.py"), str(out), devices]
        environment = {**os.environ, "PYTHONPATH": folder + ":" + str(os.getcwd())}
        done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        networks.append(dict(load_network(out / "network").named_parameters()))
    for name, value in networks[0].items():
        torch.testing.assert_close(networks[1][name], value, rtol=2e-2, atol=2e-3, msg=name)
