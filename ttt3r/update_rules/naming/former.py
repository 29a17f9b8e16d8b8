"""Rules as older releases wrote them down: as Python prints them, `ConstantRate(rate=0.3)`. Read, compared, and never run."""

import ast
import re
from pathlib import Path
from typing import Any

from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.naming.former_names import RULES_BY_CLASS
from ttt3r.update_rules.naming.label_values import given
from ttt3r.update_rules.naming.registry import name_of

_RECORDED = re.compile(r"AttentionRecorded\(rule=(.*)\)", re.DOTALL)


def is_same_rule(rule: StateUpdateRule, text: str) -> bool:
    """Whether an older release would have printed this rule so, as far as the text says.

    Compared are the class and the settings; what the text does not name must be at its default, since it is newer. A class of
    this package may have another name by now.

    Examples:
        >>> from ttt3r.update_rules.rules.constant import ConstantRate
        >>> is_same_rule(ConstantRate(0.1), "ConstantRate(rate=0.1)"), is_same_rule(ConstantRate(0.1), "ConstantRate()")
        (True, False)
    """
    try:
        printed = ast.parse(_without_parts(text), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # a rule that prints itself in some other way
        return text == repr(rule)
    return _is(printed, rule)


def name_in(text: str) -> str:
    """What a rule that an older release printed is called; not the one that records the attention of another."""
    inner = _RECORDED.fullmatch(text)
    kind = (inner[1] if inner else text).partition("(")[0]
    return RULES_BY_CLASS.get(kind, kind)


def _without_parts(text: str) -> str:
    """A printed module without its parts, `(gate): Linear(...)`, which Python cannot read."""
    while found := re.search(r"\s\(\w+\): \w+", text):
        end, depth = found.end(), 0
        while end < len(text) and (depth or text[end] == "("):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        text = text[: found.start()] + text[end:]
    return re.sub(r"[\w.]*<locals>\.", "", text)


def _is(printed: ast.expr, value: Any) -> bool:
    if isinstance(printed, ast.Tuple | ast.List):
        same = isinstance(value, tuple | list) and len(value) == len(printed.elts)
        return same and all(map(_is, printed.elts, value))
    if isinstance(printed, ast.Call) and isinstance(value, Path):
        return len(printed.args) == 1 and _is(printed.args[0], str(value))
    if not isinstance(printed, ast.Call):
        return ast.unparse(printed) == _printed(str(value) if isinstance(value, Path) else value)
    kind = ast.unparse(printed.func).rpartition(".")[2]
    names = {type(value).__name__, name_of(type(value)) if isinstance(value, StateUpdateRule) else ""}
    words = {word.arg: word.value for word in printed.keywords}
    settings = {name: (setting, default) for name, setting, default in given(value)}
    if {kind, RULES_BY_CLASS.get(kind, kind)}.isdisjoint(names) or printed.args or not words.keys() <= settings.keys():
        return False
    # A learned rule that was made from a file prints that in place of the settings that it does not ask then.
    asked = words.keys() if "weights" in words else settings.keys()
    return all(
        _is(words[name], setting) if name in words else _printed(setting) == _printed(default)
        for name, (setting, default) in settings.items()
        if name in asked
    )


def _printed(value: Any) -> str:
    try:
        return ast.unparse(ast.parse(repr(value), mode="eval"))
    except (SyntaxError, ValueError):
        return repr(value)
