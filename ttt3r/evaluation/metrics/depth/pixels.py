"""The valid pixels of a long depth sequence, kept on disk while it streams, so that its evaluation needs no more memory.

A fit sees all pixels of a sequence before the first is judged. Two files grow by a frame's pixels at a time and are mapped
into memory at the end; any prefix of the frames is a prefix of the files, so that one run serves all shorter lengths.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO

import numpy as np
from jaxtyping import Float, Int64

from ttt3r.evaluation.metrics.depth.errors import matched_pixels


@dataclass(frozen=True)
class DepthPixels:
    """Predicted and true depth at the valid pixels of a sequence, in the order of (frame, row, column).

    Args:
        predicted: metres.
        truth: metres.
        ends: for each frame, the number of pixels up to its last one.
    """

    predicted: Float[np.ndarray, " pixel"]
    truth: Float[np.ndarray, " pixel"]
    ends: Int64[np.ndarray, " frame"]

    @classmethod
    def of(
        cls,
        predicted: Float[np.ndarray, "frame height width"],
        truth: Float[np.ndarray, "frame true_height true_width"],
        max_depth: float | None = 70.0,
    ) -> "DepthPixels":
        """The valid pixels of maps that are in memory; see `matched_pixels`."""
        if len(predicted) != len(truth):
            raise ValueError(
                f"{len(predicted)} predicted depth maps meet {len(truth)} true ones; give one for each frame"
            )
        parts = [matched_pixels(predicted[i : i + 1], truth[i : i + 1], max_depth) for i in range(len(truth))]
        return cls(
            np.concatenate([p for p, _ in parts] or [np.zeros(0, np.float32)]),
            np.concatenate([g for _, g in parts] or [np.zeros(0)]),
            np.cumsum([len(g) for _, g in parts], dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.ends)

    def first(self, frames: int) -> "DepthPixels":
        """The pixels of the first frames."""
        count = int(self.ends[frames - 1]) if frames else 0
        return DepthPixels(self.predicted[:count], self.truth[:count], self.ends[:frames])

    def by_frame(self) -> Sequence[tuple[Float[np.ndarray, " pixel"], Float[np.ndarray, " pixel"]]]:
        """(predicted, true) depth of each frame."""
        cuts = self.ends[:-1]
        return list(zip(np.split(self.predicted, cuts), np.split(self.truth, cuts), strict=True)) if len(self) else []


@dataclass
class DepthSpool:
    """Takes depth maps as they come and holds their valid pixels on disk. A context: it deletes its files at the end.

        with DepthSpool() as spool:
            for predicted, truth in ...:
                spool.add(predicted, truth)
            pixels = spool.pixels()

    Args:
        max_depth: of the truth, metres; `None` for no limit.
        limit: most pixels of a frame, evenly spread; `None` for all, as the published numbers need. Adding a frame keeps
            nothing in memory, but the fits of `StrictDepth` take some 65 bytes a pixel while they run: 650 MB for 1,000 frames
            of 10,000 pixels, 130 MB for 2,000 each.
        folder: of the files; by default the system's for temporary files.
    """

    max_depth: float | None = 70.0
    limit: int | None = None
    folder: str | None = None
    _files: tuple[IO[bytes], IO[bytes]] | None = field(default=None, init=False, repr=False)
    _types: tuple[np.dtype, np.dtype] = field(
        default=(np.dtype(np.float32), np.dtype(np.float32)), init=False, repr=False
    )
    _ends: list[int] = field(default_factory=list, init=False, repr=False)

    def __enter__(self) -> "DepthSpool":
        self._files = tempfile.TemporaryFile(dir=self.folder), tempfile.TemporaryFile(dir=self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files or ():
            file.close()

    def add(
        self, predicted: Float[np.ndarray, "height width"], truth: Float[np.ndarray, "true_height true_width"]
    ) -> None:
        """Take the next frame; metres. The true depth keeps its dtype, which must be the same for all frames.

        Raises:
            ValueError: outside of the context, or for another dtype than before.
        """
        pixels = matched_pixels(predicted[None], truth[None], self.max_depth)
        kept = evenly_spread(len(pixels[0]), self.limit)
        self.add_pixels(pixels[0][kept], pixels[1][kept])

    def add_pixels(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> None:
        """Take the pixels of the next frame that are to be judged; as `add`."""
        if self._files is None:
            raise ValueError("open the spool before frames are added: with DepthSpool() as spool")
        types = predicted.dtype, truth.dtype
        if self._ends and types != self._types:
            raise ValueError(
                f"this frame's depths are {types[0]} and {types[1]}, those before {self._types}; use one dtype"
            )
        self._types = types
        for file, values in zip(self._files, (predicted, truth), strict=True):
            file.write(values.tobytes())
        self._ends.append((self._ends[-1] if self._ends else 0) + len(truth))

    def pixels(self) -> DepthPixels:
        """The pixels of all frames so far, mapped from disk; valid until the spool is closed.

        Raises:
            ValueError: outside of the context.
        """
        if self._files is None:
            raise ValueError("open the spool before it is read: with DepthSpool() as spool")
        ends = np.array(self._ends, dtype=np.int64)
        if not self._ends or not self._ends[-1]:
            return DepthPixels(np.zeros(0, self._types[0]), np.zeros(0, self._types[1]), ends)
        maps = []
        for file, kind in zip(self._files, self._types, strict=True):
            file.flush()
            maps.append(np.memmap(file, dtype=kind, mode="r"))
        return DepthPixels(maps[0], maps[1], ends)


def evenly_spread(count: int, limit: int | None) -> slice | Int64[np.ndarray, " chosen"]:
    """Which of so many pixels are judged: all, or `limit` of them."""
    return slice(None) if limit is None or count <= limit else np.linspace(0, count - 1, limit).astype(np.int64)
