"""Sequences that were never files: frames and depth that lie in memory."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ttt3r.data.frames.source import FrameSource, SourceFrame
from ttt3r.data.sequences.clip import DepthSource


class FramesInMemory(FrameSource):
    """Prepared frames, one after the other.

    Args:
        name: of the sequence, for messages.
        images: colours in [-1, 1].
        timestamps: seconds.

    Raises:
        ValueError: if there is not one time for each frame.
    """

    def __init__(
        self, name: str, images: Float[Tensor, "frame rgb=3 height width"], timestamps: Float[np.ndarray, " frame"]
    ) -> None:
        if len(images) != len(timestamps):
            raise ValueError(
                f"{name} has {len(images)} frames and {len(timestamps)} timestamps; give one for each frame"
            )
        self._name, self._images, self._timestamps = name, images, timestamps

    @property
    def name(self) -> str:
        """Of the sequence."""
        return self._name

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self._images)

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """None: nothing in memory is broken."""
        return []

    def __iter__(self) -> Generator[SourceFrame, None, None]:
        """The frames in order."""
        for index, image in enumerate(self._images):
            yield SourceFrame(index, f"{self._name} {index:06d}", float(self._timestamps[index]), image[None])


@dataclass(frozen=True)
class DepthInMemory(DepthSource):
    """Depth of every frame, metres; 0 where it is not known."""

    maps: Float[Tensor, "frame height width"]

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.maps)

    @property
    def measured(self) -> int:
        """All of them."""
        return len(self.maps)

    def read(self, index: int) -> Float[np.ndarray, "height width"]:
        """Depth along the optical axis in metres."""
        return self.maps[index].double().cpu().numpy()
