"""What lies beside the rows: trajectories, gains over time and thinned clouds, read from the NPZ files of the units."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from ttt3r.evaluation.report.results import Slice, rule_of, slice_of
from ttt3r.evaluation.rows import UnitResult


@dataclass(frozen=True)
class UnitArrays:
    """The arrays of one unit. Lengths in metres, in the frames that are named; parts that are missing are empty.

    Args:
        slice: data set and protocol.
        rule: label.
        sequence: name.
        camera_to_world: predicted, in the world of the prediction.
        true_camera_to_world: true, of the same frames; NaN where there is none.
        gain_mean: of each frame.
        gain_std: of each frame.
        points: of a thinned cloud, in the world of the prediction.
        colors: of the points.
    """

    slice: Slice
    rule: str
    sequence: str
    camera_to_world: Float[np.ndarray, "frame 4 4"]
    true_camera_to_world: Float[np.ndarray, "frame 4 4"]
    gain_mean: Float[np.ndarray, " moment"]
    gain_std: Float[np.ndarray, " moment"]
    points: Float[np.ndarray, "point xyz=3"]
    colors: UInt8[np.ndarray, "point rgb=3"]


def read_arrays(units: Sequence[UnitResult], folder: Path) -> tuple[UnitArrays, ...]:
    """The arrays of all units that name a file which is there; of repeated runs the first.

    Args:
        units: any.
        folder: that relative names start from.
    """
    found: dict[tuple[Slice, str, str], UnitArrays] = {}
    for unit in units:
        if not unit.arrays or not unit.rows:
            continue
        row = unit.rows[0]
        key = (slice_of(row), rule_of(row), row.sequence)
        path = folder / unit.arrays
        if key not in found and path.is_file():
            found[key] = _read(path, key)
    return tuple(found.values())


def _read(path: Path, key: tuple[Slice, str, str]) -> UnitArrays:
    with np.load(path, allow_pickle=False) as file:
        parts = {name: file[name] for name in file.files}
    none = np.zeros((0, 4, 4))
    predicted, true = (parts.get(name, none) for name in ("camera_to_world", "true_camera_to_world"))
    if len(true) != len(predicted):
        raise ValueError(
            f"{path} holds {len(predicted)} predicted and {len(true)} true cameras; they must be of the same frames"
        )
    return UnitArrays(
        *key,
        camera_to_world=predicted.astype(np.float64),
        true_camera_to_world=true.astype(np.float64),
        gain_mean=parts.get("gain_mean", np.zeros(0)).astype(np.float64),
        gain_std=parts.get("gain_std", np.zeros(0)).astype(np.float64),
        points=parts.get("points", np.zeros((0, 3))).astype(np.float32),
        colors=parts.get("colors", np.zeros((0, 3), np.uint8)).astype(np.uint8),
    )
