"""Gain accounting of a rule: against closed forms, explicit weights, and everything kept and computed at once."""

import math

import numpy as np
import pytest
import torch

from ttt3r import tree
from ttt3r.evaluation.measures.gains import GainAccount, GainSummary, equal_gain_constants
from ttt3r.network import CUT3R, CUT3RConfig, LinearConfig
from ttt3r.rollout import rollout_rules
from ttt3r.types import Frame, Memory, Outputs, Reconstruction, Step
from ttt3r.update_rules import TTT3R, Anneal, ConstantRate, EveryNth, Frozen, FullOverwrite, GatedUpdateRule

SMALL = CUT3RConfig(
    image_size=32,
    encoder_width=32,
    encoder_depth=1,
    encoder_heads=2,
    ray_depth=1,
    ray_heads=2,
    width=32,
    depth=4,
    heads=2,
    state_heads=2,
    state_tokens=12,
    slots=4,
    head=LinearConfig(),
)


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(SMALL, seed=3)


def images(count, batch=1):
    return 2 * torch.rand(count, batch, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 1


def run(network, rule, frames, reset_every=None):
    steps = [
        step["rule"]
        for step in rollout_rules(network, {"rule": rule}, frames, reset_every=reset_every, outputs=Outputs.NOTHING)
    ]
    accounts = [GainAccount().including(steps[0])]
    for step in steps[1:]:
        accounts.append(accounts[-1].including(step))
    return steps, accounts


@pytest.mark.parametrize(
    ("rule", "age"),
    [
        (FullOverwrite(), 0.0),
        (Frozen(), 7.0),
        (ConstantRate(0.25), sum(0.25 * 0.75**k * k for k in range(7)) + 0.75**7 * 7),
        (Anneal(ConstantRate(1.0), horizon=1.0), 3.5),  # the plain average of 8 frames of ages 0 to 7
    ],
    ids=["cut3r", "frozen", "constant", "average"],
)
def test_the_age_of_a_memory_in_closed_form(network, rule, age):
    _, accounts = run(network, rule, images(8))
    assert accounts[-1].summary.memory_age == pytest.approx(age, abs=1e-5)


def test_the_age_of_a_constant_goes_to_its_limit(network):
    _, accounts = run(network, ConstantRate(0.5), images(30))
    assert accounts[-1].last_frame.memory_age == pytest.approx((1 - 0.5) / 0.5, abs=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_gate_against_everything_at_once(network, batch):
    steps, accounts = run(network, TTT3R(), images(6, batch))
    gains = torch.stack([step.gain for step in steps[1:]]).double()
    states = torch.stack([step.memory.state for step in steps]).double()
    candidates = torch.stack([step.candidate for step in steps[1:]]).double()
    found = accounts[-1].summary
    assert found.frames == found.states == 5
    assert found.gain_mean == pytest.approx(float(gains.mean()), rel=1e-6)
    assert found.gain_std == pytest.approx(float(gains.std(unbiased=False)), rel=1e-5)
    frame_means = gains.flatten(1).mean(dim=1)
    assert found.gain_std_frames == pytest.approx(float(frame_means.std(unbiased=False)), rel=1e-4)
    within = gains.flatten(1).var(dim=1, unbiased=False).mean()
    assert found.gain_std_tokens == pytest.approx(float(within.sqrt()), rel=1e-5)

    def lengths(tensor):
        return tensor.norm(dim=-1).sum(dim=-1)

    moves = lengths(states[1:] - states[:-1]) / lengths(states[:-1])
    assert found.step == pytest.approx(float(moves.mean()), rel=1e-5)
    drift = lengths(states[-1] - states[0]) / lengths(states[0])
    assert found.drift == pytest.approx(float(drift.mean()), rel=1e-5)
    assert found.norm_ratio == pytest.approx(float((lengths(states[1:]) / lengths(candidates)).mean()), rel=1e-5)
    # The age by the weight that each frame still has in each token.
    weights = [torch.ones_like(gains[0])]
    for gain in gains:
        weights = [weight * (1 - gain) for weight in weights] + [gain]
    age = torch.stack([weight * (5 - k) for k, weight in enumerate(weights)]).sum(dim=0)
    assert found.memory_age == pytest.approx(float(age.mean()), rel=1e-5)
    last = accounts[-1].last_frame
    assert (last.low, last.high) == pytest.approx(tuple(np.quantile(gains[-1].numpy(), [0.1, 0.9])), rel=1e-5)


def test_the_step_holds_the_candidate_that_was_proposed(network):
    steps, _ = run(network, ConstantRate(0.25), images(4))
    assert torch.equal(steps[0].memory.state, steps[0].candidate)
    for before, step in zip(steps, steps[1:], strict=False):
        expected = before.memory.state + 0.25 * (step.candidate - before.memory.state)
        torch.testing.assert_close(step.memory.state, expected, rtol=1e-5, atol=1e-5)


def test_what_the_rule_does_not_decide_is_not_counted(network):
    frames = [Frame(frame) for frame in images(7)]
    frames[2] = Frame(frames[2].image, write=False)
    frames[4] = Frame(frames[4].image, reset=True)
    _, accounts = run(network, ConstantRate(0.25), frames)
    frame_gains = [account.last_frame for account in accounts]
    assert [round(frame_gain.gain, 6) for frame_gain in frame_gains if not math.isnan(frame_gain.gain)] == [0.25] * 4
    assert [frame_gain.frame for frame_gain in frame_gains if math.isnan(frame_gain.gain)] == [0, 2, 4]
    assert frame_gains[2].memory_age == pytest.approx(frame_gains[1].memory_age + 1)  # time passes all the same
    assert frame_gains[4].memory_age == 0
    assert accounts[-1].summary.gain_std < 1e-6


def test_every_sequence_of_a_batch_has_its_own_masks_and_resets(network):
    frames = [Frame(frame) for frame in images(5, batch=2)]
    frames[0] = Frame(frames[0].image, write=torch.tensor([True, False]))
    frames[2] = Frame(frames[2].image, write=torch.tensor([False, True]))
    frames[3] = Frame(frames[3].image, reset=torch.tensor([True, False]))
    _, both = run(network, EveryNth(ConstantRate(0.5), 2), frames)
    for row, decided in ((0, 2), (1, 3)):
        alone = [tree.rows(frame, row, row + 1) for frame in frames]
        assert run(network, EveryNth(ConstantRate(0.5), 2), alone)[1][-1].summary.frames == decided
    assert both[-1].summary.frames == 4


def test_a_chunk_that_ends_starts_a_new_memory_and_its_last_gain_counts(network):
    steps, accounts = run(network, TTT3R(), images(9), reset_every=4)
    gains = torch.stack([step.gain for step in steps[1:]])
    assert accounts[-1].summary.frames == 8
    assert accounts[-1].summary.gain_mean == pytest.approx(float(gains.mean()), rel=1e-6)
    ages = [account.last_frame.memory_age for account in accounts]
    assert [index for index, age in enumerate(ages) if age == 0] == [3, 7]
    assert accounts[-1].summary.states == 6


@pytest.mark.parametrize("case", ["all frames masked", "same frame again", "reset on every frame"])
@pytest.mark.parametrize("rule", [TTT3R(), FullOverwrite(), ConstantRate(0.3)], ids=["ttt3r", "cut3r", "c"])
def test_edge_cases_break_nothing(network, rule, case):
    frames = [Frame(frame) for frame in images(4)]
    if case == "all frames masked":
        frames = [Frame(frame.image, write=False) for frame in frames]
    if case == "same frame again":
        frames = frames[:1] * 4
    if case == "reset on every frame":
        frames = [Frame(frame.image, reset=True) for frame in frames]
    _, accounts = run(network, rule, frames)
    summary = accounts[-1].summary
    assert summary.frames == (3 if case == "same frame again" else 0)
    assert math.isnan(summary.gain_mean) == (summary.frames == 0)
    assert not math.isinf(summary.norm_ratio)


def test_a_zero_state_and_gains_beyond_one():
    """Made by hand: lengths of zero are guarded, a gain above 1 is entered as it is."""
    zero = torch.zeros(1, 2, 3)
    account = GainAccount()
    for index in range(3):
        memory = Memory.start(zero, zero)
        memory = Memory(zero, zero, memory.rule, memory.age + index + 1, memory.seen, memory.chunk_to_world)
        account = account.including(Step(index, Reconstruction(), memory, torch.full((1, 2, 1), 1.5), zero))
    assert account.summary.gain_mean == 1.5
    assert account.summary.norm_ratio == 0
    assert account.last_frame.memory_age == pytest.approx(-0.5 * 0.5)  # formal: the old has a negative share


def test_books_of_a_channel_gain(network):
    class Channels(GatedUpdateRule):
        def gain(self, state, candidate, evidence, rule_state):
            from ttt3r.update_rules import Gain

            return Gain(torch.linspace(0, 1, state.shape[-1]).expand_as(state))

    _, accounts = run(network, Channels(), images(4))
    spread = torch.linspace(0, 1, 32).double().std(unbiased=False)
    assert accounts[-1].summary.gain_std_tokens == pytest.approx(float(spread), rel=1e-5)
    assert accounts[-1].last_frame.low == pytest.approx(0.5)


def test_an_account_is_immutable_and_of_constant_size(network):
    _, accounts = run(network, TTT3R(), images(6))
    sizes = [sum(t.numel() for _, t in tree.named_tensors(account._carried)) for account in accounts[1:]]
    assert len(set(sizes)) == 1
    assert accounts[2].summary.frames == 2
    assert GainAccount().summary == GainSummary()


def test_the_constant_of_equal_gain_has_the_gates_mean(network):
    rules = {"ttt3r": TTT3R(), "cut3r": FullOverwrite(), "constant": ConstantRate(0.3), "frozen": Frozen()}
    rules["every"] = EveryNth(ConstantRate(0.9), 2)
    summaries = {name: run(network, rule, images(6))[1][-1].summary for name, rule in rules.items()}
    constants = equal_gain_constants(summaries)
    assert set(constants) == {"ttt3r", "every"}
    assert constants["every"].rate == pytest.approx(0.9 * 2 / 5)
    for name, rule in constants.items():
        _, accounts = run(network, rule, images(6))
        assert accounts[-1].summary.gain_mean == pytest.approx(summaries[name].gain_mean, abs=1e-6)
    assert equal_gain_constants({"a": GainSummary(), "b": GainSummary(4, 1.2, 0.1, 0.1)}) == {}
