"""List the update rules, show one, or check your own against the laws."""

import importlib.metadata
import inspect
from dataclasses import fields, is_dataclass
from typing import Any

from jsonargparse import ArgumentParser
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttt3r.update_rules import RULES, BrokenLaw, StateUpdateRule, check_rule, find_rule


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `ttt3r rules`."""
    parser.add_argument("action", nargs="?", choices=["list", "show", "check"], default="list", help="what to do")
    parser.add_argument("name", nargs="?", type=str | None, default=None, help="of a rule, or my_lab.MyRule")
    parser.add_argument("--verbose", action="store_true", help="list settings and needs too")


def execute(settings: Any, console: Console) -> int:
    """Run `ttt3r rules`."""
    if settings.action == "list":
        console.print(_table(settings.verbose))
        return 0
    if settings.name is None:
        raise ValueError(f"`ttt3r rules {settings.action}` needs the name of a rule, e.g. ttt3r")
    rule = find_rule(settings.name)
    if settings.action == "show":
        _show(rule, console)
        return 0
    return _check(rule, console)


def _table(verbose: bool) -> Table:
    table = Table(title="State update rules", box=SIMPLE_HEAD)
    for heading in ("name", "equation", "reference", *(["settings", "needs"] if verbose else [])):
        table.add_column(heading, overflow="fold")
    for name, rule in RULES.items():
        more = [_settings(rule), str(rule().needs)] if verbose else []
        table.add_row(name, rule.equation, rule.reference, *more)
    for point in importlib.metadata.entry_points(group="ttt3r.rules"):
        table.add_row(point.name, "(plug-in)", point.value, *(["", ""] if verbose else []))
    return table


def _settings(rule: type[StateUpdateRule]) -> str:
    return ", ".join(f"{f.name}={f.default}" for f in fields(rule)) if is_dataclass(rule) else ""


def _show(rule: type[StateUpdateRule], console: Console) -> None:
    console.print(f"[bold]{rule.__module__}.{rule.__qualname__}[/]\n", highlight=False)
    console.print(inspect.getdoc(rule) or "(no documentation)", highlight=False, markup=False)
    console.print(f"\nsettings: {_settings(rule) or 'none'}\nsource: {inspect.getsourcefile(rule)}", highlight=False)


def _check(rule: type[StateUpdateRule], console: Console) -> int:
    try:
        report = check_rule(rule)
    except BrokenLaw as error:
        console.print(f"[red]{rule.__name__} breaks laws[/]\n{escape(str(error))}", highlight=False)
        return 1
    console.print(f"[green]{rule.__name__} keeps every law[/]\n{escape(str(report))}", highlight=False)
    return 0
