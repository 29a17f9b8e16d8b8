"""Reading a pickled checkpoint without running anything: tensors and plain values, all else becomes an inert stand-in."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch


class CheckpointError(ValueError):
    """A file that cannot be used as a network, with the reason and the cure."""


# What a damaged archive or pickle makes PyTorch's reader raise.
_DAMAGE = (
    pickle.UnpicklingError,
    RuntimeError,  # RecursionError and NotImplementedError are such
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    MemoryError,
)


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
    if not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path} is not a PyTorch checkpoint, or was cut short; download it again and compare its size"
        )
    try:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        refused = [name for name in foreign if not name.startswith(_HARMLESS) or name in _NEVER]
        if refused:
            raise CheckpointError(
                f"{path} wants to load {', '.join(refused[:4])}, which a checkpoint has no need of; it was not read. "
                "Use the original file, or save its weights alone"
            )
        stand_ins = [(type(name.rpartition(".")[2], (Inert,), {}), name) for name in foreign]
        with torch.serialization.safe_globals(stand_ins):  # pyright: ignore[reportArgumentType]
            checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except CheckpointError:
        raise
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
    ) as error:
        raise CheckpointError(f"{path} cannot be read safely ({str(error).splitlines()[0][:160]})") from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f"{path} holds a {type(checkpoint).__name__}, expected a dictionary with 'args' and 'model'"
        )
    return checkpoint
