"""Trajectories as TUM text: `timestamp tx ty tz qx qy qz qw`, the quaternion's scalar LAST as the format demands.

Everywhere else in this package quaternions are (w, x, y, z); the order changes here and nowhere else.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

import ttt3r.geometry as geometry
from ttt3r.export.rows import RowFile
from ttt3r.files import read_text
from ttt3r.types import LengthUnit

HEADER = "# timestamp tx ty tz qx qy qz qw"
MEANING = "# camera_to_world, {unit}, OpenCV axes (x right, y down, z forward); the world is the first camera's frame"


class TrajectoryWriter:
    """Appends one pose per frame to a TUM text file; every row is on disk before `write` returns.

    Args:
        path: the text file.
        unit: of the positions, for the header.
    """

    def __init__(self, path: str | Path, unit: LengthUnit = LengthUnit.METRES) -> None:
        self._rows = RowFile(Path(path), (HEADER, MEANING.format(unit=unit.value)))

    def write(self, timestamp: float, camera_to_world: Float[Tensor, "4 4"]) -> None:
        """Add a pose: 6 decimals for the timestamp (seconds), 9 significant digits for the rest, exact for float32."""
        pose = geometry.camera_to_pose_encoding(camera_to_world.detach().cpu().double())
        tx, ty, tz, qw, qx, qy, qz = pose.tolist()
        self._rows.append(" ".join([f"{timestamp:.6f}", *(f"{value:.9g}" for value in (tx, ty, tz, qx, qy, qz, qw))]))

    def truncate(self, rows: int) -> None:
        """Keep the first `rows` poses. Raises ValueError if there are fewer."""
        self._rows.truncate(rows)

    def sync(self) -> None:
        """Have the rows on the disk."""
        self._rows.sync()


def read_trajectory(path: str | Path) -> tuple[Float[np.ndarray, " frame"], Float[np.ndarray, "frame 4 4"]]:
    """Timestamps and poses (`camera_to_world` for the files written here) of a TUM text file, float64.

    A last line without line end with too few columns, as a kill may leave behind, is left out.

    Raises:
        ValueError: for a line that is not eight numbers, with its number, and for a file without a pose.
    """
    rows = []
    lines = read_text(Path(path)).split("\n")
    for number, line in enumerate(lines, start=1):
        columns = line.split("#", 1)[0].replace(",", " ").split()
        if not columns:
            continue
        try:
            timestamp, *pose = map(float, columns)
            tx, ty, tz, qx, qy, qz, qw = pose
        except ValueError as error:
            if number == len(lines):
                break
            raise ValueError(
                f"{path}, line {number}: expected eight numbers 'timestamp tx ty tz qx qy qz qw', got {line.strip()!r}"
            ) from error
        rows.append((timestamp, tx, ty, tz, qw, qx, qy, qz))
    if not rows:
        raise ValueError(f"{path} has no pose; expected lines 'timestamp tx ty tz qx qy qz qw'")
    table = torch.tensor(rows, dtype=torch.float64)
    return table[:, 0].numpy(), geometry.pose_encoding_to_camera(table[:, 1:]).numpy()
