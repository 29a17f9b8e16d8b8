"""Equations of the documentation, from LaTeX to MathML."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("latex2mathml")
pytest.importorskip("mkdocs")
pytestmark = pytest.mark.docs
HOOK = Path(__file__).resolve().parent.parent / "docs" / "hooks" / "mathematics.py"


@pytest.fixture(scope="module")
def drawn():
    spec = importlib.util.spec_from_file_location("mathematics", HOOK)
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    page = SimpleNamespace(file=SimpleNamespace(src_uri="rules/page.md"))
    return lambda text: hook.on_page_markdown(text, page)


def test_blocks_and_inline_equations_become_mathml(drawn):
    made = drawn("Text\n\n$$\nG = \\sigma(z)\n$$\n\nand $`\\hat S`$.")
    assert made.count("<math") == 2
    assert '<div class="equation"><math' in made
    assert "$" not in made


def test_code_stays_as_it_is(drawn):
    text = "```bash\n$$\nx\n$$\necho $`x`$\n```\n\n~~~\n$`y`$\n~~~\n"
    assert drawn(text) == text


@pytest.mark.parametrize("formula", [r"\nosuchcommand{x}", r"a &= b", r"x_{"])
def test_what_cannot_be_drawn_stops_the_build_and_names_the_page(drawn, formula):
    with pytest.raises(Exception, match="rules/page.md"):
        drawn(f"$$\n{formula}\n$$")
