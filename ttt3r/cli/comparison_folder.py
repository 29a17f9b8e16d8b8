"""The output folder of `ttt3r compare`: what it may hold before, and what of an older comparison goes.

An older comparison stays as it is until the first new numbers are there: a mistyped name loses nothing. Then all of it goes at
once, so that no older picture is left beside new numbers, wherever the command is cut off.
"""

import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

from ttt3r.evaluation.report.files import remove_report
from ttt3r.files import LOCK, is_partial, read_text

CLIPS, WORLDS, PAPER, PALINDROME = "comparison.csv", "worlds.csv", "paper.csv", "palindrome.csv"
"""Tables of the four kinds of comparisons. By one of them a folder is known as a comparison's."""

TABLES = (CLIPS, WORLDS, PAPER, PALINDROME)
"""All of them."""

OF_WORLDS = ("recall.csv", "tables.md", "summary.md", "errors.png", "differences.png", "recall.png", "forgetting.png")
"""Files beside the table of a comparison on worlds."""

OF_PALINDROMES = ("palindrome.md", "palindrome.png", "palindrome.html")
"""What stands beside the table of a palindrome."""

REPORT = "report"
"""Folder of the report, of a comparison on worlds."""

LONGEST_NAME = 100
"""Bytes of a sequence's or a rule's name in the name of a file."""


def make_folder(out: Path) -> None:
    """Make the folder, if it is not there.

    Raises:
        FileExistsError: if it holds something else than a comparison; nothing is written then.
        OSError: if it cannot be written to.
    """
    if out.is_dir():
        _is_used(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / LOCK).touch()
    except OSError as error:
        raise OSError(
            f"cannot write to the output folder {out} ({error.strerror}); choose another with --out"
        ) from error


def prepare(out: Path, table: str, overwrite: bool) -> None:
    """See that the folder is empty, or holds an older comparison that may be replaced.

    An empty table is put into an empty folder: so it is known as a comparison's however the command ends.

    Raises:
        FileExistsError: if the folder holds something else, or may not be overwritten.
    """
    used = _is_used(out)
    if used and not overwrite:
        raise FileExistsError(f"{out} already holds a comparison; replace it with --overwrite, or choose another --out")
    if not used:
        for name in set(TABLES) - {table}:
            (out / name).unlink(missing_ok=True)
        (out / table).touch()


def _is_used(out: Path) -> bool:
    """Whether a folder holds a comparison; one that ended before its first number left an empty table, and holds none."""
    tables = [path for path in (out / name for name in TABLES) if path.is_file()]
    begun = {path.name for path in tables if path.stat().st_size == 0}
    used = any(path.name not in {LOCK, *begun} and not is_partial(path.name) for path in out.iterdir())
    if used and not tables:
        raise FileExistsError(f"{out} is not empty and holds no comparison; choose an empty folder with --out")
    return used


def clear(out: Path, table: str) -> None:
    """Remove what an older comparison left, but for the table of that name, which the new one takes the place of.

    Files of other origin stay.
    """
    stale = [*_of_clips(out / CLIPS), *(OF_WORLDS if (out / WORLDS).is_file() else ())]
    stale += OF_PALINDROMES if (out / PALINDROME).is_file() else ()
    if (out / WORLDS).is_file():
        remove_report(out / REPORT)
    if not (out / table).is_file():
        (out / table).touch()
    stale += [
        path.name for path in out.iterdir() if is_partial(path.name)
    ]  # of one that was killed; the folder is ours
    for name in (*stale, *{*TABLES} - {table}):
        if (out / name).is_file():
            (out / name).unlink()


def _of_clips(table: Path) -> Iterator[str]:
    """Names of the pictures and trajectories that belong to the rows of a table; none if it cannot be read."""
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(table))))
    except (OSError, ValueError, csv.Error):
        return
    for row in rows:
        for clip in _as_written(row.get("clip")):
            yield from (picture_of(clip), gains_of(clip))
            yield from (trajectory_of(clip, rule) for rule in _as_written(row.get("rule")))


def _as_written(cell: str | None) -> set[str]:
    """What the text of a cell may have been before `sheet_cell`."""
    return set() if cell is None else {cell, cell.removeprefix("'")}


def picture_of(clip: str) -> str:
    """Name of the picture of a sequence's paths."""
    return f"{_file_name(clip)}.png"


def gains_of(clip: str) -> str:
    """Name of the picture of the gains on a sequence."""
    return f"{_file_name(clip)}.gains.png"


def trajectory_of(clip: str, rule: str) -> str:
    """Name of the trajectory of a rule on a sequence."""
    return f"{_file_name(clip)}.{_file_name(rule)}.txt"


def _file_name(name: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    if len(plain.encode()) <= LONGEST_NAME:
        return plain
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return plain.encode()[: LONGEST_NAME - 9].decode("utf-8", "ignore") + f"-{mark}"
