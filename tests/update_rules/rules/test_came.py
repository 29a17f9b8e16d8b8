"""CAME in token space: the moments by hand, and that agreement takes long steps and contradiction short ones."""

from dataclasses import replace

import pytest
import torch

from ttt3r.update_rules.conformance.streams import Sizes, make_stream
from ttt3r.update_rules.conformance.trial import Trial
from ttt3r.update_rules.rules.came import ConfidenceGuided, StepMoments


def test_moments_and_state_by_hand():
    frames = make_stream(Sizes(frames=8))
    taken = Trial(ConfidenceGuided(rate=0.2, smoothing=0.8, spread_smoothing=0.9), frames).run()
    state = frames[0].candidate.double()
    steps: list[torch.Tensor] = []
    for frame, absorbed in zip(frames[1:], taken[1:], strict=True):
        steps.append(frame.candidate.double() - state)
        # The corrected running means, written out as weighted averages over all steps so far.
        means = [weighted(steps[: n + 1], 0.8, corrected=False) for n in range(len(steps))]
        scatter = [(step - mean).square() for step, mean in zip(steps, means, strict=True)]
        noise = (weighted(scatter, 0.9) + 1e-6).sqrt()
        state = state + (0.2 / noise).clamp(max=1) * weighted(steps, 0.8)
        torch.testing.assert_close(absorbed.memory.state.double(), state, rtol=1e-4, atol=1e-4)


def weighted(values, keep, corrected=True):
    shares = [(1 - keep) * keep**age for age in reversed(range(len(values)))]
    total = sum(share * value for share, value in zip(shares, values, strict=True))
    return torch.as_tensor(total / sum(shares) if corrected else total)


def stream(offsets):
    """Candidates that differ from the first by the given offsets."""
    frame = make_stream()[0]
    return tuple(replace(frame, candidate=frame.candidate + offset) for offset in offsets)


def test_steps_that_agree_go_far_and_steps_that_contradict_do_not():
    rule = ConfidenceGuided()
    agree = Trial(rule, stream([0.0] + [0.05] * 40)).run()[-1].memory.state
    contradict = Trial(rule, stream([0.0] + [1.0, -1.0] * 20)).run()
    start = make_stream()[0].candidate
    torch.testing.assert_close(agree, start + 0.05, rtol=0, atol=0.02)
    assert max(float((absorbed.memory.state - start).abs().max()) for absorbed in contradict) < 0.25


def test_where_all_frames_are_alike_the_memory_is_theirs():
    state = Trial(ConfidenceGuided(), stream([0.0] * 20)).run()[-1].memory.state
    assert torch.equal(state, make_stream()[0].candidate)


def test_the_step_from_the_initial_state_leaves_no_trace():
    carried = Trial(ConfidenceGuided(), make_stream()).run()[0].memory.rule
    assert isinstance(carried, StepMoments)
    assert not bool(carried.mean.any())
    assert not bool(carried.spread.any())


@pytest.mark.parametrize("settings", [{"smoothing": 1.0}, {"spread_smoothing": -0.1}, {"rate": 0.0}, {"eps": 0.0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=r"must (lie|be)"):
        ConfidenceGuided(**settings)
