"""Synthetic results: `errors` is a smooth law of rule, sequence and length, with seeded noise."""

import math

import numpy as np

from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.results.rows import ResultRow, UnitResult

FACTOR = {"cut3r": 1.0, "ttt3r": 0.6, "constant:rate=0.1": 0.75}
LENGTHS = (50, 100, 200)
NAN = math.nan


def units(
    rules=("cut3r", "ttt3r", "constant:rate=0.1"),
    sequences=8,
    *,
    protocol="tum/1000",
    control=True,
    repeats=1,
    lengths=LENGTHS,
    arrays=False,
):
    """One unit for each rule, sequence and run; the gate `ttt3r` has a control that is 10 % worse than it."""
    generator = np.random.default_rng(11)
    hardness = generator.lognormal(-3, 0.5, size=sequences)
    named = [(rule, FACTOR[rule], "") for rule in rules]
    if control and "ttt3r" in rules:
        named.append(("constant:rate=0.31", 0.66, "ttt3r"))
    made = []
    for run in range(repeats):
        for rule, factor, control_of in named:
            for index in range(sequences):
                wobble = generator.normal(0, 0.05, size=len(lengths))
                made.append(
                    _unit(rule, index, control_of, hardness[index] * factor * np.exp(wobble), protocol, lengths)
                )
                settings = {"network": "sha256:0123", "rule": rule, **({"repeat": str(run)} if repeats > 1 else {})}
                costs = {"seconds_per_frame": 0.09 + 0.01 * factor, "peak_memory_bytes": 2e9}
                name = f"{rule.replace(':', '_')}.{index}.npz" if arrays else ""
                made[-1] = UnitResult(made[-1].rows, settings, costs, name)
    return made


def _unit(rule, index, control_of, errors, protocol, lengths):
    rows = []
    for length, error in zip(lengths, errors, strict=True):
        values = {
            "ate": error * length / 100,
            "rpe_rotation_degrees": 5 * error,
            "depth_abs_rel/scale": error / 2,
            "depth_delta_125/scale": 1 - error,
            "depth_valid_pixels": 1000.0 * (index + 1),
            "gain_mean": 1.0 if rule == "cut3r" else 0.3,
            "gain_std": 0.0 if rule == "cut3r" else 0.1,
            "memory_age": 0.0 if rule == "cut3r" else 2.3,
        }
        for metric, value in values.items():
            rows.append(row(rule, index, metric, value, length=length, control_of=control_of, protocol=protocol))
    return UnitResult(tuple(rows))


def row(
    rule="cut3r",
    index=0,
    metric="ate",
    value=1.0,
    *,
    length=200,
    status=Status.OK,
    control_of="",
    protocol="tum/1000",
    note="",
    scene="",
):
    return ResultRow(
        protocol=protocol,
        protocol_hash=f"hash-of-{protocol}",
        rule=rule,
        dataset=protocol.partition("/")[0],
        sequence=f"sequence_{index}",
        scene=scene or f"scene_{index}",
        length=length,
        frames=length,
        metric=metric,
        value=value,
        status=status,
        control_of=control_of,
        note=note,
    )


def unit(*rows, repeat=""):
    return UnitResult(tuple(rows), {"repeat": repeat} if repeat else {})


def write_arrays(units, folder):
    """Beside each unit that names a file: a circle through a coloured box; the worse the rule, the more it drifts."""
    for entry in units:
        if not entry.arrays:
            continue
        rule, control = entry.rows[0].rule, entry.rows[0].control_of
        generator = np.random.default_rng(5)
        angle = np.linspace(0, 1.6 * np.pi, 120)
        true = np.tile(np.eye(4), (120, 1, 1))
        true[:, :3, 3] = np.stack([2 * np.sin(angle), 0.1 * np.sin(3 * angle), 2 - 2 * np.cos(angle)], axis=1)
        bend = 0.6 if control else FACTOR[rule]
        drifted = true.copy()
        drifted[:, :3, 3] = 1.4 * true[:, :3, 3] + 0.4 * bend * np.cumsum(
            generator.normal(0, 0.04, size=(120, 3)), axis=0
        )
        points = generator.uniform(-3, 3, size=(8000, 3))
        wall = generator.integers(0, 3, size=8000)
        points[np.arange(8000), wall] = 3 * np.sign(points[np.arange(8000), wall])
        colors = (
            np.array([[200, 90, 60], [90, 150, 90], [80, 110, 190]])[wall] + generator.integers(-30, 30, (8000, 3))
        ).clip(0, 255)
        gain = np.full(120, 1.0) if rule == "cut3r" else 0.3 + 0.1 * np.sin(angle * 4)
        np.savez_compressed(
            folder / entry.arrays,
            camera_to_world=drifted,
            true_camera_to_world=true,
            gain_mean=gain if not control else np.full(120, 0.31),
            gain_std=np.full(120, 0.0 if rule == "cut3r" or control else 0.12),
            points=(1.4 * points + generator.normal(0, 0.08 * bend, size=points.shape)).astype(np.float32),
            colors=colors.astype(np.uint8),
        )
