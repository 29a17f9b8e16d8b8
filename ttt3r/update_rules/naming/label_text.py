"""What stands where in a rule's label: quotes, parentheses, and what separates rules, settings and values.

A value is plain text up to what separates, or stands in quotes as in YAML: within '...' everything is as it is and '' is one ',
within "..." as in JSON. A value in parentheses is a label, or several with commas between.
"""

import json
import re

NOTHING = "null"
"""How a setting without a value (Python's None) is written; in quotes it is text."""

_AFTER = (",", ":", "@", ")", "+")  # what may follow a value in quotes or parentheses
_SETTING = re.compile(r":(?=[A-Za-z_][\w.]*=)")
_RULE = re.compile(r"\s*(?:(?:control|token mean) of )?[^\W\d][\w.-]*\s*(?:[:@,+)]|$)")
_CURE = "put a value that holds such signs in quotes: weights='runs/a,b (1).safetensors', with '' for a ' in it"


def masked(text: str) -> str:
    """The text with every sign in quotes or parentheses as NUL, so that what is left in it does separate.

    Raises:
        ValueError: for a quote or a parenthesis that is not closed.
    """
    found, position, before = [], 0, ""
    while position < len(text):
        opens = (text[position] in "'\"" and before in ("=", ",", "")) or (text[position] == "(" and before == "=")
        end = _end(text, position) if opens else position + 1
        found.append("\0" * (end - position) if opens else text[position])
        before = text[position] if text[position].strip() else before
        position = end
    return "".join(found)


def _end(text: str, start: int) -> int:
    """One past the quote or parenthesis that closes the one at `start`."""
    if text[start] == "(":
        end, depth = start + 1, 1
        while depth and end < len(text):
            if text[end] in "'\"" and text[end - 1] in "=,(":
                end = _end(text, end)
                continue
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        closed = depth == 0
    else:
        pattern = r"'(?:[^']|'')*'" if text[start] == "'" else r'"(?:[^"\\]|\\.)*"'
        match = re.compile(pattern, re.DOTALL).match(text, start)
        closed, end = match is not None, match.end() if match else len(text)
    if not closed:
        raise ValueError(f"{text!r}: the {text[start]} before {text[start + 1 : start + 20]!r} is not closed; {_CURE}")
    if text[end : end + 1].strip() and text[end] not in _AFTER:
        raise ValueError(f"{text!r}: after {text[start:end]} stands {text[end : end + 20]!r}; {_CURE}")
    return end


def rules_in(text: str) -> list[str]:
    """The labels of a list with commas between. A comma after which no rule can begin belongs to the value before it."""
    found: list[str] = []
    commas = ""
    for part in _split(text, re.compile(",")):
        commas += ","
        if not part.strip():
            continue
        if found and "=" in found[-1] and not _RULE.match(part) and not re.match(r"\s*[A-Za-z_][\w.]*=", part):
            found[-1] += commas + part
        else:
            found.append(part)
        commas = ""
    return [part.strip() for part in found]


def values_in(text: str) -> list[str]:
    """The values of a list with commas between, as they are written."""
    return [part.strip() for part in _split(text, re.compile(",")) if part.strip()]


def settings_in(text: str) -> list[str]:
    """Name of the rule and its settings, `setting=value` each: a colon separates where such a one follows.

    Only the first colon always does, so that a mistake behind the name is seen.
    """
    name, colon, rest = text.partition(":")
    return [name, *_split(rest, _SETTING)] if colon else [name]


def _split(text: str, separator: re.Pattern[str]) -> list[str]:
    mask, parts, start = masked(text), [], 0
    for match in separator.finditer(mask):
        parts.append(text[start : match.start()])
        start = match.end()
    return [*parts, text[start:]]


def is_group(value: str) -> bool:
    """Whether a value, as it is written, is one of rules in parentheses."""
    return value.startswith("(")


def unquoted(value: str) -> str | None:
    """What a value that is no group means; `None` for `null`.

    Raises:
        ValueError: for double quotes around what is no text of JSON.
    """
    if value.startswith("'"):
        return value[1:-1].replace("''", "'")
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except ValueError:
            raise ValueError(f"{value} is no text as JSON has it; put it in single quotes") from None
    return None if value == NOTHING else value


def quoted(value: str | None, within: bool = False) -> str:
    """How a value is written: in quotes where it would be read as something else.

    Args:
        value: `None` for no value.
        within: whether the label stands in parentheses.

    Examples:
        >>> quoted("runs/gate.safetensors"), quoted("a,b"), quoted("null"), quoted(None)
        ('runs/gate.safetensors', "'a,b'", "'null'", 'null')
    """
    if value is None:
        return NOTHING
    if not value.isprintable():
        return json.dumps(value)
    # Also what no parser here needs: a label that is the same wherever it stands is easier to find again.
    odd = (
        value in ("", NOTHING)
        or value != value.strip()
        or value[0] in "'\"("
        or re.search(r"[,:@]|\+(reset=|pose)", value)
    )
    return "'" + value.replace("'", "''") + "'" if odd or (within and re.search(r"[()]", value)) else value
