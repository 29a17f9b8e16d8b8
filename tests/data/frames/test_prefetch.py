"""Reading ahead: the same frames, errors where they belong, no thread left behind."""

import threading
import time

import pytest
import torch

from ttt3r.data import BrokenImage, FrameSource, Prefetch, SourceFrame


class Counting(FrameSource):
    """A source that counts what it has made, and may break."""

    def __init__(self, length=20, breaks_at=None):
        self._length, self.breaks_at, self.made, self.closed = length, breaks_at, 0, 0

    @property
    def name(self):
        return "counting"

    @property
    def skipped(self):
        return []

    @property
    def length(self):
        return self._length

    def __iter__(self):
        try:
            for index in range(self._length):
                if index == self.breaks_at:
                    raise BrokenImage(f"frame {index} is broken")
                self.made += 1
                yield SourceFrame(index, f"{index}", float(index), torch.full((1, 3, 16, 16), float(index)))
        finally:
            self.closed += 1


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "ttt3r-prefetch"]


def test_the_same_frames_again_and_again():
    ahead = Prefetch(Counting(), ahead=3)
    for _ in range(2):
        assert [frame.index for frame in ahead] == list(range(20))
    assert (ahead.name, ahead.length, len(ahead)) == ("counting", 20, 20)
    assert readers() == []


def test_no_more_than_asked_is_read_ahead():
    source = Counting()
    frames = iter(Prefetch(source, ahead=2))
    next(frames)
    deadline = time.monotonic() + 2
    while source.made < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert source.made == 4  # one taken, two waiting, one in hand
    frames.close()


def test_an_error_comes_at_its_frame():
    frames = iter(Prefetch(Counting(breaks_at=5), ahead=4))
    assert [next(frames).index for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(BrokenImage, match="frame 5"):
        next(frames)
    assert readers() == []


def test_stopping_early_ends_the_thread_and_closes_the_source():
    source = Counting()
    for frame in Prefetch(source, ahead=2):
        if frame.index == 3:
            break
    deadline = time.monotonic() + 2
    while readers() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert readers() == []
    assert source.closed == 1


def test_decoding_overlaps_the_consumer():
    class Slow(Counting):
        def __iter__(self):
            for frame in super().__iter__():
                time.sleep(0.02)
                yield frame

    start = time.perf_counter()
    for _ in Prefetch(Slow(10)):
        time.sleep(0.02)
    assert time.perf_counter() - start < 0.36  # 0.4 s one after the other


def test_nothing_ahead_is_refused():
    with pytest.raises(ValueError, match="ahead=0"):
        Prefetch(Counting(), ahead=0)
