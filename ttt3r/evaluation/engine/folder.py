"""The folder of an evaluation's results: what is there is found, what is new is written, as `results.files` says.

Each unit of work is one file, written atomically. Processes with other shares may write to one folder.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ttt3r.evaluation.engine.units import Unit
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.results.files import dated, listed, load, placed, text_at
from ttt3r.evaluation.results.format import BrokenResult, Content, text_of
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.files import locked, replacing

AGAIN = frozenset({Status.OUT_OF_MEMORY, Status.UNREADABLE, Status.FAILED})
"""Outcomes that depend on the machine, the files or a mistake; a resumed evaluation tries such units once more."""


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
            written[unit] = placed(result, self.units)
        return written

    def find(self, unit: Unit) -> UnitResult | None:
        """The result of a unit if it is there, complete and of use."""
        return self.find_all([unit]).get(unit)

    def read(self, unit: Unit) -> UnitResult:
        """The result of a unit, whatever became of it; `arrays` is a full path.

        Raises:
            BrokenResult: if it is not there or cannot be read.
        """
        return placed(load(self.units / f"{unit.file_name}.json").result, self.units)

    def find_all(self, units: Iterable[Unit]) -> dict[Unit, UnitResult]:
        """The results that are there, complete and of use; the others are to be run (again). Each file is read once.

        Nothing is remembered, and the folder is not listed, however many results it holds.
        """
        found, whole = {}, dict[str, bool]()
        for unit in units:
            try:
                content = load(self.units / f"{unit.file_name}.json")
            except BrokenResult:
                continue
            for name in (*content.together, unit.file_name):
                if name not in whole:
                    whole[name] = (self.units / f"{name}.json").is_file()
            arrays = not content.result.arrays or (self.units / content.result.arrays).is_file()
            complete = arrays and all(whole[name] for name in content.together)
            if content.key == unit.key and complete and final(content.result):
                found[unit] = placed(content.result, self.units)
        return found

    def begin(self, protocol: str, ground: str) -> None:
        """From now on, results of a protocol count where they have this `Origin.ground`."""
        mark = self.path / "current" / protocol[:16]
        if text_at(mark) != ground:
            mark.parent.mkdir(parents=True, exist_ok=True)
            with replacing(mark) as partial:
                partial.write_text(ground, "utf-8")

    def make_current(self, found: Mapping[Unit, UnitResult]) -> None:
        """Let the results of an evaluation count before those of other data or rules that lie beside them in the folder.

        The folder is listed once, and each file beside is read once. One is written only where there is something newer.
        """
        own, places = {unit.file_name for unit in found}, {unit.place for unit in found}
        newest = dict[tuple[str, str, str], float]()
        for path in listed(self.units):
            if path.stem not in own and f"{path.stem.rpartition('.')[0]}." in places:
                try:
                    other = load(path).result
                except BrokenResult:
                    continue
                newest[_subject(other)] = max(newest.get(_subject(other), 0.0), other.origin.made)
        for unit, result in found.items():
            if newest.get(_subject(result), 0.0) > result.origin.made:
                content = load(self.units / f"{unit.file_name}.json")
                self._write(unit.file_name, replace(content, result=dated(content.result)))

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
