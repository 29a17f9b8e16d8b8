"""Rules as text: what is written is read again, whatever a path holds, and nothing is imported by reading."""

import itertools
import random
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from ttt3r.update_rules import (
    RULES,
    TTT3R,
    Always,
    Anneal,
    AttentionRecorded,
    Chain,
    ConstantRate,
    Control,
    EveryNth,
    FullOverwrite,
    Gain,
    GatedUpdateRule,
    LearnedToken,
    MeMix,
    NormRestored,
    Ortho,
    PoseDamped,
    Product,
    RayMap3R,
    Recorded,
    Routed,
    RuleLabel,
    Scale,
    Schedule,
    Steep,
    StripPooling,
    Threshold,
    TokenMean,
    find_rule,
)
from ttt3r.update_rules.naming.label_resets import policy_of, policy_text
from ttt3r.update_rules.naming.labels import family_of, label_now
from ttt3r.update_rules.naming.registry import WRAPPERS, name_of
from ttt3r.update_rules.policies.accumulated import AfterUpdates
from ttt3r.update_rules.policies.drought import WhenUnsure
from ttt3r.update_rules.resets import Every, Never, ResetPolicy, WhenFar

ODD = [
    "a,b.safetensors", "runs@8/gate", "gate@8", "C:\\weights\\gate.safetensors", "a:b=c", "x:rate=0.1,ttt3r@8", "it's, here",
    "'quoted'", '"twice"', "(old)/gate", "a (1).safetensors", "a(b", "a)b", "null", "true", "1e3", "a: b", "{a}", "[a]",
    "#a", "~",
    " edges ", "gate+reset=8", "control of ttt3r", "a=b", "é,ü", "line\nbreak", "tab\there,", "--flag", "@", ",", ":",
    "'", "$HOME", "gate+pose", "gate+pose=0.5", "a+pose=x/b",
]  # fmt: skip
RESETS = [None, Never(), Every(1), Every(100), WhenFar(2.5), WhenFar(1e-7, 3), WhenUnsure(), AfterUpdates(20.0)]
RESETS += [WhenUnsure(0.45, 1e-5, 2, 4, 0, 16, 30), AfterUpdates(1e10, 1)]


@dataclass(frozen=True)
class Named(GatedUpdateRule):
    """A rule of one's own with settings of many types; one of them is called `name`."""

    name: str = "mine"  # pyright: ignore[reportIncompatibleVariableOverride] (what is tested)
    table: Path | None = None
    sizes: tuple[int, ...] = (1, 2)
    limit: float = float("inf")
    inner: GatedUpdateRule | None = None

    def gain(self, state, candidate, evidence, rule_state):
        return Gain(torch.full_like(state[..., :1], 0.5))


def every_rule():
    made = [kind() for kind in RULES.values()]
    made += [TTT3R(gradient=True), ConstantRate(0.1), ConstantRate(1e-7), ConstantRate(1.0)]
    made += [
        Ortho(trust=Steep(3.0)),
        Ortho(trust=Threshold(), drift=0.5),
        RayMap3R(regime=Routed(degrees=3.5, first=2)),
    ]
    made += [RayMap3R(regime=Always(False), pooling=StripPooling(), warmup=0)]
    made += [
        MeMix(ConstantRate(0.2), 4),
        NormRestored(Scale(FullOverwrite(), 0.25)),
        LearnedToken(8, 16, seed=3),
    ]
    inner = [*made]
    for rule in random.Random(0).sample(inner, 8):
        made += [
            Scale(rule, 2.0),
            Anneal(rule, 7.5),
            EveryNth(rule, 3),
            Recorded(rule),
            AttentionRecorded(rule),
            TokenMean(rule),
            PoseDamped(rule),
            PoseDamped(rule, 0.25),
        ]
    made += [PoseDamped(PoseDamped(TTT3R()), 0.5), Scale(PoseDamped(TTT3R(), 1e-7)), PoseDamped(Chain((TTT3R(),)), 1.0)]
    made += [
        Product((inner[1], ConstantRate(0.5))),
        Chain((Product((inner[1],)), Scale(inner[2]))),
        Chain((FullOverwrite(),)),
    ]
    made += [Schedule((FullOverwrite(), ConstantRate(0.1), inner[1]), (20, 30)), Schedule((FullOverwrite(),), ())]
    made += [
        Named(),
        Named("it's, me", Path("a,b"), (3,), 2.0, ConstantRate(0.7)),
        Named(sizes=(), limit=-float("inf")),
    ]
    return made


@pytest.mark.parametrize("rule", every_rule(), ids=lambda rule: str(RuleLabel.of(rule)))
def test_a_rule_is_made_again_from_its_label(rule):
    for reset in RESETS:
        label = RuleLabel.of(rule, reset)
        again = RuleLabel.parse(str(label))
        assert again == label
        assert repr(again.make()) == repr(rule)  # what Python prints names every setting
        assert again.reset == reset
        for control in (Control.EQUAL_GAIN, Control.TOKEN_MEAN):
            gate = control.of(str(label))
            assert str(RuleLabel.parse(gate)) == gate
            assert Control.split(gate) == (control, str(label))
            assert family_of(gate) == label.name


def test_every_rule_and_wrapper_is_written_by_the_name_that_finds_it():
    assert [*RULES, *WRAPPERS] == [kind.name for kind in (*RULES.values(), *WRAPPERS.values())]
    for name, kind in {**RULES, **WRAPPERS}.items():
        assert find_rule(name) is kind
        assert name_of(kind) == name
    assert name_of(Named) == f"{Named.__module__}.Named"

    class Inherits(LearnedToken):
        """A class of one's own is not its parent."""

    assert name_of(Inherits) == f"{__name__}.{Inherits.__qualname__}"


@pytest.mark.parametrize("path", ODD)
def test_any_path_is_read_again_alone_in_lists_and_within_rules(path):
    label = RuleLabel("learned_token", (("weights", path), ("seed", "3")), Every(8))
    assert RuleLabel.parse(str(label)) == label
    others = (RuleLabel("ttt3r"), label, RuleLabel("constant", (("rate", "0.1"),), Never()), label)
    assert RuleLabel.parse_list(",".join(map(str, others))) == others
    within = RuleLabel("product", (("rules", (RuleLabel("learned_token", (("weights", path),)), *others)), ("x", path)))
    assert RuleLabel.parse(str(within)) == within
    assert RuleLabel.parse(shlex.split(shlex.quote(str(within)))[0]) == within
    assert family_of(f"control of {label}") == "learned_token"


@pytest.mark.parametrize("path", [path for path in ODD if path.strip() and "\n" not in path])
def test_weights_at_any_path_make_the_rule(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    LearnedToken(channel=8).save(path)
    label = RuleLabel.of(LearnedToken(weights=path))
    made = RuleLabel.parse(str(label)).make()
    assert isinstance(made, LearnedToken)
    assert made.weights == path
    assert RuleLabel.of(made) == label
    assert RuleLabel.of(Scale(made, 2.0)).make().rule.weights == path  # pyright: ignore


@pytest.mark.parametrize(
    "path", ["C:\\w\\g", "s3://a/b", "me@host:/w", "a@b/c.d", "it's", "a b (1)", "a[1]", "a=b", "x:y/z"]
)
def test_paths_that_are_clear_need_no_quotes(path):
    assert RuleLabel.parse(f"learned_token:weights={path}").settings == (("weights", path),)
    assert RuleLabel.parse(f"learned_token:weights={path}:seed=3@8") == RuleLabel(
        "learned_token", (("weights", path), ("seed", "3")), Every(8)
    )


def test_a_comma_before_what_is_no_rule_belongs_to_the_value():
    found = RuleLabel.parse_list("learned_token:weights=/a,b/c, ttt3r@8,constant:rate=0.1,")
    assert [str(label) for label in found] == ["learned_token:weights='/a,b/c'", "ttt3r@8", "constant:rate=0.1"]
    assert RuleLabel.parse_list("learned_token:weights=/a,,/b,, ,cut3r")[0].settings == (("weights", "/a,,/b"),)


def test_labels_stay_as_they_were_written():
    for text in (
        "ttt3r@8",
        "constant:rate=0.10",
        "control of constant:rate=.1@never",
        "learned_token:weights=/a b/it's (1).x",
    ):
        assert str(RuleLabel.parse(text)) == text
    assert str(RuleLabel.parse("constant:rate='0.1'")) == "constant:rate=0.1"


def test_labels_of_older_results_are_read():
    assert RuleLabel.parse("constant:rate=0.1+reset=50") == RuleLabel("constant", (("rate", "0.1"),), Every(50))
    assert RuleLabel.parse("control of ttt3r+reset=never").reset == Never()
    assert label_now("control of ttt3r+reset=50") == "control of ttt3r@50"
    for free in ("ours (new), v2 @ home", "1/t", "no motion", "a: b", "'", "(", "x+reset=often", "constant:"):
        assert label_now(free) == free
        family_of(free)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no rule"),
        ("ttt3r@often", "after @ stands every how many frames"),
        ("ttt3r@0", "after @ stands every how many frames"),
        ("ttt3r@8:gradient=true", "settings come before it"),
        ("ttt3r@far:near=2", "after @ stands"),
        ("ttt3r@far", "far needs distance; write far:distance=value"),
        ("ttt3r@far:distance=2+pose", "distance is '2+pose', which is no number"),
        ("ttt3r@far:distance=1e999", "distance must be finite"),
        ("ttt3r@unsur", "got 'unsur'; did you mean @unsure?"),
        ("ttt3r@Unsure", "did you mean @unsure?"),
        ("constant:rate=0.1@unsurr:share=0.4", "did you mean @unsure?"),
        ("ttt3r@unsure:shar=0.5", "unsure has no setting 'shar'; did you mean share?"),
        ("ttt3r@unsure:x=0.5", "unsure has no setting 'x'; its settings are share, floor, frames"),
        ("ttt3r@unsure:share=1.5", "share must lie in 0 to 1, got 1.5"),
        ("ttt3r@unsure:longest=2.5", "longest is '2.5', which is no whole number"),
        ("ttt3r@unsure:share=0.5:share=0.4", "give share once"),
        ("ttt3r@updates", "updates needs total; write updates:total=value"),
        ("ttt3r@updates:total=-1", "total must be more than 0"),
        ("ttt3r@never:n=1", "never has no setting 'n'"),
        ("rate=0.1", "is a setting and no rule"),
        ("constant:0.1", "constant has no setting '0.1'"),
        ("learned_token:weights='a,b", "is not closed; put a value"),
        ("learned_token:weights='a'b", "stands 'b'; put a value"),
        ("learned_token:weights=(a)/b", "stands '/b'; put a value"),
        ('learned_token:weights="C:\\w"', "put it in single quotes"),
        ("scale:rule=(ttt3r", "is not closed"),
        ("ttt3r+pos", "after + stands pose, behind the settings and before @: ttt3r+pose"),
        ("ttt3r+", "after + stands pose"),
        ("ttt3r+pose+pose", "after + stands pose"),
        ("ttt3r+pose=", "a number from 0 to 1, got ''"),
        ("ttt3r+pose=much", "a number from 0 to 1, got 'much'"),
        ("ttt3r+pose=nan", "a number from 0 to 1, got 'nan'"),
        ("constant:rate=0.3+pose=much", "a number from 0 to 1, got 'much'"),
        ("ttt3r+pose:gradient=true", "after + stands pose"),
        ("ttt3r@8+pose", "settings come before it, and +pose too"),
    ],
)
def test_what_is_no_label_is_refused_with_the_cure(text, message):
    with pytest.raises(ValueError, match="^[^\n]*$") as caught:
        RuleLabel.parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tt3r", "did you mean ttt3r"),
        ("constant:rat=0.1", "constant has no setting 'rat'; did you mean rate?"),
        ("constant:rate=0.1:rate=0.2", "gives rate twice"),
        ("constant:rate=much", "write name:setting=value"),
        ("scale", "scale needs rule"),
        ("scale:rule=(ttt3r,cut3r)", "takes one rule, got 2"),
        ("learned_token:weights=(ttt3r)", "takes no rules; put a path"),
        ("control of ttt3r", "ask for it with --controls"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_cure(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        RuleLabel.parse(text).make()


def test_rules_within_rules_by_their_names():
    assert RuleLabel.parse("memix:rule=cut3r").make() == MeMix(FullOverwrite())
    assert RuleLabel.parse("memix:rule=(constant:rate=0.2):chunks=4").make() == MeMix(ConstantRate(0.2), 4)
    assert RuleLabel.parse("memix:rule=ConstantRate:rule.rate=0.2").make() == MeMix(ConstantRate(0.2))
    assert RuleLabel.parse("token mean of ttt3r").make() == TokenMean(TTT3R())


@pytest.mark.parametrize(
    ("text", "rule", "printed"),
    [
        ("ttt3r+pose", PoseDamped(TTT3R()), "ttt3r+pose"),
        ("ttt3r+pose@8", PoseDamped(TTT3R()), "ttt3r+pose@8"),
        ("ttt3r+pose+reset=8", PoseDamped(TTT3R()), "ttt3r+pose@8"),
        ("constant:rate=0.10+pose", PoseDamped(ConstantRate(0.1)), "constant:rate=0.10+pose"),
        (" ttt3r:gradient=true +pose=0.5 @never", PoseDamped(TTT3R(True), 0.5), "ttt3r:gradient=true+pose=0.5@never"),
        ("ttt3r+pose='0.5'", PoseDamped(TTT3R(), 0.5), "ttt3r+pose=0.5"),
        ("ttt3r+pose=null", PoseDamped(TTT3R()), "ttt3r+pose"),
        ("ttt3r+pose=1e-3", PoseDamped(TTT3R(), 0.001), "ttt3r+pose=1e-3"),
        ("damp_pose:rule=(ttt3r):rate=0.5@8", PoseDamped(TTT3R(), 0.5), "ttt3r+pose=0.5@8"),
        ("damp_pose:rule=(ttt3r+pose)", PoseDamped(PoseDamped(TTT3R())), "damp_pose:rule=(ttt3r+pose)"),
        (
            "scale:rule=(ttt3r+pose=1):factor=2.0+pose",
            PoseDamped(Scale(PoseDamped(TTT3R(), 1.0), 2.0)),
            "scale:rule=(ttt3r+pose=1):factor=2.0+pose",
        ),
        ("token mean of ttt3r+pose", TokenMean(PoseDamped(TTT3R())), "token mean of ttt3r+pose"),
    ],
)
def test_the_pose_memory_is_written_behind_the_rule(text, rule, printed):
    label = RuleLabel.parse(text)
    assert repr(label.make()) == repr(rule)
    assert str(label) == printed
    assert RuleLabel.parse(printed) == label
    assert RuleLabel.parse_list(f"cut3r,{text},ttt3r") == (RuleLabel("cut3r"), label, RuleLabel("ttt3r"))
    assert family_of(text.strip()) == label.name


def test_settings_of_a_rule_with_its_pose_memory_held_back_are_those_of_the_rule():
    assert str(RuleLabel.parse("constant+pose").with_setting("rate", "0.1")) == "constant:rate=0.1+pose"
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got 1.5"):
        RuleLabel.parse("ttt3r+pose=1.5").make()
    label = RuleLabel("learned_token", (("weights", "a+pose"),), pose="0.5")
    assert str(label) == "learned_token:weights='a+pose'+pose=0.5"
    assert RuleLabel.parse(str(label)) == label


def test_a_reset_is_written_short():
    label = RuleLabel.parse("constant:rate=0.1@unsure:share=0.5:longest=200")
    assert label.reset == WhenUnsure(longest=200)
    assert str(label) == "constant:rate=0.1@unsure:longest=200"
    assert str(RuleLabel.parse("ttt3r+pose@updates:total=20")) == "ttt3r+pose@updates:total=20.0"
    assert RuleLabel.parse("learned_token:weights=runs@home").settings == (("weights", "runs@home"),)
    assert RuleLabel.parse("learned_token:weights=me@lab:home").reset is None


def test_resets_as_text():
    for policy in RESETS[1:]:
        assert policy is not None
        assert policy_of(policy_text(policy)) == policy

    class Mine(ResetPolicy):
        def ends_chunk(self, memory, camera):
            return memory.seen > 3

    with pytest.raises(ValueError, match="has no place in a label"):
        str(RuleLabel("ttt3r", reset=Mine()))


def test_reading_imports_and_makes_nothing(tmp_path, monkeypatch):
    (tmp_path / "trap_lab.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    label = RuleLabel.parse("trap_lab.Rule:x=(os.system:command=true)@8")
    assert str(label) == "trap_lab.Rule:x=(os.system:command=true)@8"
    assert family_of("control of trap_lab.Rule") == "trap_lab.Rule"
    assert "trap_lab" not in sys.modules


def test_long_labels_of_strangers_are_read_in_no_time():
    for text in (
        "a:b=" + "(" * 20_000,
        "a:" + "b=(" * 300,
        "a" * 100_000 + "@",
        "a:b='" + "''" * 50_000,
        ",(" * 50_000,
    ):
        family_of(text)


def test_what_text_cannot_hold_is_named_the_same_in_every_process():
    @dataclass(frozen=True)
    class Odd(Named):
        by: object = itertools.count

    rule = Odd(by=object())
    assert "at 0x" not in str(RuleLabel.of(rule))
    assert RuleLabel.parse(str(RuleLabel.of(rule))) == RuleLabel.of(rule)
