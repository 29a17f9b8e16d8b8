"""The sources behind a class: its module and all that it imports, libraries by their version."""

import ast
import hashlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

_PACKAGE = "ttt3r"
_RULES = "ttt3r.update_rules"
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def sources_of(kinds: Iterable[type]) -> dict[str, str]:
    """For each module that the classes come from or import, through any number of modules: the SHA-256 of its source.

    A library is named by its version and not looked into. Of this package only the rules are followed; the rest of it goes
    by `code_fingerprint`.
    """
    found: dict[str, str] = {}
    waiting = [base.__module__ for kind in kinds for base in kind.__mro__]
    while waiting:
        name = waiting.pop()
        if name in found or _is_elsewhere(name):
            continue
        spec = _spec(name)
        if not name.startswith(_RULES) and _is_library(spec):
            found[name.partition(".")[0]] = _version(name)
            continue
        source = _source(name, spec)
        found[name] = hashlib.sha256(source).hexdigest()
        package = name if spec is not None and spec.submodule_search_locations is not None else name.rpartition(".")[0]
        waiting += _imports(source, package)
    return found


def _is_elsewhere(name: str) -> bool:
    """Whether a module belongs to Python itself, or to the part of this package that is told as a whole."""
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names or (top == _PACKAGE and not name.startswith(f"{_RULES}."))


def _is_library(spec: ModuleSpec | None) -> bool:
    """Whether a module was installed, or has no source at all."""
    if spec is None or not spec.has_location or spec.origin is None:
        return True
    return not _INSTALLED.isdisjoint(Path(spec.origin).parts)


def _spec(name: str) -> ModuleSpec | None:
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__spec__ is not None:
        return loaded.__spec__
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None


def _source(name: str, spec: ModuleSpec | None) -> bytes:
    """The source as it lies in its folder or its archive; empty where only a compiled form is there."""
    if spec is None or spec.origin is None:
        return b""
    try:
        return Path(spec.origin).read_bytes()
    except OSError:
        text = spec.loader.get_source(name) if isinstance(spec.loader, importlib.abc.InspectLoader) else None
        return (text or "").encode("utf-8", "surrogateescape")


def _imports(source: bytes, package: str) -> Iterator[str]:
    """The modules that a source names in its imports, wherever they stand; `from a import b` may mean the module a.b."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # an extension module
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _reached(alias.name, ())
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield from _reached(base, [alias.name for alias in node.names])


def _reached(module: str, names: Iterable[str]) -> Iterator[str]:
    """The module, the packages above it, and what `from module import names` brings; a bare `ttt3r` may mean any rule."""
    names = tuple(names)
    if module in (_PACKAGE, _RULES):
        kinds = [getattr(sys.modules.get(_RULES), name, None) for name in names]
        known = [kind.__module__ for kind in kinds if isinstance(kind, type)]
        yield from (
            known if names and len(known) == len(names) else [n for n in sys.modules if n.startswith(f"{_RULES}.")]
        )
        return
    parts = module.split(".")
    yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    loaded = sys.modules.get(module)
    if not _is_elsewhere(module):
        for name in names:
            inner = f"{module}.{name}"
            if inner in sys.modules or (loaded is not None and name not in vars(loaded) and _spec(inner) is not None):
                yield inner


def _version(name: str) -> str:
    loaded = sys.modules.get(name.partition(".")[0])
    return str(getattr(loaded, "__version__", ""))
