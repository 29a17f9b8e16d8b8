"""When a chunk of the stream ends and the memory is reset.

A policy is asked after every frame. Where it says yes, and the frame was absorbed, the loop puts the memory back to its
beginning, feeds the same frame again as the first of the next chunk, and chains the cameras over that frame. A policy holds
settings only.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ttt3r.types import Memory


class ResetPolicy(ABC):
    """Decides, sequence by sequence, whether the frame that was just absorbed is the last of its chunk."""

    @abstractmethod
    def ends_chunk(self, memory: Memory, camera: Float[Tensor, "batch 4 4"]) -> Bool[Tensor, " batch"]:
        """Whether the chunk ends with the frame just absorbed.

        Args:
            memory: the memory after the frame.
            camera: predicted camera_to_world of the frame in the chunk's own frame, that of its first camera; metres.
        """


@dataclass(frozen=True)
class Never(ResetPolicy):
    """One chunk for the whole stream.

    Examples:
        >>> Never() == Never()
        True
    """

    def ends_chunk(self, memory: Memory, camera: Float[Tensor, "batch 4 4"]) -> Bool[Tensor, " batch"]:
        """No."""
        return torch.zeros_like(memory.seen, dtype=torch.bool)


@dataclass(frozen=True)
class Every(ResetPolicy):
    """Reset after the n-th, 2n-th, 3n-th, ... frame of the stream; the frame fed again counts once.

    Unwritten frames count too, but none of them ends a chunk: where the n-th was not absorbed, the chunk goes on to the
    next multiple.

    Reference: TTT3R with resets (n = 100 in its tables), https://arxiv.org/abs/2509.26645.

    Args:
        n: length of a chunk in frames, at least 1.

    Raises:
        ValueError: if n is less than 1.

    Examples:
        >>> Every(100)
        Every(n=100)
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"a chunk has at least 1 frame, got n = {self.n}; use Never() for no resets")

    def ends_chunk(self, memory: Memory, camera: Float[Tensor, "batch 4 4"]) -> Bool[Tensor, " batch"]:
        """Whether the number of frames seen is a multiple of n."""
        return (memory.seen > 0) & (memory.seen % self.n == 0)


@dataclass(frozen=True)
class WhenFar(ResetPolicy):
    """Reset when the camera has moved away from where the chunk began. Our own; no publication.

    Args:
        distance: how far from the chunk's first camera, metres (as far as the network is metric), more than 0.
        minimum: frames that a chunk absorbs at least, so that a bad first pose does not reset at every frame.

    Raises:
        ValueError: if the distance is not positive or the minimum is less than 1.

    Examples:
        >>> WhenFar(distance=2.5)
        WhenFar(distance=2.5, minimum=8)
    """

    distance: float
    minimum: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.distance < float("inf"):
            raise ValueError(
                f"distance must be more than 0 metres and finite, got {self.distance}; use Never() for no resets"
            )
        if self.minimum < 1:
            raise ValueError(f"a chunk has at least 1 frame, got minimum = {self.minimum}")

    def ends_chunk(self, memory: Memory, camera: Float[Tensor, "batch 4 4"]) -> Bool[Tensor, " batch"]:
        """Whether the camera is farther away than `distance` and the chunk is old enough."""
        return (memory.age >= self.minimum) & (camera[:, :3, 3].norm(dim=-1) > self.distance)


def as_policy(value: int | ResetPolicy | None) -> ResetPolicy:
    """`None` is `Never()`, a number n is `Every(n)`, a policy is itself.

    Raises:
        TypeError: for anything else.
        ValueError: for a number below 1.

    Examples:
        >>> as_policy(100)
        Every(n=100)
    """
    if value is None:
        return Never()
    if isinstance(value, ResetPolicy):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Every(value)
    raise TypeError(f"a reset policy is None, a number of frames or a ResetPolicy such as Every(100), got {value!r}")
