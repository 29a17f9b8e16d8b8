"""The gate that keeps what is recognised: its mean, its direction, its limits."""

import pytest
import torch

from ttt3r.update_rules import TTT3R, ConstantRate, RetainMatched, check_rule
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial


def gains(rule):
    return torch.stack(
        [result.gain for result in Trial(rule, make_stream()).run()[1:]]
    )  # the first frame is taken whole


def test_the_mean_over_tokens_is_the_rate():
    found = gains(RetainMatched(0.4, 0.2))
    torch.testing.assert_close(found.mean(dim=2), torch.full_like(found.mean(dim=2), 0.4))
    assert found.std(dim=2).min() > 0


def test_a_token_takes_less_the_more_ttt3r_would_take():
    agreement, found = gains(TTT3R())[0], gains(RetainMatched(0.4, 0.2))[0]  # one frame: the same memory
    expected = 0.4 - 0.2 * (agreement - agreement.mean(dim=1, keepdim=True))
    torch.testing.assert_close(found, expected)
    steep = gains(RetainMatched(0.1, 50.0))
    assert steep.min() == 0
    assert steep.max() == 1


def test_without_slope_it_is_the_constant():
    ours, constant = (
        Trial(rule, make_stream()).run()[-1].memory.state for rule in (RetainMatched(0.3, 0), ConstantRate(0.3))
    )
    torch.testing.assert_close(ours, constant)


def test_it_keeps_the_laws():
    check_rule(RetainMatched())


@pytest.mark.parametrize("wrong", [{"rate": -0.1}, {"rate": 1.5}, {"slope": float("nan")}, {"slope": float("inf")}])
def test_settings_outside_their_range_are_refused(wrong):
    with pytest.raises(ValueError, match=r"rate must lie|slope must be"):
        RetainMatched(**wrong)
