"""Reading files of unknown origin: type, shape and size are known before anything is made, and errors are of one kind.

A file of another program, of another release or of unknown origin may hold anything. What is read here is data only; whatever
is wrong with it becomes a `DamagedFile`, in one line that names the file and the cure.
"""

import dataclasses
import enum
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Shaped
from safetensors import safe_open

from ttt3r.files import read_text

MOST_TEXT = 256 * 2**20
"""Most bytes of a file of settings or of a table."""
_ROOM, _RATIO = 64 * 2**20, 64  # an archive may unfold to this many bytes, or to this many times its own

Words = TypeVar("Words", bound=enum.Enum)


class DamagedFile(ValueError):
    """A file that does not hold what it should, with the reason and the cure."""


@contextmanager
def reading(path: Path, what: str, cure: str) -> Iterator[None]:
    """Within: whatever goes wrong is the fault of the file, and says so.

    Args:
        path: the file.
        what: that it should hold: "a saved memory".
        cure: the end of the message.

    Raises:
        FileNotFoundError, PermissionError, IsADirectoryError: as they come.
        DamagedFile: for everything else.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError, DamagedFile):
        raise
    except Exception as error:  # what a reader raises for a damaged file is not documented
        raise DamagedFile(f"{path} is not {what} ({reason_of(error, path)}); {cure}") from error


def reason_of(error: Exception, path: Path) -> str:
    """What an error says, in one short line without the file's name."""
    text = " ".join(str(error).replace(f"{path}: ", "").replace(str(path), "it").split())
    if type(error) is not ValueError:
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= 200 else f"{text[:197]}..."


def read_json(path: Path) -> Any:
    """The content of a file of JSON: plain values, of a bounded size and depth; no NaN, which JSON does not have.

    Raises:
        ValueError: if it is something else; to be used within `reading`.
    """
    return parse_json(read_table(path))


def read_table(path: Path) -> str:
    """The text of a file of a bounded size.

    Raises:
        ValueError: if it is longer, or no text; to be used within `reading`.
    """
    if (size := path.stat().st_size) > MOST_TEXT:
        raise ValueError(f"{size} bytes are more than any such file has")
    return read_text(path)


def parse_json(text: str) -> Any:
    """As `read_json`, of a text."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def whole(value: Any, name: str, least: int, most: int) -> int:
    """The value, if it is a whole number in these bounds.

    Raises:
        ValueError: naming it, if not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name}={shown(value)} must be a whole number from {least} to {most}")
    return value


def real(value: Any, name: str, least: float, most: float) -> float:
    """The value, if it is a number in these bounds.

    Raises:
        ValueError: naming it, if not.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name}={shown(value)} must be a number from {least:g} to {most:g}")
    return value


def shown(value: Any) -> str:
    """A value of a file for a message: one line, at most 60 characters, whatever it is."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # a number of too many digits, or a tree that is too deep
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True)
class TensorForm:
    """A tensor in a safetensors file, before it is read.

    Args:
        dtype: in the words of that format: `F32`, `BF16`, `I64`.
        shape: of the tensor.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def is_float(self) -> bool:
        """Whether it is one of the types that weights are kept in."""
        return self.dtype in ("F64", "F32", "F16", "BF16")


def tensor_forms(path: Path) -> dict[str, TensorForm]:
    """Type and shape of all tensors of a safetensors file, from its header alone; to be used within `reading`."""
    with safe_open(path, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        return {name: TensorForm(str(part.get_dtype()), tuple(part.get_shape())) for name, part in slices.items()}


@dataclass(frozen=True)
class ArrayForm:
    """How an array of an NPZ must be.

    Args:
        dtype: its type, as NumPy names it; `int64` stands for whole numbers of any width, `number` for those and floats.
        axes: of each axis its length, or a name. Axes of one name have one length in all arrays of the file.
    """

    dtype: str
    axes: tuple[int | str, ...] = ()


def read_arrays(
    path: Path, forms: Mapping[str, ArrayForm], optional: Collection[str] = ()
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Arrays of an NPZ, by name; others in it are not read. To be used within `reading`.

    The headers are compared with the forms first: an array of another type, of another shape or of more bytes than the file
    can hold is refused before it is made.

    Args:
        path: the file.
        forms: of the arrays that are wanted.
        optional: names among them that may be absent.

    Raises:
        ValueError, KeyError, BadZipFile: if the file does not hold them.
    """
    with zipfile.ZipFile(path) as archive:
        present = [name for name in forms if name not in optional or f"{name}.npy" in archive.namelist()]
        lengths: dict[str, int] = {}
        room = max(_ROOM, _RATIO * path.stat().st_size)
        for name in present:
            room -= _check_member(archive, name, forms[name], lengths)
            if room < 0:
                raise ValueError("its arrays unfold to far more bytes than the file has")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in present}


def _check_member(archive: zipfile.ZipFile, name: str, form: ArrayForm, lengths: dict[str, int]) -> int:
    """Compare the header of an array with its form; its size in bytes."""
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"array {name!r} is of an unknown version {version}")
        shape, _, dtype = read(file)
        start = file.tell()
    kinds = {"int64": "iu", "number": "iuf"}.get(form.dtype)
    fits = dtype == np.dtype(form.dtype) if kinds is None else dtype.kind in kinds
    expected = tuple(
        lengths.setdefault(a, n) if isinstance(a, str) else a for a, n in zip(form.axes, shape, strict=False)
    )
    if not fits or len(shape) != len(form.axes) or shape != expected or min(shape, default=0) < 0:
        raise ValueError(f"array {name!r} is {dtype}{shape}, expected {form.dtype}({', '.join(map(str, form.axes))})")
    size = dtype.itemsize * int(np.prod([int(n) for n in shape], dtype=object))
    if member.file_size != start + size:
        raise ValueError(f"array {name!r} claims {size} bytes, but the archive has {member.file_size - start}")
    return size


def member(kind: type[Words], value: object) -> Words:
    """The member of an enumeration that a text names.

    Raises:
        ValueError: if none has it.
    """
    for member in kind:
        if member.value == value:
            return member
    raise ValueError(f"unknown {kind.__name__} {shown(value)}; known are {', '.join(each.value for each in kind)}")


def require_names(kind: type, values: Mapping[str, Any]) -> None:
    """All settings of a dataclass and no others: a default in the place of a lost setting could fit, and mean something else.

    Raises:
        ValueError: naming what is unknown or missing.
    """
    names = {field.name for field in dataclasses.fields(kind)}
    if unknown := sorted(values.keys() - names):
        raise ValueError(
            f"unknown setting {shown(unknown[0])} of a {kind.__name__}; known are {', '.join(sorted(names))}"
        )
    if missing := sorted(names - values.keys()):
        raise ValueError(f"a {kind.__name__} has no {', '.join(missing)}")
