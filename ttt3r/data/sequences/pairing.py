"""Which pose and which depth belong to which image: by time, by number, or merely by rank."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

MAX_GAP = 0.02
"""Seconds by which an image and its pose or depth may differ, as in the tools of TUM RGB-D."""


class Pairing(ABC):
    """A rule by which the entries of two lists belong together. Every entry is used at most once."""

    @property
    @abstractmethod
    def words(self) -> str:
        """For messages: an image has a pose ... `within 0.02 s`."""

    @abstractmethod
    def pairs(
        self, first: Float[np.ndarray, " first"], second: Float[np.ndarray, " second"]
    ) -> Int[np.ndarray, "pair 2"]:
        """Indices of the entries that belong together, sorted by the first; given are times in seconds, or numbers."""


@dataclass(frozen=True)
class ByTime(Pairing):
    """Closer in time than `tolerance` seconds, one to one, the closest first; see `match_times`."""

    tolerance: float = MAX_GAP

    @property
    def words(self) -> str:
        """The tolerance."""
        return f"within {self.tolerance:g} s"

    def pairs(
        self, first: Float[np.ndarray, " first"], second: Float[np.ndarray, " second"]
    ) -> Int[np.ndarray, "pair 2"]:
        """Indices of the times that belong together."""
        return match_times(first, second, self.tolerance)


@dataclass(frozen=True)
class ByNumber(Pairing):
    """The same frame number (or the same time to the digit) on both sides."""

    @property
    def words(self) -> str:
        """The same number."""
        return "of its number"

    def pairs(
        self, first: Float[np.ndarray, " first"], second: Float[np.ndarray, " second"]
    ) -> Int[np.ndarray, "pair 2"]:
        """Indices of the numbers that are equal."""
        place = {float(number): j for j, number in enumerate(second)}
        pairs = [(i, place[float(number)]) for i, number in enumerate(first) if float(number) in place]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class ByRank(Pairing):
    """The first with the first, the second with the second, as far as both go; times and numbers are ignored.

    Wrong as soon as one file is missing in the middle of one list. It is what some published scripts do.
    """

    @property
    def words(self) -> str:
        """The same rank."""
        return "of its rank"

    def pairs(
        self, first: Float[np.ndarray, " first"], second: Float[np.ndarray, " second"]
    ) -> Int[np.ndarray, "pair 2"]:
        """(0, 0), (1, 1), ..."""
        rank = np.arange(min(len(first), len(second)), dtype=np.int64)
        return np.stack([rank, rank], axis=1)


def match_times(
    first: Float[np.ndarray, " first"], second: Float[np.ndarray, " second"], max_gap: float = MAX_GAP
) -> Int[np.ndarray, "pair 2"]:
    """Pairs of indices of times that belong together: closer than `max_gap` seconds, each time used at most once.

    The closest pairs are made first; the result is sorted by the first clock.
    """
    order = np.argsort(second, kind="stable")
    near = np.searchsorted(second[order], first - 2 * max_gap), np.searchsorted(second[order], first + 2 * max_gap)
    candidates = [
        (abs(first[i] - second[j]), first[i], second[j], i, j)
        for i, (low, high) in enumerate(zip(*near, strict=True))
        for j in order[low:high]
        if abs(first[i] - second[j]) < max_gap
    ]
    free_first, free_second, pairs = set(range(len(first))), set(range(len(second))), []
    for *_, i, j in sorted(candidates):
        if i in free_first and j in free_second:
            free_first.remove(i)
            free_second.remove(j)
            pairs.append((i, j))
    pairs.sort(key=lambda pair: first[pair[0]])
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
