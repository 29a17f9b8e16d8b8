"""The law of a rule's settings, the only one that needs no stream."""

import dataclasses
from dataclasses import replace

from ttt3r.update_rules.base import modules
from ttt3r.update_rules.conformance.trial import Trial, Violation


def settings_print_compare_and_hash(trial: Trial) -> None:
    """A rule is a frozen dataclass: shows its settings, equals its equals, can be a key (modules need not)."""
    rule = trial.rule
    if any(modules(rule)):
        return
    name, cure = type(rule).__name__, "write @dataclass(frozen=True) above the class and use settings that compare"
    if not dataclasses.is_dataclass(rule):
        raise Violation("a frozen dataclass of settings", f"{name} is a plain class", cure)
    if not rule.__dataclass_params__.frozen:  # pyright: ignore[reportAttributeAccessIssue]
        raise Violation("settings that cannot be changed", f"{name} is a dataclass that is not frozen", cure)
    missing = [field.name for field in dataclasses.fields(rule) if f"{field.name}=" not in repr(rule)]
    if name not in repr(rule) or missing:
        raise Violation(f"{name} and its settings when printed", f"it prints {rule!r:.80}", cure)
    try:
        again = replace(rule)
        same = bool(again == rule) and hash(again) == hash(rule)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Violation(
            "equal settings to be equal and to hash alike", f"{error}", f"{cure}: tuples, no lists"
        ) from error
    if not same:
        raise Violation("equal settings to be equal and to hash alike", "they do not", cure)
