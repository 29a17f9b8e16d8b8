"""Settings are taken as they are written, or refused: nothing twice, nothing unknown, no word for a number or a switch."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from ttt3r.cli.bounds import bound_of
from ttt3r.files import read_yaml

REPEATABLE = ("--grid", "--data")
"""Options that add to what was given before."""


def refuse_repeats(arguments: Sequence[str]) -> None:
    """See that no option is given twice: the last one would win in silence, and jsonargparse cannot refuse it.

    Raises:
        ValueError: names the option and both values.
    """
    given: dict[str, str] = {}
    for position, argument in enumerate(arguments):
        if argument == "--":
            return
        option, equals, value = argument.partition("=")
        if not option.startswith("--") or option in REPEATABLE:
            continue
        if not equals:
            value = next((word for word in arguments[position + 1 : position + 2] if not word.startswith("--")), "")
        if option in given:
            both = f" ({given[option]} and {value})" if value else ""
            raise ValueError(f"{option} is given twice{both}; give it once")
        given[option] = value


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A question after what was meant, to end a message with; empty if nothing is like it."""
    like = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {like[0]}?" if like else ""


def read_settings(path: Path, parser: ArgumentParser) -> dict[str, Any]:
    """The settings in a file by their full names, `jobs.count`, checked against the options of a parser.

    Raises:
        OSError: if there is no such file.
        ValueError: for anything that is not as it should be; names file, setting and cure.
    """
    found = read_yaml(path, "settings")
    if not isinstance(found, dict) or not found:
        raise ValueError(f"{path} must hold settings as lines `name: value`, got {found!r:.80}")
    known = dict(parser.get_defaults().items())
    for name, value in _leaves(found):
        if name == "config" or name not in known:
            names = [key for key in known if key != "config"]
            if any(key.startswith(f"{name}.") for key in names):
                raise ValueError(
                    f"{path}: {name} has settings of its own; write them as lines below it, got {value!r:.80}"
                )
            raise ValueError(
                f"{path}: there is no setting {name!r}{did_you_mean(name, names) or '; there are ' + ', '.join(names)}"
            )
        if problem := _unlike(name, known[name], value):
            raise ValueError(f"{path}: {name} {problem}, got {value!r:.80}")
    return dict(_leaves(found))


def _unlike(name: str, default: object, value: object) -> str:
    """What a value should have been, if it is of another kind than its option takes; else empty."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "is a switch: write true or false, without quotes"
    bound = bound_of(name)
    if bound is not None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return "" if bound.holds(value) else f"must be {bound}"
        return "" if value is None and default is None else f"must be {bound}, without quotes"
    if isinstance(default, list):
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return "" if fits else "is a list of texts: write one a line, each after `- `"
    if isinstance(default, str | Path) or value is not None:
        return "" if isinstance(value, str) else "is a text: write it on one line, numbers in quotes"
    return ""


def _leaves(settings: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its full name, `jobs.count`."""
    for key, value in settings.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value
