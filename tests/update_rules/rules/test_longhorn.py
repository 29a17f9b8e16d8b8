"""Longhorn in token space: the minimiser of the proximal problem, and its two neighbours."""

import pytest
import torch

from ttt3r.update_rules import TTT3R
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.rules.longhorn import ImplicitStep


def first_frame_and_gain(rule):
    frame = make_stream()[1]
    evidence = frame.evidence(rule.needs, torch.ones(3, dtype=torch.long))
    return frame, rule.update(frame.initial_state, frame.candidate, evidence, rule.init(frame.initial_state))


def confidence():
    return first_frame_and_gain(TTT3R())[1].gain


@pytest.mark.parametrize("scale", [0.1, 1.0, 50.0])
def test_the_state_minimises_the_proximal_problem(scale):
    frame, update = first_frame_and_gain(ImplicitStep(scale))
    state = update.state.double().requires_grad_()
    weight = scale * confidence().double()
    moved = (state - frame.initial_state.double()).square().sum()
    missed = (weight * (state - frame.candidate.double()).square()).sum()
    (slope,) = torch.autograd.grad(moved + missed, state)
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=2e-5 * scale + 1e-5)


def test_the_gain_is_below_one_half_and_grows_to_one_with_the_scale():
    assert first_frame_and_gain(ImplicitStep())[1].gain.max() < 0.5
    assert first_frame_and_gain(ImplicitStep(1e6))[1].gain.min() > 0.9999


def test_with_the_exponential_as_weight_it_would_be_ttt3r():
    frame = make_stream()[1]
    logit = frame.evidence(TTT3R.needs, torch.ones(3, dtype=torch.long)).state_attention.mean_logit()
    torch.testing.assert_close(logit.exp() / (1 + logit.exp()), confidence())


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_scale_out_of_range_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be"):
        ImplicitStep(scale)
