"""What a number depends on beside its settings: the files of a sequence, the network, the sources of a rule, this package.

Each is a SHA-256 that is found anew when an evaluation begins, so nothing can be stale. Images are identified by name, size
and time of change: reading them would take as long as the evaluation. Weights and sources by what they hold.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ttt3r._version import __version__
from ttt3r.evaluation.results.canonical import canonical, stable_hash, weights_hash
from ttt3r.update_rules.sources import sources_of

OUTPUT = frozenset({"run.json", "units", "locks", "comparison.csv", "worlds.csv", "report.html"})
"""A folder that holds one of these was written by this package; it is no data, wherever it lies."""

_BESIDE = re.compile(r"units|report|locks|current|jobs|rows\.csv|experiment-.*\.yaml")
"""What an evaluation writes, where it writes into the folder of a sequence."""

_APART = ("cli", "viewer", "training", "export", "update_rules", "report")
"""Subpackages that decide no number, and the rules, of which each result names its own."""


def data_fingerprint(places: Iterable[Path]) -> str:
    """Names, sizes and times of change of all files below the places, which are folders or files; links are followed."""
    digest, seen = hashlib.sha256(), set[str]()
    for number, place in enumerate(places):
        for name, path in _files(place, "", seen):
            try:
                status = path.stat()
                described = f"{status.st_size} {status.st_mtime_ns}"
            except OSError as error:
                described = type(error).__name__
            digest.update(f"{number} ".encode() + os.fsencode(name) + f"\0{described}\n".encode())
    return digest.hexdigest()


def _files(place: Path, name: str, seen: set[str]) -> Iterator[tuple[str, Path]]:
    """Every file with its name below the place, in order; hidden ones and what this package wrote are no data."""
    if not place.is_dir():
        yield name, place
        return
    real = os.path.realpath(place)
    if real in seen:  # a link to a folder above
        return
    seen.add(real)
    try:
        inside = sorted(os.listdir(place))
    except OSError as error:
        yield f"{name}/{type(error).__name__}", place
        return
    written = OUTPUT.intersection(inside)
    if written and name:
        return
    for child in inside:
        if not child.startswith(".") and not (written and _BESIDE.fullmatch(child)):
            yield from _files(place / child, f"{name}/{child}", seen)


def network_fingerprint(network: object) -> str:
    """The weights of a network as they are in memory, its settings and, for a class from outside, its sources."""
    described: list[Any] = [type(network).__qualname__, sources_of([type(network)])]
    if isinstance(network, nn.Module):
        described += [weights_hash(network), _settings_of(network)]
    return stable_hash(described)


def _settings_of(network: nn.Module) -> Any:
    for name, value in vars(network).items():
        if name in ("config", "_config") and is_dataclass(value) and not isinstance(value, type):
            return canonical(value)
    return None


def sources_fingerprint(settings: object) -> str:
    """The sources of the classes that settings are made of, and of what these import."""
    kinds = dict[type, None]()
    _gather(settings, kinds)
    return stable_hash(sources_of(kinds))


def _gather(value: Any, kinds: dict[type, None]) -> None:
    """The classes of settings and of all their parts."""
    if isinstance(value, nn.Module):
        kinds[type(value)] = None
        for part in (*vars(value).values(), *value.children()):
            _gather(part, kinds)
    elif is_dataclass(value) and not isinstance(value, type):
        kinds[type(value)] = None
        for field in fields(value):
            _gather(getattr(value, field.name), kinds)
    elif isinstance(value, dict):
        for part in value.values():
            _gather(part, kinds)
    elif isinstance(value, tuple | list):
        for part in value:
            _gather(part, kinds)


def code_fingerprint() -> str:
    """The version of this package and of PyTorch, its sources but for rules and commands, and the arithmetic switched on."""
    kinds = [kind for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]
    arithmetic = [f"{kind} {torch.get_autocast_dtype(kind)}" for kind in kinds]
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision()
    return stable_hash((__version__, torch.__version__, _package(), arithmetic, [str(word) for word in tf32]))


@cache
def _package() -> str:
    """What was loaded at the start stays what runs; so this is found once."""
    digest = hashlib.sha256()
    for name, file in _modules(resources.files("ttt3r"), ""):
        digest.update(f"{name}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _modules(folder: Traversable, below: str) -> Iterator[tuple[str, Traversable]]:
    for part in sorted(folder.iterdir(), key=lambda part: part.name):
        if part.is_dir() and part.name not in _APART:
            yield from _modules(part, f"{below}{part.name}/")
        elif part.name.endswith(".py"):
            yield below + part.name, part
