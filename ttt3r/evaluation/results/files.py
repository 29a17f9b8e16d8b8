"""Results on disk: one JSON file for each unit of work, written atomically, with an NPZ file beside it.

    OUT/units/SEQUENCE.RULE.KEY.json      rows, settings, costs, origin
    OUT/units/SEQUENCE.RULE.KEY.npz       trajectories, gains, a thinned cloud
    OUT/current/PROTOCOL                  network and code of the newest experiment by a protocol
    OUT/locks/EXPERIMENT.SHARE            held by the process that does this share

Numbers are written so that reading gives back the same bits. `engine.folder` writes them.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from ttt3r.evaluation.results.current import current_of
from ttt3r.evaluation.results.format import BrokenResult, Content, parse
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.files import is_partial


@dataclass(frozen=True)
class FolderReading:
    """What a folder of results holds.

    Args:
        units: of the newest experiment of each protocol.
        aside: a line for each kind of older results, which must not meet them in one mean.
        broken: a line for each file that cannot be read.
    """

    units: tuple[UnitResult, ...]
    aside: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


def read_folder(out: str | Path) -> FolderReading:
    """The results in a folder, sorted by file name; any subset of an evaluation will do. `arrays` become full paths.

    Raises:
        FileNotFoundError: if the folder holds no results.
    """
    files = listed(Path(out) / "units")
    if not files:
        raise FileNotFoundError(
            f"no results in {out}; expected {Path(out) / 'units'}/*.json, as ttt3r evaluate writes them"
        )
    found, broken = [], []
    for path in files:
        try:
            found.append(placed(load(path).result, path.parent))
        except BrokenResult as error:
            broken.append(str(error))
    digests = {unit.rows[0].protocol_hash for unit in found}
    grounds = {digest: text_at(Path(out) / "current" / digest[:16]) for digest in digests if _is_plain(digest)}
    current = current_of(found, grounds)
    return FolderReading(current.units, current.aside, tuple(broken))


def read_results(out: str | Path) -> tuple[UnitResult, ...]:
    """The results of the newest experiments in a folder, see `read_folder`.

    Raises:
        FileNotFoundError: if the folder holds no results.
        BrokenResult: if a file cannot be read; remove it and run the evaluation again.
    """
    reading = read_folder(out)
    if reading.broken:
        raise BrokenResult(reading.broken[0])
    return reading.units


def listed(units: Path) -> list[Path]:
    """The files of results, in order. Unfinished ones of a process at work, or one that was killed, are none."""
    return sorted(path for path in units.glob("*.json") if not is_partial(path.name))


def load(path: Path) -> Content:
    """A file of results; one without a date has that of the file.

    Raises:
        BrokenResult: if it cannot be read.
    """
    try:
        content = parse(path.read_text("utf-8"))
        made = content.result.origin.made or path.stat().st_mtime
    except (OSError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise BrokenResult(f"cannot read {path} ({why}); remove it and run the evaluation again") from error
    return replace(content, result=dated(content.result, made))


def dated(result: UnitResult, made: float | None = None) -> UnitResult:
    """The same, made at some time; by default now."""
    return replace(result, origin=replace(result.origin, made=time.time() if made is None else made))


def placed(result: UnitResult, folder: Path) -> UnitResult:
    """The same, with the full path of its arrays."""
    return replace(result, arrays=str(folder / result.arrays)) if result.arrays else result


def text_at(path: Path) -> str:
    """What a small file says; empty if it cannot be read."""
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return ""


def _is_plain(digest: str) -> bool:
    return digest.isalnum()
