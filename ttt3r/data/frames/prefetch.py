"""Reading ahead, so that files are decoded while the network works on the frame before."""

import queue
import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from ttt3r.data.frames.source import FrameSource, SourceFrame

Item = TypeVar("Item")


@dataclass(frozen=True)
class _Failed:
    error: BaseException


@dataclass(frozen=True)
class _End:
    pass


class Prefetch(FrameSource):
    """The same frames as `source`, of which up to `ahead` are decoded beforehand by one background thread.

    An error surfaces at the frame where it belongs, after all frames before. The thread ends with the iteration, also when
    the consumer stops early (at `close()` of the iterator, or when it is dropped).

    Args:
        source: the frames.
        ahead: most frames that wait.
        pin: put images into pinned memory, from where they go to a GPU while it computes.

    Raises:
        ValueError: if `ahead` is not positive.
    """

    def __init__(self, source: FrameSource, ahead: int = 4, *, pin: bool = False) -> None:
        if ahead < 1:
            raise ValueError(f"ahead={ahead} must be at least 1 frame")
        self.source = source
        self.ahead = ahead
        self.pin = pin

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    @property
    def length(self) -> int | None:
        """The length of the source."""
        return self.source.length

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """What the source has skipped so far; it may be some frames ahead of the consumer."""
        return self.source.skipped

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the source."""
        return self.source.notes

    def stamp(self, frames: int | None = None) -> str | None:
        """That of the source."""
        return self.source.stamp(frames)

    def __iter__(self) -> Generator[SourceFrame, None, None]:
        """The frames in order; raises whatever the source raises."""
        return read_ahead(self._read(), self.ahead)

    def _read(self) -> Generator[SourceFrame, None, None]:
        with closing(iter(self.source)) as frames:
            for frame in frames:
                yield frame.pinned() if self.pin else frame


def read_ahead(items: Generator[Item, None, None], ahead: int) -> Generator[Item, None, None]:
    """The same items, of which up to `ahead` are made beforehand by one background thread; see `Prefetch`."""
    ready: queue.Queue[Item | _Failed | _End] = queue.Queue(ahead)
    stopped = threading.Event()
    reader = threading.Thread(target=_fill, args=(items, ready, stopped), daemon=True, name="ttt3r-prefetch")
    reader.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                return
            if isinstance(item, _Failed):
                raise item.error
            yield item
    finally:
        stopped.set()
        reader.join()


def _fill(items: Generator[Item, None, None], ready: queue.Queue, stopped: threading.Event) -> None:
    try:
        with closing(items):
            for item in items:
                if not _put(item, ready, stopped):
                    return
        _put(_End(), ready, stopped)
    except BaseException as error:  # handed to the consumer, whose error it is
        _put(_Failed(error), ready, stopped)


def _put(item: object, ready: queue.Queue, stopped: threading.Event) -> bool:
    """Wait for room; False if the consumer has gone."""
    while not stopped.is_set():
        try:
            ready.put(item, timeout=0.05)
        except queue.Full:
            continue
        return True
    return False
