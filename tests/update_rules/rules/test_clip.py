"""Clipping: closed forms (its source was not recorded)."""

from dataclasses import replace

import pytest
import torch

from ttt3r.update_rules import ConstantRate, StepClip
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial


def lengths_to_gains(rule, lengths):
    """Gains where the steps have the given lengths; the first frame is fed before them."""
    frames = make_stream()
    trial = Trial(rule, frames)
    memory = trial.absorb(trial.begin(), frames[0]).memory
    heading = torch.zeros_like(memory.state)
    heading[..., 0] = 1
    gains = []
    for length in lengths:
        taken = trial.absorb(memory, replace(frames[0], candidate=memory.state + length * heading))
        gains.append(float(taken.gain[0, 0, 0]))
        memory = taken.memory
    return gains


def test_an_outlier_is_cut_to_a_multiple_of_the_usual_length():
    gains = lengths_to_gains(StepClip(smoothing=0.9), [1.0, 1.0, 10.0, 1.0])
    assert gains == pytest.approx([0.33, 0.33, 0.33 * 2 / 10, 0.33], rel=1e-5)


def test_the_usual_length_follows_slowly():
    gains = lengths_to_gains(StepClip(smoothing=0.5), [1.0, 4.0, 10.0])
    assert gains == pytest.approx([0.33, 0.33 * 2 / 4, 0.33 * 2 * 2.5 / 10], rel=1e-5)


def test_a_step_of_no_length_keeps_its_gain_and_sets_no_limit():
    assert lengths_to_gains(StepClip(), [0.0, 0.0, 5.0]) == pytest.approx([0.33, 0.33, 0.33], rel=1e-5)


def test_without_a_limit_it_is_a_constant_rate():
    frames = make_stream()
    ours, plain = (Trial(rule, frames).run()[-1].memory.state for rule in (StepClip(0.2, 1e9), ConstantRate(0.2)))
    assert torch.equal(ours, plain)


@pytest.mark.parametrize("settings", [{"rate": 1.5}, {"multiple": 0.0}, {"smoothing": 1.0}])
def test_settings_outside_their_range_are_refused(settings):
    with pytest.raises(ValueError, match="must lie in"):
        StepClip(**settings)
