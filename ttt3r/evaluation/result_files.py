"""Results on disk: one JSON file for each unit of work, written atomically, with an NPZ file beside it.

    OUT/units/SEQUENCE.RULE.KEY.json      rows, settings, costs
    OUT/units/SEQUENCE.RULE.KEY.npz       trajectories, gains, a thinned cloud

Numbers are written so that reading gives back the same bits. Any number of processes may write to one folder.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ttt3r.evaluation.rows import ResultRow, Status, UnitResult
from ttt3r.evaluation.units import AGAIN, Unit
from ttt3r.files import replacing

FORMAT = 1


class BrokenResult(ValueError):  # noqa: N818 (a noun of the domain)
    """A result file that cannot be used."""


class ResultFolder:
    """The results of an evaluation.

    Args:
        path: the folder; made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.units = path / "units"

    def write(self, units: Mapping[Unit, UnitResult], arrays: Mapping[Unit, Callable[[Path], None]]) -> None:
        """Write the units of one pass, each atomically. A unit counts as done once all units of its pass are there.

        Rules of one pass share a batch, and a batch of another size may round differently; so a pass that was cut off while
        it wrote, or in which a rule failed for a reason that may have gone since, is run again as a whole and gives the bits
        that an undisturbed run gives.

        Args:
            units: the results.
            arrays: for each unit that has arrays, what writes its NPZ file to a path.
        """
        self.units.mkdir(parents=True, exist_ok=True)
        together = sorted(unit.key for unit in units)
        for unit, result in units.items():
            name = unit.file_name
            if unit in arrays:
                with replacing(self.units / f"{name}.npz") as partial:
                    arrays[unit](partial)
                result = replace(result, arrays=f"{name}.npz")
            text = json.dumps(_to_json(unit.key, together, result), indent=1) + "\n"
            with replacing(self.units / f"{name}.json") as partial:
                partial.write_text(text, "utf-8")

    def find(self, unit: Unit) -> UnitResult | None:
        """The result of a unit if it is there, complete and of use; else it is to be run (again)."""
        path = self.units / f"{unit.file_name}.json"
        if not path.is_file():
            return None
        try:
            content = _load(path)
            result = _from_json(content, self.units)
        except BrokenResult:
            return None
        return result if content["key"] == unit.key and all(map(self._is_final, content["pass"])) else None

    def _is_final(self, key: str) -> bool:
        """Whether the unit of a key is there, and would not be tried again."""
        for path in self.units.glob(f"*.{key[:12]}.json"):
            try:
                return not any(Status(row["status"]) in AGAIN for row in _load(path)["rows"])
            except (BrokenResult, KeyError, TypeError, ValueError):
                return False
        return False

    def read(self, unit: Unit) -> UnitResult:
        """The result of a unit, whatever became of it; `arrays` is a full path.

        Raises:
            BrokenResult: if it is not there or cannot be read.
        """
        return _from_json(_load(self.units / f"{unit.file_name}.json"), self.units)


def read_results(out: str | Path) -> tuple[UnitResult, ...]:
    """All results in a folder, sorted by file name; any subset of an evaluation will do. `arrays` become full paths.

    Raises:
        FileNotFoundError: if the folder holds no results.
        BrokenResult: if a file cannot be read; remove it and run the evaluation again.
    """
    return tuple(_from_json(_load(path), path.parent) for path in _files(out))


def read_usable(out: str | Path) -> tuple[tuple[UnitResult, ...], tuple[str, ...]]:
    """As `read_results`, but what cannot be read is named in the second value and the rest is given.

    Raises:
        FileNotFoundError: if the folder holds no results.
    """
    found, broken = [], []
    for path in _files(out):
        try:
            found.append(_from_json(_load(path), path.parent))
        except BrokenResult as error:
            broken.append(str(error))
    return tuple(found), tuple(broken)


def _files(out: str | Path) -> list[Path]:
    files = sorted((Path(out) / "units").glob("*.json"))
    if not files:
        raise FileNotFoundError(
            f"no results in {out}; expected {Path(out) / 'units'}/*.json, as ttt3r evaluate writes them"
        )
    return files


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BrokenResult(f"cannot read {path} ({error}); remove it and run the evaluation again") from error
    expected = {"format", "key", "pass", "rows", "settings", "costs", "arrays"}
    if not isinstance(content, dict) or not expected <= set(content) or content["format"] != FORMAT:
        raise BrokenResult(f"{path} is no result of format {FORMAT}; remove it and run the evaluation again")
    return content


def _to_json(key: str, together: Sequence[str], result: UnitResult) -> dict[str, Any]:
    rows = [{**asdict(row), "value": _number(row.value), "status": row.status.value} for row in result.rows]
    costs = {name: _number(value) for name, value in result.costs.items()}
    return {
        "format": FORMAT,
        "key": key,
        "pass": list(together),
        "rows": rows,
        "settings": dict(result.settings),
        "costs": costs,
        "arrays": result.arrays,
    }


def _from_json(content: Mapping[str, Any], folder: Path | None = None) -> UnitResult:
    try:
        rows = tuple(
            ResultRow(**{**row, "value": float(row["value"]), "status": Status(row["status"])})
            for row in content["rows"]
        )
        costs = {name: float(value) for name, value in content["costs"].items()}
    except (TypeError, KeyError, ValueError) as error:
        raise BrokenResult(f"a result does not have the rows of this version ({error}); run it again") from error
    arrays = content["arrays"]
    return UnitResult(rows, content["settings"], costs, str(folder / arrays) if folder and arrays else arrays)


def _number(value: float) -> float | str:
    """JSON has no NaN and no infinity; these become text."""
    return value if math.isfinite(value) else repr(value)
