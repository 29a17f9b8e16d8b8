"""Steps without a finite gradient: they are dropped, in every process at once, and what was learned stays."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_training import MICRO, recipe

from ttt3r.network import load_network
from ttt3r.training import fitting, module
from ttt3r.training.fitting import Machine, train
from ttt3r.training.module import TrainingModule
from ttt3r.training.precision import ScaledHalf, settle, unscaled_norm
from ttt3r.update_rules import FullOverwrite

HALF = Machine(workers=0, precision="16-mixed")


def gradients(scale):
    """A layer with gradients of a loss times `scale`, and its optimiser."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    (layer(torch.ones(1, 3)).square().sum() * scale).backward()
    return layer, torch.optim.SGD(layer.parameters(), 0.1)


def test_gradients_are_unscaled_before_they_are_cut():
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=1)
    plain, _ = gradients(1.0)
    norm = torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.01)
    scaler.scale(torch.zeros(1))  # makes its tensors
    scaled, optimizer = gradients(1024.0)
    torch.testing.assert_close(unscaled_norm(scaler, [optimizer], scaled.parameters(), 0.01), norm)
    for mine, other in zip(scaled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)
    settle(scaler, good=True)
    assert scaler.get_scale() == 2048
    scaled, optimizer = gradients(float("inf"))
    assert not unscaled_norm(scaler, [optimizer], scaled.parameters(), 0.01).isfinite()
    settle(scaler, good=False)
    assert scaler.get_scale() == 1024
    settle(scaler, good=False)  # a frame went wrong before there were any gradients
    assert scaler.get_scale() == 512
    settle(None, good=False)


def half_with(monkeypatch, scale):
    """Training in float16 with this scale at the beginning."""

    class Begun(ScaledHalf):
        def __init__(self):
            super().__init__()
            self.scaler = torch.amp.GradScaler(self.device, init_scale=scale)

    monkeypatch.setattr(fitting, "ScaledHalf", Begun)


def checkpoint(out):
    found = torch.load(out / "last.ckpt", weights_only=True)
    state = found["state_dict"]
    return found, {name: value for name, value in state.items() if name.startswith("model.")}


def test_an_overflow_costs_a_step_and_halves_the_scale(tmp_path, monkeypatch):
    half_with(monkeypatch, 2.0**60)
    train(MICRO, FullOverwrite(), recipe(2), tmp_path, HALF)
    found, weights = checkpoint(tmp_path)
    assert found["global_step"] == 2
    (scaling,) = (state for name, state in found.items() if name.endswith("Begun"))
    assert scaling["scale"] == 2.0**58
    for name, value in load_start().items():
        assert torch.equal(weights[f"model.network.{name}"], value), name


def load_start():
    return {name: value for name, value in fitting.CUT3R.random(MICRO, 0).state_dict().items()}


def test_the_norm_is_cut_as_without_a_scale(tmp_path, monkeypatch):
    half_with(monkeypatch, 2.0**10)
    train(MICRO, FullOverwrite(), recipe(1, clip=1e-2), tmp_path, HALF)
    found, _ = checkpoint(tmp_path)
    (adam,) = found["optimizer_states"]
    momentum = torch.stack([state["exp_avg"].square().sum() for state in adam["state"].values()]).sum().sqrt()
    assert momentum.item() == pytest.approx(0.1 * 1e-2, rel=1e-3)  # (1 - beta) times the norm that was allowed


def test_a_training_that_learns_nothing_any_more_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 2)
    monkeypatch.setattr(TrainingModule, "_windows", lambda *_: iter([(torch.tensor(torch.inf), None)]))
    with pytest.raises(ValueError, match="2 steps in a row"):
        train(MICRO, FullOverwrite(), recipe(9), tmp_path, Machine(workers=0))


SCRIPT = """
import os
import sys
from pathlib import Path

import torch
from test_training import MICRO, recipe
from ttt3r.training import module
from ttt3r.training.fitting import Machine, train
from ttt3r.update_rules import FullOverwrite

windows, alone = module.TrainingModule._windows, sys.argv[2] == "1"


def spoiled(self, shown):
    bad = alone or os.environ.get("LOCAL_RANK") == "1"
    if bad and self.global_step == 1:
        shown.truth.image[-1] = torch.nan  # the guard finds it in the last window
    for loss, step in windows(self, shown):
        if bad and self.global_step == 2:
            loss.register_hook(lambda gradient: gradient * torch.nan)
        yield loss, step


module.TrainingModule._windows = spoiled
if __name__ == "__main__":
    plan = recipe(4, detach_every=2)
    train(MICRO, FullOverwrite(), plan, Path(sys.argv[1]), Machine(workers=0, devices=int(sys.argv[2])))
"""


def test_a_bad_step_of_one_process_is_one_of_all(tmp_path, monkeypatch):
    """A frame that went wrong in one of two processes, then a gradient; in the end the weights are as if it was so in both."""
    script = tmp_path / "go.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(TrainingModule, "_windows", TrainingModule._windows)  # the script's is taken back in the end
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "1"), "1"])
    runpy.run_path(str(script), run_name="__main__")
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "TTT3R_TYPECHECK": "0"}
    words = [sys.executable, str(script), str(tmp_path / "2"), "2"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = (dict(load_network(tmp_path / devices / "network").named_parameters()) for devices in "12")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=2e-2, atol=2e-3, msg=name)
    assert any(not torch.equal(one[name], value) for name, value in load_start().items())
