"""The documentation speaks of everything that is public, and its examples are Python that runs."""

import ast
import re
import textwrap
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT / "docs").as_posix())


def blocks(page: Path) -> list[str]:
    """The Python examples of a page; a source file that is shown whole is none."""
    found = re.findall(r"^( *)```python[^\n]*\n(.*?)^ *```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(code) for _, code in found if "--8<--" not in code]


def test_every_public_module_has_a_page():
    shown = set(re.findall(r"^::: (ttt3r\.\w+)", "\n".join(page.read_text() for page in PAGES), flags=re.MULTILINE))
    lines = (ROOT / "tests" / "public_names.txt").read_text().split()
    modules = {line.rpartition(".")[0] for line in lines} - {"ttt3r"}
    assert modules <= shown, f"no page in docs/api for {sorted(modules - shown)}"


@every_page
def test_examples_are_python(page):
    for code in blocks(page):
        ast.parse(code)


@every_page
def test_links_need_no_drawing_from_elsewhere(page):
    assert not re.search(r"!\[[^]]*\]\(https?:|<(script|img|iframe|link)[^>]+https?:", page.read_text())


def test_the_example_of_an_own_rule_is_a_rule(tmp_path):
    from ttt3r.update_rules.base import GatedUpdateRule

    file = tmp_path / "my_lab.py"
    file.write_text(blocks(ROOT / "docs" / "how-to" / "own-rule.md")[0])
    spec = spec_from_file_location("my_lab", file)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module := module_from_spec(spec))
    assert GatedUpdateRule in module.Patient.__mro__
    assert module.Patient(scale=0.3) == module.Patient(scale=0.3) != module.Patient()
