"""The page on other systems has a place for each, and what it names is there: files, links, rules, commands, settings."""

import re
import shlex
from pathlib import Path

import pytest

from ttt3r.cli.choosing import parse_rules
from ttt3r.cli.main import read
from ttt3r.update_rules import RULES

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/systems.md"
TEXT = PAGE.read_text(encoding="utf-8")
SYSTEMS = (
    *("TTT3R", "CUT3R", "LONG3R", "EA3D", "LongSplat", "PointRecon", "Test-time prompt tuning for depth", "ReSplat"),
    *("Online adaptation of meshes; online adaptation for tracking and shape", "Human3R", "GSIR", "MUT3R"),
    *("Explicit working memory", "Attention-driven memory (tracking)", "OnlineTAS", "CAME"),
    *("Feedback self-adaptive attention", "Adaptive loss weighting", "Attention-enabled memory (adaptive control)"),
)
COMMANDS = re.findall(r"(?:^\$ |`)(ttt3r [^`\n]+)", TEXT, flags=re.MULTILINE)


def test_every_system_has_one_place():
    sections = re.findall(r"^### (.+)$", TEXT, flags=re.MULTILINE)
    titles = TEXT.partition("## Known by title: adaptation\n")[2]
    rows = re.findall(r"^\| (?!System \|)([^|]+) \| ", titles, flags=re.MULTILINE)
    places = sections + [row.strip() for row in rows]
    assert sorted(", ".join(places).split(", ")) == sorted(SYSTEMS)


def test_every_file_that_it_names_is_there():
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)#][^)]*)\)", TEXT) if "://" not in link]
    assert [link for link in links if not (PAGE.parent / link).is_file()] == []
    paths = re.findall(r"(?<![\w/.])(?:ttt3r|docs|benchmarks|tests|tutorials)/[\w/.-]+", TEXT)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_rule_that_it_names_is_one():
    named = re.findall(r"\[`(\w+)`\]\(([^)]+)\)", TEXT)
    assert {Path(link).stem for _, link in named} == {name for name, _ in named}
    assert {name for name, _ in named} <= set(RULES)
    for word in re.findall(r"`(\w+@\d+|learned_\w+)`", TEXT):
        assert parse_rules(word)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_understood(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = read(shlex.split(line)[1:])
    given = settings[settings.command].get("rules")
    assert given is None or parse_rules(given)


def test_the_page_is_found():
    for page in ("docs/index.md", "docs/coming-from.md"):
        assert "(systems.md)" in (ROOT / page).read_text(encoding="utf-8"), page
    assert "(../systems.md)" in (ROOT / "docs/rules/index.md").read_text(encoding="utf-8")
    assert ": systems.md\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
