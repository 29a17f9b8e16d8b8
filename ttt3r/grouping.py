"""Frames that go through encoder and heads together: consecutive, of one size and kind."""

from collections.abc import Iterable, Iterator

from torch import Tensor

from ttt3r.intake import as_frame, warn_of_axes
from ttt3r.types import Frame

Frames = Iterable[Frame | Tensor]  # images (batch, 3, height, width); their size may change from frame to frame


def groups(frames: Frames, chunk: int, window: int | None = None) -> Iterator[list[Frame]]:
    """Up to `chunk` consecutive frames that can be stacked, as soon as they are there; none across a multiple of `window`.

    Where the source fails, the frames that it gave before come first, so that none of them is lost; then its error.

    Raises:
        ValueError: for an image without a batch axis, and whatever the source raises.
    """
    warn_of_axes(frames)
    group: list[Frame] = []
    taken = 0
    source = map(as_frame, frames)
    while True:
        try:
            frame = next(source, None)
        except Exception:
            if group:
                yield group
            raise
        if group and (frame is None or _kind(frame) != _kind(group[0])):
            yield group
            group = []
        if frame is None:
            return
        group.append(frame)
        taken += 1
        ends_window = window is not None and taken % window == 0
        if len(group) == chunk or ends_window:  # at once: a live source may make the next one wait
            yield group
            group = []


def _kind(frame: Frame) -> tuple[int, tuple[int, int], bool, bool]:
    return frame.batch, frame.size, frame.image is not None, frame.ray_map is not None
