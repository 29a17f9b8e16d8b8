"""Independent pieces of work side by side on the cores of a CPU."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):  # noqa: N818 (nothing is wrong: the work is no longer wanted)
    """Another piece of the work failed, or the caller was interrupted."""


def side_by_side(work: Callable[[T, Callable[[], None]], R], items: Sequence[T], *, alone: bool = False) -> list[R]:
    """The result of `work` for each item, in order.

    Threads within an operation wait for each other at its end; pieces of work that never meet do not. So each piece runs in a
    thread of its own, and the cores are shared: with as many pieces as cores, an operation has one. Whether gradients are
    recorded, and in which precision a CPU multiplies, is as with the caller.

    Args:
        work: gets an item, and a check to call now and then, which raises `Stopped` once the result is no longer wanted.
        items: what is to be done.
        alone: one after the other, in this thread: for work on a GPU.

    Raises:
        Exception: what the work of an item raised, of the first such item.
    """
    cores, stop = torch.get_num_threads(), Event()
    workers = 1 if alone else max(1, min(cores, len(items)))
    gradients, fast, precision = _modes()

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def piece(item: T) -> R:
        check()
        try:
            with torch.set_grad_enabled(gradients), torch.autocast("cpu", precision, enabled=fast):
                return work(item, check)
        except BaseException:
            stop.set()
            raise

    if workers == 1:
        return [work(item, check) for item in items]
    share = cores // workers
    try:
        with ThreadPoolExecutor(workers, initializer=lambda: torch.set_num_threads(share)) as pool:
            done = [pool.submit(piece, item) for item in items]
            try:
                wait(done, return_when=FIRST_EXCEPTION)
            except BaseException:  # the user interrupts
                stop.set()
                raise
    finally:
        torch.set_num_threads(cores)
    return _results(done)


def _modes() -> tuple[bool, bool, torch.dtype]:
    """Whether this thread records gradients, and whether and to what it casts on a CPU: a new thread does not inherit it."""
    return torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")


def _results(done: Sequence[Future[R]]) -> list[R]:
    failures = [one.exception() for one in done]
    for failure in failures:
        if failure is not None and not isinstance(failure, Stopped):
            raise failure
    return [one.result() for one in done]
