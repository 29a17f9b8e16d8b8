"""The door: parse, run one command, turn errors into one line with the cure."""

import os
import signal
import sys
import warnings
from collections.abc import Sequence

from jsonargparse import ArgumentParser
from rich.console import Console
from rich.markup import escape

from ttt3r import __version__
from ttt3r.cli import compare, convert, data, doctor, rules, run
from ttt3r.cli.choosing import with_rule_classes

COMMANDS = {
    "run": run,
    "compare": compare,
    "convert": convert,
    "rules": rules,
    "data": data,
    "doctor": doctor,
}


def build_parser() -> ArgumentParser:
    """The parser of the whole command line; each command adds its own part."""
    parser = ArgumentParser(
        prog="ttt3r",
        description="Recurrent 3D memory with plug-in state update rules.",
        version=__version__,
    )
    commands = parser.add_subcommands(dest="command", title="commands", metavar="COMMAND")
    for name, command in COMMANDS.items():
        part = ArgumentParser(description=command.__doc__)
        commands.add_subcommand(name, part, help=(command.__doc__ or "").splitlines()[0])
        command.add_arguments(part)  # after it was added: a command may have commands of its own
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 fine, 1 a check failed, 2 a wrong input, 130 interrupted.

    `TTT3R_DEBUG=1` shows the traceback of an error.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    console, errors = Console(), Console(stderr=True)
    warnings.showwarning = lambda message, *_: errors.print(
        f"[yellow]warning:[/] {escape(str(message))}", highlight=False
    )
    # A polite kill (a cluster's time limit) ends like Ctrl-C: what was done is written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        parser = build_parser()
        settings = parser.instantiate(parser.parse_args(with_rule_classes(arguments)))
        return COMMANDS[settings.command].execute(settings[settings.command], console)
    except KeyboardInterrupt:
        errors.print("[yellow]interrupted[/]; what was done is kept (ttt3r run ... --resume goes on)")
        return 130
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        if os.environ.get("TTT3R_DEBUG") == "1":
            raise
        errors.print(f"[red]ttt3r: error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return 2


if __name__ == "__main__":
    sys.exit(main())
