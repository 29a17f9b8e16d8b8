"""The documentation speaks of everything that is public, and its examples are Python that runs."""

import re
import shlex
import sys
import textwrap
import types
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[str]:
    """The Python examples of a page; a source file that is shown whole is none."""
    found = re.findall(r"^( *)```python[^\n]*\n(.*?)^ *```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(code) for _, code in found if "--8<--" not in code]


def commands(page: Path) -> list[str]:
    """The calls of `ttt3r` that a page shows, in indented blocks or behind a prompt."""
    return re.findall(r"^(?:    |\$ )(ttt3r .*)$", page.read_text(), flags=re.MULTILINE)


def test_every_public_module_has_a_page():
    shown = set(re.findall(r"^::: (ttt3r\.\w+)", "\n".join(page.read_text() for page in PAGES), flags=re.MULTILINE))
    lines = (ROOT / "tests" / "public_names.txt").read_text().split()
    modules = {".".join(line.split(".")[:2]) for line in lines if line.count(".") > 1}
    assert modules <= shown, f"no page in docs/api for {sorted(modules - shown)}"


every_page_with_examples = pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name)
every_page_with_commands = pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name)


def test_every_module_on_a_page_exists():
    for page in (ROOT / "docs" / "api").glob("*.md"):
        for module in re.findall(r"^::: (ttt3r\S*)$", page.read_text(), flags=re.MULTILINE):
            path = ROOT / module.replace(".", "/")
            files = (
                path.with_suffix(".py"),
                path / "__init__.py",
                path.parent.with_suffix(".py"),
            )  # the last: of a name in it
            assert any(file.is_file() for file in files), f"{page.name}: {module}"


def test_links_need_no_drawing_from_elsewhere():
    elsewhere = re.compile(r"!\[[^]]*\]\(https?:|<(script|img|iframe|link)[^>]+https?:")
    assert [name(page) for page in PAGES if elsewhere.search(page.read_text())] == []


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with what the examples speak of: the demo sequence, a finished run, own rules and a saved gate."""
    from ttt3r.cli import main
    from ttt3r.update_rules import LearnedToken

    folder = tmp_path_factory.mktemp("workshop")
    assert main(["data", "demo", str(folder / "demo/sequence")]) == 0
    source = str(folder / "demo/sequence/rgb")
    assert main(["run", source, "--network", "tiny-random", "--stop", "6", "--out", str(folder / "out/video")]) == 0
    own = [blocks(page)[number] for page, number in ((ROOT / "README.md", 1), (ROOT / "docs/how-to/own-rule.md", 0))]
    (folder / "my_lab.py").write_text("\n\n".join(own))
    LearnedToken(channel=64).save(folder / "gate.safetensors")
    return folder


@every_page_with_examples
def test_examples_run(page, workshop, monkeypatch):
    monkeypatch.chdir(workshop)
    namespace = {"__name__": "example"}
    torch.manual_seed(0)
    monkeypatch.setitem(sys.modules, "example", types.ModuleType("example"))  # dataclasses look their module up
    for number, code in enumerate(blocks(page)):
        exec(compile(code, f"{page.name}, example {number}", "exec"), namespace)


@every_page_with_commands
def test_commands_are_understood(page, workshop, monkeypatch):
    from ttt3r.cli.choosing import parse_rules
    from ttt3r.cli.main import read

    monkeypatch.chdir(workshop)
    for line in commands(page):
        settings = read(shlex.split(line, comments=True)[1:])
        if settings.command == "compare":
            parse_rules(settings.compare.rules)


@pytest.mark.parametrize("rule", ["MyRule", "Patient"])
def test_the_own_rules_of_the_examples_keep_the_laws(rule, workshop, monkeypatch):
    from ttt3r.cli import main

    monkeypatch.chdir(workshop)
    assert main(["rules", "check", f"my_lab.{rule}"]) == 0
    source = str(workshop / "demo/sequence/rgb")
    words = ["--rule", f"my_lab.{rule}", "--rule.scale", "0.5", "--stop", "2", "--outputs", "cameras", "--overwrite"]
    assert main(["run", source, "--network", "tiny-random", "--out", str(workshop / "out/mine"), *words]) == 0


def test_the_pages_name_every_command_and_every_file_of_a_run(workshop):
    from ttt3r.cli.main import COMMANDS

    text = (ROOT / "docs/api/cli.md").read_text()
    assert {name for name in COMMANDS if f"`ttt3r {name}" not in text} == set()
    outputs = (ROOT / "docs/how-to/outputs.md").read_text()
    written = {item.name + ("/" if item.is_dir() else "") for item in (workshop / "out/video").iterdir()}
    shown = {re.sub("[0-9]{6}", "NNNNNN", name) for name in written}
    assert {name for name in shown if f"`{name}" not in outputs} == set()
    readme = (ROOT / "README.md").read_text()
    assert {name for name in shown if not name.startswith((".", "points_N")) and f"`{name}`" not in readme} == set()
    assert "docs/figures/step.png" in readme


def test_evo_matches_every_frame_of_the_demo_with_its_truth(workshop):
    interface, sync = pytest.importorskip("evo.tools.file_interface"), pytest.importorskip("evo.core.sync")
    paths = workshop / "demo/sequence/groundtruth.txt", workshop / "out/video/trajectory.txt"
    truth, estimate = sync.associate_trajectories(*map(interface.read_tum_trajectory_file, paths))
    assert truth.num_poses == estimate.num_poses == 6
    assert truth.timestamps.tolist() == estimate.timestamps.tolist()


def test_the_page_on_clusters_shows_what_the_second_process_is_told(workshop, monkeypatch, capsys):
    from ttt3r.cli import main
    from ttt3r.files import locked

    monkeypatch.chdir(workshop)
    page = (ROOT / "docs/how-to/clusters.md").read_text()
    with locked(Path("out/video"), "run"):
        words = ["--network", "tiny-random", "--out", "out/video", "--overwrite"]
        assert main(["run", "demo/sequence/rgb", *words]) != 0
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("ttt3r: error: another run is at work in out/video")
    assert f"```text\n{said}\n```" in page


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 170


def test_every_path_of_the_package_that_a_page_names_leads_to_a_file():
    missing = []
    for page in (*PAGES, ROOT / "CONTRIBUTING.md"):
        for path in re.findall(r"\bttt3r/[\w/]+(?:\.py|/(?![\w*{]))", page.read_text()):
            if not (ROOT / path).exists() and "my_" not in path:
                missing.append(f"{page.relative_to(ROOT)}: {path}")
    assert missing == []


def test_the_map_leads_to_every_folder_of_the_large_packages():
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## Map\n")[2].partition("\n## ")[0]
    for package in ("update_rules", "evaluation", "data"):
        for folder in (ROOT / "ttt3r" / package).iterdir():
            if (folder / "__init__.py").is_file():
                assert f"`{package}/{folder.name}/`" in text, f"no row for {package}/{folder.name}/"


def test_the_readme_leads_to_rules_metrics_readers_and_loops():
    text = (ROOT / "README.md").read_text()
    for path in (
        "update_rules/rules/",
        "evaluation/measures/",
        "data/readers/",
        "update_rules/resets.py",
        "rollout.py",
        "evaluation/engine/loop.py",
    ):
        assert f"`ttt3r/{path}`" in text, path
    assert "(CONTRIBUTING.md#map)" in text


def test_the_page_of_a_rule_links_to_its_source_and_does_not_repeat_it():
    from ttt3r.update_rules import RULES

    for rule in RULES:
        page = ROOT / "docs" / "rules" / f"{rule}.md"
        text = page.read_text()
        file = f"{RULES[rule].__module__.replace('.', '/')}.py"
        assert f"Source: [{file}](../../{file})." in text, rule
        assert "--8<--" not in text, f"{rule} shows its source, and so its docstring a second time"
        block = text.partition(f"::: {RULES[rule].__module__}.{RULES[rule].__name__}\n")[2].partition("\n\n")[0]
        assert "show_docstring_description: false" in block, f"{rule} tells what it does above and in the docstring"


def test_the_front_pages_lead_to_tutorials_and_course():
    for page in (ROOT / "README.md", ROOT / "docs/index.md", ROOT / "docs/getting-started.md"):
        block = page.read_text().partition("## Learn\n")[2].partition("\n## ")[0]
        for words in ("tutorials/01.md", "course/lab.md", "course/teacher.md", "pip install", "jupyterlab"):
            assert words in block, f"{page}: {words}"


def test_every_picture_says_what_draws_it():
    silent = []
    for page in (ROOT / "docs").rglob("*.md"):
        if page.parent.name == "tutorials":  # their pictures come from the code that stands above
            continue
        lines = page.read_text().splitlines()
        for number, line in enumerate(lines):
            caption = " ".join(lines[number + 1 : number + 7])
            if line.startswith("![") and not re.search(
                r"`(python )?(docs/figures|benchmarks)/\w+\.py|out/\w+/\w+\.png", caption
            ):
                silent.append(f"{page.relative_to(ROOT)}:{number + 1}")
    assert silent == []
