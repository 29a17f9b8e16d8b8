"""The house rules that a machine can hold: floors, sizes, annotations, docstrings, forbidden calls.

Everything is read from the source, nothing is imported. `EXCEPTIONS` is the place for a case that was argued in review.
"""

import ast
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ttt3r"

FLOORS = {
    1: {"_version", "types", "tree", "saved_tree", "geometry", "files", "untrusted", "intake", "threads"},
    2: {"network", "update_rules", "data", "export"},
    3: {"reconstructor", "guard", "grouping", "compilation", "resuming"},
    4: {"chaining"},
    5: {"rollout"},
    6: {"evaluation", "training", "viewer", "runner"},
    7: {"cli"},
    8: {"__main__"},
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}

LINES_OF_A_FILE, LINES_OF_A_FUNCTION, ARGUMENTS_OF_A_FUNCTION = 260, 60, 6

# A rule imports the contract and nothing else of ttt3r.
RULE_ROOMS = ("ttt3r/update_rules/rules/", "ttt3r/update_rules/learned/gates.py")
RULES_MAY_IMPORT = {"ttt3r.types", "ttt3r.geometry", "ttt3r.update_rules.base", "ttt3r.update_rules.evidence"}
RULES_MAY_IMPORT |= {"ttt3r.update_rules.vectors"}  # helpers of several rules
RULES_MAY_IMPORT |= {"ttt3r.update_rules.wrappers.base", "ttt3r.update_rules.rules.ttt3r"}  # rules around a rule
RULES_MAY_IMPORT |= {"ttt3r.update_rules.learned.base"}  # what the learned rules share

# "ttt3r/file.py" or "ttt3r/file.py::function" -> the reason why it may be longer or take more than the house allows.
EXCEPTIONS: dict[str, str] = {
    "ttt3r/reconstructor.py": "the only place where a network and a rule meet, read from top to bottom",
    "ttt3r/update_rules/rules/raymap3r.py": "one rule is one file, and this one takes a second look at every frame",
    "ttt3r/types.py": "the nouns are one page, read from top to bottom",
    "ttt3r/export/run_folder.py::RunFolder.create": "what a new run is: each written into its record",
    "ttt3r/rollout.py::rollout": "the public loop: two nouns and the options of a run, by keyword only",
    "ttt3r/evaluation/engine/compare.py::compare": "the public comparison: three nouns and options, by keyword only",
    "ttt3r/evaluation/worlds/study.py::run_study": "the public study of worlds: three nouns and options, by keyword only",
    "ttt3r/rollout.py::rollout_rules": "the public loop: two nouns and the options of a run, by keyword only",
}

SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(text) for name, text in SOURCES.items()}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module_of(file) for file in TREES}


def imports(file: str) -> set[str]:
    """Modules of ttt3r that the file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write the full name of the module, not a relative one"
            whole = node.module or ""
            for alias in node.names:
                found.add(f"{whole}.{alias.name}" if f"{whole}.{alias.name}" in MODULES else whole)
    return {name for name in found if name.split(".")[0] == "ttt3r"}


def room(module: str) -> str:
    """`ttt3r.network.rope` stands in the room `network`; the package's own face is the empty room."""
    return (module.split(".") + [""])[1]


def functions(file: str) -> Iterator[tuple[str, Function, bool]]:
    """Qualified name, node, and whether it is public, for every function and method (not for those inside functions)."""

    def walk(body: list[ast.stmt], prefix: str, public: bool) -> Iterator[tuple[str, Function, bool]]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + node.name, node, public and not node.name.startswith("_")
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}{node.name}.", public and not node.name.startswith("_"))

    yield from walk(TREES[file].body, "", True)


def arguments(node: Function) -> list[ast.arg]:
    """All arguments but `self` and `cls`."""
    spec = node.args
    named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    starred = [argument for argument in (spec.vararg, spec.kwarg) if argument]
    return [argument for argument in [*named, *starred] if argument.arg not in ("self", "cls")]


def none_of(found: Iterable[str]) -> None:
    """Fails with the list of everything that was found, one line each."""
    listed = sorted(found)
    assert not listed, f"{len(listed)} found:\n" + "\n".join(listed)


def upward(file: str) -> Iterator[str]:
    """Imports of a file that do not go down."""
    here = room(module_of(file))
    if not here:
        return  # the face of the package may show every floor
    if here not in FLOOR_OF:
        yield f"{file} stands on no floor: give it one in FLOORS"
        return
    for module in imports(file):
        there = room(module)
        if not there:
            if FLOOR_OF[here] < 6:
                yield f"{file} imports the package's face; import from the module that defines the name"
        elif there not in FLOOR_OF:
            yield f"{file} imports {module}, which stands on no floor: give it one in FLOORS"
        elif not (here == there or FLOOR_OF[here] == FLOOR_OF[there] == 1 or FLOOR_OF[there] < FLOOR_OF[here]):
            yield f"{file} (floor {FLOOR_OF[here]}) imports {module} (floor {FLOOR_OF[there]})"


def test_imports_go_down():
    """Imports go down only, and rooms on one floor have no door between them."""
    none_of(line for file in TREES for line in upward(file))


def test_no_two_modules_import_each_other():
    graph = {module_of(file): imports(file) - {module_of(file), "ttt3r"} for file in TREES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(error.args[1])}")


def rule_files() -> list[str]:
    """One file for each rule, and the learned gates."""
    return [file for file in TREES if file.startswith(RULE_ROOMS) and not file.endswith("__init__.py")]


def test_a_rule_knows_only_the_contract():
    files = rule_files()
    assert len(files) > 20, "the rules were not found"
    none_of(f"{file} imports {name}" for file in files for name in imports(file) - RULES_MAY_IMPORT)


def test_annotations_are_never_postponed():
    """Postponed annotations switch the shape checks off."""
    paths = [path for folder in ("ttt3r", "tests", "tutorials", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    nodes = ((path, node) for path in paths for node in ast.walk(ast.parse(path.read_text())))
    none_of(str(path) for path, node in nodes if isinstance(node, ast.ImportFrom) and node.module == "__future__")


def not_annotated(file: str) -> Iterator[str]:
    """Arguments and returns without an annotation."""
    for name, node, _ in functions(file):
        yield from (f"{file}::{name}: {one.arg}" for one in arguments(node) if one.annotation is None)
        if node.returns is None:
            yield f"{file}::{name}: what is returned"


def test_every_argument_and_return_is_annotated():
    none_of(line for file in TREES for line in not_annotated(file))


def bare_tensor(annotation: ast.expr | None) -> bool:
    """Whether it says `Tensor` or `np.ndarray` without dtype and axes (inside a dict or callable is fine)."""
    if isinstance(annotation, ast.BinOp):
        return bare_tensor(annotation.left) or bare_tensor(annotation.right)
    name = annotation.attr if isinstance(annotation, ast.Attribute) else getattr(annotation, "id", "")
    return name in ("Tensor", "ndarray")


def bare_tensors(file: str) -> Iterator[str]:
    """Tensors of public functions that say neither dtype nor axes."""
    for name, node, public in functions(file):
        if public:
            yield from (f"{file}::{name}: {one.arg}" for one in arguments(node) if bare_tensor(one.annotation))
            if bare_tensor(node.returns):
                yield f"{file}::{name}: what is returned"


def test_public_tensors_name_dtype_and_axes():
    """Such as Float[Tensor, "batch state channel"]."""
    none_of(line for file in TREES for line in bare_tensors(file))


def undocumented(file: str) -> Iterator[str]:
    """The module and its public names, where they have no docstring."""
    if not ast.get_docstring(TREES[file]):
        yield f"{file}: the module"
    yield from (f"{file}::{name}" for name, node, public in functions(file) if public and not ast.get_docstring(node))
    for node in TREES[file].body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            yield f"{file}::{node.name}"


def test_every_public_name_has_a_docstring():
    none_of(line for file in TREES for line in undocumented(file))


def too_large(file: str) -> Iterator[tuple[str, str]]:
    """(place, what is too large there) for everything that is over a limit of the house."""
    lines = len(SOURCES[file].splitlines())
    if lines > LINES_OF_A_FILE:
        yield file, f"{lines} lines, {LINES_OF_A_FILE} are allowed: split the file"
    for name, node, _ in functions(file):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > LINES_OF_A_FUNCTION:
            yield f"{file}::{name}", f"{lines} lines, {LINES_OF_A_FUNCTION} are allowed: split the function"
        if len(arguments(node)) > ARGUMENTS_OF_A_FUNCTION:
            yield f"{file}::{name}", f"{len(arguments(node))} arguments, {ARGUMENTS_OF_A_FUNCTION} are allowed"
        if node.args.kwarg:
            yield f"{file}::{name}", f"takes **{node.args.kwarg.arg}: name the arguments, or hand in an object"


def test_nothing_is_too_large():
    found = (pair for file in TREES for pair in too_large(file))
    none_of(f"{place}: {what}" for place, what in found if place not in EXCEPTIONS)


def test_no_exception_is_out_of_date():
    needed = {place for file in TREES for place, _ in too_large(file)}
    assert set(EXCEPTIONS) <= needed, f"no longer needed in EXCEPTIONS: {sorted(set(EXCEPTIONS) - needed)}"


def forbidden(node: ast.AST) -> str | None:
    """Why this piece of code may not be in the package; `None` if it may."""
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        settings = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called in ("eval", "exec", "compile", "os.system", "os.popen", "hasattr"):
            return f"{called}()"
        if called.removeprefix("_").split(".")[0] in ("pickle", "cPickle", "dill") and called.endswith(
            ("load", "loads")
        ):
            return f"{called}(): a pickle can run code"
        if called == "torch.load" and settings.get("weights_only") != "True":
            return "torch.load() without weights_only=True"
        if settings.get("shell") == "True":
            return "shell=True"
        if called.startswith("sys.path."):
            return f"{called}(): the import path is the user's"
    written = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    if any(ast.unparse(target).startswith("sys.path") for target in written):
        return "a change of sys.path: the import path is the user's"
    return None


def test_nothing_dangerous_is_called():
    nodes = ((file, node, forbidden(node)) for file in TREES for node in ast.walk(TREES[file]))
    none_of(f"{file}:{getattr(node, 'lineno', '?')}: {reason}" for file, node, reason in nodes if reason)


@pytest.mark.parametrize(
    "code",
    [
        "eval('1')",
        "pickle.load(f)",
        "pickle.loads(b)",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "subprocess.run('ls', shell=True)",
        "sys.path.insert(0, '.')",
        "sys.path += ['.']",
        "hasattr(a, 'b')",
    ],
)
def test_dangerous_calls_are_seen(code):
    assert any(forbidden(node) for node in ast.walk(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["model.eval()", "torch.load(f, weights_only=True)", "ast.literal_eval('1')", "sys.path"]
)
def test_harmless_calls_are_let_through(code):
    assert not any(forbidden(node) for node in ast.walk(ast.parse(code)))


def test_no_two_test_files_have_one_name():
    """pytest imports a test file by its name, below the folders with an `__init__.py`; a second one stops the collection."""
    names: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        folders = []
        while (path.parents[len(folders)] / "__init__.py").is_file():
            folders.append(path.parents[len(folders)].name)
        names.setdefault(".".join([*reversed(folders), path.stem]), []).append(str(path.relative_to(ROOT)))
    none_of(" and ".join(files) for files in names.values() if len(files) > 1)
