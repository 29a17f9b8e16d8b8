"""Which frame of the source each frame of a run is: `frames.csv`, by which a run that goes on knows its source again."""

import csv
import hashlib
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ttt3r.export.intrinsics import csv_row
from ttt3r.export.rows import RowFile

HEADER = ("frame,name,timestamp,image_sha256",)
"""Header line of `frames.csv`."""


def image_hash(image: Float[Tensor, "1 rgb=3 height width"] | None) -> str:
    """SHA-256 of a prepared image's colours; nothing for a question to the memory, which has none."""
    if image is None:
        return ""
    colors = np.ascontiguousarray(image.detach().cpu().float().numpy())
    return hashlib.sha256(colors.tobytes()).hexdigest()


class SourceTable:
    """Appends one row per frame. A table that an older release did not begin is not begun in the middle.

    Args:
        path: the CSV file.
    """

    def __init__(self, path: Path) -> None:
        self._rows = RowFile(path, HEADER)

    def write(
        self, frame: int, name: str, timestamp: float, image: Float[Tensor, "1 rgb=3 height width"] | None
    ) -> None:
        """Add a frame."""
        if frame == 0 or self._rows.path.exists():
            self._rows.append(csv_row(frame, name, f"{timestamp:.6f}", image_hash(image)))

    def read(self, frames: int) -> list[tuple[str, str]] | None:
        """Name and hash of the first `frames` frames; `None` where the table does not hold them."""
        if not self._rows.path.exists():
            return None
        with self._rows.path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(line for line in file if line.endswith("\n")))[:frames]
        if len(rows) < frames or not {"name", "image_sha256"} <= rows[0].keys():
            return None
        return [(row["name"], row["image_sha256"]) for row in rows]

    def truncate(self, rows: int) -> None:
        """Keep the first `rows` frames. Raises ValueError if there are fewer."""
        self._rows.truncate(rows)

    def sync(self) -> None:
        """Have the rows on the disk."""
        self._rows.sync()
