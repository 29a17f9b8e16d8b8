"""The brake: the recorded runs of its source, closed forms, and where it differs on purpose."""

from typing import Any

import pytest
import recorded_rules
import torch
from torch import Tensor

from ttt3r.types import AttentionLayer
from ttt3r.update_rules import Brake, Evidence
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial
from ttt3r.update_rules.rules.brake import LastStep

CASES = ["plain16", "reset16", "dup8"]


def gate(rule: Brake, step: Tensor, last: Tensor, age: int = 1) -> Any:
    """The gain at a mean logit of 0 (TTT3R's gate is 1/2) for one step proposed now and one frame ago."""
    state, tokens = torch.zeros_like(step)[None], torch.zeros(1, 2, 3)
    query = torch.zeros(1, 1, len(step), 1)
    evidence = Evidence(
        torch.tensor([age]), tokens, tokens, tokens, lambda: state, (AttentionLayer(query, torch.ones(1, 1, 3, 1)),)
    )
    return rule.gain(state, step[None], evidence, LastStep(last[None]))


@pytest.mark.shared
@pytest.mark.parametrize("case", [*CASES, "skip8"])
def test_recorded_signals(shared, case):
    recording = recorded_rules.load("ddd3r_brake", case)
    states, _ = recorded_rules.as_published(Brake(), recording)
    torch.testing.assert_close(states, recording["state_after"], rtol=0, atol=2e-6)


@pytest.mark.shared
@pytest.mark.parametrize("case", CASES)
def test_recorded_run_through_the_network(shared, case, record_property):
    recording = recorded_rules.load("ddd3r_brake", case)
    _, gains, _ = recorded_rules.as_ours(Brake(), recording)
    torch.testing.assert_close(gains, recording["gain"], rtol=0, atol=1e-6)
    _, worst = recorded_rules.through_the_network(Brake(), recording)
    record_property("worst", worst)
    assert worst["state"] < 3e-5
    assert worst["gain"] < 3e-6
    assert worst["camera"] < 3e-5


@pytest.mark.shared
def test_a_frame_that_is_not_written_leaves_no_trace_unlike_in_the_source(shared):
    """Theirs compares view 5 with the step of view 4, which was not written; ours with that of view 3."""
    recording = recorded_rules.load("ddd3r_brake", "skip8")
    steps, _ = recorded_rules.through_the_network(Brake(), recording)
    before, after = (recorded_rules.differences(steps, recording, until) for until in (5, 6))
    assert max(before.values()) < 3e-5
    assert after["gain"] > 1e-3
    _, _, ours = recorded_rules.as_ours(Brake(), recording)
    assert torch.equal(ours[4].step, ours[3].step)
    _, carried = recorded_rules.as_published(Brake(), recording)
    assert not torch.equal(carried[4].step, carried[3].step)


def test_agreement_brakes_and_turning_back_speeds_up():
    one, right = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 2.0, 0]])
    sigmoid = torch.sigmoid(torch.tensor(2.0)).item()
    for last, brake in ((3 * one, 1 - sigmoid), (-one, sigmoid), (right, 0.5), (0 * one, 0.5)):
        assert float(gate(Brake(), one, last).value) == pytest.approx(0.5 * brake)
        assert float(gate(Brake(0.0), one, last).value) == pytest.approx(0.25)
    assert float(gate(Brake(), 0 * one, one).value) == pytest.approx(0.25)


def test_the_step_from_the_initial_state_is_not_carried():
    frames = make_stream()
    first, second = (taken.memory for taken in Trial(Brake(), frames[:2]).run())
    assert isinstance(first.rule, LastStep)
    assert isinstance(second.rule, LastStep)
    assert first.rule.step.eq(0).all()
    assert torch.equal(second.rule.step, frames[1].candidate - frames[0].candidate)


def test_a_sharpness_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="finite"):
        Brake(float("inf"))
