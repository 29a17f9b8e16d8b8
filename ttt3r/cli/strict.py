"""Settings are taken as they are written, or refused: nothing twice, nothing unknown, no word for a number or a switch."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from ttt3r.cli.bounds import bound_of
from ttt3r.files import read_text

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
    if not path.is_file():
        raise FileNotFoundError(f"no file of settings at {path}")
    try:
        found = yaml.load(read_text(path), Loader=_OnceLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML file of settings: {_yaml_problem(error)}") from error
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


def _yaml_problem(error: yaml.YAMLError) -> str:
    """What the reader of YAML found, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    return problem if mark is None else f"{problem} (line {mark.line + 1})"


class _OnceLoader(yaml.SafeLoader):
    """Plain YAML, in which a key may stand once."""

    # A date is a text here, such as a folder's name.
    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem=f"{key!r} is no name of a setting", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key} stands there twice; leave one of them out", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
