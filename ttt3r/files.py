"""Files and folders that may be written by several processes, killed at any time, or come from other machines."""

import csv
import errno
import os
import re
import secrets
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

LOCK = ".lock"
"""Name of the lock file in a folder that is written. It stays when the work is done; it is empty and locks nothing then."""

_FORMULA = ("=", "+", "-", "@")
RUN_RECORD = "run.json"
"""Name of the file that marks a folder as that of a run. What lies in such a folder is output, and never read as input."""

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""Errors of file systems without locks."""

_PARTIAL = re.compile(r"\.[0-9a-f]{12}\.partial(\.[A-Za-z0-9]{1,12})?")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replace a file as a whole: write to the path that is given, and it takes the place of `path` at the end.

    Whoever reads `path` meanwhile, or after a kill or a power cut, finds the old file or the whole new one. The new file is on
    the disk before it takes the old one's place, and has the permissions of any new file of this user. If the block raises,
    the old file stays and nothing is left behind. The temporary name is short, of this process alone, and ends like `path`.

    Args:
        path: the file; its folder must exist.

    Raises:
        OSError: if it cannot be written.
    """
    partial = path.with_name(f".{secrets.token_hex(6)}.partial{path.suffix}")
    try:
        with partial.open("xb") as file:
            mode = os.fstat(file.fileno()).st_mode
        yield partial
        os.chmod(partial, mode)  # some writers put a file of their own, closed to others, in its place
        _sync(partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 as a whole, see `replacing`; what UTF-8 cannot hold stands there as an escape.

    Raises:
        OSError: if it cannot be written.
    """
    with replacing(path) as partial:
        partial.write_text(text, "utf-8", "backslashreplace", newline="\n")


def is_partial(name: str) -> bool:
    """Whether a file name is one that `replacing` gives to an unfinished file."""
    return _PARTIAL.fullmatch(name) is not None


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run."""
    return (folder / RUN_RECORD).is_file()


@contextmanager
def locked(folder: Path, work: str, cure: str = "wait for it, or choose another folder with --out") -> Iterator[None]:
    """Within: this process alone writes to the folder. The lock ends with the process, however it ends.

    On a file system without locks nothing is locked.

    Args:
        folder: the folder; must exist.
        work: what holds the lock, for the message of another that comes: "run", "training".
        cure: the end of that message.

    Raises:
        ValueError: if another process holds the folder.
    """
    lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
    try:
        _hold(lock)
    except Timeout:
        raise ValueError(f"another {work} is at work in {folder}; {cure}") from None
    try:
        yield
    finally:
        lock.release()


def _hold(lock: BaseFileLock) -> None:
    """Take the lock, or nothing on a file system without locks. Raises Timeout if another process holds it."""
    try:
        with warnings.catch_warnings(action="ignore"):
            lock.acquire()
    except Timeout:
        if not isinstance(lock, SoftFileLock):
            raise
    except NotImplementedError:  # as older releases of the library say it
        pass
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    # Newer releases then take the file itself for the lock, and it would stay one after its process was killed.
    if isinstance(lock, SoftFileLock):
        lock.release(force=True)


def escaped(name: str) -> str:
    r"""A name from a file system as text that every file and terminal takes: an undecodable byte as `\udcff`.

    Examples:
        >>> print(escaped("room\udcff 1"))
        room\udcff 1
    """
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode("ascii") for part in name)


def write_sheet(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file as a whole, see `replacing`; numbers in full, text as `sheet_cell` has it.

    Raises:
        OSError: if it cannot be written.
    """
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(map(sheet_cell, row) for row in rows)


def sheet_cell(value: object) -> object:
    """A value for a cell of a CSV file: text that a spreadsheet would take for a formula gets a quote before it.

    Numbers, and text that is a number, stay as they are.

    Examples:
        >>> [sheet_cell(value) for value in ("=1+1", "@x", "-x", "-1.5", -1.5, "room")]
        ["'=1+1", "'@x", "'-x", '-1.5', -1.5, 'room']
    """
    if not isinstance(value, str) or not value.lstrip().startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def read_text(path: Path, errors: str = "strict") -> str:
    """The text of a UTF-8 file of any origin: without a byte-order mark, each line end a line feed.

    Args:
        path: the file.
        errors: as for `bytes.decode`; "replace" where bytes that are no UTF-8 do no harm, as in comments.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not text in UTF-8 (or UTF-16 with a byte-order mark).
    """
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding, errors)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
