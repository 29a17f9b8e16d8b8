"""What the package and its tests import is what a fresh environment holds: what the extra `dev` brings, nothing else."""

import ast
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def imported(folder: str) -> dict[str, str]:
    """Top-level modules that are imported by name in a folder, each with a file that does so."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            found.update({name.split(".")[0]: str(path.relative_to(ROOT)) for name in names})
    return found


def brought_by(name: str, extras: frozenset[str], known: set[tuple[str, frozenset[str]]]) -> set[str]:
    """Distributions that come with one, in this environment, itself included."""
    if (name, extras) in known:
        return set()
    known.add((name, extras))
    try:
        lines = requires(name) or []
    except PackageNotFoundError:  # not for this platform, or of an extra that is not installed
        return set()
    found = {name}
    for line in map(Requirement, lines):
        if line.marker is None or any(line.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            found |= brought_by(canonicalize_name(line.name), frozenset(line.extras), known)
    return found


def test_a_fresh_environment_brings_all_that_is_imported():
    there = brought_by("ttt3r", frozenset({"dev"}), set())
    own = {"ttt3r", "tests", *(path.stem for path in (ROOT / "tests").rglob("*"))}
    of = packages_distributions()
    strangers = {
        module: file
        for module, file in (imported("ttt3r") | imported("tests")).items()
        if module not in sys.stdlib_module_names | own
        and not there & {canonicalize_name(name) for name in of.get(module, [])}
    }
    assert not strangers, "add these to the extra `dev`, or ask for them by pytest.importorskip"


def test_the_package_names_what_it_imports_and_imports_what_it_names():
    """Not by way of another library, which may leave it out in its next release."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [
        *project["dependencies"],
        *(line for name in extras if name not in ("dev", "docs") for line in extras[name]),
    ]
    named = {canonicalize_name(Requirement(line).name) for line in lines}
    of = packages_distributions()
    needed = {
        module: {canonicalize_name(name) for name in of.get(module, [module])}
        for module in imported("ttt3r")
        if module not in sys.stdlib_module_names | {"ttt3r"}
    }
    assert {module for module, names in needed.items() if not names & named} == set()
    assert named - {name for names in needed.values() for name in names} == set()
