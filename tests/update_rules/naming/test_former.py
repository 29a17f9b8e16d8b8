"""Rules as older releases printed them into runs and trainings: recorded lines, compared with the rules of today."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ttt3r.training.fitting import _is_same_rule, _rule_text
from ttt3r.training.nano import nano_recipe
from ttt3r.update_rules import (
    RULES,
    AttentionRecorded,
    Chain,
    ConfidenceAware,
    ConstantRate,
    KalmanGain,
    LearnedGRU,
    LearnedToken,
    Product,
    RuleLabel,
    Scale,
    Schedule,
)
from ttt3r.update_rules.naming import former
from ttt3r.update_rules.naming.former import is_same_rule, name_in

RECORDED = {
    "cut3r": "FullOverwrite()",
    "ttt3r": "ConfidenceAware(gradient=False)",
    "ttsa3r": "TemporalSpatial(threshold=1.5)",
    "filt3r": "KalmanGain(initial=1.5, decay=1.0, q_min=0.02, q_max=0.5, "
    "sharpness=20.0, jump=3.0, smoothing=0.05, floor=0.01, noise=1.0, lowest=0.01, highest=0.99)",
    "memix": "MemoryMixture(rule=ConfidenceAware(gradient=False), chunks=768, share=0.921875)",
    "recal3r": "Calibrated(base=0.1, decay=0.95)",
    "constant": "ConstantRate(rate=0.3)",
    "frozen": "Frozen()",
    "damped": "Damped(share=0.5)",
    "brake": "Brake(sharpness=2.0)",
    "ortho": "Ortho(news=0.5, drift=0.05, smoothing=0.95, trust=Fixed())",
    "clip": "Clip(rate=0.33, multiple=2.0, smoothing=0.99)",
    "momentum": "Momentum(rate=0.33, smoothing=0.9)",
    "raymap3r": "StaticView(regime=Routed(degrees=2.0, first=5, last=20), "
    "pooling=PatchPooling(), rays=OfficialRays(), strength=0.9, sharpness=3.0, warmup=5, smoothing=2.0)",
    "pas3r": "PoseAdaptive(translation=10.0, rotation=10.0, radius=0.5, sharpness=20.0, detail=0.1)",
    "frame_change": "FrameChange(smoothing=0.9)",
    "ssr": "SelfExpressive(window=4, temperature=1.0)",
    "longhorn": "ImplicitStep(scale=1.0, gradient=False)",
    "titans": "MomentumAndDecay(rate=0.15, momentum=0.5, decay=0.01)",
    "came": "ConfidenceGuided(rate=0.1, smoothing=0.9, spread_smoothing=0.99, eps=0.001)",
    "norm_restored": "NormRestored(rule=ConfidenceAware(gradient=False))",
    "suppress": "Suppress(strength=2.0, layers=6)",
    "retain": "RetainMatched(rate=0.3, slope=0.3)",
    "learned_scalar": "LearnedScalar(\n  channel=None, hidden=64, start=0.3, seed=0\n  (gate): None\n)",
    "learned_token": "LearnedToken(\n  channel=None, hidden=64, start=0.3, seed=0\n  (gate): None\n)",
    "learned_channel": "LearnedChannel(\n  channel=None, hidden=64, start=0.3, seed=0\n  (gate): None\n)",
    "learned_gru": "LearnedGRU(\n  channel=None, hidden=64, start=0.3, seed=0\n  (gate): None\n)",
}
"""What `repr` gave of every rule before there were labels."""


@pytest.mark.parametrize("name", RECORDED)
def test_what_was_printed_of_a_rule_is_that_rule_and_no_other(name):
    for other, kind in RULES.items():
        assert is_same_rule(kind(), RECORDED[name]) == (other == name)
    assert name_in(RECORDED[name]) == name
    assert name_in(f"AttentionRecorded(rule={RECORDED[name]})") == name
    assert is_same_rule(AttentionRecorded(RULES[name]()), f"AttentionRecorded(rule={RECORDED[name]})")


def test_settings_count_and_newer_ones_must_be_at_their_defaults():
    text = RECORDED["filt3r"]
    assert is_same_rule(KalmanGain(decay=0.5), text.replace("decay=1.0", "decay=0.5"))
    assert not is_same_rule(KalmanGain(decay=0.5), text)
    assert is_same_rule(KalmanGain(), text.replace(", highest=0.99", ""))
    assert not is_same_rule(KalmanGain(highest=0.9), text.replace(", highest=0.99", ""))
    assert not is_same_rule(KalmanGain(), text.replace("highest", "topmost"))


def test_a_class_that_has_another_name_by_now_is_the_same_rule(monkeypatch):
    monkeypatch.setitem(former.RULES_BY_CLASS, "Former", "ttt3r")
    assert is_same_rule(ConfidenceAware(), "Former(gradient=False)")
    assert is_same_rule(Scale(ConfidenceAware(), 2.0), "Scale(rule=Former(gradient=False), factor=2.0)")
    assert not is_same_rule(ConfidenceAware(True), "Former(gradient=False)")


def test_rules_of_rules():
    rule = Schedule((Chain((ConfidenceAware(), Scale(ConstantRate(0.5), 0.25))), ConstantRate(0.1)), (20,))
    text = (
        "Schedule(rules=(Chain(rules=(ConfidenceAware(gradient=False), Scale(rule=ConstantRate(rate=0.5), factor=0.25))), "
        "ConstantRate(rate=0.1)), starts=(20,))"
    )
    assert is_same_rule(rule, text)
    assert not is_same_rule(replace(rule, starts=(30,)), text)
    assert not is_same_rule(rule, text.replace("0.25", "0.5"))
    assert not is_same_rule(
        Product((ConstantRate(0.1),)), "Product(rules=(ConstantRate(rate=0.1), ConstantRate(rate=0.1)))"
    )


def test_learned_rules_by_what_they_printed_of_themselves(tmp_path):
    LearnedToken(channel=48).save(tmp_path / "a (b), c.st")
    rule = LearnedToken(weights=tmp_path / "a (b), c.st")
    parts = "(gate): _Gate( (mlp): MemoryFrameMLP( (output): Linear(in_features=64, out_features=1, bias=True) ) )"
    for path in (repr(str(tmp_path / "a (b), c.st")), repr(tmp_path / "a (b), c.st")):
        assert is_same_rule(rule, f"LearnedToken(\n  channel=48, hidden=64, weights={path}\n  {parts}\n)")
        assert not is_same_rule(rule, f"LearnedToken( channel=48, hidden=32, weights={path} {parts} )")
        assert not is_same_rule(
            LearnedToken(channel=48), f"LearnedToken( channel=48, hidden=64, weights={path} {parts} )"
        )
    gru = "LearnedGRU(\n  channel=None, hidden=64, start=0.3, seed=0\n  (gate): None\n)"
    assert is_same_rule(LearnedGRU(), gru)
    assert not is_same_rule(LearnedGRU(seed=1), gru)
    assert is_same_rule(Scale(LearnedGRU(), 0.5), f"Scale(rule={gru}, factor=0.5)")


def test_rules_of_ones_own_and_texts_of_any_kind():
    @dataclass(frozen=True)
    class Mine(ConstantRate):
        table: Path = Path("a")
        limit: float = float("inf")

    place = "test_rules_of_ones_own_and_texts_of_any_kind.<locals>."
    assert is_same_rule(Mine(0.5), f"{place}Mine(rate=0.5, table=PosixPath('a'), limit=inf)")
    assert not is_same_rule(Mine(0.5), f"{place}Mine(rate=0.5, table=PosixPath('b'), limit=inf)")
    for text in (
        "",
        "(",
        "Mine",
        "__import__('os').system('true')",
        "Mine(*a)",
        "a" * 10_000,
        "(" * 5_000,
        "[" * 100,
        "\0",
    ):
        assert not is_same_rule(Mine(0.5), text)
        name_in(text)


def test_a_training_goes_on_with_the_rule_of_an_older_recipe():
    rule = LearnedToken(channel=48)
    before = "LearnedToken( channel=48, hidden=64, start=0.3, seed=0 (gate): _Gate( (mlp): MLP( (a): Linear(b=1) ) ) )"
    written = _rule_text(rule, nano_recipe())
    assert written == "learned_token:channel=48"
    assert _is_same_rule(rule, before, written)
    assert _is_same_rule(rule, written, written)
    assert not _is_same_rule(rule, before.replace("0.3", "0.4"), written)
    assert not _is_same_rule(rule, "learned_token:channel=48:start=0.4", written)
    assert _is_same_rule(rule, f"{before} (source 0a1b)", f"{written} (source 0a1b)")
    assert not _is_same_rule(rule, f"{before} (source 0a1b)", f"{written} (source 0a1c)")
    assert RuleLabel.parse(written).name == "learned_token"
