"""Ablations: every setting of a grid as a contender of its own, labelled as `--rules` would name it."""

import inspect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ttt3r.evaluation.contenders import Contender
from ttt3r.update_rules import StateUpdateRule, find_rule
from ttt3r.update_rules.resets import Every, Never, ResetPolicy, split_reset


@dataclass(frozen=True)
class Axis:
    """One setting and the values that it takes.

    Args:
        owner: `rule` for every rule that has the setting, the name of one rule, or `reset`.
        setting: its name; empty for `reset`.
        values: as text.
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
        values = tuple(part.strip() for part in listed.split(",") if part.strip())
        if not equals or not values or (not owner and name != "reset"):
            raise ValueError(f"a grid is written rule.SETTING=value,value or reset=50,100,never; got {text!r}")
        if twice := [value for value in values if values.count(value) > 1]:
            raise ValueError(f"{text!r} names the value {twice[0]} twice")
        return cls(owner or "reset", setting if owner else "", values)

    def concerns(self, item: str) -> bool:
        """Whether a rule, written `name` or `name:setting=value`, is varied along this axis."""
        name, *given = item.split(":")
        if self.owner not in ("rule", name):
            return False
        if any(word.partition("=")[0] == self.setting for word in given):
            return False  # it was given a value of its own
        return self.setting in inspect.signature(find_rule(name)).parameters


def expand(items: Sequence[str], axes: Sequence[Axis]) -> tuple[str, ...]:
    """The rules with every combination of the axes that concern them; other rules stay as they are.

    Raises:
        ValueError: if an axis concerns no rule.
    """
    settings = [axis for axis in axes if axis.owner != "reset"]
    for axis in settings:
        if not any(axis.concerns(item) for item in items):
            raise ValueError(
                f"--grid {axis.owner}.{axis.setting}: none of the rules {', '.join(items)} leaves a setting of that name open; "
                "ttt3r rules list --verbose shows the settings"
            )
    expanded: list[str] = []
    for item in items:
        own = [axis for axis in settings if axis.concerns(item)]
        for values in itertools.product(*(axis.values for axis in own)):
            words = [f"{axis.setting}={value}" for axis, value in zip(own, values, strict=True)]
            expanded.append(":".join([item, *words]))
    return tuple(dict.fromkeys(expanded))


def contenders(
    items: Sequence[str], axes: Sequence[Axis], make: Callable[[str], StateUpdateRule]
) -> tuple[Contender, ...]:
    """One contender for each rule and setting, `make` being what turns `name:setting=value` into a rule.

    A label `RULE@N` has a reset policy of its own, every N frames. Along `reset`, a label ends in `+reset=N`.

    Raises:
        ValueError: as `expand`, for a reset that is neither a number of frames nor `never`, or one that is told twice.
    """
    resets: list[tuple[str, ResetPolicy | None]] = [("", None)]
    for axis in axes:
        if axis.owner == "reset":
            resets = [(f"+reset={value}", _policy(value)) for value in axis.values]
    found = []
    for label in expand(items, axes):
        own = split_reset(label)[1]
        if own is not None and len(resets) > 1:
            raise ValueError(
                f"{label} has a reset of its own, and --grid reset=... gives it others; leave one of them out"
            )
        for suffix, policy in resets:
            found.append(Contender(label + suffix, make(label), policy if own is None else Every(own)))
    return tuple(found)


def _policy(value: str) -> ResetPolicy:
    if value == "never":
        return Never()
    if value.isdecimal():
        return Every(int(value))
    raise ValueError(f"reset={value} is neither a number of frames nor never, e.g. --grid reset=50,100,never")
