"""The public names stand in `public_names.txt`; a change of them is a decision, seen in review.

To accept a change, run `python tests/test_public_names.py --update` and commit the file with it; a name that goes or is
renamed also gets an entry in CHANGELOG.md.

Public is what `__all__` of a face lists. What guides, tutorials and README import is public; what nobody names is not: it can
be imported from the room that defines it, and may change without a word.
"""

import importlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ttt3r"
SNAPSHOT = Path(__file__).with_name("public_names.txt")


FACES = [
    "ttt3r",
    "ttt3r.types",
    "ttt3r.tree",
    "ttt3r.geometry",
    "ttt3r.network",
    "ttt3r.update_rules",
    "ttt3r.update_rules.fast_weights",
    "ttt3r.data",
    "ttt3r.data.procedural",
    "ttt3r.export",
    "ttt3r.reconstructor",
    "ttt3r.rollout",
    "ttt3r.evaluation",
    "ttt3r.evaluation.plots",
    "ttt3r.evaluation.worlds",
    "ttt3r.training",
    "ttt3r.viewer",
    "ttt3r.runner",
    "ttt3r.compilation",
]
GUIDES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "tutorials").rglob("*.py")]
GUIDES = [path for path in GUIDES if not {"api", "numbers"} & {*path.parts} and path.name != "changelog.md"]


def public_names() -> list[str]:
    return [f"{face}.{name}" for face in FACES for name in sorted(importlib.import_module(face).__all__)]


def imported(text: str) -> set[str]:
    """What the lines of Python in a text import from the package."""
    found = set()
    for module, names in re.findall(
        r"^\s*(?:>>> )?from (ttt3r[\w.]*) import (\([^)]*\)|.*)$", text, flags=re.MULTILINE
    ):
        for name in names.partition("#")[0].strip("() ").replace("\n", " ").split(","):
            if name.strip():
                found.add(f"{module}.{name.partition(' as ')[0].strip()}")
    return found


def test_every_folder_of_the_package_with_a_face_says_what_is_public():
    folders = [path.parent for path in PACKAGE.glob("*/__init__.py")]
    silent = [str(path.relative_to(ROOT)) for path in folders if "__all__" not in (path / "__init__.py").read_text()]
    assert silent in ([], ["ttt3r/cli"])


def test_what_guides_import_is_public():
    public, modules = {*SNAPSHOT.read_text().split()}, {*FACES}
    found = {name: path for path in GUIDES for name in imported(path.read_text())}
    not_public = {f"{path.name}: {name}" for name, path in found.items() if name not in public | modules}
    assert not_public == set()


def test_a_star_import_replaces_no_name():
    for face in FACES:
        names: dict = {}
        exec(f"from {face} import *", names)
        assert "ttt3r" not in names, face


def test_public_names_are_those_of_the_snapshot():
    now, then = set(public_names()), set(SNAPSHOT.read_text().split())
    assert now == then, (
        f"public names changed. New: {sorted(now - then)}. Gone: {sorted(then - now)}. If this is meant, run "
        "`python tests/test_public_names.py --update` and commit tests/public_names.txt"
    )


@pytest.mark.parametrize("module", FACES)
def test_public_names_are_there(module):
    loaded = importlib.import_module(module)
    wanted = [line.rpartition(".") for line in SNAPSHOT.read_text().split()]
    for name in [name for home, _, name in wanted if home == module]:
        assert getattr(loaded, name) is not None


def test_names_that_left_the_face_of_evaluation_come_from_their_rooms():
    from ttt3r import evaluation
    from ttt3r.evaluation.measures.gains import FrameGain
    from ttt3r.evaluation.plots import plot_gains
    from ttt3r.evaluation.worlds import ask_recall

    assert (evaluation.GainMoment, evaluation.plot_gains, evaluation.recall) == (FrameGain, plot_gains, ask_recall)
    assert not {"GainMoment", "plot_gains", "recall"} & {*evaluation.__all__}
    with pytest.raises(AttributeError, match="no attribute 'gains_plot'"):
        evaluation.gains_plot  # noqa: B018 (the look is the test)


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("usage: python tests/test_public_names.py --update")
    SNAPSHOT.write_text("\n".join(public_names()) + "\n")
    print(f"{SNAPSHOT.relative_to(ROOT)}: {len(public_names())} names")
