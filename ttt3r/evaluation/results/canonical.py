"""Settings as text that is the same everywhere: what hashes of protocols, rules and units of work are made of."""

import enum
import hashlib
import inspect
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

_PACKAGE = __name__.partition(".")[0]


def canonical(value: Any) -> Any:
    """Settings as plain JSON: dataclasses by class name and fields, enumerations by name, modules by settings and weights.

    A class from outside this package also gives the SHA-256 of the file that defines it: a rule that was edited is another
    rule. Where a class of this package lives is left out, so that moving a file changes no hash.

    Raises:
        TypeError: for anything that is no setting.
    """
    if isinstance(value, nn.Module):
        plain = {name: part for name, part in vars(value).items() if not name.startswith("_") and name != "training"}
        return {**_class(type(value)), **canonical(plain), "weights": weights_hash(value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {**_class(type(value)), **{field.name: canonical(getattr(value, field.name)) for field in fields(value)}}
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, dict):
        return {str(key): canonical(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [canonical(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(
        f"{value!r} ({type(value).__name__}) is no setting that can be written down; use a frozen dataclass"
    )


def canonical_text(value: Any) -> str:
    """`canonical(value)` as one line of JSON with sorted keys."""
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"))


def stable_hash(value: Any) -> str:
    """SHA-256 of `canonical_text(value)`, 64 hexadecimal digits: the same on every machine and in every process."""
    return hashlib.sha256(canonical_text(value).encode()).hexdigest()


def weights_hash(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of all weights and buffers, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _class(kind: type) -> dict[str, str]:
    if kind.__module__.partition(".")[0] == _PACKAGE:
        return {"class": kind.__qualname__}
    try:
        source = Path(inspect.getfile(kind)).read_bytes()
    except (OSError, TypeError):  # typed into an interpreter: nothing but its name is known
        return {"class": f"{kind.__module__}.{kind.__qualname__}"}
    return {"class": f"{kind.__module__}.{kind.__qualname__}", "source": hashlib.sha256(source).hexdigest()}
