"""Is this the official checkpoint? What is known of the file, and what was found, check by check."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ttt3r.network.checkpoint import WEIGHTS
from ttt3r.network.published import CUT3R_512, FetchedFrom, PublishedCheckpoint, file_sha256
from ttt3r.network.unpickling import CheckpointError, read_pickle_safely

KEYS, NUMBERS = 1248, 803_261_138
"""Entries of its state dict and numbers in them, derived from the architecture; shared weights appear under two names."""

LICENCE = f"{CUT3R_512.notice} Numbers may be reported."


@dataclass(frozen=True)
class Check:
    """One fact about the file.

    Args:
        what: is compared.
        expected: as reported or derived.
        found: in the file.
        agrees: whether they are the same.
    """

    what: str
    expected: str
    found: str
    agrees: bool


def check_checkpoint(path: Path, official: PublishedCheckpoint = CUT3R_512) -> tuple[Check, ...]:
    """Size, SHA-256, number of entries and of weights. The file is read with the safe reader; nothing in it is run.

    Of a folder that `ttt3r fetch` wrote: size and SHA-256 of the file that it was made of, as measured then, and whether its
    weights are still those that were made. A file that differs may still be a good network of another size; the published
    numbers are of the official one only.

    Args:
        path: the file, or the folder.
        official: what it should be.

    Raises:
        FileNotFoundError: if there is nothing.
        ValueError: if it is a folder that does not say what it was made of.
    """
    if path.is_dir():
        record = FetchedFrom.of(path)
        weights = file_sha256(path / WEIGHTS)
        return (
            *_of_file(record.size, record.sha256, official),
            Check("weights since", record.weights_sha256, weights, weights == record.weights_sha256),
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"no file at {path}; give the official .pth, or {official.name} after {official.command}"
        )
    checks = _of_file(path.stat().st_size, file_sha256(path), official)
    try:
        state = read_pickle_safely(path).get("model")
    except CheckpointError as error:
        return (*checks, Check("readable", "yes", str(error), False))
    tensors = [value for value in state.values() if isinstance(value, Tensor)] if isinstance(state, dict) else []
    numbers = sum(tensor.numel() for tensor in tensors)
    return (
        *checks,
        Check("entries", str(KEYS), str(len(tensors)), len(tensors) == KEYS),
        Check("numbers", str(NUMBERS), str(numbers), numbers == NUMBERS),
    )


def _of_file(size: int, digest: str, official: PublishedCheckpoint) -> tuple[Check, Check]:
    return (
        Check("bytes", str(official.size), str(size), size == official.size),
        Check("SHA-256", official.sha256, digest, digest == official.sha256),
    )
