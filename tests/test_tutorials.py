"""Every tutorial runs from beginning to end, with shape checks on, and its exercises know right from wrong."""

import ast
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TUTORIALS = sorted((ROOT / "tutorials").glob("[0-9]*.py"))
PAGES = ROOT / "docs" / "tutorials"

every_tutorial = pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)


def cells(tutorial: Path) -> list[tuple[str, str]]:
    """(first line, rest) of each cell of a percent script."""
    parts = re.split(r"^# %%", tutorial.read_text(), flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0].strip(), part.partition("\n")[2].strip()) for part in parts]


def page(tutorial: Path) -> Path:
    return PAGES / f"{tutorial.name[:2]}.md"


def test_there_are_tutorials():
    numbers = [path.name[:2] for path in TUTORIALS]
    assert numbers[:2] == ["01", "02"]
    assert len(set(numbers)) == len(numbers)


@every_tutorial
def test_a_tutorial_runs_and_only_solutions_pass(tutorial, tmp_path):
    settings = {"SMOKE_TEST": "1", "TTT3R_TYPECHECK": "1", "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    settings |= {"MPLBACKEND": "agg", "PYTHONWARNINGS": "ignore:FigureCanvasAgg:UserWarning"}
    words = [sys.executable, str(ROOT / "tutorials" / "try_solutions.py"), str(tutorial)]
    done = subprocess.run(words, env=os.environ | settings, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    exercises = tutorial.read_text().count("\ndef check_")
    assert exercises >= 2
    assert done.stdout.count("| solution: right") == exercises
    assert done.stdout.count("not yet") == 2 * exercises  # once in the tutorial, once here


@every_tutorial
def test_a_tutorial_has_a_title_and_ends_with_what_was_learned(tutorial):
    found = cells(tutorial)
    assert found[0][0] == "[markdown]"
    assert found[0][1].startswith("# # ")
    assert found[-1][0] == "[markdown]"
    assert found[-1][1].startswith("# **Learned:**")
    assert '"TTT3R_TYPECHECK", "1"' in tutorial.read_text()


@every_tutorial
def test_the_page_shows_the_script_as_it_is(tutorial):
    text = page(tutorial).read_text()
    for kind, code in cells(tutorial):
        if not kind.startswith("[markdown]"):
            assert f"```py\n{code}\n```" in text, f"{page(tutorial)} is older than its script: make tutorials"
    assert "Output" in text
    for figure in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert 1_000 < (PAGES / figure).stat().st_size < 300_000
    assert "/tmp" not in text
    assert str(ROOT) not in text
    assert f"tutorials/{page(tutorial).name}" in (ROOT / "mkdocs.yml").read_text()


@pytest.fixture(scope="module")
def render():
    """The renderer's functions by name; it needs the extra `docs`."""
    for name in ("jupytext", "nbclient", "nbformat"):
        pytest.importorskip(name)
    return runpy.run_path(str(ROOT / "tutorials" / "render.py"))


@pytest.fixture(scope="module")
def nbformat():
    return pytest.importorskip("nbformat")


@pytest.mark.docs
@every_tutorial
def test_the_notebook_is_the_script(tutorial, render, nbformat):
    written = page(tutorial).with_suffix(".ipynb").read_text()
    assert written == nbformat.writes(render["notebook_of"](tutorial)) + "\n", "make tutorials"
    assert '"outputs": []' in written


def notebook_with(render, tmp_path, *outputs, kind="# %%"):
    script = tmp_path / "42_answers.py"
    script.write_text(f"# %% [markdown]\n# # 42. A title\n#\n# Words.\n\n{kind}\nprint(1)\n")
    notebook = render["notebook_of"](script)
    notebook.cells[1].outputs = list(outputs)
    return script, notebook


@pytest.mark.docs
def test_a_page_has_words_code_outputs_and_figures(render, nbformat, tmp_path):
    new_output = nbformat.v4.new_output
    printed = new_output("stream", name="stdout", text="1\n")
    drawn = new_output("display_data", {"image/png": "aGVsbG8="})
    made = notebook_with(render, tmp_path, printed, drawn, kind='# %% figure="A line that goes up"')
    text, figures = render["page_of"](*made)
    assert text.startswith("# 42. A title\n\n*[As a notebook](42.ipynb)")
    assert '```py\nprint(1)\n```\n\n```text title="Output"\n1\n```\n\n![A line that goes up](figures/42_1.png)' in text
    assert figures == {"42_1.png": b"hello"}


@pytest.mark.docs
def test_a_page_refuses_warnings_and_figures_without_words(render, nbformat, tmp_path):
    new_output = nbformat.v4.new_output
    with pytest.raises(ValueError, match="wrote to stderr: careful"):
        render["page_of"](*notebook_with(render, tmp_path, new_output("stream", name="stderr", text="careful")))
    with pytest.raises(ValueError, match="has no words"):
        render["page_of"](*notebook_with(render, tmp_path, new_output("display_data", {"image/png": "aGVsbG8="})))
    coloured = new_output("stream", name="stdout", text="\x1b[32mgreen\x1b[0m")
    with pytest.raises(ValueError, match="codes of a terminal"):
        render["page_of"](*notebook_with(render, tmp_path, coloured))


def test_shares_and_a_kill_change_nothing_on_the_page():
    text = (PAGES / "09.md").read_text()
    for claim in (
        "every file that is there is whole",
        "the same files as from one process",
        "the same, digit by digit",
    ):
        assert f"{claim}: True" in text, claim


@every_tutorial
def test_no_page_holds_codes_of_a_terminal(tutorial):
    for file in (page(tutorial), page(tutorial).with_suffix(".ipynb")):
        text = file.read_text()
        assert "\x1b" not in text
        assert not re.search(r"\\u001b\[|\[[0-9;]{1,8}m\b", text, re.IGNORECASE)


DRAWS = [*TUTORIALS, *sorted((ROOT / "docs" / "figures").glob("*.py")), *sorted((ROOT / "benchmarks").glob("*.py"))]


@pytest.mark.parametrize("script", DRAWS, ids=lambda path: path.stem)
def test_rules_are_drawn_and_named_as_everywhere(script):
    """Colours come by the name of a rule, and a control has the name that tables give it."""
    text = script.read_text()
    assert not re.search(r"zip\(\s*COLORS|in enumerate\(COLORS", text), (
        "take rule_styles of ttt3r.evaluation.plots.palette"
    )
    assert not re.search(r"\"(its control|constant of \w+|constant [0-9.]+|\w+, reset)\"", text)
    drawn = dict(re.findall(r'"(cut3r|ttt3r|frozen)".*(#[0-9A-F]{6})', text))
    assert not drawn, "a colour of its own for a rule"


@every_tutorial
def test_a_cell_that_draws_says_what(tutorial):
    for kind, code in cells(tutorial):
        if "plt.show()" in code and not kind.startswith("[markdown]"):
            assert re.fullmatch(r'figure="[^"]{20,}"', kind), f"{tutorial.name}: {kind!r}"


@pytest.mark.parametrize("script", [*TUTORIALS, *sorted((ROOT / "tutorials" / "solutions").glob("*.py"))])
def test_scripts_read_well(script):
    text = script.read_text()
    ast.parse(text)
    assert len(text.splitlines()) <= 260
