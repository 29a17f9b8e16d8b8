"""Reading a pickled checkpoint without running anything: tensors and plain values, all else becomes an inert stand-in."""

import zipfile
from pathlib import Path
from typing import Any

import torch

from ttt3r.network.pickle_scan import MOST_BYTES, scan
from ttt3r.untrusted import reason_of, shown


class CheckpointError(ValueError):
    """A file that cannot be used as a network, with the reason and the cure."""


class Inert:
    """Stands in for a pickled configuration object: keeps what it is given and does nothing."""

    def __new__(cls, *_arguments: Any) -> "Inert":  # noqa: D102
        return super().__new__(cls)

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state if isinstance(state, dict) else {"state": state})


# Names that official and derived files pickle beside the weights; all of them are replaced by inert stand-ins.
_HARMLESS = (
    "argparse.Namespace",
    "typing.",
    "omegaconf.",
    "pathlib.",
    "numpy.",
    "builtins.",
    "collections.",
    "antlr4.",
)
_NEVER = (
    "builtins.eval",
    "builtins.exec",
    "builtins.getattr",
    "builtins.open",
    "builtins.compile",
    "builtins.__import__",
)


def read_pickle_safely(path: Path) -> dict[str, Any]:
    """Read a PyTorch checkpoint with tensors and plain values only; every other class becomes an inert stand-in.

    Raises:
        CheckpointError: if the file is no PyTorch archive, is damaged, or names anything that is not known to be harmless.
    """
    try:
        scan(_pickle_of(path), _HARMLESS)
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        refused = [name for name in foreign if not name.startswith(_HARMLESS) or name in _NEVER]
        if refused:
            raise ValueError(
                f"it wants to load {', '.join(shown(name)[1:-1] for name in refused[:4])}, which no checkpoint needs"
            )
        stand_ins = [(type(name.rpartition(".")[2], (Inert,), {}), name) for name in foreign]
        with torch.serialization.safe_globals(stand_ins):  # pyright: ignore[reportArgumentType]
            checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # what a damaged archive or pickle makes PyTorch's reader raise is not documented
        if isinstance(error, (PermissionError, FileNotFoundError)):
            raise
        raise CheckpointError(
            f"{path} cannot be read safely ({reason_of(error, path)}); it was not loaded. Use the original file, or save its "
            "weights alone"
        ) from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f"{path} holds a {type(checkpoint).__name__}, expected a dictionary with 'args' and 'model'"
        )
    return checkpoint


def _pickle_of(path: Path) -> bytes:
    """The pickle of a PyTorch archive, if the archive is as PyTorch writes it: plain parts, none twice, none compressed.

    Raises:
        ValueError, BadZipFile: if it is not.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError("it is not a PyTorch checkpoint, or was cut short; download it again and compare its size")
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        names = {part.filename for part in parts}
        if len(names) < len(parts):
            raise ValueError("its archive holds a part twice")
        if any(part.compress_type != zipfile.ZIP_STORED or part.compress_size != part.file_size for part in parts):
            raise ValueError("its archive is compressed, which PyTorch does not do")
        with path.open("rb") as file:
            start = file.read(4)
        if start != b"PK\x03\x04" or sum(part.file_size for part in parts) > path.stat().st_size:
            raise ValueError("its archive does not begin with its first part, or claims more bytes than the file has")
        pickles = [part for part in parts if part.filename.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1 or pickles[0].file_size > MOST_BYTES:
            raise ValueError(f"its archive holds {len(pickles)} pickles, expected one of at most {MOST_BYTES} bytes")
        with archive.open(pickles[0]) as file:
            return file.read(MOST_BYTES)
