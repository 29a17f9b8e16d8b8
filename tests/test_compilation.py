"""Compiled networks: the same numbers, in whole graphs. Shape checks cannot be compiled, so each runs in its own process."""

import os
import subprocess
import sys
import textwrap

import pytest
import torch

from ttt3r.compilation import Compiled
from ttt3r.network import CUT3R, CUT3RConfig

BOTH = """
from dataclasses import replace
import torch
from ttt3r import Outputs, Reconstructor, rollout
from ttt3r.compilation import Compiled
from ttt3r.network import CUT3R, CUT3RConfig, LinearConfig
from ttt3r.update_rules import TTT3R

device, backend = "{device}", "{backend}"
config = replace(CUT3RConfig.tiny(), encoder_depth=1, head=LinearConfig())
network = CUT3R.random(config, seed=1).to(device)
frames = torch.rand(4, 1, 3, 32, 48, generator=torch.Generator().manual_seed(0)).to(device) * 2 - 1
found = [
    list(rollout(Reconstructor(one, TTT3R()), frames, outputs=Outputs.CAMERA | Outputs.POINTS_CAMERA))
    for one in (network, Compiled(network, backend=backend))
]
for plain, compiled in zip(*found, strict=True):
    for name in ("camera_to_world", "points_camera"):
        a, b = getattr(plain.reconstruction, name), getattr(compiled.reconstruction, name)
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(plain.memory.state, compiled.memory.state, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(plain.gain, compiled.gain, atol=1e-4, rtol=1e-4)
"""


def without_checks(device, backend):
    environment = {name: value for name, value in os.environ.items() if name != "TTT3R_TYPECHECK"}
    code = textwrap.dedent(BOTH).format(device=device, backend=backend)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


def test_each_part_is_one_graph_with_the_same_numbers():
    done = without_checks("cpu", "aot_eager")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "lru_cache" not in done.stderr


@pytest.mark.slow
def test_kernels_made_by_the_compiler_give_the_same_numbers():
    done = without_checks("cpu", "inductor")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_replayed_graphs_do_not_overwrite_what_was_kept():
    done = without_checks("cuda", "inductor")
    assert done.returncode == 0, done.stderr[-2000:]


def test_shape_checks_are_refused_at_the_door(monkeypatch):
    monkeypatch.setenv("TTT3R_TYPECHECK", "1")
    with pytest.raises(ValueError, match="unset TTT3R_TYPECHECK"):
        Compiled(CUT3R.random(CUT3RConfig.tiny()))
