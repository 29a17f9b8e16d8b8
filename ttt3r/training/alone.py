"""One training in a folder at a time: two would overwrite each other's checkpoint."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none; there nothing is locked
    fcntl = None

LOCK = "lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Within: this training holds the folder. The hold ends with the process, however it ends.

    Raises:
        ValueError: if another training holds it.
    """
    if fcntl is None or os.environ.get("LOCAL_RANK", "0") != "0":  # one process stands for all that train together
        yield
        return
    with open(folder / LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(
                f"another training is at work in {folder}; wait for it, or choose another --out"
            ) from error
        yield
