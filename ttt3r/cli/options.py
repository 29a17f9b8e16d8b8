"""Settings of a command as a frozen dataclass: its fields are the options on the command line, and what the command is given.

    @dataclass(frozen=True, kw_only=True)
    class RunSettings(Settings):
        path: Annotated[tuple[str, ...], Option("images", positional=True)]   # path [path ...]
        stride: Annotated[int, Option("take every n-th frame")] = 1           # --stride STRIDE
        compile: Annotated[bool, Option("compile the network")] = False       # --compile, a switch

A field without a default must be given. A list of texts is an option that may repeat.
"""

from argparse import SUPPRESS, Action
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_args

from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a command takes; the fields of a subclass carry an `Option`, or a `Subcommand`."""


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Option:
    """How a field is given on the command line.

    Args:
        help: what `--help` says of it.
        choices: the values that it may have; any of its type if empty.
        positional: given by its place, without its name.
        metavar: what `--help` calls the value; by default as the field.
    """

    help: str
    choices: tuple[str, ...] = ()
    positional: bool = False
    metavar: str | None = None


@dataclass(frozen=True)
class Subcommand:
    """A field that holds the settings of a command below this one, `None` unless that command is the one that was typed.

    Args:
        help: what the command above says of it.
    """

    help: str


class Help(DefaultHelpFormatter):
    """Help without the types that the names of the values already tell."""

    def _get_help_string(self, action: Action) -> str:
        text = action.help or ""
        if action.required:
            return text + (" (required)" if action.option_strings else "")
        plain = isinstance(action.default, str | int | float | Path) and not isinstance(action.default, bool)
        return text + " (default: %(default)s)" if plain and action.default != SUPPRESS and action.default else text


def add_options(parser: ArgumentParser, kind: type[Settings]) -> None:
    """Give a parser the options, and the commands, that the fields of some settings are.

    A field that holds settings is a group of options: `--jobs.count`.
    """
    below: dict[str, tuple[type[Settings], str]] = {}
    for field in fields(kind):
        wanted, how = get_args(field.type)
        if isinstance(how, Subcommand):
            below[field.name] = (get_args(wanted)[0], how.help)
        elif isinstance(wanted, type) and issubclass(wanted, Settings):
            group = parser.add_argument_group(how.help)
            for inner in fields(wanted):
                _add_option(group.add_argument, inner, f"{field.name}.")
        else:
            _add_option(parser.add_argument, field)
    if below:
        commands = parser.add_subcommands(dest="what", metavar="WHAT")
        for name, (part, about) in below.items():
            inner = ArgumentParser(
                description=part.__doc__, formatter_class=Help, exit_on_error=False, allow_abbrev=False
            )
            commands.add_subcommand(name, inner, help=about)
            add_options(inner, part)


def _add_option(add_argument: Callable[..., object], field: Field[Any], group: str = "") -> None:
    wanted, how = get_args(field.type)
    name = field.name if how.positional else f"--{group}{field.name.replace('_', '-')}"
    add_argument(name, help=how.help, **_how_parsed(field, wanted, how))


def _how_parsed(field: Field[Any], wanted: Any, how: Option) -> Mapping[str, Any]:
    """What `add_argument` takes for a field of this type."""
    required, default = field.default is MISSING, None if field.default is MISSING else field.default
    named: dict[str, Any] = {} if how.metavar is None else {"metavar": how.metavar}
    if wanted == tuple[str, ...]:
        if how.positional:
            return named | {"type": str, "nargs": "+"}
        return named | {"type": str, "action": "append", "default": [*(default or ())]}
    if wanted is bool:
        return {"action": "store_true"}
    named |= {"choices": list(how.choices)} if how.choices else {"type": wanted}
    if not how.positional:
        return named | ({"required": True} if required else {"default": default})
    return named if required else named | {"nargs": "?", "default": default}


def settings_of(kind: type[S], found: Namespace) -> S:
    """The settings that a parser with the options of this class has found."""
    return kind(**{field.name: _value(field.type, found.get(field.name)) for field in fields(kind)})


def _value(annotation: Any, value: object) -> object:
    """What a field holds: lists are tuples, and groups of settings are made."""
    wanted, *how = get_args(annotation) or (annotation,)
    if isinstance(value, list):
        return tuple(value)
    if any(isinstance(one, Subcommand) for one in how):
        wanted = get_args(wanted)[0]
        return (
            settings_of(wanted, value if isinstance(value, Namespace) else Namespace()) if value is not None else None
        )
    return settings_of(wanted, value) if isinstance(value, Namespace) else value
