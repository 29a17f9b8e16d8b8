"""A video cut into segments, each read once and kept while it is shown."""

import warnings
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

from ttt3r.data import FrameSource, SourceFrame
from ttt3r.evaluation.engine.spool import ImageSpool


@dataclass(frozen=True)
class Segments:
    """How a video is cut into palindromes, and how they are run.

    Args:
        length: frames of each segment; `None` for the whole video, or its share of `count`.
        count: most segments; `None` for as many as there are, or one without `length`.
        controls: also run `frozen`, the first rule restarted where the video turns, and for every gate the constant of its
            mean gain in that segment.
        chunk: as in `rollout_rules`.

    Raises:
        ValueError: for a length below 2, or a count or chunk below 1.
    """

    length: int | None = None
    count: int | None = None
    controls: bool = False
    chunk: int = 1

    def __post_init__(self) -> None:
        if self.length is not None and self.length < 2:
            raise ValueError(f"a segment needs at least 2 frames to go there and back, got a length of {self.length}")
        if self.count is not None and self.count < 1:
            raise ValueError(f"give at least 1 segment, got {self.count}")
        if self.chunk < 1:
            raise ValueError(f"chunk must be at least 1 frame, got {self.chunk}")

    def of(self, source: FrameSource) -> "Segments":
        """The same with what the length of a source decides.

        Raises:
            ValueError: if the source is too short, or does not end by itself.
        """
        if self.length is not None:
            return self
        if source.length is None and (self.count is not None or source.stamp() is None):
            raise ValueError(
                f"how many frames {source.name} will have is not known beforehand; give the frames of a segment (--length 50)"
                + (" and how many segments (--segments 1)" if source.stamp() is None else "")
            )
        count = self.count or 1
        if source.length is None or count == 1:
            return replace(self, count=1)
        if source.length < 2 * count:
            raise ValueError(
                f"{source.name} has {source.length} frames, too few for {count} segments of at least 2; give fewer segments "
                "(--segments), or a longer video"
            )
        return replace(self, length=source.length // count, count=count)

    def passes_of(self, source: FrameSource) -> int | None:
        """How many frames are shown in one pass over all segments; `None` if that is not known beforehand."""
        cut = self.of(source)
        if cut.length is None or source.length is None:
            return None if source.length is None else 2 * source.length - 1
        count = source.length // cut.length
        return (2 * cut.length - 1) * (count if cut.count is None else min(count, cut.count))


Segment = tuple[list[SourceFrame], ImageSpool]
"""The frames of a segment without their images, and the images."""


def cut(source: FrameSource, segments: Segments) -> Generator[Segment, None, None]:
    """The segments of a source, one after the other; who takes one closes its images.

    Warns of frames at the end that make no whole segment.

    Raises:
        ValueError: if the source ends before the first segment does, or has fewer than 2 frames.
        OSError: if a frame cannot be read.
    """
    plan, done = segments.of(source), 0
    with closing(iter(source)) as frames:
        while plan.count is None or done < plan.count:
            items, images = _read(frames, plan.length)
            if len(items) < (plan.length or 2):
                images.close()
                _refuse_or_warn(source, plan, len(items), done)
                return
            yield items, images
            done += 1


def _read(frames: Generator[SourceFrame, None, None], length: int | None) -> Segment:
    items, images = list[SourceFrame](), ImageSpool()
    try:
        for item in islice(frames, length):
            images.append(item.image)
            items.append(replace(item, image=item.image[..., :0, :0]))
    except BaseException:
        images.close()
        raise
    return items, images


def _refuse_or_warn(source: FrameSource, plan: Segments, left: int, done: int) -> None:
    if done and left:
        warnings.warn(
            f"the last {left} frames of {source.name} make no whole segment of {plan.length} and are left out",
            stacklevel=3,
        )
    if not done and left < 2:
        raise ValueError(
            f"{source.name} gives {left} frame{'s' * (left != 1)}, and a palindrome needs at least 2; give a longer video, or "
            "take more of its frames (--start, --stop, --stride)"
        )
    if not done:
        raise ValueError(
            f"{source.name} gives {left} frames, and a segment was to have {plan.length}; give --length {left} or less"
        )
