"""The hooks of the documentation: equations from LaTeX to MathML, and links to files of the package."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

pytest.importorskip("latex2mathml")
mkdocs_config = pytest.importorskip("mkdocs.config.defaults")
mkdocs_files = pytest.importorskip("mkdocs.structure.files")
pytestmark = pytest.mark.docs
ROOT = Path(__file__).resolve().parent.parent


def loaded(name: str) -> ModuleType:
    """A hook; the folder of hooks is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


@pytest.fixture(scope="module")
def drawn():
    hook = loaded("mathematics")
    page = SimpleNamespace(file=SimpleNamespace(src_uri="rules/page.md"))
    return lambda text: hook.on_page_markdown(text, page)


@pytest.fixture(scope="module")
def sources():
    return loaded("sources")


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


def a_site(text):
    config = mkdocs_config.MkDocsConfig()
    config.load_dict({"site_name": "test", "use_directory_urls": False})
    assert config.validate() is not None
    config.plugins._current_plugin = "hooks"  # as in a build; a generated file notes it
    page = mkdocs_files.File.generated(config, "rules/brake.md", content=text)
    return mkdocs_files.Files([page]), config


def test_a_link_to_a_file_leads_to_a_page_that_shows_it(sources):
    text = "[source](../../ttt3r/update_rules/rules/brake.py)"
    files, config = a_site(text)
    files = sources.on_files(files, config)
    shown = files.get_file_from_path("source/ttt3r/update_rules/rules/brake.md")
    assert (ROOT / "ttt3r/update_rules/rules/brake.py").read_text() in shown.content_string

    page = SimpleNamespace(file=files.get_file_from_path("rules/brake.md"))
    assert sources.on_page_markdown(text, page) == "[source](../source/ttt3r/update_rules/rules/brake.md)"


def test_a_link_to_a_file_that_is_not_there_stops_the_build(sources):
    files, config = a_site("[source](../../ttt3r/nothing.py)")
    with pytest.raises(Exception, match=r"rules/brake\.md: the link leads to ttt3r/nothing\.py"):
        sources.on_files(files, config)
