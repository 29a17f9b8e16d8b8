"""Titans in token space: momentum and decay by hand, what it becomes without them, where it comes to rest."""

from dataclasses import replace

import pytest
import torch

from ttt3r.update_rules import ConstantRate
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial
from ttt3r.update_rules.rules.titans import MomentumAndDecay, Surprise


def test_momentum_and_decay_by_hand():
    frames = make_stream()
    taken = Trial(MomentumAndDecay(rate=0.2, momentum=0.7, decay=0.1), frames).run()
    origin = frames[0].initial_state.double()
    state, step = frames[0].candidate.double(), torch.zeros_like(origin)
    for frame, absorbed in zip(frames[1:], taken[1:], strict=True):
        step = 0.7 * step + 0.2 * (frame.candidate.double() - state)
        state = 0.9 * state + 0.1 * origin + step
        torch.testing.assert_close(absorbed.memory.state.double(), state, rtol=1e-5, atol=1e-5)
        assert isinstance(absorbed.memory.rule, Surprise)
        torch.testing.assert_close(absorbed.memory.rule.step.double(), step, rtol=1e-5, atol=1e-5)


def test_without_momentum_and_decay_it_is_a_constant_rate():
    frames = make_stream()
    rule = MomentumAndDecay(rate=0.3, momentum=0.0, decay=0.0)
    for one, other in zip(Trial(rule, frames).run(), Trial(ConstantRate(0.3), frames).run(), strict=True):
        torch.testing.assert_close(one.memory.state, other.memory.state)
        torch.testing.assert_close(one.gain, other.gain)


def test_the_step_from_the_initial_state_leaves_no_momentum():
    first, second = (absorbed.memory.rule for absorbed in Trial(MomentumAndDecay(), make_stream()).run()[:2])
    assert isinstance(first, Surprise)
    assert isinstance(second, Surprise)
    assert not bool(first.step.any())
    assert bool(second.step.any())


def test_for_a_candidate_that_stands_still_it_rests_between_candidate_and_initial_state():
    frames = make_stream()
    # The first candidate is another one, so that there is a way to go.
    still = (frames[0], *(replace(frames[1], initial_state=frames[0].initial_state),) * 300)
    rule = MomentumAndDecay(rate=0.2, momentum=0.5, decay=0.1)
    state = Trial(rule, still).run()[-1].memory.state
    share = 0.4 / (0.4 + 0.1)
    expected = share * frames[1].candidate + (1 - share) * frames[0].initial_state
    torch.testing.assert_close(state, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", [{"rate": 1.1}, {"momentum": 1.0}, {"decay": -0.1}, {"rate": float("nan")}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        MomentumAndDecay(**settings)
