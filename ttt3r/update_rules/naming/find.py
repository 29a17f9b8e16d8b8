"""From a name to a rule's class: a built-in rule, an installed plug-in, or a class in the user's own file."""

import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from ttt3r.update_rules.base import StateUpdateRule

ENTRY_POINTS = "ttt3r.rules"
"""Entry-point group under which other packages offer rules."""


def installed() -> dict[str, EntryPoint]:
    """Rules that other installed packages offer, by name. None of them is imported."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def find(name: str, known: Mapping[str, type[StateUpdateRule]]) -> type[StateUpdateRule]:
    """The class behind `name`: a key of `known`, else an installed entry point, else a dotted path.

    Raises:
        ValueError: if there is no such rule; names the known ones and those that look alike.
        TypeError: if what was found is no rule.
        ImportError: if a plug-in or the user's file cannot be loaded.
    """
    if name in known:
        return known[name]
    plugins = installed()
    if name in plugins:
        try:
            found = plugins[name].load()
        except Exception as error:
            raise ImportError(
                f"the plug-in {plugins[name].value} for rule {name!r} cannot be loaded: {error}"
            ) from error
        return _require_rule_class(found, plugins[name].value)
    module_name, dot, class_name = name.rpartition(".")
    if not (dot and all(part.isidentifier() for part in name.split("."))):
        raise ValueError(_unknown(name, known, plugins))
    module = _module(module_name)
    if module is None:
        nor_file = "" if "." in module_name else f" and no file {module_name}.py in {Path.cwd()}"
        raise ValueError(
            f"no rule {name!r}: there is no module {module_name!r}{nor_file}; "
            f"known rules: {', '.join(sorted([*known, *plugins]))}"
        )
    if class_name not in vars(module):
        like = difflib.get_close_matches(class_name, vars(module), n=3)
        hint = (
            f"did you mean {' or '.join(like)}?" if like else f"it defines {', '.join(_rules_in(module)) or 'no rule'}"
        )
        raise ValueError(f"no {class_name!r} in {module.__file__ or module_name}; {hint}")
    return _require_rule_class(vars(module)[class_name], name)


def _module(name: str) -> ModuleType | None:
    """An importable module, else `name`.py of the current folder, else nothing."""
    try:
        importable = importlib.util.find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):  # no such parent; or loaded without a spec, as __main__ is
        importable = name in sys.modules
    if importable:
        try:
            return importlib.import_module(name)
        except Exception as error:
            raise ImportError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    path = Path.cwd() / f"{name}.py"
    if "." in name or not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Registered under its own name, so that dataclasses, pickles and saved memories find the classes again.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ImportError(f"{path} cannot be loaded: {type(error).__name__}: {error}{_beside(path, error)}") from error
    return module


def _beside(path: Path, error: Exception) -> str:
    """The cure where a user's file imports another one beside it: the import path is the user's, and nothing is put on it."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if not missing or not ((path.parent / missing).is_dir() or (path.parent / f"{missing}.py").is_file()):
        return ""
    return f"; {missing} lies beside it, and is found with PYTHONPATH=. in front of the command"


def _require_rule_class(found: object, name: str) -> type[StateUpdateRule]:
    if not isinstance(found, type):
        raise TypeError(f"{name} is {type(found).__name__} {found!r:.80}, not a class; name the rule's class itself")
    if not issubclass(found, StateUpdateRule):
        raise TypeError(f"{name} is no rule; derive it from ttt3r.update_rules.GatedUpdateRule or StateUpdateRule")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise TypeError(f"{name} is not finished: it must define {missing}")
    return found


def _rules_in(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, StateUpdateRule) and value.__module__ == module.__name__
    ]


def _unknown(name: str, known: Mapping[str, type[StateUpdateRule]], plugins: Mapping[str, EntryPoint]) -> str:
    # People also try the class's name, so that is compared as well.
    spellings = {key: key for key in [*known, *plugins]} | {kind.__name__.lower(): key for key, kind in known.items()}
    like = difflib.get_close_matches(name.lower(), spellings, n=3)
    hint = f"did you mean {' or '.join(dict.fromkeys(spellings[spelling] for spelling in like))}? " if like else ""
    return (
        f"unknown rule {name!r}; {hint}known rules: {', '.join(sorted([*known, *plugins]))}; "
        "for a class of your own in my_lab.py give my_lab.MyRule"
    )
