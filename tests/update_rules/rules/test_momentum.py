"""Momentum: closed forms (its source was not recorded)."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ttt3r.update_rules import ConstantRate, Momentum
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial
from ttt3r.update_rules.rules.momentum import Velocity


def test_no_memory_of_steps_is_a_constant_rate():
    frames = make_stream()
    ours, plain = (
        Trial(rule, frames).run()[-1].memory.state for rule in (Momentum(0.2, smoothing=0.0), ConstantRate(0.2))
    )
    torch.testing.assert_close(ours, plain)


def test_towards_a_candidate_at_rest_it_swings_like_a_damped_spring():
    """With x the distance to the candidate: (x, m) <- A (x, m), whose powers are the closed form."""
    frames = make_stream()
    rule = Momentum()
    trial = Trial(rule, frames)
    memory = trial.absorb(trial.begin(), frames[0]).memory
    start, goal = memory.state, frames[1].candidate
    b, r = rule.smoothing, rule.rate
    matrix = np.array([[1 - r * (1 - b), -r * b], [1 - b, b]])  # columns: distance, mean step
    assert np.abs(np.linalg.eigvals(matrix)).max() < 1
    for index in range(1, 40):
        memory = trial.absorb(memory, replace(frames[1], candidate=goal)).memory
        left = np.linalg.matrix_power(matrix, index)[0, 0]
        torch.testing.assert_close(goal - memory.state, left * (goal - start), rtol=1e-3, atol=1e-4)


def test_it_is_stable_over_its_whole_range():
    for b in np.linspace(0, 0.99, 34):
        for r in np.linspace(0.01, 1, 34):
            matrix = np.array([[1 - r * (1 - b), -r * b], [1 - b, b]])
            assert np.abs(np.linalg.eigvals(matrix)).max() < 1


def test_the_step_from_the_initial_state_does_not_enter():
    frames = make_stream()
    carried = Trial(Momentum(), frames).run()[0].memory.rule
    assert isinstance(carried, Velocity)
    assert not bool(carried.mean.any())


@pytest.mark.parametrize("settings", [{"rate": 1.5}, {"smoothing": 1.0}])
def test_settings_outside_their_range_are_refused(settings):
    with pytest.raises(ValueError, match="must lie in"):
        Momentum(**settings)
