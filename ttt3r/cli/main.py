"""Entry point: parse, run one command, report an error in one line with its cure."""

import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType

from jsonargparse import ArgumentError, ArgumentParser, Namespace
from rich.console import Console
from rich.markup import escape

import ttt3r.cli.compare as compare
import ttt3r.cli.convert as convert
import ttt3r.cli.data as data
import ttt3r.cli.doctor as doctor
import ttt3r.cli.evaluate as evaluate
import ttt3r.cli.fetch as fetch
import ttt3r.cli.palindrome as palindrome
import ttt3r.cli.reproduce as reproduce
import ttt3r.cli.rules as rules
import ttt3r.cli.run as run
import ttt3r.cli.train as train
import ttt3r.cli.view as view
from ttt3r import __version__
from ttt3r.cli.bounds import as_typed, bound_of, check_numbers
from ttt3r.cli.choosing import with_whole_rule
from ttt3r.cli.compare_settings import CompareSettings
from ttt3r.cli.options import Help, Settings, add_options, settings_of
from ttt3r.cli.strict import did_you_mean, read_settings, refuse_repeats


@dataclass(frozen=True)
class Command:
    """What can stand after `ttt3r`.

    Args:
        module: its docstring is the command's description; `execute(settings, console)` runs it and returns the exit code.
        settings: what it takes.
    """

    module: ModuleType
    settings: type[Settings]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Give a parser the options of the command."""
        add_options(parser, self.settings)

    def run(self, found: Namespace, console: Console) -> int:
        """Run the command with what the parser has found. Returns the exit code."""
        return self.module.execute(settings_of(self.settings, found), console)


COMMANDS = {
    "run": Command(run, run.RunSettings),
    "view": Command(view, view.ViewCommandSettings),
    "compare": Command(compare, CompareSettings),
    "palindrome": Command(palindrome, palindrome.PalindromeSettings),
    "evaluate": Command(evaluate, evaluate.EvaluateSettings),
    "reproduce": Command(reproduce, reproduce.ReproduceSettings),
    "train": Command(train, train.TrainSettings),
    "fetch": Command(fetch, fetch.FetchSettings),
    "convert": Command(convert, convert.ConvertSettings),
    "rules": Command(rules, rules.RulesSettings),
    "data": Command(data, data.DataSettings),
    "doctor": Command(doctor, doctor.DoctorSettings),
}
"""The commands by name."""

FORESEEN = (ValueError, OSError, ImportError, MemoryError)
"""Errors whose message is written for users."""


def build_parser() -> ArgumentParser:
    """The parser of the whole command line; each command adds its own part."""
    return _parser_with({})


def _parser_with(saved: Mapping[str, Path]) -> ArgumentParser:
    """The parser, with the settings in a file as the defaults of a command.

    Args:
        saved: the file, by the name of the command.
    """
    parser = ArgumentParser(
        prog="ttt3r",
        description="Recurrent 3D memory with plug-in state update rules.",
        version=__version__,
        formatter_class=Help,
        exit_on_error=False,
        allow_abbrev=False,
    )
    commands = parser.add_subcommands(dest="command", title="commands", metavar="COMMAND")
    for name, command in COMMANDS.items():
        about = command.module.__doc__ or ""
        part = ArgumentParser(description=about, formatter_class=Help, exit_on_error=False, allow_abbrev=False)
        commands.add_subcommand(name, part, help=next(iter(about.splitlines()), ""))
        command.add_arguments(part)  # after it was added: a command may have commands of its own
        if name in saved:
            part.set_defaults(read_settings(saved[name], part))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 fine, 1 a check failed, 2 a wrong input, 130 interrupted.

    `TTT3R_DEBUG=1` shows the traceback of an error.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    console, errors = Console(), Console(stderr=True)
    try:
        _drop_wrong_backend()
        with _signals_handled(errors):
            settings = read(arguments)
            return COMMANDS[settings.command].run(settings[settings.command], console)
    except ArgumentError as error:
        command = next((argument for argument in arguments if argument in COMMANDS), "")
        text = _in_plain_words(" ".join(str(error).split()), command)
        errors.print(
            f"[red]ttt3r: error:[/] {escape(text)} (see ttt3r {command + ' ' * bool(command)}--help)",
            highlight=False,
            soft_wrap=True,
        )
        return 2
    except KeyboardInterrupt:
        errors.print(
            "[yellow]interrupted[/]; what was done is kept (ttt3r run goes on with --resume, evaluate and train by themselves)",
            soft_wrap=True,
        )
        return 130
    except Exception as error:
        if os.environ.get("TTT3R_DEBUG") == "1":
            raise
        errors.print(f"[red]ttt3r: error:[/] {escape(_one_line(error))}", highlight=False, soft_wrap=True)
        return 2


def read(arguments: Sequence[str]) -> Namespace:
    """The settings of one command, each given once and each number in its range.

    What is not given on the command line is taken from the file of `--config`, wherever that stands.

    Raises:
        ArgumentError: for words that are no settings.
        OSError: for a file of settings that is not there.
        ValueError: for a setting given twice, or out of its range.
    """
    refuse_repeats(arguments)
    words = with_whole_rule(arguments)
    settings = build_parser().parse_args(words)
    if settings.command is None:
        return settings
    if (file := settings[settings.command].get("config")) is not None:
        settings = _parser_with({settings.command: file}).parse_args(words)
    check_numbers(dict(settings[settings.command].items()))
    return settings


def _options(command: str) -> list[str]:
    """The options of a command as they are typed."""
    if command not in COMMANDS:
        return []
    part = ArgumentParser(exit_on_error=False)
    COMMANDS[command].add_arguments(part)
    return ["--" + name.replace("_", "-") for name in dict(part.get_defaults().items())]


def _in_plain_words(text: str, command: str) -> str:
    """An error of the parser as a user would say it: options as they are typed, and what may have been meant."""
    if "required" in text:
        return text.replace(f" {command}.", " --")
    text = text.replace(f" {command}.", " ")
    if unknown := re.search(r"unrecognized arguments: (--[\w.-]+)", text):
        return text + did_you_mean(unknown[1], _options(command))
    wrong = re.match(
        r'Parser key "([\w.]+)": .*?(?:Given value: |invalid literal for int\(\) .*: |Got value: )(.*)', text
    )
    bound = bound_of(wrong[1]) if wrong else None
    return f"{as_typed(wrong[1])} must be {bound}, got {wrong[2]}" if wrong and bound else text


def _drop_wrong_backend() -> None:
    """Pictures are drawn without a window, so a backend that matplotlib does not know is no reason to fail."""
    if "MPLBACKEND" not in os.environ or "matplotlib" in sys.modules:
        return
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    except ValueError:
        del os.environ["MPLBACKEND"]
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]  # half of it was imported


def _stop_signals() -> list[signal.Signals]:
    return [number for number in signal.Signals if number.name in ("SIGTERM", "SIGHUP")]  # Windows has no SIGHUP


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """End like Ctrl-C; the signal that comes with or after this one does not stop the writing of what was done."""
    for other in _stop_signals():
        signal.signal(other, signal.SIG_IGN)
    signal.default_int_handler(number, frame)


@contextmanager
def _signals_handled(errors: Console) -> Iterator[None]:
    """Print warnings in one line, and let SIGTERM and SIGHUP end like Ctrl-C: what was done is written.

    A cluster sends SIGTERM at its time limit; a lost connection or a closed terminal sends SIGHUP. Under `nohup`, which has
    SIGHUP ignored, it stays ignored.
    """
    here = threading.current_thread() is threading.main_thread()  # only there may handlers be set
    found = {number: signal.getsignal(number) for number in _stop_signals()}
    before = {number: handler for number, handler in found.items() if handler != signal.SIG_IGN}
    for number in before if here else ():
        signal.signal(number, _interrupt_once)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: errors.print(
                f"[yellow]warning:[/] {escape(' '.join(str(message).split()))}", highlight=False, soft_wrap=True
            )
            yield
    finally:
        for number, handler in before.items() if here else ():
            signal.signal(number, handler)


def _one_line(error: Exception) -> str:
    """What happened; for an error that nobody foresaw (a mistake in a user's rule, say) also where."""
    text = " ".join(str(error).split())
    place = traceback.extract_tb(error.__traceback__)[-1]
    ours = Path(place.filename).is_relative_to(Path(__file__).parent.parent)
    if isinstance(error, FORESEEN) or (isinstance(error, TypeError) and ours):
        return text
    return (
        f"{type(error).__name__}: {text or 'no message'} ({Path(place.filename).name}, line {place.lineno}); "
        "TTT3R_DEBUG=1 shows how it came about"
    )


if __name__ == "__main__":
    sys.exit(main())
