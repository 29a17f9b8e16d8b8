"""The experiment on procedural worlds as rows, so that reports can be made of it."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.measures.base import Measured
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.measures.worlds import RECALL, SCORES
from ttt3r.evaluation.results.canonical import stable_hash
from ttt3r.evaluation.results.knowing_nothing import KNOWS_NOTHING
from ttt3r.evaluation.results.rows import Subject, UnitResult
from ttt3r.evaluation.results.stops import Stop
from ttt3r.evaluation.worlds.scores import WINDOW
from ttt3r.evaluation.worlds.study import WorldPlan, WorldStudy

PROTOCOL, DATASET = "worlds/length", "procedural worlds"
"""Names of the protocol and the data in the rows."""


def units_of(study: WorldStudy, settings: Mapping[str, str]) -> tuple[UnitResult, ...]:
    """One unit for each rule and world, and for each trivial predictor; every world is a scene of its own.

    Lengths are in units of the mean distance of the first frame's points, not metres. `recall_color` is the explained variance
    over all questions asked after so many frames. The protocol's hash is that of the worlds as they were filmed, their seed and
    the window, so that numbers of different worlds are never paired; scenes are called after the world.

    Args:
        study: of the rules.
        settings: what the results depend on, e.g. the network's fingerprint.
    """
    scores = study.scores
    hashed = stable_hash((study.plan.filmed, study.plan.seed, WINDOW))
    measured = (scores.rotation_degrees, scores.translation, scores.ate, scores.depth_abs_rel, scores.gain)
    tables = dict(zip((*SCORES, RECALL), (*measured, _recall(study)), strict=True))
    units = []
    worlds = next(iter(scores.gain.values())).shape[1]
    knowing_nothing = [name for name in KNOWS_NOTHING if any(name in table for table in tables.values())]
    for rule in [*scores.gain, *knowing_nothing]:
        for world in range(worlds):
            name = f"{study.plan.name} {world:03d}"
            subject = Subject(PROTOCOL, hashed, rule, DATASET, name, name, study.control_of.get(rule, ""))
            rows = tuple(
                subject.row(
                    length, length, _measured(metric, float(table[rule][index, world]), study.stopped.get(rule))
                )
                for metric, table in tables.items()
                for index, length in enumerate(scores.lengths)
                if rule in table
            )
            units.append(UnitResult(rows, {**provenance(study.plan), **settings}, metrics=tuple(tables)))
    return tuple(units)


def provenance(plan: WorldPlan) -> dict[str, str]:
    """What the numbers of these worlds depend on, as settings of a unit: the world's name, fingerprint, seed and speed."""
    return {
        "world": plan.name,
        "world_config": stable_hash(plan.filmed),
        "seed": str(plan.seed),
        "speed": f"{plan.speed:g}",
        "worlds": str(plan.worlds),
    }


def _recall(study: WorldStudy) -> dict[str, Float[np.ndarray, "length world"]]:
    if not study.asked:
        return {}
    return {name: np.stack([asked.explained(name) for asked in study.asked]) for name in study.asked[0].color_error}


def _measured(metric: Metric, value: float, stop: Stop | None) -> Measured:
    """A number with its status; what is missing of a rule that came to the end has a path that fixes no similarity."""
    if np.isfinite(value):
        return Measured(metric.name, value)
    if stop is not None:
        return Measured(metric.name, value, stop.status, stop.note)
    return Measured(
        metric.name, value, Status.DEGENERATE, "the path is a point or a line, so no similarity can be fitted"
    )
