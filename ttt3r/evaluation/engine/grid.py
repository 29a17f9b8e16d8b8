"""Ablations: every setting of a grid as a contender of its own, labelled as `--rules` would name it."""

import inspect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.update_rules import ResetPolicy, RuleLabel, find_rule
from ttt3r.update_rules.naming.label_resets import policy_of
from ttt3r.update_rules.naming.label_text import values_in


@dataclass(frozen=True)
class Axis:
    """One setting and the values that it takes.

    Args:
        owner: `rule` for every rule that has the setting, the name of one rule, or `reset`.
        setting: its name; empty for `reset`.
        values: as they are written, in quotes where they hold a comma.
    """

    owner: str
    setting: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Axis":
        """From `rule.rate=0.1,0.2`, `constant.rate=0.1,0.2` or `reset=50,100,never`.

        Raises:
            ValueError: for anything else, or if a value stands there twice.
        """
        name, equals, listed = text.partition("=")
        owner, _, setting = name.rpartition(".")
        values = tuple(values_in(listed))
        if not equals or not values or (not owner and name != "reset"):
            raise ValueError(f"a grid is written rule.SETTING=value,value or reset=50,100,never; got {text!r}")
        if twice := [value for value in values if values.count(value) > 1]:
            raise ValueError(f"{text!r} names the value {twice[0]} twice")
        return cls(owner or "reset", setting if owner else "", values)

    def concerns(self, label: RuleLabel) -> bool:
        """Whether a rule is varied along this axis."""
        if self.owner not in ("rule", label.name) or self.setting in dict(label.settings):
            return False  # another rule, or one that was given a value of its own
        return self.setting in inspect.signature(find_rule(label.name)).parameters


def expand(labels: Sequence[RuleLabel], axes: Sequence[Axis]) -> tuple[RuleLabel, ...]:
    """The rules with every combination of the axes that concern them; other rules stay as they are.

    Raises:
        ValueError: if an axis concerns no rule.
    """
    settings = [axis for axis in axes if axis.owner != "reset"]
    for axis in settings:
        if not any(axis.concerns(label) for label in labels):
            raise ValueError(
                f"--grid {axis.owner}.{axis.setting}: none of the rules {', '.join(map(str, labels))} leaves a setting of that "
                "name open; ttt3r rules list --verbose shows the settings"
            )
    expanded: list[RuleLabel] = []
    for label in labels:
        own = [axis for axis in settings if axis.concerns(label)]
        for values in itertools.product(*(axis.values for axis in own)):
            varied = label
            for axis, value in zip(own, values, strict=True):
                varied = varied.with_setting(axis.setting, RuleLabel.read_value(value))
            expanded.append(varied)
    return tuple(dict.fromkeys(expanded))


def contenders(labels: Sequence[RuleLabel], axes: Sequence[Axis]) -> tuple[Contender, ...]:
    """One contender for each rule, setting and reset; a rule whose label has a reset keeps that.

    Raises:
        ValueError: as `expand`, for an unknown rule or setting, a reset that is none, or one that is given twice.
    """
    resets: list[ResetPolicy | None] = [None]
    for axis in axes:
        if axis.owner == "reset":
            resets = [_policy(value) for value in axis.values]
    found = []
    for label in expand(labels, axes):
        if label.reset is not None and len(resets) > 1:
            raise ValueError(
                f"{label} has a reset of its own, and --grid reset=... gives it others; leave one of them out"
            )
        for policy in resets:
            whole = label if label.reset is not None else replace(label, reset=policy)
            found.append(Contender(str(whole), whole.make(), whole.reset))
    return tuple(found)


def _policy(value: str) -> ResetPolicy:
    try:
        return policy_of(value)
    except ValueError as error:
        raise ValueError(
            f"reset={value} is neither a number of frames nor never nor a policy, e.g. --grid reset=50,never,unsure; {error}"
        ) from None
