"""Which results of a folder belong together: the newest experiment of each protocol. Numbers of two are never averaged.

An experiment has one network and one version of the code, one form of each rule, and one state of each sequence's files. What a
folder holds beside is named, and comes back as soon as an evaluation asks for it again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.update_rules.naming.labels import Control


@dataclass(frozen=True)
class Current:
    """Results that may meet in one table, and what was left out.

    Args:
        units: in the order in which they were given.
        aside: a line for each kind of older results.
    """

    units: tuple[UnitResult, ...]
    aside: tuple[str, ...]


def current_of(units: Iterable[UnitResult], grounds: Mapping[str, str] | None = None) -> Current:
    """The newest experiment of each protocol.

    Args:
        units: any; those without a date are of one experiment, as are repeats that differ in their settings.
        grounds: by protocol hash, the `Origin.ground` that counts; by default that of the newest result.
    """
    units = tuple(units)
    groups: dict[str, list[UnitResult]] = {}
    for unit in units:
        if unit.rows and unit.origin.made:
            groups.setdefault(unit.rows[0].protocol_hash, []).append(unit)
    left: dict[int, str] = {}
    for digest, group in groups.items():
        left |= _left_out(group, (grounds or {}).get(digest, ""))
    counts = Counter(left.values())
    lines = tuple(f"{n} older results are not shown: {why}" for why, n in counts.items())
    return Current(tuple(unit for unit in units if id(unit) not in left), lines)


def _left_out(group: Sequence[UnitResult], ground: str) -> dict[int, str]:
    """By identity of a unit, why it does not belong to the experiment that counts."""
    newest = max(group, key=_made).origin
    if not any(unit.origin.ground == ground for unit in group):
        ground = newest.ground
    network = next(unit.origin.network for unit in group if unit.origin.ground == ground)
    left: dict[int, str] = {}
    for unit in group:
        if unit.origin.ground != ground:
            other = unit.origin.network != network
            which = "another network" if other else "another version of ttt3r, another protocol's code, or arithmetic"
            left[id(unit)] = f"{which} ({unit.origin.network[:12] or 'not known'})" if other else which
    left |= _of_rules([unit for unit in group if id(unit) not in left])
    left |= _of_data([unit for unit in group if id(unit) not in left])
    latest: dict[tuple[str, str, str], UnitResult] = {}
    for unit in sorted((unit for unit in group if id(unit) not in left), key=_made):
        place = (_rule(unit), unit.rows[0].sequence, unit.settings.get("repeat", ""))
        if place in latest:
            left[id(latest[place])] = f"{_rule(unit)} was run again since"
        latest[place] = unit
    return left


def _of_rules(group: Sequence[UnitResult]) -> dict[int, str]:
    """What was made by a rule of the same name before it, its weights or its settings changed."""
    newest: dict[str, UnitResult] = {}
    for unit in group:
        newest[_rule(unit)] = max(newest.get(_rule(unit), unit), unit, key=_made)
    return {
        id(unit): f"{_rule(unit)} was another rule then"
        for unit in group
        if unit.origin.rule != newest[_rule(unit)].origin.rule
    }


def _of_data(group: Sequence[UnitResult]) -> dict[int, str]:
    """What was made from other files of a sequence, and all else from the folder where those lay."""
    newest: dict[str, UnitResult] = {}
    for unit in group:
        newest[unit.rows[0].sequence] = max(newest.get(unit.rows[0].sequence, unit), unit, key=_made)
    other = [unit for unit in group if unit.origin.data != newest[unit.rows[0].sequence].origin.data]
    left = {id(unit): f"other files under the same names ({unit.origin.root or 'not known where'})" for unit in other}
    if other:
        roots = {unit.origin.root for unit in other} - {max(group, key=_made).origin.root}
        left |= {id(unit): f"other data ({unit.origin.root})" for unit in group if unit.origin.root in roots}
    return left


def _made(unit: UnitResult) -> float:
    return unit.origin.made


def _rule(unit: UnitResult) -> str:
    row = unit.rows[0]
    return Control.EQUAL_GAIN.of(row.control_of) if row.control_of else row.rule
