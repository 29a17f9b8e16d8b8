"""Damaged files, made the same way at every run: what a text, a JSON tree or an archive becomes under one change at a time.

Not every change is made in every place, which would take minutes: the changes are dealt to the places of one kind in turn, so
that each kind of place meets each change.
"""

import copy
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

DEEP = "[" * 100_000 + "]" * 100_000
VALUES = {
    "null": None,
    "true": True,
    "text": "x",
    "number as text": "64",
    "empty text": "",
    "long text": "x" * 5000,
    "lines": "a\nb\x00",
    "negative": -1,
    "zero": 0,
    "one": 1,
    "odd": 7,
    "fraction": 1.5,
    "tiny": 1e-300,
    "huge": 10**12,
    "beyond a float": 10**400,
    "not a number": float("nan"),
    "infinite": float("inf"),
    "list": [],
    "nested list": [[[1]]],
    "list of null": [None, None, None, None],
    "list of huge": [10**9] * 4,
    "object": {},
    "nested object": {"a": {"b": 1}},
}


HANDS = 8
"""The changes are dealt to so many places of a kind, and then again from the first."""


def dealt(changes: Sequence, number: int, places: int) -> Sequence:
    """Those changes that the place of this number gets, of so many of its kind."""
    hands = min(HANDS, places)
    return changes[number % hands :: hands]


def places(tree, path=()) -> Iterator[tuple]:
    """The path of every value in a tree of JSON."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from places(part, (*path, key))


def _at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def json_damages(text) -> Iterator[tuple[str, bytes]]:
    """(what was done, the new content) for every value of a JSON text."""
    whole = json.loads(text)
    kind_of = {path: type(_at(whole, path)) for path in places(whole)}
    numbers, total = Counter(), Counter(kind_of.values())
    for path, kind in kind_of.items():
        name = "/".join(map(str, path))
        hand = dealt([*VALUES.items()], numbers[kind], total[kind])
        numbers[kind] += 1
        for what, value in hand:
            tree = copy.deepcopy(whole)
            _at(tree, path[:-1])[path[-1]] = value
            yield f"{name}: {what}", json.dumps(tree).encode()
        tree = copy.deepcopy(whole)
        del _at(tree, path[:-1])[path[-1]]
        yield f"{name}: missing", json.dumps(tree).encode()
        yield (
            f"{name}: deep",
            text.encode().replace(json.dumps(path[-1]).encode() + b": ", f'"deep": {DEEP}, '.encode(), 1),
        )
    yield "another key", json.dumps(whole | {"novel": 1}).encode()
    yield from text_damages(text.encode())
    yield from ((f"content: {what}", json.dumps(value).encode()) for what, value in VALUES.items())


def text_damages(content: bytes) -> Iterator[tuple[str, bytes]]:
    """(what was done, the new content) for any file."""
    half = len(content) // 2
    yield "empty", b""
    yield "cut", content[:half]
    yield "zeros", bytes(1000)
    yield "zeros in the middle", content[:half] + bytes(50) + content[half + 50 :]
    yield "not UTF-8", b"\xff\xfe\xfa" + content
    yield "bytes of a picture", b"\x89PNG\r\n\x1a\n" + content
    yield "twice", content + content
    yield "deep", DEEP.encode()
    for position in range(0, len(content), max(len(content) // 6, 1)):
        yield f"byte {position}", content[:position] + bytes([content[position] ^ 0xA5]) + content[position + 1 :]


def cell_damages(content: bytes, comma: str) -> Iterator[tuple[str, bytes]]:
    """(what was done, the new content) for every cell of the last row of a table, and for its rows."""
    lines = content.decode().splitlines()
    cells = lines[-1].split(comma)
    values = ("", "x", "nan", "inf", "-1", "0", "1e300", "9" * 30, "9" * 5000, "1;2", '"', "\x00")
    for place in range(len(cells)):
        for value in dealt(values, place, len(cells)):
            changed = [*cells[:place], value, *cells[place + 1 :]]
            yield f"cell {place} = {value[:12]!r}", "\n".join([*lines[:-1], comma.join(changed), ""]).encode()
        yield (
            f"cell {place} gone",
            "\n".join([*lines[:-1], comma.join(cells[:place] + cells[place + 1 :]), ""]).encode(),
        )
    yield "a row less", "\n".join([*lines[:-1], ""]).encode()
    yield "header only", "\n".join([*lines[:1], ""]).encode()
    yield "no header", "\n".join([*lines[1:], ""]).encode()
    yield from text_damages(content)


def array_damages(path, folder) -> Iterator[tuple[str, bytes]]:
    """(what was done, the new content) for every array of an NPZ; `folder` is for what is made on the way."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    target = folder / "made.npz"
    for number, (name, array) in enumerate(arrays.items()):
        odd = np.full(array.shape, np.nan if array.dtype.kind == "f" else -1).astype(array.dtype)
        changes = {
            "float64": array.astype(np.float64),
            "texts": np.array(["x"] * 3),
            "complex": array.astype(np.complex64),
            "one axis more": array[None],
            "flat and longer": np.zeros(array.size + 1, array.dtype),
            "a number": np.array(3, array.dtype),
            "nothing": array.reshape(-1)[:0],
            "not finite": odd,
            "other bytes": array.astype(array.dtype.newbyteorder()),
        }
        for what, changed in dealt([*changes.items()], number, len(arrays)):
            np.savez(target, **(arrays | {name: changed}))
            yield f"{name}: {what}", target.read_bytes()
        np.savez(target, **{other: a for other, a in arrays.items() if other != name})
        yield f"{name}: missing", target.read_bytes()
        yield f"{name}: a bomb", _with_member(path, target, name, _claim((10**12,), bytes(16)))
        yield (
            f"{name}: unfolds",
            _with_member(path, target, name, _claim((4 * 2**20,), bytes(16 * 2**20)), zipfile.ZIP_DEFLATED),
        )
        yield f"{name}: negative", _with_member(path, target, name, _claim((-1,), b""))
        yield f"{name}: code", _with_member(path, target, name, b"\x93NUMPY\x01\x00\x10\x00{'descr': '|O'}\n")
    yield from text_damages(path.read_bytes())


def _claim(shape, data):
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def _with_member(path, target, name, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for part in old.namelist():
            new.writestr(part, content if part == f"{name}.npy" else old.read(part), compression)
    return target.read_bytes()


def header_damages(content: bytes) -> Iterator[tuple[str, bytes]]:
    """(what was done, the new content) for the header of a safetensors file, and for its first and last tensor in it."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]

    def packed(tree):
        text = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
        return len(text).to_bytes(8, "little") + text + data

    names = [name for name in header if name != "__metadata__"]
    for number, name in enumerate((names[0], names[-1])):
        for place in ("dtype", "shape", "data_offsets"):
            for what, value in dealt([*VALUES.items()], number, 2):
                yield f"{name}/{place}: {what}", packed(header | {name: header[name] | {place: value}})
        for dtype in ("F64", "I32", "U8", "BOOL", "F8_E4M3"):
            yield f"{name}: {dtype}", packed(header | {name: header[name] | {"dtype": dtype}})
        shape = header[name]["shape"]
        for changed in ([*shape, 1], [1, *shape], shape[::-1], [int(np.prod(shape))], [10**12], [10**6, 10**6]):
            yield f"{name}: {changed}", packed(header | {name: header[name] | {"shape": changed}})
        yield f"{name}: gone", packed({key: value for key, value in header.items() if key != name})
        yield f"{name}: renamed", packed({("novel" if key == name else key): value for key, value in header.items()})
    for key, text in header.get("__metadata__", {}).items():
        for what, changed in json_damages(text):
            metadata = {key: changed.decode("utf-8", "replace")}
            yield f"metadata, {what}", packed(header | {"__metadata__": metadata})
    yield "no metadata", packed({name: header[name] for name in names})
    yield "a header of any length", (2**60).to_bytes(8, "little") + content[8:]
    yield "a deep header", packed(DEEP.encode())
    yield from text_damages(content)


FINE = (ValueError, OSError)


def outcome(call, file) -> str | None:
    """What is wrong with how a reader takes a damaged file: nothing if it succeeds, or names it in one line."""
    try:
        call()
    except FINE as error:
        text = str(error)
        if "\n" in text or len(text) > 700 or file not in text or type(error) is UnicodeDecodeError:
            return f"{type(error).__name__}: {text[:300]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]!r}"
    return None
