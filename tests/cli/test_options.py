"""Fields of a dataclass are the options of a command, and what it is given."""

import typing
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from jsonargparse import ArgumentError, ArgumentParser

from ttt3r.cli.main import COMMANDS, read
from ttt3r.cli.options import Option, Settings, Subcommand, add_options, settings_of


@dataclass(frozen=True, kw_only=True)
class Inner(Settings):
    """One of two."""

    folder: Annotated[Path, Option("where", positional=True)]


@dataclass(frozen=True, kw_only=True)
class Outer(Settings):
    """Two commands."""

    one: Annotated[Inner | None, Subcommand("one of two")] = None
    two: Annotated[Inner | None, Subcommand("two of two")] = None


@dataclass(frozen=True, kw_only=True)
class Some(Settings):
    """Fields of every kind."""

    paths: Annotated[tuple[str, ...], Option("several", positional=True)]
    out: Annotated[Path, Option("a folder")]
    count: Annotated[int | None, Option("how many")] = None
    words: Annotated[tuple[str, ...], Option("may repeat")] = ()
    kind: Annotated[str, Option("of which kind", choices=("a", "b"))] = "a"
    is_on: Annotated[bool, Option("a switch")] = False


def parsed(kind, line):
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    add_options(parser, kind)
    return settings_of(kind, parser.parse_args(line.split()))


def test_every_kind_of_field_is_read():
    assert parsed(Some, "x --out o") == Some(paths=("x",), out=Path("o"))
    line = "x y --out o --count 3 --words 1,2 --words=[3] --kind b --is-on"
    expected = Some(paths=("x", "y"), out=Path("o"), count=3, words=("1,2", "[3]"), kind="b", is_on=True)
    assert parsed(Some, line) == expected
    with pytest.raises(FrozenInstanceError):
        expected.count = 4  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("line", ["--out o", "x", "x --out o --kind c", "x --out o --count y", "x --out o --word z"])
def test_what_is_missing_or_no_such_value_is_refused(line):
    with pytest.raises(ArgumentError):
        parsed(Some, line)


@dataclass(frozen=True, kw_only=True)
class Part(Settings):
    """A group of options."""

    most_files: Annotated[int, Option("how many")] = 1
    fast: Annotated[bool, Option("a switch")] = False


@dataclass(frozen=True, kw_only=True)
class Grouped(Settings):
    """A field of settings."""

    some: Annotated[Part, Option("a group")] = Part()


def test_a_field_of_settings_is_a_group_of_options_and_no_option_itself():
    assert parsed(Grouped, "") == Grouped()
    assert parsed(Grouped, "--some.most-files 3 --some.fast") == Grouped(some=Part(most_files=3, fast=True))
    with pytest.raises(ArgumentError):
        parsed(Grouped, "--some file.yaml")


def test_a_command_below_is_the_one_that_was_typed():
    assert parsed(Outer, "two here") == Outer(two=Inner(folder=Path("here")))


def test_the_settings_of_every_command_are_what_it_takes():
    for name, command in COMMANDS.items():
        taken = typing.get_type_hints(command.module.execute)["settings"]
        assert taken is command.settings, name


def test_repeated_options_add_to_those_of_the_file_wherever_it_stands(here):
    (here / "settings.yaml").write_text("grid: [reset=2]\nrules: frozen\nroot: somewhere\n")
    for line in ("--config settings.yaml --grid reset=3", "--grid reset=3 --config settings.yaml"):
        command = COMMANDS["evaluate"]
        found: Any = settings_of(command.settings, read(["evaluate", *line.split()]).evaluate)
        assert (found.grid, found.rules, found.root) == (("reset=2", "reset=3"), "frozen", Path("somewhere"))


@pytest.mark.parametrize("line", ["compare worlds --rules a --lengt 4", "data demo out --frame 3", "evaluate --prot x"])
def test_an_option_is_written_in_full(line):
    with pytest.raises(ArgumentError):
        read(line.split())
