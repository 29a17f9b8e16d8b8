"""The blend, the measured gain, what `absorb` sees to, and how a rule's parts are found."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from ttt3r.types import Features, Memory, Proposal, RuleState
from ttt3r.update_rules import (
    Chain,
    ConstantRate,
    Evidence,
    Frozen,
    FullOverwrite,
    Gain,
    GatedUpdateRule,
    Product,
    Scale,
    Schedule,
    StateUpdateRule,
    Update,
    absorb,
    blend,
    effective_gain,
    modules,
    parts,
)

BATCH, STATE, CHANNEL = 3, 5, 4


def proposal(seed=0, batch=BATCH):
    random = torch.Generator().manual_seed(seed)
    candidate = torch.randn(batch, STATE, CHANNEL, generator=random)
    pose = torch.randn(batch, 2, 6, generator=random)
    tokens = torch.zeros(batch, 4, CHANNEL)
    return Proposal(candidate, pose, Features((), tokens[:, 0], (2, 2)), tokens)


def begin(rule, batch=BATCH):
    random = torch.Generator().manual_seed(9)
    state = torch.randn(batch, STATE, CHANNEL, generator=random)
    return Memory.start(state, torch.zeros(batch, 2, 6), rule.init(state))


def take(rule, memory, proposal, write=None):
    tokens = proposal.embedded
    evidence = Evidence(memory.age, tokens, tokens, tokens, lambda: memory.state)
    mask = torch.ones(memory.batch, dtype=torch.bool) if write is None else torch.tensor(write)
    return absorb(rule, memory, proposal, evidence, mask)


@dataclass(frozen=True)
class Count(RuleState):
    frames: torch.Tensor


@dataclass(frozen=True)
class Counts(StateUpdateRule):
    """Averages, names no gain, and counts the frames that it was asked about."""

    def init(self, initial_state):
        return Count(torch.zeros(len(initial_state)))

    def update(self, state, candidate, evidence, rule_state):
        assert isinstance(rule_state, Count)
        return Update(state + 0.25 * (candidate - state), Count(rule_state.frames + 1), pose_gain=0.5)


def test_a_blend_is_exact_at_both_ends():
    old, new = torch.randn(2, 3, 4) * 1e6, torch.randn(2, 3, 4) * 1e-6
    assert torch.equal(blend(old, new, torch.ones(2, 3, 1)), new)
    assert torch.equal(blend(old, new, torch.zeros(2, 3, 1)), old)
    gain = torch.rand(2, 3, 4)
    torch.testing.assert_close(blend(old, new, gain), old + gain * (new - old))


def test_a_blend_keeps_the_dtype_of_the_memory():
    old = torch.randn(2, 3, 4, dtype=torch.bfloat16)
    assert blend(old, old, torch.rand(2, 3, 1)).dtype == torch.bfloat16


def test_a_gain_without_its_last_axis_is_refused():
    with pytest.raises((ValueError, TypeError)):  # the type check, where it is on, comes first
        blend(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), torch.zeros(2, 3))
    with pytest.raises((ValueError, TypeError)):
        blend(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), torch.zeros(1, 3, 1))


def test_the_effective_gain_is_that_of_the_blend_and_has_finite_gradients_at_rest():
    before, candidate = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    gain = torch.rand(2, 3, 1)
    torch.testing.assert_close(effective_gain(before, blend(before, candidate, gain), candidate), gain)
    assert effective_gain(before, before + 1, before).eq(0).all()
    still = before.clone().requires_grad_()
    effective_gain(before, before + 1, still).sum().backward()
    assert still.grad is not None
    assert still.grad.isfinite().all()


def test_the_first_frame_is_taken_whole_whatever_the_rule_says():
    for rule in (Frozen(), ConstantRate(0.1), Counts()):
        taken = take(rule, begin(rule), proposal())
        assert torch.equal(taken.memory.state, proposal().candidate)
        assert torch.equal(taken.memory.pose, proposal().pose)
        assert taken.gain.eq(1).all()
        assert taken.memory.age.tolist() == taken.memory.seen.tolist() == [1, 1, 1]


def test_later_frames_are_taken_as_the_rule_says():
    rule = Counts()
    first = take(rule, begin(rule), proposal(0)).memory
    second = take(rule, first, proposal(1))
    torch.testing.assert_close(second.memory.state, 0.75 * first.state + 0.25 * proposal(1).candidate)
    torch.testing.assert_close(second.memory.pose, 0.5 * first.pose + 0.5 * proposal(1).pose)
    torch.testing.assert_close(second.gain, torch.full((BATCH, STATE, 1), 0.25))
    assert isinstance(second.memory.rule, Count)
    assert second.memory.rule.frames.tolist() == [2, 2, 2]


def test_each_sequence_has_its_own_age_and_write_mask():
    rule = Counts()
    memory = take(rule, begin(rule), proposal(0), [True, False, True]).memory
    assert memory.age.tolist() == [1, 0, 1]
    assert memory.seen.tolist() == [1, 1, 1]
    after = take(rule, memory, proposal(1), [False, True, True])
    assert after.memory.age.tolist() == [1, 1, 2]
    assert isinstance(after.memory.rule, Count)
    assert after.memory.rule.frames.tolist() == [1, 1, 2]
    assert torch.equal(after.memory.state[0], memory.state[0])
    assert torch.equal(after.memory.pose[0], memory.pose[0])
    assert torch.equal(after.memory.state[1], proposal(1).candidate[1])  # its first frame
    assert after.gain[:, 0, 0].tolist() == pytest.approx([0.0, 1.0, 0.25])


def test_frozen_holds_back_both_memories():
    rule = Frozen()
    first = take(rule, begin(rule), proposal(0)).memory
    second = take(rule, first, proposal(1))
    assert torch.equal(second.memory.state, first.state)
    assert torch.equal(second.memory.pose, first.pose)
    assert second.gain.eq(0).all()


@dataclass(frozen=True)
class Wrong(StateUpdateRule):
    """Answers with what it is told to."""

    answer: Callable[[torch.Tensor], Update]

    def update(self, state, candidate, evidence, rule_state):
        return self.answer(state)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            Wrong(lambda state: Update(state.double())),
            r"Wrong returned a state of float64.* for a memory of float32.*\.to\(state\)",
        ),
        (
            Wrong(lambda state: Update(state, Count(state[:, 0, 0]))),
            r"began with a RuleState and returned a Count; let init\(\)",
        ),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_the_cure(rule, message):
    memory = replace(begin(FullOverwrite()), age=torch.ones(BATCH, dtype=torch.long))
    with pytest.raises(ValueError, match=message):
        take(rule, memory, proposal())


def test_a_pose_gain_is_a_number_or_one_per_sequence():
    memory = replace(begin(FullOverwrite()), age=torch.ones(BATCH, dtype=torch.long))
    for_each = Wrong(lambda state: Update(state, pose_gain=torch.tensor([0.0, 0.5, 1.0])))
    torch.testing.assert_close(
        take(for_each, memory, proposal()).memory.pose, proposal().pose * torch.tensor([0.0, 0.5, 1.0])[:, None, None]
    )
    with pytest.raises((ValueError, TypeError)):  # the type check, where it is on, comes first
        take(Wrong(lambda state: Update(state, pose_gain=torch.ones(2))), memory, proposal())


def test_a_rule_state_that_changes_its_size_is_refused():
    @dataclass(frozen=True)
    class Grows(GatedUpdateRule):
        def init(self, initial_state):
            return Count(initial_state[:, :0, 0])

        def gain(self, state, candidate, evidence, rule_state):
            assert isinstance(rule_state, Count)
            return Gain(torch.ones_like(state[..., :1]), Count(torch.cat([rule_state.frames, state[:, :1, 0]], dim=1)))

    with pytest.raises(ValueError, match=r"must keep its form, but 'frames' went from float32\(3, 0\)"):
        take(Grows(), begin(Grows()), proposal())


def test_an_axis_that_only_the_frame_knows_takes_its_length_with_the_first_frame():
    @dataclass(frozen=True)
    class LastImage(GatedUpdateRule):
        patches: int = 4

        def init(self, initial_state):
            return Count(torch.zeros(len(initial_state), 1, 1))

        def gain(self, state, candidate, evidence, rule_state):
            image = evidence.encoder_tokens[:, : self.patches].float()
            return Gain(torch.ones_like(state[..., :1]), Count(image + 1))

    rule = LastImage()
    before = take(rule, begin(rule), proposal(), [False, False, False]).memory
    assert isinstance(before.rule, Count)
    assert before.rule.frames.eq(0).all()
    memory = take(rule, before, proposal(), [True, False, True]).memory
    assert isinstance(memory.rule, Count)
    assert memory.rule.frames.shape == (BATCH, 4, CHANNEL)
    assert memory.rule.frames[:, 0, 0].tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match=r"'frames' went from float32\(3, 4, 4\) on cpu to float32\(3, 3, 4\)"):
        take(LastImage(patches=3), memory, proposal())


class Learned(nn.Module, GatedUpdateRule):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(CHANNEL, 1)

    def gain(self, state, candidate, evidence, rule_state):
        return Gain(torch.sigmoid(self.gate(candidate - state)))


@dataclass(frozen=True, eq=False)
class HoldsALayer(GatedUpdateRule):
    layer: nn.Module

    def gain(self, state, candidate, evidence, rule_state):
        return Gain(torch.sigmoid(self.layer(candidate)))


def test_parts_are_found_at_any_depth():
    learned, overwrite = Learned(), FullOverwrite()
    rule = Chain((Scale(Product((learned, overwrite))), Schedule((overwrite, ConstantRate()), starts=(3,))))
    kinds = [type(part).__name__ for part in parts(rule)]
    assert kinds == [
        "Chain", "Scale", "Product", "Learned", "FullOverwrite", "Schedule", "FullOverwrite", "ConstantRate",
    ]  # fmt: skip
    assert [part for part in parts(rule) if isinstance(part, nn.Module)] == [learned]
    assert list(parts(learned)) == [learned]


def test_modules_are_found_once_each_also_where_they_are_no_rules():
    learned, layer = Learned(), nn.Linear(CHANNEL, 1)
    rule = Product((learned, Scale(learned), HoldsALayer(layer)))
    assert list(modules(rule)) == [learned, layer]
    assert not list(modules(ConstantRate()))


def test_a_learned_rule_inside_a_wrapper_receives_gradient():
    learned = Learned()
    rule = Scale(learned, 0.5)
    memory = take(rule, begin(rule), proposal(0)).memory
    taken = take(rule, memory, proposal(1))
    taken.memory.state.square().sum().backward()
    for parameter in learned.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0
    expected = 0.5 * torch.sigmoid(learned.gate(proposal(1).candidate - memory.state))
    torch.testing.assert_close(taken.gain, expected)
