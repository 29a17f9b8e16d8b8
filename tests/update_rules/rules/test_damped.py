"""Damped TTT3R: the recorded runs of its source, and what it is by definition."""

import pytest
import recorded_rules
import torch

from ttt3r.update_rules import TTT3R, Damped, Scale
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial

CASES = ["plain16", "reset16", "dup8", "skip8"]


@pytest.mark.shared
@pytest.mark.parametrize("case", CASES)
def test_recorded_signals(shared, case):
    recording = recorded_rules.load("ddd3r_const", case)
    states, gains, _ = recorded_rules.as_ours(Damped(), recording)
    torch.testing.assert_close(states, recording["state_after"], rtol=0, atol=2e-6)
    torch.testing.assert_close(gains, recording["gain"], rtol=0, atol=1e-6)


@pytest.mark.shared
@pytest.mark.parametrize("case", CASES)
def test_recorded_run_through_the_network(shared, case, record_property):
    _, worst = recorded_rules.through_the_network(Damped(), recorded_rules.load("ddd3r_const", case))
    record_property("worst", worst)
    assert worst["state"] < 3e-5
    assert worst["gain"] < 3e-6
    assert worst["camera"] < 3e-5


def test_it_is_a_scaled_ttt3r():
    frames = make_stream()
    ours, scaled = (Trial(rule, frames).run()[-1].memory for rule in (Damped(0.3), Scale(TTT3R(), 0.3)))
    torch.testing.assert_close(ours.state, scaled.state)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(ValueError, match="share must lie in"):
        Damped(share)
