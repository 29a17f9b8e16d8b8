"""Frames that go through encoder and heads together: consecutive, of one size and kind."""

import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from torch import Tensor

from ttt3r.intake import as_frame
from ttt3r.types import Frame, Outputs, Reconstruction

Frames = Iterable[Frame | Tensor]  # images (batch, 3, height, width); their size may change from frame to frame

Result = TypeVar("Result")


def groups(frames: Frames, chunk: int, window: int | None = None) -> Iterator[list[Frame]]:
    """Up to `chunk` consecutive frames that can be stacked, as soon as they are there; none across a multiple of `window`.

    Where the source fails, the frames that it gave before come first, so that none of them is lost; then its error.

    Raises:
        ValueError: for an image without a batch axis, and whatever the source raises.
    """
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


def wanted_of(outputs: Outputs | Sequence[Outputs], done: int, count: int) -> Sequence[Outputs]:
    """Which heads run on the next `count` frames, after `done`.

    Raises:
        ValueError: if they are given one by one, and for fewer frames.
    """
    if isinstance(outputs, Outputs):
        return [outputs] * count
    if len(outputs) < done + count:
        raise ValueError(
            f"outputs are given for {len(outputs)} frames, and there are more; give them for each, or once"
        )
    return outputs[done : done + count]


def read_alike(
    results: Sequence[Result],
    wanted: Sequence[Outputs],
    read: Callable[[Sequence[Result], Outputs], list[Reconstruction]],
) -> list[Reconstruction]:
    """Each result read out as wanted; `read` is called once for the heads that all want, and once for each further wish."""
    common = functools.reduce(operator.and_, wanted)
    found = read(results, common)
    for more in {one & ~common for one in wanted} - {Outputs.NOTHING}:
        chosen = [index for index, one in enumerate(wanted) if one & ~common == more]
        for index, further in zip(chosen, read([results[i] for i in chosen], more), strict=True):
            found[index] = found[index].joined(further)
    return found


def check_chunk(looking: Sequence[str], chunk: int, detach_every: int | None) -> None:
    """See that frames can be read out `chunk` at a time, under the rules that look at the readout before they write.

    Raises:
        ValueError: if they cannot.
    """
    if chunk < 1 or (detach_every is not None and detach_every < 1):
        raise ValueError(f"chunk and detach_every must be at least 1, got {chunk} and {detach_every}")
    if chunk > 1 and looking:
        raise ValueError(f"rule {looking[0]!r} looks at the readout before it writes, so chunk must be 1, got {chunk}")
    if detach_every is not None and chunk > detach_every:
        raise ValueError(f"chunk ({chunk}) must not exceed detach_every ({detach_every})")
