"""The end of a label: when the memory is reset."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields

from ttt3r.untrusted import shown
from ttt3r.update_rules.policies.accumulated import AfterUpdates
from ttt3r.update_rules.policies.drought import WhenUnsure
from ttt3r.update_rules.resets import Every, Never, ResetPolicy, WhenFar

POLICIES: Mapping[str, type[ResetPolicy]] = {
    "never": Never,
    "far": WhenFar,
    "unsure": WhenUnsure,
    "updates": AfterUpdates,
}
"""Reset policies by the name that stands after the `@`; `Every` is a number."""

RESETS = "@ stands every how many frames the memory is reset (ttt3r@100), never, far:distance=2.5, unsure or updates:total=20"

_SETTINGS = r"(?::[a-z_]+=[\w.+-]*)*"
_RESET = re.compile(
    rf"@(\d+|(?:{'|'.join(POLICIES)}){_SETTINGS})$|\+reset=(\d+|never)$"
)  # the second form in older results
_LIKE_ONE = re.compile(rf"@([A-Za-z_]+){_SETTINGS}$")


def without_reset(text: str, masked: str) -> tuple[str, ResetPolicy | None]:
    """A label without its reset, and the reset that it had.

    Args:
        text: the label.
        masked: the same with all hidden that stands in quotes or parentheses.

    Raises:
        ValueError: for a reset that is none.
    """
    if found := _RESET.search(masked):
        return text[: found.start()], policy_of(text[found.start() :].removeprefix("+reset=").removeprefix("@"))
    # A path may hold an @ as well, so after a setting only what looks like a policy is taken for one.
    if (found := _LIKE_ONE.search(masked)) and (":" not in text[: found.start()] or _meant(found[1])):
        policy_of(text[found.start() + 1 :])
    return text, None


def policy_of(text: str) -> ResetPolicy:
    """The reset policy that stands after the `@` of a label.

    Raises:
        ValueError: for anything else.
    """
    name, *words = text.split(":")
    try:
        if name in POLICIES:
            return POLICIES[name](**_settings(name, words))
        if not name[:1].isalpha():
            return Every(int(text))
    except ValueError as error:
        raise ValueError(f"after {RESETS}, got {text!r} ({error})") from None
    raise ValueError(f"after {RESETS}, got {text!r}{_meant(name)}")


def policy_text(policy: ResetPolicy) -> str:
    """How a reset policy is written after the `@` of a label.

    Raises:
        ValueError: for a policy of one's own, for which there is no text.
    """
    if isinstance(policy, Every):
        return str(policy.n)
    for name, kind in POLICIES.items():
        if type(policy) is kind:
            words = [
                f"{setting.name}={value!r}" for setting, value in _values(policy) if _is_said(policy, setting, value)
            ]
            return ":".join([name, *words])
    raise ValueError(f"{policy!r} has no place in a label; name a rule with it by a label of your own")


def _values(policy: ResetPolicy) -> list[tuple[Field[object], object]]:
    return [(setting, vars(policy)[setting.name]) for setting in _fields(type(policy))]


def _is_said(policy: ResetPolicy, setting: Field[object], value: object) -> bool:
    return isinstance(policy, WhenFar) or value != setting.default  # of `far`, older results say all


def _fields(kind: type[ResetPolicy]) -> tuple[Field[object], ...]:
    return fields(kind)  # pyright: ignore[reportArgumentType] (all in POLICIES are dataclasses)


def _settings(name: str, words: list[str]) -> dict[str, float]:
    """The settings of a policy, as numbers of the type that each takes."""
    known, found = {setting.name: setting for setting in _fields(POLICIES[name])}, dict[str, float]()
    for word in words:
        key, equals, value = word.partition("=")
        if key not in known:
            like = difflib.get_close_matches(key, known, n=1)
            meant = f"; did you mean {like[0]}?" if like else f"; its settings are {', '.join(known) or 'none'}"
            raise ValueError(f"{name} has no setting {shown(key)}{meant}")
        if not equals or key in found:
            raise ValueError(f"give {key} once, as {name}:{key}=value")
        found[key] = _number(key, value, whole=known[key].type is int)
    if lacking := [key for key, setting in known.items() if setting.default is MISSING and key not in found]:
        raise ValueError(f"{name} needs {lacking[0]}; write {name}:{lacking[0]}=value")
    return found


def _number(key: str, value: str, *, whole: bool) -> float:
    try:
        number = int(value) if whole else float(value)
    except ValueError:
        raise ValueError(f"{key} is {shown(value)}, which is no {'whole ' if whole else ''}number") from None
    if not math.isfinite(number):
        raise ValueError(f"{key} must be finite, got {value}")
    return number


def _meant(name: str) -> str:
    like = difflib.get_close_matches(name.lower(), POLICIES, n=1)
    return f"; did you mean @{like[0]}?" if like else ""
