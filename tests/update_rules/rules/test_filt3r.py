"""FILT3R: Riccati's fixed point, Joseph's form, and the recorded runs of the published code."""

import math

import pytest
import rule_recordings as recordings
import torch

from ttt3r.types import Memory
from ttt3r.update_rules import FILT3R, absorb
from ttt3r.update_rules.rules.filt3r import Filter

RULE = FILT3R()


def signals(index, memory):
    return recordings.evidence(memory.age)


def run(rule, candidates):
    """Gains and rule states over candidates (frame, state, channel)."""
    initial = torch.zeros_like(candidates[:1])
    memory = Memory.start(initial, torch.zeros(1, 2, 6), rule.init(initial))
    gains, carried = [], []
    for candidate in candidates:
        taken = absorb(rule, memory, recordings.proposal(candidate), signals(0, memory), torch.tensor([True]))
        memory = taken.memory
        gains.append(taken.gain[0, :, 0])
        carried.append(recordings.carried(memory, Filter))
    return torch.stack(gains), carried


@pytest.mark.shared
@pytest.mark.parametrize("case", ["plain16", "reset16", "dup8", "skip8", "jumps40"])
def test_recorded_candidates_give_the_recorded_filter(shared, case):
    recorded = recordings.recording("filt3r", case)
    taken = list(recordings.absorb_recorded(RULE, recorded, signals))
    torch.testing.assert_close(torch.stack([gain for _, gain in taken]), recorded["gain"], rtol=2e-5, atol=1e-6)
    variance = torch.stack([recordings.carried(memory, Filter).variance[0] for memory, _ in taken])
    torch.testing.assert_close(variance, recorded["p"], rtol=2e-5, atol=1e-6)
    drift = torch.stack([recordings.carried(memory, Filter).drift[0] for memory, _ in taken])
    seen = recorded["mu"].isfinite()
    torch.testing.assert_close(drift[seen], recorded["mu"][seen], rtol=1e-6, atol=1e-6)
    states = torch.stack([memory.state[0] for memory, _ in taken])[recorded.kept]
    torch.testing.assert_close(states, recorded["state_after"][recorded.kept], rtol=0, atol=2e-5)


@pytest.mark.shared
@pytest.mark.parametrize("case", ["plain16", "reset16", "dup8", "skip8", "jumps40"])
def test_end_to_end_as_recorded(shared, case, record_property):
    worst = recordings.compare_run(RULE, recordings.recording("filt3r", case))
    record_property("worst", worst)
    assert max(worst.values()) < 1e-5


@pytest.mark.shared
def test_tokens_that_jump_get_a_gain_of_their_own_in_the_recording(shared):
    recorded = recordings.recording("filt3r", "jumps40")
    assert recorded["gain"].std(dim=1).max() > 0.01


def test_a_steady_drift_leads_to_the_fixed_point_of_riccati():
    steps = torch.arange(200.0)[:, None, None].expand(-1, 3, 4)
    gains, carried = run(RULE, steps)
    q, r = RULE.q_min, RULE.noise
    predicted = (q + math.sqrt(q * q + 4 * q * r)) / 2
    assert gains[0].eq(1).all()
    torch.testing.assert_close(gains[1], torch.full((3,), 1.52 / 2.52), rtol=0, atol=1e-5)
    torch.testing.assert_close(gains[-1], torch.full((3,), predicted / (predicted + r)), rtol=0, atol=1e-5)
    assert abs(float(gains[-1, 0]) - 0.1318) < 1e-4
    assert bool((gains[1:].diff(dim=0) <= 1e-6).all())
    torch.testing.assert_close(carried[-1].drift, torch.full((1,), 2.0))  # |(1, 1, 1, 1)| per frame


def test_the_noise_of_the_measurement_drives_the_gain_to_its_ends():
    steps = torch.arange(20.0)[:, None, None].expand(-1, 3, 4)
    assert run(FILT3R(noise=0.0), steps)[0][1:].eq(0.99).all()
    assert run(FILT3R(noise=1e9), steps)[0][1:].eq(0.01).all()


def test_a_token_that_jumps_is_trusted_again():
    steps = torch.arange(40.0)[:, None, None].repeat(1, 8, 4)
    steps[30:, 0] += 50
    gains, _ = run(RULE, steps)
    assert gains[30, 0] > 2 * gains[30, 1]
    assert gains[30, 1] == gains[30, 2]
    assert gains[29, 0] == gains[29, 1]


def test_the_variance_is_that_of_joseph_s_form():
    _, carried = run(FILT3R(initial=2.0, q_min=0.5, q_max=0.5, noise=3.0), torch.randn(2, 4, 5))
    predicted, gain = 2.5, 2.5 / 5.5
    expected = (1 - gain) ** 2 * predicted + gain**2 * 3.0
    torch.testing.assert_close(carried[1].variance, torch.full((1, 4), expected), rtol=1e-5, atol=0)
    assert carried[0].variance.eq(2.0).all()


@pytest.mark.parametrize("settings", [{"lowest": -0.1}, {"highest": 1.1}, {"lowest": 0.9, "highest": 0.5}])
def test_gains_outside_their_range_are_refused(settings):
    with pytest.raises(ValueError, match="0 <= lowest <= highest <= 1"):
        FILT3R(**settings)


@pytest.mark.parametrize("name", ["initial", "decay", "q_min", "q_max", "noise"])
def test_a_negative_variance_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 0"):
        FILT3R(**{name: -1.0})
