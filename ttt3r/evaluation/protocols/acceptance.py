"""Is this the official checkpoint? What is known of the file, and what was found, check by check."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ttt3r.network.unpickling import CheckpointError, read_pickle_safely

MD5 = "31cd42b49f93253082d50c32ff1fa58f"
"""Of `cut3r_512_dpt_4_64.pth`, as one independent report gives it; no SHA-256 was published."""
KEYS, NUMBERS = 1248, 803_261_138
"""Entries of its state dict and numbers in them, derived from the architecture; shared weights appear under two names."""
BYTES = (3.0e9, 3.5e9)
"""Size of the file: float32 weights, and perhaps some settings beside."""

LICENCE = (
    "The official weights are published by their authors under CC BY-NC-SA 4.0: no commercial use, credit to the authors, and "
    "the same licence for what is derived from them. This package neither holds nor fetches them. Numbers may be reported."
)


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


def check_checkpoint(path: Path) -> tuple[Check, ...]:
    """Size, MD5, number of entries and of weights. The file is read with the safe reader; nothing in it is run.

    A file that differs may still be a good network of another size; the published numbers are of the official one only.

    Raises:
        FileNotFoundError: if there is no file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}; give the official .pth (docs/how-to/official-checkpoint.md)")
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    checks = [
        Check("bytes", f"{BYTES[0]:.2g} to {BYTES[1]:.2g}", str(size), BYTES[0] <= size <= BYTES[1]),
        Check("MD5", f"{MD5} (one report)", digest, digest == MD5),
    ]
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
