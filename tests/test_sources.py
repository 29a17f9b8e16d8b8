"""Links of the documentation to files of the package."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

mkdocs_config = pytest.importorskip("mkdocs.config.defaults")
mkdocs_files = pytest.importorskip("mkdocs.structure.files")
pytestmark = pytest.mark.docs
HOOK = Path(__file__).resolve().parent.parent / "docs" / "hooks" / "sources.py"


@pytest.fixture(scope="module")
def hook():
    spec = importlib.util.spec_from_file_location("sources", HOOK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def a_site(text):
    config = mkdocs_config.MkDocsConfig()
    config.load_dict({"site_name": "test", "use_directory_urls": False})
    assert config.validate() is not None
    config.plugins._current_plugin = "hooks"  # as in a build; a generated file notes it
    page = mkdocs_files.File.generated(config, "rules/brake.md", content=text)
    return mkdocs_files.Files([page]), config


def test_a_link_to_a_file_leads_to_a_page_that_shows_it(hook):
    text = "[source](../../ttt3r/update_rules/rules/brake.py)"
    files, config = a_site(text)
    files = hook.on_files(files, config)
    shown = files.get_file_from_path("source/ttt3r/update_rules/rules/brake.md")
    assert (HOOK.parents[2] / "ttt3r/update_rules/rules/brake.py").read_text() in shown.content_string

    page = SimpleNamespace(file=files.get_file_from_path("rules/brake.md"))
    assert hook.on_page_markdown(text, page) == "[source](../source/ttt3r/update_rules/rules/brake.md)"


def test_a_link_to_a_file_that_is_not_there_stops_the_build(hook):
    files, config = a_site("[source](../../ttt3r/nothing.py)")
    with pytest.raises(Exception, match=r"rules/brake\.md: the link leads to ttt3r/nothing\.py"):
        hook.on_files(files, config)
