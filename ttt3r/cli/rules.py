"""List the update rules, show one, or check your own against the laws."""

import importlib.metadata
import inspect
import textwrap
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from rich.console import Console
from rich.markup import escape

from ttt3r.cli.listing import show_list
from ttt3r.cli.options import Option, Settings
from ttt3r.update_rules import RULES, BrokenLaw, StateUpdateRule, check_rule, find_rule
from ttt3r.update_rules.facts import FULL_SIZE, rule_facts


@dataclass(frozen=True, kw_only=True)
class RulesSettings(Settings):
    """What `ttt3r rules` takes."""

    action: Annotated[str, Option("what to do", choices=("list", "show", "check"), positional=True)] = "list"
    name: Annotated[str | None, Option("of a rule, or my_lab.MyRule", positional=True)] = None
    verbose: Annotated[bool, Option("list what each rule needs, carries and costs too")] = False


def execute(settings: RulesSettings, console: Console) -> int:
    """Run `ttt3r rules`."""
    if settings.action == "list":
        show_list(console, _listing(settings.verbose), apart=True)
        return 0
    if settings.name is None:
        raise ValueError(f"`ttt3r rules {settings.action}` needs the name of a rule, e.g. ttt3r")
    rule = find_rule(settings.name)
    if settings.action == "show":
        _show(rule, console)
        return 0
    return _check(rule, console)


def _listing(verbose: bool) -> Iterator[tuple[str, str]]:
    """Every rule with its equation and reference, and every plug-in."""
    for name, rule in RULES.items():
        yield name, "\n".join([rule.equation, rule.reference, *(_facts(rule) if verbose else [])])
    for point in importlib.metadata.entry_points(group="ttt3r.rules"):
        yield point.name, f"plug-in: {point.value}"


def _facts(kind: type[StateUpdateRule]) -> list[str]:
    """What the rule needs, carries and costs; sizes are those of the official network's memory."""
    facts = rule_facts(kind())
    needs = str(facts.needs).removeprefix("Needs.").lower().replace("|", ", ").replace("_", " ")
    carried = [f"{_bytes(facts.carried)} a sequence"] if facts.carried else []
    carried += [f"{facts.weights:,} learned weights"] if facts.weights else []
    size = f" ({FULL_SIZE} tokens of width {FULL_SIZE})" if carried else ""
    return [
        f"settings: {', '.join(facts.settings) or 'none'}",
        f"needs: {needs}",
        f"carries: {', '.join(carried) or 'nothing'}{size}",
        f"costs: {facts.cost}",
    ]


def _bytes(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024**2 else f"{count / 1024**2:.2f} MiB"


def _show(rule: type[StateUpdateRule], console: Console) -> None:
    console.print(f"[bold]{rule.__module__}.{rule.__qualname__}[/]\n", highlight=False)
    for text in (inspect.getdoc(rule) or "(no documentation)").split("\n\n"):
        console.print(_filled(text, console.width), highlight=False, markup=False, soft_wrap=True)
        console.print()
    console.print("\n".join(_about(rule)), highlight=False, markup=False, soft_wrap=True)
    console.print(f"source: {inspect.getsourcefile(rule)}", highlight=False, markup=False, soft_wrap=True)


def _about(kind: type[StateUpdateRule]) -> list[str]:
    """Equation, reference and the facts, as far as the rule has them and can be made without arguments."""
    lines = [f"{name}: {text}" for name, text in (("equation", kind.equation), ("reference", kind.reference)) if text]
    try:
        return [*lines, *_facts(kind)]
    except Exception as error:  # a rule of one's own that is not finished; `check` tells more
        return [*lines, f"needs, size and cost are not known: {type(error).__name__}: {error}"]


def _filled(text: str, width: int) -> str:
    """A paragraph of a docstring in lines that fit; prose is filled, indented lines (equations, examples) keep theirs."""
    if not any(line.startswith(" ") for line in text.splitlines()):
        return textwrap.fill(" ".join(text.split()), width, break_long_words=False)
    lines = []
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        lines += textwrap.wrap(
            line, width, subsequent_indent=indent + "    ", drop_whitespace=True, break_long_words=False
        ) or [""]
    return "\n".join(lines)


def _check(rule: type[StateUpdateRule], console: Console) -> int:
    try:
        report = check_rule(rule)
    except BrokenLaw as error:
        console.print(f"[red]{rule.__name__} breaks laws[/]", highlight=False)
        console.print(str(error), highlight=False, markup=False, soft_wrap=True)
        if error.__cause__ is not None:
            place = traceback.extract_tb(error.__cause__.__traceback__)[-1]
            where = f"  the error is from {place.filename}, line {place.lineno}"
            console.print(where, highlight=False, markup=False, soft_wrap=True)
        return 1
    console.print(f"[green]{escape(report.rule)} keeps all {len(report.laws)} laws[/]\n", highlight=False)
    show_list(console, ((law.replace("_", " "), meaning) for law, meaning in report.laws))
    return 0
