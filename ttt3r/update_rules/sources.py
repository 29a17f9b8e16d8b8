"""What a rule is made of, as one hash: its settings and weights, its source, and what that imports.

Two rules of one label may still be two rules: the file was edited, or a helper that it imports, or the weights under its path
were replaced.
"""

import ast
import hashlib
import importlib.metadata
import importlib.util
import inspect
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ttt3r.update_rules.base import StateUpdateRule

_PACKAGE = __name__.partition(".")[0]
_RULES = __name__.rpartition(".")[0]
_INSTALLED = tuple(
    {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


def rule_fingerprint(rule: StateUpdateRule) -> str:
    """SHA-256 of all that decides what a rule does: the same in every process, another after any edit.

    That is its settings, weights and the content of files that a setting names; the source of its class and of the classes
    above it; and the source of every module that these import, directly or not, as far as it is the user's own. Of this
    package the modules of rules count, of other installed libraries the version, of Python and of what this package needs
    itself (PyTorch, NumPy) nothing.

    A learned rule gets its weights with its size: ask for the fingerprint at the same time, before the first frame say.
    """
    kinds: dict[str, type] = {}
    digest = hashlib.sha256(repr(_value(rule, kinds, frozenset())).encode())
    for name, text in sorted(sources_of(kinds.values()).items()):
        digest.update(f"{name}\0{text}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _value(value: Any, kinds: dict[str, type], seen: frozenset[int]) -> Any:
    """A setting as nested tuples of text; the classes that are met are added to `kinds`."""
    if id(value) in seen:
        return "..."
    seen |= {id(value)}
    if isinstance(value, Tensor):
        data = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return str(value.dtype), tuple(value.shape), hashlib.sha256(data).hexdigest()
    if isinstance(value, dict):
        return tuple((str(key), _value(part, kinds, seen)) for key, part in value.items())
    if isinstance(value, tuple | list):
        return tuple(_value(part, kinds, seen) for part in value)
    if isinstance(value, set | frozenset):
        return sorted(repr(_value(part, kinds, seen)) for part in value)  # its order is another in every process
    if isinstance(value, type | FunctionType):
        kinds[f"{value.__module__}.{value.__qualname__}"] = value  # pyright: ignore[reportArgumentType]
        return value.__qualname__
    if isinstance(value, str | Path):
        return str(value), _file(Path(value))
    if isinstance(value, StateUpdateRule | nn.Module) or is_dataclass(value):
        for kind in type(value).__mro__:
            kinds[f"{kind.__module__}.{kind.__qualname__}"] = kind
        names = [field.name for field in fields(value)] if is_dataclass(value) else []
        parts = {name: getattr(value, name) for name in names} | getattr(value, "__dict__", {})
        parts.pop("training", None)  # the mode a module is in; no setting
        return type(value).__qualname__, tuple((name, _value(part, kinds, seen)) for name, part in parts.items())
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))  # an address is another in every process


def _file(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):  # no file, or no name of one
        return None


def sources_of(kinds: Iterable[type | FunctionType]) -> dict[str, str]:
    """For each module that the classes come from or import, through any number of modules: the SHA-256 of its source.

    A library is named by its version and not looked into, unless one of the classes is its own. Of this package only the rules
    are followed. A class that was typed into an interpreter or a notebook is identified by its code.
    """
    found: dict[str, str] = {}
    waiting: list[str] = []
    for kind in [base for one in kinds for base in (one.__mro__ if isinstance(one, type) else (one,))]:
        waiting.append(kind.__module__)
        if kind.__module__ == "__main__" or not _loaded_from(kind.__module__):
            found[f"{kind.__module__}.{kind.__qualname__}"] = hashlib.sha256(_typed(kind)).hexdigest()
    tops = {name.partition(".")[0] for name in waiting}  # a library that offers rules is looked into as one's own
    done: set[str] = set()
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in done or not _counts(name):
            continue
        done.add(name)
        spec = _spec(name)
        if spec is None or spec.origin is None:
            continue
        if top != _PACKAGE and top not in tops and _is_installed(spec.origin):
            found[top] = _version(top)
            continue
        content = _content(spec)
        found[name] = hashlib.sha256(content).hexdigest()
        waiting += _imports(name, content, spec)
    return found


def _counts(name: str) -> bool:
    if name.partition(".")[0] == _PACKAGE:
        return name.startswith(f"{_RULES}.") and name != __name__
    needed = {"torch", "numpy", "einops", "jaxtyping", "beartype", "safetensors"}
    return name.partition(".")[0] not in sys.stdlib_module_names | needed


def _spec(name: str) -> ModuleSpec | None:
    module = sys.modules.get(name)
    if module is not None:
        path = getattr(module, "__file__", None)
        known = getattr(module, "__spec__", None)
        return known or (None if path is None else importlib.util.spec_from_file_location(name, path))
    try:
        return importlib.util.find_spec(name)
    except Exception:  # a parent that is no package, or one that fails as it is imported
        return None


def _loaded_from(name: str) -> bool:
    spec = _spec(name)
    return spec is not None and spec.origin is not None


def _content(spec: ModuleSpec) -> bytes:
    assert spec.origin is not None
    loader: Any = spec.loader
    try:
        return loader.get_data(spec.origin)  # also from within a zip
    except (OSError, AttributeError):
        return b""


def _typed(kind: type | FunctionType) -> bytes:
    """The source of a class of a notebook or an interpreter, where that can be had, and its compiled methods."""
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):
        source = ""
    parts = [getattr(part, "__func__", part) for part in (vars(kind).values() if isinstance(kind, type) else [kind])]
    return repr([source, *(_instructions(part.__code__) for part in parts if inspect.isfunction(part))]).encode()


def _instructions(code: CodeType) -> list[Any]:
    constants = [_instructions(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts]
    return [code.co_name, code.co_code.hex(), list(code.co_names), constants]


def _is_installed(origin: str) -> bool:
    path = Path(origin).resolve()
    return any(path.is_relative_to(place) for place in _INSTALLED)


def _version(top: str) -> str:
    try:
        return importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(top), "__version__", ""))


def _imports(name: str, content: bytes, spec: ModuleSpec) -> Iterator[str]:
    """Names of modules that a module imports: those in its text, with the packages above them, and those that it holds."""
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    for found in _named(content, package):
        if found in (_PACKAGE, _RULES):  # may mean any rule
            yield from [module for module in sys.modules if module.startswith(f"{_RULES}.")]
        parts = found.split(".")
        yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
    for value in list(vars(sys.modules[name]).values()) if name in sys.modules else []:
        if isinstance(value, ModuleType):
            yield value.__name__
        elif isinstance(value, type | FunctionType):
            yield value.__module__


def _named(content: bytes, package: str) -> Iterator[str]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # a compiled module
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            try:
                base = importlib.util.resolve_name(base, package)
            except ImportError:  # relative beyond the top, or without a package
                continue
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value.lstrip(".") or package
