"""Orthogonal damping: the recorded runs of its source, closed forms, and where it differs on purpose."""

from dataclasses import replace

import pytest
import recorded_rules
import torch

from ttt3r.update_rules import Damped, Fixed, Match, Ortho, Steep, Threshold, check_rule
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial

CASES = [("ddd3r_ortho", case, Ortho()) for case in ("plain16", "reset16", "dup8")]
CASES.append(("ddd3r_ortho_match", "plain16", Ortho(trust=Match())))
every_case = pytest.mark.parametrize(("source", "case", "rule"), CASES)


def recorded(recording, field):
    """The values of a field where the source had some, and where that is."""
    there = ~recording[field].isnan()
    return recording[field][there], there


@pytest.mark.shared
@pytest.mark.parametrize(("source", "case", "rule"), [*CASES, ("ddd3r_ortho", "skip8", Ortho())])
def test_recorded_signals(shared, source, case, rule):
    recording = recorded_rules.load(source, case)
    states, carried = recorded_rules.as_published(rule, recording)
    torch.testing.assert_close(states, recording["state_after"], rtol=0, atol=2e-6)
    direction, there = recorded(recording, "drift_dir")
    torch.testing.assert_close(torch.stack([c.direction[0] for c in carried])[there], direction, rtol=0, atol=1e-6)
    if "ema_drift_energy" in recording.fields:
        share, there = recorded(recording, "ema_drift_energy")
        torch.testing.assert_close(torch.stack([c.share[0, :, 0] for c in carried])[there], share, rtol=0, atol=1e-6)


@pytest.mark.shared
@every_case
def test_recorded_run_through_the_network(shared, source, case, rule, record_property):
    recording = recorded_rules.load(source, case)
    _, worst = recorded_rules.through_the_network(rule, recording)
    record_property("worst", worst)
    assert worst["state"] < 3e-5
    assert worst["camera"] < 3e-5


@pytest.mark.shared
@every_case
def test_the_gain_is_measured_and_theirs_is_the_gate_before_the_split(shared, source, case, rule):
    """Recorded is a; ours is the share of D that was really taken, a (n (1 - c) + p' c) with c = cos^2(D, d)."""
    recording = recorded_rules.load(source, case)
    _, gains, ours = recorded_rules.as_ours(rule, recording)
    for view in recording.views[2:]:
        if recording.first[view] or recording.first[view - 1]:
            continue
        carried = ours[view]
        step = recording["candidate"][view] - recording["state_after"][view - 1]
        c = torch.cosine_similarity(step, carried.direction[0], dim=-1).square()
        weight = rule.trust.weight(carried.share)[0, :, 0]
        rate = weight * rule.news + (1 - weight) * rule.drift
        split = rule.news * (1 - c) + rate * c
        torch.testing.assert_close(gains[view], recording["gain"][view] * split, rtol=0, atol=1e-5)


@pytest.mark.shared
def test_a_frame_that_is_not_written_leaves_no_trace_unlike_in_the_source(shared):
    """Theirs turns the direction at view 4, which was not written; ours keeps that of view 3."""
    recording = recorded_rules.load("ddd3r_ortho", "skip8")
    steps, _ = recorded_rules.through_the_network(Ortho(), recording)
    before, after = (recorded_rules.differences(steps, recording, until) for until in (5, 6))
    assert before["state"] < 3e-5
    assert after["state"] > 1e-3
    _, _, ours = recorded_rules.as_ours(Ortho(), recording)
    assert torch.equal(ours[4].direction, ours[3].direction)
    direction = recording["drift_dir"]
    assert not torch.equal(direction[4], direction[3])


@pytest.mark.parametrize("trust", [Fixed(), Match(), Threshold(), Steep()])
def test_equal_rates_are_damped_ttt3r(trust):
    frames = make_stream()
    ours = Trial(Ortho(news=0.3, drift=0.3, trust=trust), frames).run()[-1].memory
    torch.testing.assert_close(ours.state, Trial(Damped(0.3), frames).run()[-1].memory.state)


@pytest.mark.parametrize("trust", [Fixed(), Match(), Threshold(), Steep(), Steep(0.0)])
def test_every_trust_keeps_the_laws(trust):
    check_rule(Ortho(trust=trust))


def test_how_far_each_trust_goes():
    share = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])[None, :, None]
    assert torch.equal(Fixed().weight(share), 0 * share)
    assert torch.equal(Match().weight(share), share)
    assert torch.equal(Steep(1.0).weight(share), share)
    assert torch.equal(Steep(2.0).weight(share), share.square())
    assert torch.equal(Steep(0.0).weight(share), share * 0 + 1)
    assert torch.equal(Threshold().weight(share), torch.tensor([0.0, 0, 0, 1, 1])[None, :, None])


def test_a_step_along_a_long_drift_is_taken_at_the_rate_of_drift():
    """The candidate runs ahead of the memory on a straight line: every step points the same way."""
    frames = make_stream()
    rule, heading = Ortho(), torch.randn_like(frames[0].candidate)
    memory = Trial(rule, frames).begin()
    for index, frame in enumerate(frames):
        taken = Trial(rule, frames).absorb(memory, replace(frame, candidate=memory.state + heading))
        gate = torch.sigmoid(frame.evidence(rule.needs, memory.age).state_attention.mean_logit())
        rate = 1.0 if index == 0 else gate * (0.5 if index == 1 else 0.05)
        torch.testing.assert_close(taken.gain, torch.zeros_like(gate) + rate, rtol=1e-3, atol=1e-5)
        memory = taken.memory


@pytest.mark.parametrize("settings", [{"news": 1.5}, {"drift": -0.1}, {"smoothing": 1.0}])
def test_settings_outside_their_range_are_refused(settings):
    with pytest.raises(ValueError, match="must lie in"):
        Ortho(**settings)
