"""The pose memory held back: closed forms, what is left alone, and the laws around every rule."""

from dataclasses import replace

import pytest
import torch

from ttt3r import tree
from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout, rollout_rules
from ttt3r.types import Frame, Memory, RuleState
from ttt3r.update_rules import (
    RULES,
    TTT3R,
    Chain,
    ConstantRate,
    Every,
    EveryNth,
    Frozen,
    FullOverwrite,
    Gain,
    GatedUpdateRule,
    PoseDamped,
    Recorded,
    Scale,
    StateUpdateRule,
    TokenMean,
    Update,
    check_rule,
)
from ttt3r.update_rules.conformance.streams import Sizes, make_stream
from ttt3r.update_rules.conformance.trial import Trial

FRAMES = make_stream(Sizes(frames=7))


class PerChannel(GatedUpdateRule):
    """Gains that differ by row, token and channel."""

    bounds = None

    def gain(self, state, candidate, evidence, rule_state):
        rows, tokens, channels = state.shape
        ramp = torch.linspace(0.1, 0.9, tokens * channels).reshape(tokens, channels)
        return Gain(ramp[None] * torch.linspace(0.2, 1.0, rows)[:, None, None], pose_gain=0.77)


class Beyond(GatedUpdateRule):
    """A constant outside [0, 1]."""

    bounds = None

    def __init__(self, value):
        self.value = value

    def gain(self, state, candidate, evidence, rule_state):
        return Gain(torch.full_like(state[..., :1], self.value))


class Nameless(StateUpdateRule):
    """A step of three tenths that names no gain."""

    def update(self, state, candidate, evidence, rule_state):
        return Update(state + 0.3 * (candidate - state), rule_state)


def run(rule, write=None, frames=FRAMES):
    return Trial(rule, frames).run(write=write)


def poses(taken):
    return torch.stack([absorbed.memory.pose for absorbed in taken])


def shown(frames=FRAMES):
    return torch.stack([frame.pose for frame in frames])


def test_after_two_frames_the_pose_memory_of_a_constant_is_the_blend_by_its_rate():
    found, new = poses(run(PoseDamped(ConstantRate(0.3)))), shown()
    torch.testing.assert_close(found[0], new[0], rtol=0, atol=0)  # the first frame whole
    torch.testing.assert_close(found[1], 0.7 * new[0] + 0.3 * new[1])
    weights = torch.tensor([0.7**6, *(0.3 * 0.7 ** (6 - frame) for frame in range(1, 7))])
    torch.testing.assert_close(found[6], torch.einsum("f,fbsc->bsc", weights, new))


def test_a_rate_of_its_own_is_that_of_the_pose_memory_alone():
    taken, new = run(PoseDamped(FullOverwrite(), rate=0.25)), shown()
    torch.testing.assert_close(poses(taken)[1], 0.75 * new[0] + 0.25 * new[1])
    for absorbed, frame in zip(taken, FRAMES, strict=True):
        assert torch.equal(absorbed.memory.state, frame.candidate)
    assert torch.equal(poses(run(PoseDamped(TTT3R(), rate=1.0))), new)
    assert torch.equal(poses(run(PoseDamped(TTT3R(), rate=0.0)))[-1], new[0])


def test_the_share_is_the_mean_over_tokens_and_channels_of_each_row():
    """By hand: the ramp has the mean 0.5, so rows are blended by 0.1, 0.3 and 0.5; what the rule says itself is left aside."""
    found, new = poses(run(PoseDamped(PerChannel()))), shown()
    share = torch.tensor([0.1, 0.3, 0.5])[:, None, None]
    torch.testing.assert_close(found[1], (1 - share) * new[0] + share * new[1])


@pytest.mark.parametrize("rule", [rule() for rule in RULES.values()], ids=list(RULES))
def test_around_every_rule_the_state_is_the_same_and_the_pose_memory_follows_the_gain(rule):
    """The gain that the loop reports is the oracle: the one that is named, or else the measured one."""
    plain, damped, new = run(rule), run(PoseDamped(rule)), shown()
    pose = new[0]
    for index, (one, other) in enumerate(zip(plain, damped, strict=True)):
        torch.testing.assert_close(one.memory.state, other.memory.state, rtol=0, atol=0)
        torch.testing.assert_close(one.gain, other.gain, rtol=0, atol=0)
        share = one.gain.mean(dim=(1, 2)).clamp(0, 1)[:, None, None]
        pose = share * new[index] + (1 - share) * pose
        torch.testing.assert_close(other.memory.pose, pose)


@pytest.mark.parametrize("rule", [rule() for rule in RULES.values()], ids=list(RULES))
def test_around_every_rule_the_laws_are_kept(rule):
    check_rule(PoseDamped(rule))


@pytest.mark.parametrize(
    "rule",
    [
        PoseDamped(Recorded(TTT3R()), rate=0.4),
        EveryNth(PoseDamped(Nameless()), 2),
        PoseDamped(EveryNth(Recorded(TTT3R()), 2)),
        Chain((PoseDamped(TTT3R()), PoseDamped(ConstantRate(0.5), 0.5))),
        TokenMean(PoseDamped(TTT3R())),
        PoseDamped(Scale(FullOverwrite(), 1.5)),
    ],
    ids=lambda rule: repr(rule)[:60],
)
def test_composed_with_others_the_laws_are_kept(rule):
    if not any(isinstance(part, Nameless) for part in (rule, getattr(rule, "rule", None))):
        check_rule(rule)


def test_a_rule_that_names_no_gain_is_judged_by_its_step():
    torch.testing.assert_close(poses(run(PoseDamped(Nameless()))), poses(run(PoseDamped(ConstantRate(0.3)))))


@pytest.mark.parametrize(("gain", "share"), [(1.5, 1.0), (-0.5, 0.0)])
def test_a_gain_outside_the_unit_range_is_clamped_for_the_pose_memory_alone(gain, share):
    taken, new = run(PoseDamped(Beyond(gain))), shown()
    torch.testing.assert_close(poses(taken)[1], (1 - share) * new[0] + share * new[1])
    assert taken[1].gain.eq(gain).all()
    assert PoseDamped(Scale(FullOverwrite(), 1.5)).bounds == (0.0, 1.5)


def test_between_the_frames_that_are_written_both_memories_rest():
    for rule in (PoseDamped(EveryNth(FullOverwrite(), 3)), EveryNth(PoseDamped(FullOverwrite()), 3)):
        taken, new = run(rule), shown()
        for index, absorbed in enumerate(taken):
            assert torch.equal(absorbed.memory.pose, new[index // 3 * 3])
    assert torch.equal(poses(run(PoseDamped(Frozen())))[-1], shown()[0])


def test_a_frame_that_may_not_write_leaves_the_pose_memory_alone():
    write = Trial(ConstantRate(0.3), FRAMES).uneven
    found, new = poses(run(PoseDamped(ConstantRate(0.3)), write)), shown()
    for row in range(3):
        pose, first = torch.zeros_like(new[0, row]), True
        for index in range(len(FRAMES)):
            if write[index, row]:
                pose = new[index, row] if first else 0.7 * pose + 0.3 * new[index, row]
                first = False
            torch.testing.assert_close(found[index, row], pose)


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


def images(count):
    generator = torch.Generator().manual_seed(0)
    return [Frame(image=torch.rand(2, 3, 48, 64, generator=generator) * 2 - 1) for _ in range(count)]


CASES = {
    "ttt3r+pose": PoseDamped(TTT3R()),
    "constant+pose=0.5": PoseDamped(ConstantRate(0.3), 0.5),
    "momentum+pose": PoseDamped(RULES["momentum"]()),
    "recorded": Recorded(PoseDamped(TTT3R())),
}


def close(one, other):
    for left, right in zip(one, other, strict=True):
        for (name, a), (_, b) in zip(tree.named_tensors(left.memory), tree.named_tensors(right.memory), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("reset", [None, 3])
def test_resumed_chunked_and_together_it_is_what_it_is_alone(network, tmp_path, reset):
    frames = images(8)
    with torch.no_grad():
        together = list(rollout_rules(network, CASES, frames, reset_every=reset))
        chunked = list(rollout_rules(network, CASES, frames, reset_every=reset, chunk=4))
        for name, rule in CASES.items():
            model = Reconstructor(network, rule)
            whole = list(rollout(model, frames, reset_every=reset))
            close(whole, [steps[name] for steps in together])
            close(whole, [steps[name] for steps in chunked])
            first = list(rollout(model, frames[:4], reset_every=reset))
            first[-1].memory.save(tmp_path / "memory.safetensors")
            memory = Memory.load(tmp_path / "memory.safetensors")
            close(whole, [*first, *rollout(model, frames[4:], memory=memory, reset_every=reset)])
            single = list(rollout(model, [replace(f, image=f.image[1:]) for f in frames], reset_every=reset))
            rows = [tree.rows(step.memory, 1, 2) for step in whole]
            close([replace(step, memory=memory) for step, memory in zip(whole, rows, strict=True)], single)


def test_it_carries_nothing_of_its_own():
    state = torch.zeros(2, 5, 4)
    assert type(PoseDamped(TTT3R()).init(state)) is RuleState
    assert PoseDamped(TTT3R()).needs == TTT3R().needs


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan"), float("inf")])
def test_a_rate_without_meaning_is_refused(rate):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got"):
        PoseDamped(TTT3R(), rate)


def test_the_control_of_a_gate_holds_its_pose_memory_back_as_the_gate_does():
    found = Contender("ttt3r+pose=0.5@8", PoseDamped(TTT3R(), 0.5), Every(8)).control(ConstantRate(0.6))
    assert (found.label, found.rule) == ("control of ttt3r+pose=0.5@8", PoseDamped(ConstantRate(0.6), 0.5))
    assert Contender("ttt3r", TTT3R()).control(ConstantRate(0.6)).rule == ConstantRate(0.6)
