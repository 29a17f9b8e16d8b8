"""A stream of prepared frames: what every input becomes before the network sees it.

A reader knows where pictures come from (`files.py`, `video.py`); `prepared.py` does the rest the same way for all of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from jaxtyping import Float
from PIL import Image
from torch import Tensor


class BrokenVideo(ValueError):
    """A video that cannot be decoded, or not to its end."""


@dataclass(frozen=True)
class Sampling:
    """Which frames of a source are taken: start, start + stride, ... before stop; counted in frames of the source.

    Raises:
        ValueError: if the stride is not positive, or the range is empty.
    """

    stride: int = 1
    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise ValueError(f"stride={self.stride} must be at least 1 (1 takes every frame)")
        if self.start < 0:
            raise ValueError(f"start={self.start} must not be negative; frames are counted from 0")
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(f"stop={self.stop} leaves no frame after start={self.start}; give a larger stop, or none")

    def of(self, total: int) -> range:
        """The indices taken of `total` frames."""
        return range(self.start, total if self.stop is None else min(total, self.stop), self.stride)

    def takes(self, index: int) -> bool:
        """Whether the frame of this index is taken."""
        return index >= self.start and (index - self.start) % self.stride == 0 and not self.ends_before(index)

    def ends_before(self, index: int) -> bool:
        """Whether neither this frame nor any later one is taken."""
        return self.stop is not None and index >= self.stop


@dataclass(frozen=True)
class SourceFrame:
    """One prepared frame.

    Args:
        index: its position in the source, before the sampling.
        name: file name, or video name and frame number; for messages and output files.
        timestamp: seconds; of a folder of images, where nothing is known, the index.
        image: colours in [-1, 1], whole patches wide and high.
    """

    index: int
    name: str
    timestamp: float
    image: Float[Tensor, "1 rgb=3 height width"]

    def pinned(self) -> "SourceFrame":
        """The same in pinned memory, from where it goes to a GPU while that computes."""
        return replace(self, image=self.image.pin_memory())


@dataclass(frozen=True)
class RawFrame:
    """One frame of a reader, not yet decoded: `load` does that, and raises `BrokenImage` where it cannot."""

    name: str
    timestamp: float
    load: Callable[[], Image.Image]


class FrameReader(ABC):
    """Where pictures come from. Reading starts anew with every call of `read`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What is read, for messages."""

    @property
    @abstractmethod
    def length(self) -> int | None:
        """How many frames there are, as far as that can be known without reading them."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about the pictures, each in one line."""
        return ()

    def stamp(self, frames: int | None = None) -> str | None:
        """A text that stays the same as long as nobody changed what the first frames (default: all) are read from.

        Empty where that is not known without reading them; `None` for a live camera, which never shows a frame twice.
        """
        return ""

    @abstractmethod
    def read(self) -> Generator[RawFrame, None, None]:
        """All frames in order.

        Raises:
            BrokenVideo: where nothing more can be read although more was promised.
        """


class FrameSource(ABC):
    """A stream of prepared frames that can be iterated from the start again (a live camera goes on instead).

    `skipped` lists the broken frames that the last iteration left out, as (name, reason).
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What is read, for messages."""

    @property
    @abstractmethod
    def length(self) -> int | None:
        """Number of frames, if known beforehand: exact unless something is broken; `None` for live cameras."""

    @property
    @abstractmethod
    def skipped(self) -> list[tuple[str, str]]:
        """(name, reason) of each broken frame that was left out."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about the pictures, each in one line."""
        return ()

    def stamp(self, frames: int | None = None) -> str | None:
        """As `FrameReader.stamp`; counted before the sampling."""
        return ""

    @abstractmethod
    def __iter__(self) -> Generator[SourceFrame, None, None]:
        """The frames in order."""

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError(f"the number of frames of {self.name} is not known beforehand; iterate instead")
        return self.length

    def __bool__(self) -> bool:
        return True  # a source of unknown length is a source
