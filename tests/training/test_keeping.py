"""What a training leaves: checkpoints that are whole, a rule that can be named, an end on request."""

import os
import signal
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from test_training import MICRO, recipe
from torch import nn

from ttt3r.cli.choosing import parse_rules
from ttt3r.network import CUT3R
from ttt3r.reconstructor import Reconstructor
from ttt3r.training import fitting
from ttt3r.training.fitting import Machine, train
from ttt3r.training.keeping import LAST, PREVIOUS, RULE, check_room, checkpoint_of, rule_files, save_learned
from ttt3r.training.module import TrainingModule
from ttt3r.update_rules import ConstantRate, FullOverwrite, LearnedScalar, LearnedToken, Scale

HERE = Machine(workers=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of two steps with a learned rule; the rule itself."""
    out = tmp_path_factory.mktemp("trained")
    rule = LearnedToken(hidden=8)
    train(MICRO, rule, recipe(2), out, Machine(workers=0, minutes=1e-9))
    return out, rule


def test_a_learned_rule_is_written_as_its_average(trained):
    out, rule = trained
    inside = torch.load(out / LAST, weights_only=True)["state_dict"]
    written = load_file(out / RULE)
    assert written.keys() == dict(rule.state_dict()).keys()
    for name, tensor in written.items():
        assert torch.equal(tensor, inside[f"averaged.module.rule.{name}"])
        assert torch.equal(rule.state_dict()[name], inside[f"model.rule.{name}"])
    assert any(not torch.equal(written[name], tensor) for name, tensor in rule.state_dict().items())
    assert not torch.equal(written["gate.mlp.output.weight"], torch.zeros_like(written["gate.mlp.output.weight"]))
    (named,) = parse_rules(f"learned_token:weights={out / RULE}").values()
    assert isinstance(named, LearnedToken)
    assert (named.channel, named.hidden) == (MICRO.width, 8)
    assert all(torch.equal(tensor, written[name]) for name, tensor in named.state_dict().items())
    Reconstructor(CUT3R.random(MICRO), named)


def test_learned_rules_inside_others_have_files_too(tmp_path):
    class Own(FullOverwrite, nn.Module):
        def __init__(self):
            nn.Module.__init__(self)
            self.weight = nn.Parameter(torch.tensor([3.0]))

    inner, own = LearnedScalar(channel=MICRO.width), Own()
    assert rule_files(FullOverwrite(), tmp_path) == {}
    assert rule_files(Scale(inner, 0.5), tmp_path) == {inner: tmp_path / RULE}
    network = CUT3R.random(MICRO)
    assert save_learned(Reconstructor(network, Scale(inner, 0.5)), tmp_path) == [tmp_path / RULE]
    assert LearnedScalar(weights=tmp_path / RULE).channel == MICRO.width
    assert save_learned(Reconstructor(network, own), tmp_path) == [tmp_path / RULE]
    assert load_file(tmp_path / RULE)["weight"].item() == 3


def test_a_training_goes_on_with_its_own_rule_only(trained, tmp_path, monkeypatch):
    out, rule = trained
    with pytest.raises(ValueError, match=r"another rule, learned_token:.* and not constant:rate=0.5; name that rule"):
        train(MICRO, ConstantRate(0.5), recipe(2), out, HERE)
    with pytest.raises(ValueError, match="another rule"):
        train(MICRO, LearnedToken(hidden=9), recipe(2), out, HERE)
    with pytest.raises(ValueError, match="another recipe or seed"):
        train(MICRO, LearnedToken(hidden=8), recipe(2, seed=1), out, HERE)
    before = (out / "recipe.txt").read_text()
    train(MICRO, LearnedToken(hidden=8), recipe(2), out, HERE)  # the same, made anew
    train(MICRO, rule, recipe(2), out, HERE)  # and the one that was trained
    assert (out / "recipe.txt").read_text() == before
    source = "from ttt3r.update_rules import FullOverwrite\nclass Mine(FullOverwrite):\n    pass\n"
    (tmp_path / "her_lab.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    mine = parse_rules("her_lab.Mine")["her_lab.Mine"]
    text = fitting._rule_text(mine, recipe(2))
    (tmp_path / "her_lab.py").write_text(source + "# edited\n")
    assert fitting._rule_text(mine, recipe(2)) != text
    sys.modules.pop("her_lab")
    (out / "recipe.txt").unlink()
    with pytest.raises(ValueError, match=r"holds last\.ckpt of a training and no recipe\.txt"):
        train(MICRO, rule, recipe(2), out, HERE)
    (out / "recipe.txt").write_text(before)


def flipped(content):
    """One byte of a weight changed: what PyTorch reads without a word."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x55]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [flipped, lambda content: content[:-200], lambda content: content[:100], lambda content: b"", lambda content: b"hi" * 99],
    ids=["one byte", "cut short", "a stump", "empty", "something else"],
)  # fmt: skip
def test_a_damaged_checkpoint_is_named_with_the_cure(trained, tmp_path, damage):
    out, _ = trained
    good = (out / PREVIOUS).read_bytes()
    assert checkpoint_of(tmp_path) is None
    (tmp_path / LAST).write_bytes(damage((out / LAST).read_bytes()))
    with pytest.raises(
        ValueError, match=r"last\.ckpt is damaged \(.*\); move .*last\.ckpt away to start again"
    ) as alone:
        checkpoint_of(tmp_path)
    (tmp_path / PREVIOUS).write_bytes(good)
    with pytest.raises(ValueError, match=r"mv .*previous\.ckpt .*last\.ckpt\) to go on from the checkpoint before"):
        checkpoint_of(tmp_path)
    (tmp_path / PREVIOUS).write_bytes(damage(good))
    with pytest.raises(ValueError, match="away to start again"):
        checkpoint_of(tmp_path)
    assert "\n" not in str(alone.value)
    assert len(str(alone.value)) < 500
    (tmp_path / LAST).unlink()
    (tmp_path / PREVIOUS).write_bytes(good)
    assert checkpoint_of(tmp_path) == tmp_path / PREVIOUS  # killed while the last one was replaced


def test_a_file_of_weights_alone_is_no_checkpoint(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / LAST)
    with pytest.raises(ValueError, match=r"it has no optimizer_states, lr_schedulers, global_step, loops\)"):
        checkpoint_of(tmp_path)


def test_the_damage_is_found_before_anything_is_trained(trained, tmp_path):
    out, rule = trained
    (tmp_path / "recipe.txt").write_text((out / "recipe.txt").read_text())
    (tmp_path / LAST).write_bytes(flipped((out / LAST).read_bytes()))
    with pytest.raises(ValueError, match="is damaged"):
        train(MICRO, rule, recipe(2), tmp_path, HERE)
    assert not (tmp_path / "logs").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals are sent otherwise elsewhere")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_the_step_at_hand(tmp_path, monkeypatch, number):
    step, before = TrainingModule.training_step, signal.getsignal(number)

    def killed_at_one(self, batch, batch_idx):
        if self.global_step == 1:
            os.kill(os.getpid(), number)
        step(self, batch, batch_idx)

    monkeypatch.setattr(TrainingModule, "training_step", killed_at_one)
    with pytest.raises(KeyboardInterrupt):
        train(MICRO, FullOverwrite(), recipe(9), tmp_path, Machine(workers=0, minutes=1e9))
    assert signal.getsignal(number) is before
    found = checkpoint_of(tmp_path)
    assert found is not None
    assert torch.load(found, weights_only=True)["global_step"] == 2
    assert (tmp_path / "network" / "model.safetensors").is_file()


def test_three_checkpoints_must_fit(tmp_path, monkeypatch):
    weights = sum(parameter.numel() for parameter in CUT3R.random(MICRO).parameters())
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=3 * 16 * weights))
    check_room(tmp_path, MICRO)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=3 * 16 * weights - 1))
    with pytest.raises(OSError, match="make room"):
        check_room(tmp_path, MICRO)
    (tmp_path / LAST).write_bytes(b" ")  # it is counted as being there
    check_room(tmp_path, MICRO)
