"""Norm restoration: lengths, directions, both ends of the gain, and the shrinkage that it undoes."""

import pytest
import torch

from ttt3r.types import RuleState
from ttt3r.update_rules import (
    TTT3R,
    ConstantRate,
    Frozen,
    FullOverwrite,
    GainRecord,
    Recorded,
    check_rule,
)
from ttt3r.update_rules.conformance.streams import Sizes, make_stream
from ttt3r.update_rules.conformance.trial import Trial
from ttt3r.update_rules.rules.norm_restored import NormRestored
from ttt3r.update_rules.rules.titans import MomentumAndDecay


def last(rule, frames):
    return Trial(rule, frames).run()[-1].memory.state


def test_tokens_have_the_blended_length_and_the_direction_of_the_blend():
    frames = make_stream()
    state, frame = 3 * frames[0].candidate, frames[1]
    evidence = frame.evidence(TTT3R.needs, torch.ones(3, dtype=torch.long))
    plain = TTT3R().update(state, frame.candidate, evidence, RuleState())
    restored = NormRestored().update(state, frame.candidate, evidence, RuleState()).state
    gain = plain.gain[..., 0]
    wanted = (1 - gain) * state.norm(dim=-1) + gain * frame.candidate.norm(dim=-1)
    torch.testing.assert_close(restored.norm(dim=-1), wanted)
    torch.testing.assert_close(
        torch.cosine_similarity(restored, plain.state, dim=-1), torch.ones_like(gain), rtol=0, atol=1e-6
    )


def test_a_blend_shrinks_as_predicted_and_a_restored_one_does_not():
    frames = make_stream(Sizes(batch=1, frames=60, state=200, channel=32))
    # The stream wanders with a correlation of 0.8 from frame to frame: var = r (1 + (1-r) 0.8) / ((2-r) (1 - (1-r) 0.8)).
    rate, kept = 0.3, 0.7 * 0.8
    share = (rate * (1 + kept) / ((2 - rate) * (1 - kept))) ** 0.5
    whole = frames[-1].candidate.norm(dim=-1).mean()
    assert abs(float(last(ConstantRate(rate), frames).norm(dim=-1).mean() / whole) - share) < 0.02
    assert abs(float(last(NormRestored(ConstantRate(rate)), frames).norm(dim=-1).mean() / whole) - 1) < 1e-3


def test_both_ends_of_the_gain_stay_what_they_are():
    frames = make_stream()
    torch.testing.assert_close(last(NormRestored(FullOverwrite()), frames), last(FullOverwrite(), frames))
    assert torch.equal(last(NormRestored(Frozen()), frames), last(Frozen(), frames))


@pytest.mark.parametrize(
    "rule",
    [NormRestored(MomentumAndDecay()), NormRestored(Recorded(ConstantRate())), Recorded(NormRestored())],
    ids=repr,
)
def test_it_goes_around_and_into_other_rules(rule):
    check_rule(rule)


def test_what_the_inner_rule_carries_is_handed_on():
    rule = NormRestored(Recorded(ConstantRate(0.25)))
    record = Trial(rule, make_stream()).run()[-1].memory.rule
    assert isinstance(record, GainRecord)
    torch.testing.assert_close(record.mean, torch.full_like(record.mean, 0.25))


def test_a_blend_of_length_zero_stays_zero():
    frame = make_stream()[1]
    evidence = frame.evidence(NormRestored().needs, torch.ones(3, dtype=torch.long))
    restored = NormRestored(ConstantRate(0.5)).update(-frame.candidate, frame.candidate, evidence, RuleState())
    assert not bool(restored.state.any())


def test_what_is_no_rule_is_refused():
    with pytest.raises(TypeError):
        NormRestored(0.5)  # pyright: ignore[reportArgumentType]
