"""TTSA3R: closed forms, the recorded runs of the published code, and where ours differs from it on purpose."""

import pytest
import rule_recordings as recordings
import torch

from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.types import Frame, Outputs
from ttt3r.update_rules import TTSA3R
from ttt3r.update_rules.rules.ttsa3r import LastFrame

RULE = TTSA3R()
SOME = torch.ones(1, dtype=torch.long)


def signals(recorded):
    return lambda index, memory: recordings.evidence(
        memory.age, recorded["logit_map"][index], recorded["enc_tokens"][index]
    )


def gain(candidates, logits, encoder, rule=RULE):
    """The gain (state,) at the second of two frames: candidates (2, state, channel), encoder (2, patch, feature)."""
    carried = rule.init(torch.zeros_like(candidates[:1]))
    state = candidates[:1]
    first = recordings.evidence(0 * SOME, logits, encoder[0])
    carried = rule.see_first(state, candidates[:1], first, carried)
    second = recordings.evidence(SOME, logits, encoder[1])
    return rule.gain(state, candidates[1:], second, carried).value[0, :, 0]


@pytest.mark.shared
@pytest.mark.parametrize("case", ["plain16", "dup8", "reset16"])
def test_recorded_signals_give_the_recorded_gains_and_states(shared, case):
    recorded = recordings.recording("ttsa3r", case)
    worst = recordings.compare_recorded(RULE, recorded, signals(recorded))
    assert worst["gain"] < 1e-6
    assert worst["state"] < 3e-6


@pytest.mark.shared
@pytest.mark.parametrize("case", ["plain16", "dup8"])
def test_end_to_end_as_recorded(shared, case, record_property):
    worst = recordings.compare_run(RULE, recordings.recording("ttsa3r", case))
    record_property("worst", worst)
    assert max(worst.values()) < 1e-5


def as_published(recorded):
    """First frames are taken if they may be written, all others whether or not they may."""

    def decide(index, memory, proposed, seen):
        shown = memory.state, proposed.candidate, seen, memory.rule
        if recorded.first[index]:
            return proposed.candidate if recorded.write[index] else memory.state, RULE.see_first(*shown)
        update = RULE.update(*shown)
        return update.state, update.rule_state

    return decide


@pytest.mark.shared
@pytest.mark.parametrize("case", ["reset16", "skip8"])
def test_the_published_loop_is_matched_where_ours_differs_on_purpose(shared, case):
    """Theirs asks the old pose memory after a reset, and changes the state at frames that may not write."""
    recorded = recordings.recording("ttsa3r", case)
    start = RULE.init(recorded["state_init"][None])
    theirs = recordings.run_by_hand(RULE.needs, recorded, start, as_published(recorded), first_again=False)
    assert max(theirs.values()) < 1e-5
    assert recordings.compare_run(RULE, recorded)["state"] > 1e-3


@pytest.mark.shared
def test_a_frame_that_may_not_write_changes_nothing_although_it_does_in_the_published_code(shared):
    recorded = recordings.recording("ttsa3r", "skip8")
    taken = list(recordings.absorb_recorded(RULE, recorded, signals(recorded)))
    before, skipped = taken[3][0], taken[4][0]
    assert recorded.write[4] is False
    assert torch.equal(before.state, skipped.state)
    kept = [recordings.carried(memory, LastFrame).candidate for memory in (before, skipped)]
    assert torch.equal(*kept)
    assert taken[4][1].eq(0).all()
    assert recorded["gain"][4].gt(0.1).all()
    assert isinstance(before.rule, LastFrame)
    answer = RULE.gain(
        before.state,
        recorded["candidate"][4:5],
        signals(recorded)(4, before),
        recordings.carried(before, LastFrame),
    )  # the gate itself is the recorded one
    torch.testing.assert_close(answer.value[0, :, 0], recorded["gain"][4], rtol=0, atol=1e-6)


@pytest.mark.shared
def test_two_equal_candidates_give_a_gain_where_the_published_code_gives_nan(shared):
    recorded = recordings.recording("ttsa3r", "frozen_reset8")
    assert torch.equal(recorded["candidate"][4], recorded["candidate"][5])
    assert recorded["gain"][5].isnan().all()
    answer = gain(recorded["candidate"][4:6], recorded["logit_map"][5], recorded["enc_tokens"][4:6])
    torch.testing.assert_close(answer, torch.full_like(answer, 0.5 * 0.3775407), rtol=0, atol=1e-6)
    steps = list(rollout(Reconstructor(recordings.network(), RULE), recordings.frames(recorded)))
    assert all(step.memory.state.isfinite().all() for step in steps)
    assert torch.equal(steps[5].gain, torch.ones_like(steps[5].gain))  # frame 4 was not absorbed: 5 is a first one


def test_the_gate_is_the_product_of_its_two_formulas():
    candidates, logits, encoder = torch.randn(2, 5, 4), torch.randn(5, 4), torch.randn(2, 3, 6)
    moved = [float((candidates[1, s] - candidates[0, s]).pow(2).sum() ** 0.5) for s in range(5)]
    new = [1 - float(torch.cosine_similarity(encoder[0, i], encoder[1, i], dim=0)) for i in range(3)]
    temporal = torch.tensor([moved[s] / (sum(moved) / 5) - 0.7 for s in range(5)]).sigmoid()
    spatial = torch.tensor([max(abs(float(logits[s, 1 + i])) * new[i] for i in range(3)) for s in range(5)]).sigmoid()
    torch.testing.assert_close(gain(candidates, logits, encoder, TTSA3R(0.7)), temporal * spatial)


def test_equal_drift_on_all_tokens_and_an_image_that_stays():
    candidates = torch.stack([torch.zeros(5, 4), torch.nn.functional.normalize(torch.randn(5, 4), dim=-1)])
    encoder = torch.randn(3, 6).expand(2, -1, -1)
    answer = gain(candidates, torch.randn(5, 4), encoder)
    torch.testing.assert_close(answer, torch.full((5,), 0.3775407 * 0.5), rtol=0, atol=1e-6)
    assert gain(torch.zeros(2, 5, 4), torch.randn(5, 4), torch.zeros(2, 3, 6)).isfinite().all()


def test_frames_keep_their_size_until_a_reset():
    model = Reconstructor(CUT3R.random(CUT3RConfig.tiny(), seed=1), RULE)
    small, large = torch.zeros(1, 3, 32, 48), torch.zeros(1, 3, 48, 64)
    with pytest.raises(ValueError, match="12 patches after one with 6; give frames of one size, or reset=True"):
        list(rollout(model, [small, small, large], outputs=Outputs.NOTHING))
    steps = list(rollout(model, [Frame(small), Frame(large, reset=True), Frame(large)], outputs=Outputs.NOTHING))
    carried = steps[-1].memory.rule
    assert isinstance(carried, LastFrame)
    assert carried.patches.shape == (1, 12, 64)
