"""The public names stand in `public_names.txt`; a change of them is a decision, seen in review.

To accept a change, run `python tests/test_public_names.py --update` and commit the file with it; a name that goes or is
renamed also gets an entry in CHANGELOG.md.

Public is, for `ttt3r` and each package and module right under it (but the command line): what `__all__` lists; without
`__all__`, what is defined there without a leading underscore, and what is re-exported as `from m import X as X`.
"""

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ttt3r"
SNAPSHOT = Path(__file__).with_name("public_names.txt")


def modules() -> list[tuple[str, Path]]:
    found = [("ttt3r", PACKAGE / "__init__.py")]
    for path in sorted([*PACKAGE.glob("*.py"), *PACKAGE.glob("*/__init__.py")]):
        name = path.parent.name if path.name == "__init__.py" else path.stem
        if path.parent != PACKAGE or path.name != "__init__.py":
            found.append((f"ttt3r.{name}", path))
    return [(name, path) for name, path in found if not name.rpartition(".")[2].startswith("_") and name != "ttt3r.cli"]


def names_of(module: str, path: Path) -> list[str]:
    body = ast.parse(path.read_text()).body
    assigned = [(target, node) for node in body for target in targets(node)]
    if any(target == "__all__" for target, _ in assigned):
        return sorted(importlib.import_module(module).__all__)
    defined = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    exported = [
        alias.name
        for node in body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    ]
    candidates = [*defined, *(name for name, _ in assigned if len(name) > 1)]  # a single letter is a type variable
    return sorted({name for name in candidates if not name.startswith("_")} | set(exported))


def targets(node: ast.stmt) -> Iterator[str]:
    places = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    for place in places:
        if isinstance(place, ast.Name):
            yield place.id


def public_names() -> list[str]:
    return [f"{module}.{name}" for module, path in modules() for name in names_of(module, path)]


def test_public_names_are_those_of_the_snapshot():
    now, then = set(public_names()), set(SNAPSHOT.read_text().split())
    assert now == then, (
        f"public names changed. New: {sorted(now - then)}. Gone: {sorted(then - now)}. If this is meant, run "
        "`python tests/test_public_names.py --update` and commit tests/public_names.txt"
    )


@pytest.mark.parametrize("module", [name for name, _ in modules()])
def test_public_names_are_there(module):
    loaded = importlib.import_module(module)
    wanted = [line.rpartition(".") for line in SNAPSHOT.read_text().split()]
    for name in [name for home, _, name in wanted if home == module]:
        assert getattr(loaded, name) is not None


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("usage: python tests/test_public_names.py --update")
    SNAPSHOT.write_text("\n".join(public_names()) + "\n")
    print(f"{SNAPSHOT.relative_to(ROOT)}: {len(public_names())} names")
