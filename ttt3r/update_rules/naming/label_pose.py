"""The part of a rule's label that says how its pose memory is held back: `+pose`, or `+pose=` and a rate."""

import math
import re

from ttt3r.update_rules.naming.label_text import masked, unquoted

_POSE = re.compile(r"\+pose(=[^/\\+]*)?$")  # in text whose quotes are masked
POSES = "after + stands pose, behind the settings and before @: ttt3r+pose, constant:rate=0.3+pose, ttt3r+pose=0.5@8"
"""What is said of anything else after a plus sign."""


def without_pose(text: str) -> tuple[str, str | None]:
    """A label without `+pose` at its end, and the rate that it gives: "" for the mean gain, `None` without `+pose`.

    Raises:
        ValueError: for a rate that is no number.
    """
    found = _POSE.search(masked(text))
    if found is None:
        return text, None
    rate = text[found.start() :].removeprefix("+pose")
    value = unquoted(rate.removeprefix("=").strip())
    if rate and value is not None and not is_rate(value):
        raise ValueError(f"{text!r}: {POSES}; the rate is a number from 0 to 1, got {value!r}")
    return text[: found.start()], value or ""


def is_rate(value: str) -> bool:
    """Whether a text is a plain number."""
    try:
        return math.isfinite(float(value)) and re.fullmatch(r"[\d.eE+-]+", value) is not None
    except ValueError:
        return False
