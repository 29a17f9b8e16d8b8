"""Results on disk: one JSON file for each unit of work, written atomically, with an NPZ file beside it.

    OUT/units/SEQUENCE.RULE.KEY.json      rows, settings, costs, origin
    OUT/units/SEQUENCE.RULE.KEY.npz       trajectories, gains, a thinned cloud
    OUT/current/PROTOCOL                  network and code of the newest experiment by a protocol
    OUT/locks/EXPERIMENT.SHARE            held by the process that does this share

Numbers are written so that reading gives back the same bits. Processes with other shares may write to one folder.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ttt3r.evaluation.results.current import current_of
from ttt3r.evaluation.results.format import BrokenResult as BrokenResult
from ttt3r.evaluation.results.format import Content, parse, text_of
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.evaluation.results.units import AGAIN, Unit
from ttt3r.files import is_partial, locked, replacing


class ResultFolder:
    """The results of an evaluation.

    Args:
        path: the folder; made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.units = path / "units"

    def write(
        self, units: Mapping[Unit, UnitResult], arrays: Mapping[Unit, Callable[[Path], None]]
    ) -> dict[Unit, UnitResult]:
        """Write the units of one pass, each atomically; what `read` would give of them.

        Rules of one pass share a batch, and a batch of another size may round differently. So a pass that was cut off while
        it wrote is run again as a whole, and gives the bits that an undisturbed run gives. A rule that failed is tried again
        alone; the setting `pass` of its result says so.

        Args:
            units: the results.
            arrays: for each unit that has arrays, what writes its NPZ file to a path.
        """
        self.units.mkdir(parents=True, exist_ok=True)
        together = tuple(sorted(unit.file_name for unit in units))
        written = {}
        for unit, result in units.items():
            name = unit.file_name
            if unit in arrays:
                with replacing(self.units / f"{name}.npz") as partial:
                    arrays[unit](partial)
                result = replace(result, arrays=f"{name}.npz")
            self._write(name, Content(unit.key, together, result))
            written[unit] = _placed(result, self.units)
        return written

    def find(self, unit: Unit) -> UnitResult | None:
        """The result of a unit if it is there, complete and of use."""
        return self.find_all([unit]).get(unit)

    def read(self, unit: Unit) -> UnitResult:
        """The result of a unit, whatever became of it; `arrays` is a full path.

        Raises:
            BrokenResult: if it is not there or cannot be read.
        """
        return _placed(_load(self.units / f"{unit.file_name}.json").result, self.units)

    def find_all(self, units: Iterable[Unit]) -> dict[Unit, UnitResult]:
        """The results that are there, complete and of use; the others are to be run (again). Each file is read once.

        Nothing is remembered, and the folder is not listed, however many results it holds.
        """
        found, whole = {}, dict[str, bool]()
        for unit in units:
            try:
                content = _load(self.units / f"{unit.file_name}.json")
            except BrokenResult:
                continue
            for name in (*content.together, unit.file_name):
                if name not in whole:
                    whole[name] = (self.units / f"{name}.json").is_file()
            arrays = not content.result.arrays or (self.units / content.result.arrays).is_file()
            complete = arrays and all(whole[name] for name in content.together)
            if content.key == unit.key and complete and final(content.result):
                found[unit] = _placed(content.result, self.units)
        return found

    def begin(self, protocol: str, ground: str) -> None:
        """From now on, results of a protocol count where they have this `Origin.ground`."""
        mark = self.path / "current" / protocol[:16]
        if _text(mark) != ground:
            mark.parent.mkdir(parents=True, exist_ok=True)
            with replacing(mark) as partial:
                partial.write_text(ground, "utf-8")

    def make_current(self, found: Mapping[Unit, UnitResult]) -> None:
        """Let the results of an evaluation count before those of other data or rules that lie beside them in the folder.

        The folder is listed once, and each file beside is read once. One is written only where there is something newer.
        """
        own, places = {unit.file_name for unit in found}, {unit.place for unit in found}
        newest = dict[tuple[str, str, str], float]()
        for path in _listed(self.units):
            if path.stem not in own and f"{path.stem.rpartition('.')[0]}." in places:
                try:
                    other = _load(path).result
                except BrokenResult:
                    continue
                newest[_subject(other)] = max(newest.get(_subject(other), 0.0), other.origin.made)
        for unit, result in found.items():
            if newest.get(_subject(result), 0.0) > result.origin.made:
                content = _load(self.units / f"{unit.file_name}.json")
                self._write(unit.file_name, replace(content, result=_dated(content.result)))

    def _write(self, name: str, content: Content) -> None:
        with replacing(self.units / f"{name}.json") as partial:
            partial.write_text(text_of(content), "utf-8")

    @contextmanager
    def share(self, experiment: str, share: str) -> Iterator[None]:
        """Within: no other process does this share of this experiment in this folder.

        Raises:
            ValueError: if one does.
        """
        folder = self.path / "locks" / f"{experiment}.{share}"
        folder.mkdir(parents=True, exist_ok=True)
        cure = "wait for it, give each process its own --shard i/n, or choose another --out"
        with locked(folder, "evaluation of the same share", cure):
            yield


def _subject(result: UnitResult) -> tuple[str, str, str]:
    """What a result is of: where two have the same, the newer one counts."""
    row = result.rows[0]
    return row.sequence, row.rule, row.protocol_hash


def final(result: UnitResult) -> bool:
    """Whether a result would not be tried again."""
    return not any(row.status in AGAIN for row in result.rows)


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
    files = _listed(Path(out) / "units")
    if not files:
        raise FileNotFoundError(
            f"no results in {out}; expected {Path(out) / 'units'}/*.json, as ttt3r evaluate writes them"
        )
    found, broken = [], []
    for path in files:
        try:
            found.append(_placed(_load(path).result, path.parent))
        except BrokenResult as error:
            broken.append(str(error))
    digests = {unit.rows[0].protocol_hash for unit in found}
    grounds = {digest: _text(Path(out) / "current" / digest[:16]) for digest in digests if _is_plain(digest)}
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


def read_usable(out: str | Path) -> tuple[tuple[UnitResult, ...], tuple[str, ...]]:
    """As `read_results`, but what cannot be read is named in the second value and the rest is given.

    Raises:
        FileNotFoundError: if the folder holds no results.
    """
    reading = read_folder(out)
    return reading.units, reading.broken


def _listed(units: Path) -> list[Path]:
    """The files of results, in order. Unfinished ones of a process at work, or one that was killed, are none."""
    return sorted(path for path in units.glob("*.json") if not is_partial(path.name))


def _load(path: Path) -> Content:
    try:
        content = parse(path.read_text("utf-8"))
        made = content.result.origin.made or path.stat().st_mtime
    except (OSError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise BrokenResult(f"cannot read {path} ({why}); remove it and run the evaluation again") from error
    return replace(content, result=_dated(content.result, made))


def _dated(result: UnitResult, made: float | None = None) -> UnitResult:
    return replace(result, origin=replace(result.origin, made=time.time() if made is None else made))


def _placed(result: UnitResult, folder: Path) -> UnitResult:
    return replace(result, arrays=str(folder / result.arrays)) if result.arrays else result


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return ""


def _is_plain(digest: str) -> bool:
    return digest.isalnum()
