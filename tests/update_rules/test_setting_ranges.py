"""No rule takes a setting that is not finite: it would give NaN, or switch a part of the rule off in silence."""

import importlib
import inspect
import math
import pkgutil

import pytest

import ttt3r.update_rules
from ttt3r.update_rules import (
    FILT3R,
    PAS3R,
    TTSA3R,
    ConstantRate,
    RayMap3R,
    ResetPolicy,
    Routed,
    StateUpdateRule,
)
from ttt3r.update_rules.fast_weights import FastWeightRule
from ttt3r.update_rules.rules.ortho import DriftTrust, Steep, Threshold
from ttt3r.update_rules.rules.raymap3r import Regime

KINDS = (StateUpdateRule, ResetPolicy, Regime, DriftTrust, FastWeightRule)


def classes():
    """Every class of the package that has settings: rules, wrappers, reset policies, and the parts that rules are given."""
    for module in pkgutil.walk_packages(ttt3r.update_rules.__path__, "ttt3r.update_rules."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, KINDS) and not inspect.isabstract(found) and found.__module__ == module.name:
                yield found


def settings():
    for kind in classes():
        for name, setting in inspect.signature(kind).parameters.items():
            if setting.annotation is float:
                yield pytest.param(kind, name, id=f"{kind.__name__}.{name}")


def make(kind, **changes):
    """One with all else at its default; rules and numbers that have none are simple."""
    needed = {
        name: {int: 1, float: 1.0, StateUpdateRule: ConstantRate()}.get(setting.annotation)
        for name, setting in inspect.signature(kind).parameters.items()
        if setting.default is setting.empty
    }
    return kind(**{**needed, **changes})


@pytest.mark.parametrize(("kind", "name"), list(settings()))
def test_a_setting_that_is_not_finite_is_refused(kind, name):
    make(kind)
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match=name) as error:
            make(kind, **{name: value})
        assert str(value) in str(error.value)
        assert "must" in str(error.value)


def test_the_settings_of_every_rule_are_looked_at():
    looked_at = {each.id for each in settings()}
    assert looked_at >= {
        "FILT3R.floor",
        "RayMap3R.strength",
        "Scale.factor",
        "WhenFar.distance",
        "LearnedToken.start",
    }
    assert len(looked_at) > 50


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((FILT3R, name) for name in ("initial", "decay", "q_min", "q_max", "sharpness", "jump", "floor", "noise")),
        *((FILT3R, name) for name in ("smoothing", "lowest")),
        *((RayMap3R, name) for name in ("strength", "sharpness", "warmup", "smoothing")),
        *((PAS3R, name) for name in ("translation", "rotation", "radius", "sharpness", "detail")),
        (TTSA3R, "threshold"),
        (Routed, "degrees"),
        (Threshold, "at"),
        (Steep, "power"),
    ],
)
def test_a_negative_setting_is_refused(kind, name):
    with pytest.raises(ValueError, match=name):
        kind(**{name: -1})
