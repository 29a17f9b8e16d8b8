"""`ttt3r train --rule` as it is typed; what it trains is replaced by what it was asked for."""

from dataclasses import replace

import pytest

from ttt3r.network import CUT3R, CUT3RConfig, save_network
from ttt3r.training import WorldMix, nano_recipe
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
        ("--recipe nano_first", FullOverwrite()),
        ("--rule cut3r", FullOverwrite()),
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


def test_a_recipe_brings_its_own_rules_unless_one_is_named(typed, asked):
    _, said, _ = typed("train --out out")
    assert "rules cut3r, ttt3r, constant:rate=0.3, constant:rate=0.1 ->" in " ".join(said.split())
    assert asked[0][2] == nano_recipe()
    typed("train --out out --rule ttt3r")
    assert asked[1][2].rules == ()
    assert asked[1][2] == nano_recipe().under_one_rule()


def test_a_recipe_is_a_file_or_a_name(typed, asked, here):
    (here / "own.yaml").write_text("seed: 7\nstages:\n- {steps: 200, frames: [2, 3], world: room, speed: 0.5}\n")
    assert typed("train --out out --recipe own.yaml --scale 0.1")[0] == 0
    recipe = asked[0][2]
    assert (recipe.seed, recipe.steps, recipe.stages[0].world) == (7, 20, WorldMix((("room", 1.0),), (0.5, 0.5)))
    typed("train --out out --recipe own.yaml --seed 0")
    assert asked[1][2].seed == 0
    for words, message in (
        (
            "--recipe mixd",
            "mixd is no recipe; did you mean mixed?; give a YAML file, or one of mixed, nano, nano_first",
        ),
        ("--recipe .", ". is a folder, not a recipe"),
        ("--minutes 0", "above 0"),
    ):
        code, said, errors = typed(f"train --out out {words}")
        assert (code, len(asked)) == (2, 2)
        assert message in " ".join((said + errors).split())


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
