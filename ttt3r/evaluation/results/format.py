"""One result as JSON text and back. What is read may be damaged in any way: all of it is checked, and refused by one error."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ttt3r.evaluation.measures.metric import MOST_DIGITS, Family, Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.results.rows import Origin, ResultRow, UnitResult
from ttt3r.update_rules.naming.labels import label_now

FORMAT = 2
"""Format 1 had no origin; it is still read. Files of older releases do not say how their numbers are read (`metrics`)."""


class BrokenResult(ValueError):  # noqa: N818 (a noun of the domain)
    """A result file that cannot be used."""


@dataclass(frozen=True)
class Content:
    """A result file.

    Args:
        key: of the unit.
        together: file names, without ending, of the units that ran in one pass; of format 1 the unit alone is known.
        result: with the name of its arrays as it stands in the file.
    """

    key: str
    together: tuple[str, ...]
    result: UnitResult


def text_of(content: Content) -> str:
    """The text of a file."""
    result = content.result
    rows = [{**asdict(row), "value": _number(row.value), "status": row.status.value} for row in result.rows]
    stored = {
        "format": FORMAT,
        "key": content.key,
        "pass": list(content.together),
        "rows": rows,
        "settings": dict(result.settings),
        "costs": {name: _number(value) for name, value in result.costs.items()},
        "arrays": result.arrays,
        "origin": asdict(result.origin),
        "metrics": [{**asdict(metric), "family": metric.family.value} for metric in result.metrics],
    }
    return json.dumps(stored, indent=1) + "\n"


def parse(text: str) -> Content:
    """The content of a file.

    Raises:
        BrokenResult: if it is no result, or not whole.
        ValueError: if it is no JSON.
        RecursionError: if it is nested without end.
    """
    stored = json.loads(text)
    if not isinstance(stored, dict) or stored.get("format") not in (1, FORMAT):
        raise BrokenResult(f"it is no result of format 1 or {FORMAT}")
    settings = {name: _word(value, f"settings.{name}") for name, value in _mapping(stored, "settings").items()}
    costs = {name: _float(value, f"costs.{name}") for name, value in _mapping(stored, "costs").items()}
    rows = tuple(_row(row) for row in _list(stored, "rows"))
    if not rows:
        raise BrokenResult("it has no rows")
    arrays = _word(stored.get("arrays"), "arrays")
    if arrays != arrays.replace("\\", "/").rpartition("/")[2] or "\0" in arrays or arrays in (".", ".."):
        raise BrokenResult(f"arrays is {arrays!r} and must be the name of a file beside it")
    together = tuple(_word(name, "pass") for name in _list(stored, "pass")) if stored["format"] == FORMAT else ()
    if any("/" in name or "\0" in name for name in together):
        raise BrokenResult("pass must hold names of files beside it")
    origin = _origin(_mapping(stored, "origin")) if stored["format"] == FORMAT else _origin_of_format_1(settings)
    metrics = _metrics(_list(stored, "metrics")) if "metrics" in stored else ()
    return Content(
        _word(stored.get("key"), "key"), together, UnitResult(rows, settings, costs, arrays, origin, metrics)
    )


def _row(stored: Any) -> ResultRow:
    if not isinstance(stored, dict) or set(stored) != {field.name for field in fields(ResultRow)}:
        raise BrokenResult("a row does not have the fields of the rows of this version")
    words = {name: value for name, value in stored.items() if name not in ("value", "status", "length", "frames")}
    for name, value in words.items():
        _word(value, f"rows.{name}")
    for name in ("length", "frames"):
        if not isinstance(stored[name], int) or isinstance(stored[name], bool) or not 0 <= stored[name] < 2**53:
            raise BrokenResult(f"rows.{name} is {stored[name]!r}, expected a number of frames")
    try:
        status = Status(stored["status"])
    except ValueError as error:
        raise BrokenResult(f"a row does not have the rows of this version ({error})") from error
    labels = {name: label_now(stored[name]) for name in ("rule", "control_of")}
    return ResultRow(**{**stored, **labels, "value": _float(stored["value"], "rows.value"), "status": status})


def _metrics(stored: list[Any]) -> tuple[Metric, ...]:
    made = tuple(map(_metric, stored))
    if len({metric.name for metric in made}) < len(made):
        raise BrokenResult("metrics declares one name twice")
    return made


def _metric(stored: Any) -> Metric:
    if not isinstance(stored, dict) or set(stored) != {field.name for field in fields(Metric)}:
        raise BrokenResult("a metric does not have the fields of this version")
    for name in ("name", "heading", "unit", "family", "quantity", "published"):
        _word(stored[name], f"metrics.{name}")
    for name in ("ratio", "official", "peak"):
        if not isinstance(stored[name], bool):
            raise BrokenResult(f"metrics.{name} is {str(stored[name])[:40]!r}, expected true or false")
    if not isinstance(stored["higher_is_better"], bool | None):
        raise BrokenResult(
            f"metrics.higher_is_better is {str(stored['higher_is_better'])[:40]!r}, expected true, false or null"
        )
    digits = stored["digits"]
    if not isinstance(digits, int) or isinstance(digits, bool) or not 0 <= digits <= MOST_DIGITS:
        raise BrokenResult(f"metrics.digits is {str(digits)[:40]!r}, expected 0 to {MOST_DIGITS}")
    try:
        return Metric(**{**stored, "family": Family(stored["family"])})
    except ValueError as error:
        raise BrokenResult(f"a metric is of no family of this version ({error})") from error


def _origin(stored: Mapping[str, Any]) -> Origin:
    if set(stored) != {field.name for field in fields(Origin)}:
        raise BrokenResult("origin does not have the fields of this version")
    words = {name: _word(value, f"origin.{name}") for name, value in stored.items() if name != "made"}
    made = _float(stored["made"], "origin.made")
    if not 0 <= made < math.inf:
        raise BrokenResult(f"origin.made is {made}, expected seconds since 1970")
    return Origin(made=made, **words)


def _origin_of_format_1(settings: Mapping[str, str]) -> Origin:
    """What a result of the older format says: its data are not known."""
    rule = f"{settings.get('rule', '')} {settings.get('reset', '')}"
    return Origin(network=settings.get("network", ""), code=f"ttt3r {settings.get('ttt3r', '')}", rule=rule)


def _mapping(stored: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if not isinstance(stored.get(name), dict):
        raise BrokenResult(f"{name} is missing or no object")
    return stored[name]


def _list(stored: Mapping[str, Any], name: str) -> list[Any]:
    if not isinstance(stored.get(name), list):
        raise BrokenResult(f"{name} is missing or no list")
    return stored[name]


def _word(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise BrokenResult(f"{name} is {str(value)[:40]!r}, expected text")
    return value


def _float(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BrokenResult(f"{name} is {str(value)[:40]!r}, expected a number")
    if isinstance(value, str) and value not in ("nan", "inf", "-inf"):
        raise BrokenResult(f"{name} is {value[:40]!r}, expected a number, 'nan', 'inf' or '-inf'")
    try:
        return float(value)
    except OverflowError as error:
        raise BrokenResult(f"{name} is larger than any number that can be held") from error


def _number(value: float) -> float | str:
    """JSON has no NaN and no infinity; these become text."""
    return value if math.isfinite(value) else repr(value)
