"""Estimated intrinsics, one row of CSV per frame."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

import ttt3r.geometry as geometry
from ttt3r.export.rows import RowFile
from ttt3r.untrusted import read_table, reading, real, whole

MOST_PIXELS = 2**16
"""More than a side of any prepared image."""
HEADER = ("frame,name,width,height,fx,fy,cx,cy",)
"""Header line of `intrinsics.csv`."""


@dataclass(frozen=True)
class Pinhole:
    """A pinhole camera as estimated for one prepared image (resized and cropped: not the size of the source).

    Args:
        width: pixels of the prepared image.
        height: pixels of the prepared image.
        focal: (x, y) in pixels.
        principal_point: (column, row) in pixels; the centre of the first pixel is (0, 0).
    """

    width: int
    height: int
    focal: tuple[float, float]
    principal_point: tuple[float, float]

    @classmethod
    def estimated(cls, points_camera: Float[Tensor, "height width xyz=3"]) -> "Pinhole":
        """The pinhole that fits a point per pixel in the camera's frame best, its axis through the middle."""
        height, width = points_camera.shape[:2]
        focal = geometry.estimate_focal(points_camera[None].detach().float()).item()
        return cls(width, height, (focal, focal), geometry.default_principal_point(height, width))

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """K, so that pixel ~ K @ point."""
        (fx, fy), (cx, cy) = self.focal, self.principal_point
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


class IntrinsicsWriter:
    """Appends one camera per frame to a CSV file.

    Columns: number and name of the frame, width and height of the prepared image, and fx, fy, cx, cy in its pixels (the
    centre of the first pixel is (0, 0)).

    Args:
        path: the CSV file.
    """

    def __init__(self, path: str | Path) -> None:
        self._rows = RowFile(Path(path), HEADER)

    def write(self, frame: int, name: str, camera: Pinhole) -> None:
        """Add the camera of a frame."""
        numbers = (f"{value:.9g}" for value in (*camera.focal, *camera.principal_point))
        self._rows.append(csv_row(frame, name, camera.width, camera.height, *numbers))

    def truncate(self, rows: int) -> None:
        """Keep the first `rows` cameras. Raises ValueError if there are fewer."""
        self._rows.truncate(rows)

    def sync(self) -> None:
        """Have the rows on the disk."""
        self._rows.sync()


def read_intrinsics(path: str | Path) -> dict[int, Pinhole]:
    """Camera per frame number of a file that `IntrinsicsWriter` wrote. An unfinished last line is left out.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it holds something else.
    """
    path = Path(path)
    with reading(path, "the table of cameras that a run writes", "run again with --overwrite"):
        text = read_table(path)
        rows = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
        return {int(row["frame"]): _pinhole(row) for row in rows}


def _pinhole(row: Mapping[str, str]) -> Pinhole:
    width, height = (whole(int(row[name]), name, 1, MOST_PIXELS) for name in ("width", "height"))
    fx, fy, cx, cy = (real(float(row[name]), name, -1e9, 1e9) for name in ("fx", "fy", "cx", "cy"))
    return Pinhole(width, height, (fx, fy), (cx, cy))


def csv_row(*cells: object) -> str:
    """One line of CSV without its end; names with commas or quotes are quoted, line breaks become spaces."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(" ".join(str(cell).splitlines()) for cell in cells)
    return line.getvalue()
