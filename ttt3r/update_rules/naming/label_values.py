"""The settings of a rule as text and back."""

import difflib
import enum
import inspect
import json
import math
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar

from torch import nn

from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.learned.base import LearnedRule
from ttt3r.update_rules.naming.registry import RULES, WRAPPERS

Label = TypeVar("Label")
Value = str | tuple[Label, ...] | None
"""Of a setting: text, nothing, or the labels of the rules within."""


def changed_settings(
    rule: StateUpdateRule, label_of: Callable[[StateUpdateRule], Label]
) -> tuple[tuple[str, Value[Label]], ...]:
    """The settings of a rule that are not at their defaults."""
    if isinstance(rule, LearnedRule) and rule.weights is not None:
        return (("weights", str(rule.weights)),)  # the others are in the file
    found: list[tuple[str, Value[Label]]] = []
    for name, value, default in given(rule):
        if type(value) is type(default) and _same(value, default):
            continue
        if isinstance(value, StateUpdateRule):
            found.append((name, (label_of(value),)))
        elif isinstance(value, tuple) and value and all(isinstance(part, StateUpdateRule) for part in value):
            found.append((name, tuple(map(label_of, value))))
        elif is_dataclass(value) and not isinstance(value, type):
            found.append((name, type(value).__name__))
            found += [(f"{name}.{part}", _text(inner)) for part, inner, at in given(value) if not _same(inner, at)]
        else:
            found.append((name, _text(value)))
    return tuple(found)


def given(value: object) -> list[tuple[str, Any, Any]]:
    """Name, value and default of every setting: the fields of a dataclass, or the arguments of any other rule or module.

    What has no default, or was not kept by the module, has `MISSING`.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return [
            (
                field.name,
                getattr(value, field.name),
                field.default_factory() if field.default_factory is not MISSING else field.default,
            )
            for field in fields(value)
            if field.init
        ]
    found = []
    if not isinstance(value, StateUpdateRule | nn.Module):
        return []
    for name, parameter in inspect.signature(type(value)).parameters.items():
        default = MISSING if parameter.default is parameter.empty else parameter.default
        found.append((name, vars(value).get(name, default), default))
    return [part for part in found if part[1] is not MISSING]


def _same(value: Any, default: Any) -> bool:
    try:
        return bool(value == default)
    except (TypeError, ValueError, RuntimeError):  # a tensor or an array
        return False


def _text(value: Any) -> str | None:
    """A plain setting as jsonargparse reads it back."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return f"{'-' if value < 0 else ''}.{'inf' if math.isinf(value) else 'nan'}"
    if isinstance(value, tuple | list | dict):
        try:
            return json.dumps(value)
        except (TypeError, ValueError):
            pass
    if isinstance(value, Path):
        return str(value)
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))  # an address is another in every process


def made(
    kind: type[StateUpdateRule],
    name: str,
    label: str,
    settings: Sequence[tuple[str, Value[Label]]],
    make: Callable[[Label | str], StateUpdateRule],
) -> StateUpdateRule:
    """A rule of these settings.

    Args:
        kind: its class.
        name: and what that is called.
        label: as it was written, for messages.
        settings: as text.
        make: gives the rule of a label within, also of one that is still text.

    Raises:
        ValueError: names the label, the setting and the cure.
    """
    known = inspect.signature(kind).parameters
    names = [setting for setting, _ in settings]
    cure = f"write name:setting=value, settings as `ttt3r rules show {name}` lists"
    for setting in names:
        if names.count(setting) > 1:
            raise ValueError(f"{label!r} gives {setting} twice; give it once")
        if (top := setting.partition(".")[0]) not in known:
            like = difflib.get_close_matches(top, known, n=1)
            meant = f"; did you mean {like[0]}?" if like else ""
            raise ValueError(f"{label!r}: {name} has no setting {setting!r}{meant}; {cure}")
    lacking = [each for each, one in known.items() if one.default is one.empty and each not in names]
    if lacking:
        raise ValueError(f"{label!r}: {name} needs {lacking[0]}; write {name}:{lacking[0]}=..., rules in parentheses")
    hints, values, words = _hints(kind), dict[str, Any](), list[tuple[str, str]]()
    for setting, value in settings:
        hint = hints.get(setting)
        if isinstance(value, tuple):
            values[setting] = _rules([make(part) for part in value], hint, f"{label!r}: {setting}")
        elif _is_text(hint):
            values[setting] = value if value is None or str in _options(hint) else Path(value)
        elif value in RULES or value in WRAPPERS:
            values[setting] = _rules([make(value)], hint, f"{label!r}: {setting}")
        else:
            words.append((setting, "null" if value is None else value))
    return _without_nan(kind(**values, **_read(kind, words, label, cure)))


def _read(kind: type[StateUpdateRule], words: Sequence[tuple[str, str]], label: str, cure: str) -> Mapping[str, Any]:
    """The values of settings of all other types."""
    if not words:
        return {}
    from jsonargparse import ArgumentError, ArgumentParser  # not loaded by everybody who imports the package

    tops = {setting.partition(".")[0] for setting, _ in words}
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    others: set[str | int] = {name for name in inspect.signature(kind).parameters if name not in tops}
    parser.add_class_arguments(kind, "rule", skip=others, instantiate=False)
    try:
        found = parser.instantiate(parser.parse_args([f"--rule.{setting}={value}" for setting, value in words])).rule
    except ArgumentError as error:
        raise ValueError(f"{label!r}: {' '.join(str(error).split())}; {cure}") from None
    return {name: found[name] for name in tops}


def _hints(kind: type[StateUpdateRule]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(kind.__init__)
    except (NameError, TypeError):  # a class that names another by a text which means nothing outside its function
        return {}


def _options(hint: Any) -> frozenset[Any]:
    """The types of a union, or the one type."""
    return frozenset(typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, UnionType) else (hint,))


def _is_text(hint: Any) -> bool:
    """Whether whatever is written is meant as it is."""
    return bool(_options(hint) & {str, Path}) and _options(hint) <= {str, Path, NoneType}


def _rules(rules: list[StateUpdateRule], hint: Any, where: str) -> StateUpdateRule | tuple[StateUpdateRule, ...]:
    """One rule or several, as the setting takes them."""
    if _is_text(hint):
        raise ValueError(f"{where} takes no rules; put a path that begins with ( in quotes")
    if typing.get_origin(hint) is tuple:
        return tuple(rules)
    if len(rules) != 1:
        raise ValueError(f"{where} takes one rule, got {len(rules)}")
    return rules[0]


def _without_nan(rule: StateUpdateRule) -> StateUpdateRule:
    """The rule, if none of its settings is NaN, which compares with nothing and so passes other checks."""
    for name, value in vars(rule).items():
        if isinstance(value, float) and math.isnan(value):
            raise ValueError(f"the setting {name} of {type(rule).__name__} is nan; give a number")
    return rule
