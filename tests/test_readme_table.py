"""The README's table of rules is what its command and `make demo` write."""

import re
import shlex
from pathlib import Path

from ttt3r.cli.main import build_parser
from ttt3r.evaluation.worlds.study import WorldPlan

ROOT = Path(__file__).parent.parent
SAVED = ROOT / "docs" / "numbers" / "demo.md"


def arguments(command):
    """What the arguments of a command decide, without where the results go."""
    words = [word for word in shlex.split(command) if word != "ttt3r"]
    settings = build_parser().parse_args(words).compare
    named = settings.network, settings.rules, settings.worlds, settings.world, settings.speed, settings.controls
    lengths = settings.lengths or ",".join(map(str, WorldPlan.lengths))
    return settings.path, *map(str, named), lengths


def saved_command():
    return re.fullmatch(r"<!-- (ttt3r compare worlds .*) -->", SAVED.read_text().splitlines()[0])[1]


def test_the_readme_shows_the_saved_table():
    lines = SAVED.read_text().splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 7 + 2  # heads; rules; what knows nothing
    assert "\n".join(table) in (ROOT / "README.md").read_text()


def test_the_saved_table_comes_from_the_commands_of_readme_and_makefile():
    found = re.search(r"ttt3r compare worlds .*", (ROOT / "README.md").read_text())
    makefile = (ROOT / "Makefile").read_text()
    line = re.search(r"\$\(BIN\)/(ttt3r compare worlds .*)", makefile)[1]
    for name, value in re.findall(r"^([A-Z_]+) \??:?= (.*)$", makefile, re.MULTILINE):
        line = line.replace(f"$({name})", value)
    assert arguments(found[0]) == arguments(line) == arguments(saved_command())
