"""The structure of a tree of tensors as JSON and back, for files. Nothing in a file is imported: its classes must be known."""

import dataclasses
import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from torch import Tensor

_PACKAGE = __name__.partition(".")[0]


def class_name(kind: type) -> str:
    """The name by which `describe` writes a class down: its own and, of one from outside this package, a mark of its module.

    A file names no module: one that is moved leaves the file as it was, and nothing in a file can be imported. The mark says
    classes of one name apart.
    """
    inside = kind.__module__.partition(".")[0] == _PACKAGE
    return kind.__qualname__ if inside else f"{kind.__qualname__}#{_mark(kind.__module__)}"


def _mark(module: str) -> str:
    return hashlib.sha256(module.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _class_named(name: str, kinds: Iterable[type]) -> type:
    """The class among these that a file names, as `class_name` or, in files of older releases, as `module:class`.

    A class that was moved is found where no other has its name; of one that was defined twice, the last one.

    Raises:
        ValueError: if there is none, or if several may be meant.
    """
    module, colon, own = name.rpartition(":")
    mark = ""
    if not colon:
        own, _, mark = name.partition("#")
    elif module.partition(".")[0] != _PACKAGE:
        mark = _mark(module)
    wanted = f"{own}#{mark}" if mark else own
    fits = [kind for kind in kinds if kind.__qualname__ == own and ("#" in class_name(kind)) == bool(mark)]
    exact = [kind for kind in fits if class_name(kind) == wanted]
    if not fits:
        raise ValueError(f"the file holds a {own!r}, which is not imported here; import its module first")
    modules = sorted({kind.__module__ for kind in fits})
    if not exact and len(modules) > 1:
        raise ValueError(
            f"the file holds a {own!r}, as {' and '.join(modules)} define one; import only the one that it is of"
        )
    return (exact or fits)[-1]


def describe(tree: Any, name: str = "") -> Any:
    """The structure of a tree as JSON: classes and plain settings by value, each tensor by its path."""
    prefix = f"{name}." if name else ""
    if isinstance(tree, Tensor):
        return {"tensor": name}
    if dataclasses.is_dataclass(tree):
        parts = {f.name: describe(getattr(tree, f.name), prefix + f.name) for f in dataclasses.fields(tree)}
        return {"class": class_name(type(tree)), "fields": parts}
    if isinstance(tree, tuple):
        return {"tuple": [describe(part, f"{prefix}{index}") for index, part in enumerate(tree)]}
    if isinstance(tree, dict):
        return {"dict": {key: describe(part, f"{prefix}{key}") for key, part in tree.items()}}
    return {"value": tree}


def rebuild(description: Any, tensors: Mapping[str, Tensor], classes: Collection[type]) -> Any:
    """The inverse of `describe`. Only the given classes are made; nothing is imported.

    Raises:
        ValueError: for a class that is not among `classes` (see `class_name`), a missing tensor or an unknown structure.
    """
    match description:
        case {"tensor": str(name)}:
            if name not in tensors:
                raise ValueError(f"tensor {name!r} is missing from the file")
            return tensors[name]
        case {"class": str(name), "fields": dict(parts)}:
            kind = _class_named(name, classes)
            return kind(**{key: rebuild(part, tensors, classes) for key, part in parts.items()})
        case {"tuple": list(parts)}:
            return tuple(rebuild(part, tensors, classes) for part in parts)
        case {"dict": dict(parts)}:
            return {key: rebuild(part, tensors, classes) for key, part in parts.items()}
        case {"value": (None | bool() | int() | float() | str()) as value}:
            return value
    raise ValueError(f"cannot read the structure {str(description)[:80]!r}; the file was not written by this project")
