"""What lies beside the rows: trajectories, gains over time and thinned clouds, read from the NPZ files of the units."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from ttt3r.evaluation.report.results import Slice, rule_of, slice_of
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.untrusted import ArrayForm, read_arrays, reason_of


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
    gain_mean: Float[np.ndarray, " step"]
    gain_std: Float[np.ndarray, " step"]
    points: Float[np.ndarray, "point xyz=3"]
    colors: UInt8[np.ndarray, "point rgb=3"]


def read_usable_arrays(units: Sequence[UnitResult], folder: Path) -> tuple[tuple[UnitArrays, ...], tuple[str, ...]]:
    """The arrays of all units that name a file which is there, of repeated runs the first; and a line for each damaged file.

    Args:
        units: any.
        folder: that relative names start from.
    """
    broken: list[str] = []
    found: dict[tuple[Slice, str, str], UnitArrays] = {}
    for unit in units:
        if not unit.arrays or not unit.rows:
            continue
        row = unit.rows[0]
        key = (slice_of(row), rule_of(row), row.sequence)
        path = folder / unit.arrays
        if key not in found and path.exists():
            try:
                found[key] = _read(path, key)
            except Exception as error:  # damaged files raise whatever the unpacking met
                broken.append(f"cannot read {path} ({reason_of(error, path)}); remove it and run the evaluation again")
    return tuple(found.values()), tuple(broken)


_FORMS = {
    "camera_to_world": ArrayForm("number", ("frame", 4, 4)),
    "true_camera_to_world": ArrayForm("number", ("frame", 4, 4)),
    "gain_mean": ArrayForm("number", ("step",)),
    "gain_std": ArrayForm("number", ("step",)),
    "points": ArrayForm("number", ("point", 3)),
    "colors": ArrayForm("number", ("point", 3)),
}


def _read(path: Path, key: tuple[Slice, str, str]) -> UnitArrays:
    found = read_arrays(path, _FORMS, optional=_FORMS)
    none, nowhere = np.zeros((0, 4, 4)), np.zeros((0, 3))
    predicted, true = found.get("camera_to_world", none), found.get("true_camera_to_world", none)
    means, spreads = found.get("gain_mean", np.zeros(0)), found.get("gain_std", np.zeros(0))
    points, colors = found.get("points", nowhere), found.get("colors", nowhere)
    if len(true) != len(predicted) or len(means) != len(spreads) or len(points) != len(colors):
        raise ValueError("one of two arrays that belong together is missing")
    return UnitArrays(
        *key,
        camera_to_world=predicted.astype(np.float64),
        true_camera_to_world=true.astype(np.float64),
        gain_mean=means.astype(np.float64),
        gain_std=spreads.astype(np.float64),
        points=points.astype(np.float32),
        colors=colors.astype(np.uint8),
    )
