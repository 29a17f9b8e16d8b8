"""Worlds, speeds and rules that a stage draws, and heads that read a part of the frames."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from test_training import MICRO, WORLD, recipe

from ttt3r.data.procedural import ClipTruth, sample_clips
from ttt3r.network import CUT3R, load_network
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.training.clips import Share, batch_at
from ttt3r.training.drawing import RuleMix, RuleSet, WorldMix
from ttt3r.training.fitting import Machine, train
from ttt3r.training.keeping import RULE
from ttt3r.training.losses import LossWeights, frame_loss
from ttt3r.training.module import TrainingModule
from ttt3r.training.questions import Shown, read_out
from ttt3r.training.recipe import Recipe, Stage
from ttt3r.types import Outputs
from ttt3r.update_rules import ConstantRate, Frozen, FullOverwrite, LearnedToken, PoseDamped, RuleLabel

RULES = RuleMix((("cut3r", 2.0), ("constant:rate=0.3", 1.0), ("ttt3r", 1.0)), pose_damped=0.5)


@pytest.fixture(scope="module")
def truth():
    return ClipTruth.of(sample_clips(WORLD, batch=3, frames=5, seed=1))


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(MICRO)


def test_every_clip_draws_its_world_and_the_shares_make_up_the_batch():
    mix = WorldMix((("simple", 3.0), ("jump", 1.0)), speed=(0.25, 1.0))
    plan = Recipe((Stage(5, (2, 3), 0, 6, mix),), seed=3)
    for step in range(3):
        whole = batch_at(plan, step)
        assert whole.batch == 6
        parts = [batch_at(plan, step, Share(rank, 3)) for rank in range(3)]
        assert torch.equal(torch.cat([part.image for part in parts], dim=1), whole.image)
        assert torch.equal(torch.cat([part.intrinsics for part in parts]), whole.intrinsics)
    drawn = Counter(mix.draw(4000, torch.Generator().manual_seed(0)))
    assert drawn[0] / 4000 == pytest.approx(0.75, abs=0.03)
    single = batch_at(Recipe((Stage(5, (2, 2), 0, 6, WorldMix((("simple", 1.0),))),), seed=3), 1)
    plain = batch_at(Recipe((Stage(5, (2, 2), 0, 6, mix.worlds()[0]),), seed=3), 1)
    assert single.image.shape == plain.image.shape
    slow = sample_clips(mix.worlds()[0], batch=4, frames=2, seed=2).camera_to_first[1, :, :3, 3].norm(dim=-1)
    fast = sample_clips(WorldMix((("simple", 1.0),)).worlds()[0], batch=4, frames=2, seed=2)
    assert (slow < fast.camera_to_first[1, :, :3, 3].norm(dim=-1)).all()


def test_rules_are_drawn_by_their_weights_and_the_same_at_every_resumption():
    drawn = [RULES.draw(seed) for seed in range(3000)]
    assert drawn[:50] == [RULES.draw(seed) for seed in range(50)]
    shares = {label: count / 3000 for label, count in Counter(label for label, _ in drawn).items()}
    assert shares == pytest.approx({"cut3r": 0.5, "constant:rate=0.3": 0.25, "ttt3r": 0.25}, abs=0.03)
    for wanted in shares:
        damped = [held for label, held in drawn if label == wanted]
        assert sum(damped) / len(damped) == pytest.approx(0.5, abs=0.05)


def test_a_damped_pose_memory_takes_the_mean_gain(network, truth):
    """Against the pose memory that the same step proposes: full overwrite takes it whole."""
    plain, damped = (Reconstructor(network, rule) for rule in (ConstantRate(0.3), PoseDamped(ConstantRate(0.3))))
    memory = plain.begin(3)
    with torch.no_grad():
        memory = plain.step(truth.frame(0, ask=False), memory).memory
        whole = plain.step(truth.frame(1, ask=False), memory).memory
        held = damped.step(truth.frame(1, ask=False), memory).memory
        cut3r = Reconstructor(network, PoseDamped(FullOverwrite())).step(truth.frame(1, ask=False), memory).memory
        frozen = Reconstructor(network, PoseDamped(Frozen())).step(truth.frame(1, ask=False), memory).memory
    torch.testing.assert_close(held.pose, memory.pose + 0.3 * (whole.pose - memory.pose))
    assert torch.equal(held.state, whole.state)
    assert torch.equal(cut3r.pose, whole.pose)
    assert torch.equal(frozen.pose, memory.pose)


def test_the_rule_of_a_step_is_the_one_that_was_drawn():
    rules = RuleSet.of(Frozen(), ("cut3r", "constant:rate=0.3", "ttt3r"))
    assert rules.drawn_by(None, 5) == Frozen()
    for seed in range(20):
        label, damped = RULES.draw(seed)
        inner = RuleLabel.parse(label).make()
        assert rules.drawn_by(RULES, seed) == (PoseDamped(inner) if damped else inner)


def mixed(steps, mix=RULES, **changes):
    plan = recipe(steps, **changes)
    return replace(plan, stages=tuple(replace(stage, rules=mix, read_share=0.5) for stage in plan.stages))


def test_a_training_of_several_rules_that_was_stopped_ends_as_one_in_a_single_go(tmp_path, monkeypatch):
    whole = train(MICRO, FullOverwrite(), mixed(6), tmp_path / "whole", Machine(0, "32-true", 1e-4))
    expected = {name: value.clone() for name, value in whole.state_dict().items()}
    step = TrainingModule.training_step

    def stop_at_three(self, batch, batch_idx):
        if self.global_step == 3:
            raise RuntimeError("stopped")
        step(self, batch, batch_idx)

    monkeypatch.setattr(TrainingModule, "training_step", stop_at_three)
    with pytest.raises(RuntimeError, match="stopped"):
        train(MICRO, FullOverwrite(), mixed(6), tmp_path / "cut", Machine(0, "32-true", 1e-4))
    monkeypatch.setattr(TrainingModule, "training_step", step)
    resumed = train(MICRO, FullOverwrite(), mixed(6), tmp_path / "cut", Machine(0, "32-true", 1e-4))
    for name, value in resumed.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)
    assert load_network(tmp_path / "cut" / "network").config == MICRO
    with pytest.raises(ValueError, match="another recipe"):
        train(MICRO, FullOverwrite(), mixed(6, replace(RULES, pose_damped=0.4)), tmp_path / "cut", Machine(0))


def test_a_rule_that_learns_is_trained_in_a_mixture_too(tmp_path):
    mix = RuleMix((("cut3r", 1.0), ("learned_token:hidden=8", 1.0)))
    still = {mix.draw(seed)[0] for seed in range(8)}
    assert len(still) == 2
    train(MICRO, FullOverwrite(), mixed(8, mix, learning_rate=1e-2), tmp_path, Machine(0))
    weights = load_file(tmp_path / RULE)
    assert weights["gate.mlp.output.weight"].abs().sum() > 0  # it begins at 0
    made = RuleLabel.parse(f"learned_token:weights={tmp_path / RULE}").make()
    assert isinstance(made, LearnedToken)
    assert torch.equal(made.state_dict()["gate.mlp.output.weight"], weights["gate.mlp.output.weight"])


def test_each_frame_has_the_outputs_that_it_was_asked_for(network, truth):
    model = Reconstructor(network, FullOverwrite())
    wanted = [Outputs.ALL, Outputs.CAMERA, Outputs.CAMERA | Outputs.COLOR, Outputs.CAMERA, Outputs.ALL]

    def frames():
        return (truth.frame(index, ask=False) for index in range(5))

    with torch.no_grad():
        full = [step.reconstruction for step in rollout(model, frames())]
        for chunk in (1, 2, 5):
            part = [step.reconstruction for step in rollout(model, frames(), outputs=wanted, chunk=chunk)]
            for one, expected, outputs in zip(part, full, wanted, strict=True):
                for name in ("camera_to_world", "points_camera", "points_world", "color"):
                    found, right = getattr(one, name), getattr(expected.only(outputs), name)
                    assert (found is None) == (right is None)
                    if right is not None:
                        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-5)
        with pytest.raises(ValueError, match="outputs are given for 4 frames, and there are more"):
            list(rollout(model, frames(), outputs=wanted[:4], chunk=2))


def test_a_share_of_the_frames_counts_as_if_all_had_been_read(network, truth):
    """The mean over every choice of one frame is the loss of all, cameras included."""
    model = Reconstructor(network, FullOverwrite())
    weights = LossWeights(depth=1.0)

    def loss(read):
        shown = Shown(truth, [False] * 5, [False] * 5, read)
        steps = rollout(model, shown.frames(), outputs=shown.outputs(), chunk=5, detach_every=5)
        terms = [frame_loss(step.reconstruction, truth, step.index, weights) for step in steps]
        return torch.stack([one.total(weights, 5 / sum(read)) for one in terms]).sum()

    with torch.no_grad():
        single = [loss([index == chosen for index in range(5)]) for chosen in range(5)]
        torch.testing.assert_close(torch.stack(single).mean(), loss([True] * 5))


def test_what_is_asked_for_is_always_read():
    asks = [False, False, True, False, False, False, False, True, False, False]
    for seed in range(20):
        read = read_out(asks, 0.25, torch.Generator().manual_seed(seed))
        assert read[2]
        assert read[7]
        assert sum(read) == 2 + 2
    assert sum(read_out([False] * 3, 0.01, torch.Generator())) == 1
    drawn = [read_out(asks, 0.25, torch.Generator().manual_seed(seed)) for seed in range(800)]
    counts = torch.tensor(drawn).sum(dim=0)
    assert (counts[[0, 1, 3, 4, 5, 6, 8, 9]] / 800 - 0.25).abs().max() < 0.06


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WorldMix((("vido", 1.0),)), "no world 'vido'; did you mean video"),
        (lambda: WorldMix(()), "worlds need names with weights above 0"),
        (lambda: WorldMix((("video", 0.0),)), "weights above 0"),
        (lambda: WorldMix((("video", float("nan")),)), "weights above 0"),
        (lambda: WorldMix((("video", 1.0),), (1.0, 0.5)), "speed factor"),
        (lambda: RuleMix((("nosuch", 1.0),)), "nosuch"),
        (lambda: RuleMix((("constant:rate=7", 1.0),)), "rate"),
        (lambda: RuleMix((("cut3r", -1.0),)), "weights above 0"),
        (lambda: RuleMix((("cut3r", 1.0),), 2.0), "pose_damped=2.0"),
        (lambda: Stage(1, (2, 3), read_share=0.0), "read_share=0.0"),
        (lambda: Recipe((Stage(1, (2, 3)),), flat=1.0), "flat=1.0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
