"""Wrappers and combinations: the algebra that they promise."""

from dataclasses import dataclass, replace

import pytest
import torch

from ttt3r import tree
from ttt3r.types import AttentionBias, Memory, Needs, RuleState, Stream, Tokens
from ttt3r.update_rules import (
    TTT3R,
    Anneal,
    Chain,
    ConstantRate,
    EveryNth,
    Frozen,
    FullOverwrite,
    GainRecord,
    Product,
    Recorded,
    Scale,
    Schedule,
    StateUpdateRule,
    TokenMean,
    Update,
    effective_gain,
)
from ttt3r.update_rules.conformance.streams import Sizes, make_stream
from ttt3r.update_rules.conformance.trial import Trial
from ttt3r.update_rules.wrappers.combinations import RuleStates

FRAMES = make_stream(Sizes(frames=7))


def run(rule, write=None, frames=FRAMES):
    return Trial(rule, frames).run(write=write)


def states(taken):
    return torch.stack([absorbed.memory.state for absorbed in taken])


def same(one, other, atol=1e-6):
    torch.testing.assert_close(states(one), states(other), rtol=0, atol=atol)
    torch.testing.assert_close(
        torch.stack([a.memory.pose for a in one]), torch.stack([a.memory.pose for a in other]), rtol=0, atol=atol
    )


@dataclass(frozen=True)
class Last(RuleState):
    candidate: torch.Tensor


@dataclass(frozen=True)
class Leaning(StateUpdateRule):
    """Names no gain: a third of the step, and a little towards the candidate before."""

    needs = Needs.IMAGE_ATTENTION

    def init(self, initial_state):
        return Last(initial_state)

    def attend(self, rule_state, tokens, memory):
        key = torch.ones(memory.batch, tokens.patches.shape[1])
        return (AttentionBias(Stream.STATE_FROM_IMAGE, (0, 1), memory.age[:, None] + torch.ones(1, 4), key),)

    def update(self, state, candidate, evidence, rule_state):
        assert isinstance(rule_state, Last)
        return Update(state + 0.3 * (candidate - state) + 0.1 * rule_state.candidate, Last(candidate), pose_gain=0.5)


def test_scaling_by_one_changes_nothing_and_by_zero_keeps_the_state():
    for rule in (TTT3R(), Leaning()):
        same(run(Scale(rule, 1.0)), run(rule))
        torch.testing.assert_close(states(run(Scale(rule, 0.0))), states(run(Frozen())))


def test_scaling_a_constant_is_another_constant():
    same(run(Scale(ConstantRate(0.5), 0.4)), run(ConstantRate(0.2)))
    assert Scale(ConstantRate(0.5), 0.4).bounds == (0.0, 0.4)


def test_scaling_a_rule_without_a_gain_scales_its_step():
    before, step = run(Leaning())[0].memory, FRAMES[1]
    inner = Leaning().update(before.state, step.candidate, step.evidence(Needs.NOTHING, before.age), before.rule)
    scaled = run(Scale(Leaning(), 0.25))[1].memory.state
    torch.testing.assert_close(scaled, before.state + 0.25 * (inner.state - before.state))


def test_annealing_a_full_overwrite_over_one_frame_is_the_plain_average():
    candidates = torch.stack([frame.candidate for frame in FRAMES])
    torch.testing.assert_close(states(run(Anneal(FullOverwrite(), horizon=1.0)))[-1], candidates.mean(dim=0))


@pytest.mark.parametrize("rule", [TTT3R(), Leaning(), Anneal(Leaning(), 3.0), Recorded(FullOverwrite())], ids=repr)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_writing_every_nth_frame_is_a_stream_in_which_the_others_do_not_write(rule, n):
    write = torch.tensor([[index % n == 0] * 3 for index in range(len(FRAMES))])
    masked, ours = run(rule, write), run(EveryNth(rule, n))
    for one, other in zip(masked, ours, strict=True):
        for (_, left), (_, right) in zip(tree.named_tensors(one), tree.named_tensors(other), strict=True):
            if left.is_floating_point():
                torch.testing.assert_close(left, right, rtol=0, atol=1e-6, equal_nan=True)
    assert ours[-1].memory.age.eq(len(FRAMES)).all()  # all frames count


def test_a_record_holds_the_statistics_of_the_gains_after_the_first_frame():
    for rule in (TTT3R(), Leaning()):
        write = Trial(rule, FRAMES).uneven
        taken = run(Recorded(rule), write)
        same(taken, run(rule, write))
        record = taken[-1].memory.rule
        assert isinstance(record, GainRecord)
        for row in range(3):
            ages = [0] + [int(absorbed.memory.age[row]) for absorbed in taken]
            counted = [i for i in range(len(FRAMES)) if write[i, row] and ages[i] > 0]
            gains = torch.stack([taken[i].gain[row, :, 0] for i in counted])
            assert int(record.frames[row]) == len(counted)
            torch.testing.assert_close(record.mean[row], gains.mean(dim=0))
            torch.testing.assert_close(record.variance[row], gains.var(dim=0, correction=0), rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(record.lowest[row], gains.amin(dim=0))
            torch.testing.assert_close(record.highest[row], gains.amax(dim=0))


def test_a_record_can_be_saved_and_read_back(tmp_path):
    memory = run(Recorded(Chain((Leaning(), TTT3R()))))[-1].memory
    memory.save(tmp_path / "memory.safetensors")
    loaded = Memory.load(tmp_path / "memory.safetensors")
    assert isinstance(loaded.rule, GainRecord)
    assert isinstance(loaded.rule.rule, RuleStates)
    for (name, one), (other_name, other) in zip(tree.named_tensors(memory), tree.named_tensors(loaded), strict=True):
        assert name == other_name
        assert torch.equal(one, other)


def test_a_record_does_not_keep_the_graph():
    frames = tuple(replace(frame, candidate=frame.candidate.clone().requires_grad_()) for frame in FRAMES)
    record = run(Recorded(Leaning()), frames=frames)[-1].memory.rule
    assert isinstance(record, GainRecord)
    assert not record.mean.requires_grad
    assert not record.squares.requires_grad


def test_products_multiply_gains_and_pose_gains():
    product = run(Product((TTT3R(), ConstantRate(0.5))))
    same(product, run(Scale(TTT3R(), 0.5)))
    assert Product((TTT3R(), ConstantRate(0.5))).bounds == (0.0, 1.0)
    frozen = run(Product((TTT3R(), Frozen())))
    same(frozen, run(Frozen()))


def test_a_product_of_a_rule_without_a_gain_points_to_the_chain():
    with pytest.raises(ValueError, match=r"Leaning\(\) names no gain.*Chain"):
        run(Product((TTT3R(), Leaning())))


def test_a_chain_of_gates_is_their_product_in_any_order():
    one, other = TTT3R(), Anneal(ConstantRate(0.5), 3.0)
    expected = run(Product((one, other)))
    same(run(Chain((one, other))), expected)
    same(run(Chain((other, one))), expected)


def test_a_chain_hands_each_step_on_as_the_next_candidate():
    same(run(Chain((Leaning(),))), run(Leaning()))
    chained, scaled = run(Chain((Leaning(), ConstantRate(0.5)))), run(Scale(Leaning(), 0.5))
    torch.testing.assert_close(states(chained), states(scaled))
    before, frame = chained[0].memory, FRAMES[1]
    torch.testing.assert_close(chained[1].gain, effective_gain(before.state, chained[1].memory.state, frame.candidate))


def test_a_schedule_switches_by_age_sequence_by_sequence():
    rule = Schedule((FullOverwrite(), Frozen(), ConstantRate(0.5)), starts=(2, 4))
    write = Trial(rule, FRAMES).uneven
    taken = run(rule, write)
    for row in range(3):
        age = 0
        for index, absorbed in enumerate(taken):
            if not write[index, row]:
                continue
            expected = 1.0 if age < 2 else 0.0 if age < 4 else 0.5
            assert absorbed.gain[row].eq(expected).all(), (row, index)
            age += 1


def test_rules_that_wait_for_their_turn_watch_every_frame():
    late = run(Schedule((FullOverwrite(), Leaning()), starts=(4,)))[3].memory.rule
    assert isinstance(late, RuleStates)
    assert isinstance(late.parts[1], Last)
    assert torch.equal(late.parts[1].candidate, FRAMES[3].candidate)


def test_needs_and_attention_biases_pass_through():
    tokens, memory = Tokens(torch.zeros(3, 5, 4), (1, 5)), run(FullOverwrite())[2].memory
    memory = replace(memory, age=torch.tensor([1, 2, 3]))
    inner = Leaning()
    plain = inner.attend(inner.init(memory.state), tokens, memory)
    around: list[StateUpdateRule] = [Scale(inner), Anneal(inner), Recorded(inner), EveryNth(inner, 1), Chain((inner,))]
    for rule in around:
        assert rule.needs == Needs.IMAGE_ATTENTION
        (bias,) = rule.attend(rule.init(memory.state), tokens, memory)
        assert torch.equal(bias.query, plain[0].query)
    both = Chain((inner, Recorded(Product((TTT3R(), ConstantRate())))))
    assert both.needs == Needs.IMAGE_ATTENTION | Needs.STATE_ATTENTION
    assert len(both.attend(both.init(memory.state), tokens, memory)) == 1
    late = Schedule((FullOverwrite(), inner), starts=(3,))
    (bias,) = late.attend(late.init(memory.state), tokens, memory)
    assert bias.query[:2].eq(0).all()
    assert torch.equal(bias.query[2], plain[0].query[2])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Scale(FullOverwrite(), -1.0), ValueError, "factor must be"),
        (lambda: Scale(FullOverwrite(), float("inf")), ValueError, "factor must be"),
        (lambda: Anneal(FullOverwrite(), 0.0), ValueError, "horizon must be more than 0"),
        (lambda: EveryNth(FullOverwrite(), 0), ValueError, "n must be at least 1"),
        (lambda: Product(()), ValueError, "at least one rule"),
        (lambda: Schedule((FullOverwrite(), Frozen()), ()), ValueError, "2 rules need 1 starts"),
        (lambda: Schedule((FullOverwrite(), Frozen()), (0,)), ValueError, "ages above 0 in increasing order"),
        (lambda: Scale(FullOverwrite), TypeError, None),  # pyright: ignore[reportArgumentType]
        (lambda: Chain((FullOverwrite(), "ttt3r")), TypeError, None),  # pyright: ignore[reportArgumentType]
    ],
)
def test_settings_without_meaning_are_refused_when_they_are_made(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_wrappers_print_compare_and_hash():
    one, other = Scale(EveryNth(TTT3R(), 3), 0.5), Scale(EveryNth(TTT3R(), 3), 0.5)
    assert one == other
    assert len({one, other, Scale(TTT3R(), 0.5)}) == 2
    assert repr(one) == "Scale(rule=EveryNth(rule=TTT3R(gradient=False), n=3), factor=0.5)"


def test_a_token_mean_takes_the_same_step_everywhere():
    gates, means = run(TTT3R())[1:], run(TokenMean(TTT3R()))[1:]
    first, averaged = gates[0], means[0]  # both start from the same memory
    assert first.gain.std(dim=1).min() > 1e-4
    expected = first.gain.mean(dim=(1, 2), keepdim=True).expand_as(averaged.gain)
    torch.testing.assert_close(averaged.gain, expected)
    same(run(TokenMean(ConstantRate(0.3))), run(ConstantRate(0.3)))
    assert run(TokenMean(Leaning()))[2].gain.std(dim=1).max() < 1e-6
