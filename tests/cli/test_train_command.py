"""`ttt3r train --rule` as it is typed; what it trains is replaced by what it was asked for."""

from dataclasses import replace

import pytest

from ttt3r.network import CUT3R, CUT3RConfig, save_network
from ttt3r.types import LengthUnit
from ttt3r.update_rules import ConstantRate, FullOverwrite, LearnedToken, RuleLabel


@pytest.fixture
def asked(monkeypatch):
    """What `train` was called with."""
    calls = []
    monkeypatch.setattr("ttt3r.training.train", lambda *given: calls.append(given))
    return calls


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("", FullOverwrite()),
        ("--rule constant", ConstantRate()),
        ("--rule constant:rate=0.2", ConstantRate(0.2)),
        ("--rule=constant:rate=0.2", ConstantRate(0.2)),
        ("--rule constant --rule.rate 0.2", ConstantRate(0.2)),
    ],
)
def test_any_rule_may_be_active_in_training(typed, asked, words, rule):
    code, said, errors = typed(f"train --out out {words}")
    assert (code, errors) == (0, "")
    assert asked[0][1] == rule
    assert f"rule {RuleLabel.of(rule)} ->" in said
    assert "rule.safetensors" not in said


def test_a_rule_that_learns_is_trained_and_its_file_is_named(typed, asked):
    code, said, _ = typed("train --out out --rule learned_token:hidden=8:start=0.5")
    assert code == 0
    rule = asked[0][1]
    assert isinstance(rule, LearnedToken)
    assert (rule.hidden, rule.start) == (8, 0.5)
    assert "--network out/network --rules learned_token:weights=out/rule.safetensors" in " ".join(said.split())


def test_a_rule_of_ones_own(typed, asked, here):
    assert typed("train --out out --rule my_lab.MyRule:scale=0.5")[0] == 0
    assert type(asked[0][1]).__name__ == "MyRule"
    assert asked[0][1].scale == 0.5


def test_what_starts_from_an_older_network_ends_in_the_unit_of_the_clips(typed, asked, here):
    save_network(CUT3R.random(replace(CUT3RConfig.tiny(), unit=LengthUnit.METRES)), here / "old")
    assert typed("train --out out --start old")[0] == 0
    assert asked[0][0].unit is LengthUnit.FIRST_VIEW
    assert asked[0][0] == replace(CUT3RConfig.tiny(), unit=LengthUnit.FIRST_VIEW)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--rule learnd_token", "did you mean learned_token"),
        ("--rule constant:rat=0.3", "no setting 'rat'; did you mean rate?"),
        ("--rule constant:rate=7", "rate must lie in [0, 1], got 7"),
        ("--rule constant:0.3", "constant has no setting '0.3'; write constant:setting=value"),
        ("--rule constant:rate=.1:rate=.2", "--rule.rate is given twice (.1 and .2)"),
        ("--rule constant:rate=.1 --rule.rate .2", "--rule.rate is given twice"),
        ("--rule ttt3r@8", "'ttt3r@8' is for lists of rules"),
        ("--rule learned_token:weights=nowhere", "no weights at nowhere"),
        ("--rule", "expected one argument"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_before_anything_is_trained(refused, asked, here, words, message):
    assert message in refused(f"train --out out {words}")
    assert asked == []


def test_run_takes_the_same_words(refused, here):
    assert "nothing at nowhere" in refused("run nowhere --network tiny-random --rule constant:rate=0.2 --out out")
