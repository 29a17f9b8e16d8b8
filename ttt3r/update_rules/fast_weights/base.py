"""The contract of a fast-weight memory: a matrix that learns, while it is used, to answer a key with its value.

    write:  S_t = S_{t-1} - step . grad L(S_{t-1}; k_t, v_t)         read:  S_t^T q

The same form as a rule on state tokens: settings in a frozen object, the memory passed in and returned. What differs is the
memory (a matrix S of key by value channels instead of tokens that a decoder rewrites) and the loss that is stepped on.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState


@dataclass(frozen=True)
class FastWeights(RuleState):
    """A fast-weight memory; a rule that carries more has a subclass with further batch-first tensors.

    Args:
        matrix: S, from key to value channels.
    """

    matrix: Float[Tensor, "batch key value"]


Weights = TypeVar("Weights", bound=FastWeights)


class FastWeightRule(ABC, Generic[Weights]):
    """How a fast-weight memory takes in pairs of key and value. A frozen dataclass of settings, made without arguments.

    All pairs of one call form a chunk: their gradient is taken at the memory *before* the call, as the large-chunk methods do.
    With one pair to a call (see `store`) this is the recurrence of the papers. Settings are numbers; where a paper makes them
    from the input with trained weights, its docstring here says so.
    """

    loss: ClassVar[str] = ""
    """What an update steps on, in one line."""
    equation: ClassVar[str] = ""
    """The update for one pair, in one line."""
    reference: ClassVar[str] = ""
    """Authors, year and link."""

    @abstractmethod
    def init(
        self,
        batch: int,
        key: int,
        value: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Weights:
        """The memory before any pair, for these numbers of sequences and channels."""

    @abstractmethod
    def update(
        self, memory: Weights, keys: Float[Tensor, "batch pair key"], values: Float[Tensor, "batch pair value"]
    ) -> Weights:
        """The memory after a chunk of pairs."""

    @abstractmethod
    def read(self, memory: Weights, queries: Float[Tensor, "batch query key"]) -> Float[Tensor, "batch query value"]:
        """What the memory answers; nothing is changed."""


class MatrixRule(FastWeightRule[FastWeights]):
    """A rule that carries nothing but the matrix, begins at zero and reads S^T q. Only the update is left to say."""

    def init(
        self,
        batch: int,
        key: int,
        value: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> FastWeights:
        """Zero: every query is answered with nothing."""
        return FastWeights(torch.zeros(batch, key, value, dtype=dtype, device=device))

    def read(
        self, memory: FastWeights, queries: Float[Tensor, "batch query key"]
    ) -> Float[Tensor, "batch query value"]:
        """S^T q."""
        return queries @ memory.matrix


def store(
    rule: FastWeightRule[Weights],
    memory: Weights,
    keys: Float[Tensor, "batch pair key"],
    values: Float[Tensor, "batch pair value"],
    chunk: int = 1,
) -> Weights:
    """Write pairs one after the other, or `chunk` of them at a time.

    Raises:
        ValueError: if the chunk is less than 1.

    Example:
        >>> import torch
        >>> from ttt3r.update_rules.fast_weights import DeltaRule
        >>> rule, keys, values = DeltaRule(), torch.eye(3)[None], torch.randn(1, 3, 2)
        >>> memory = store(rule, rule.init(batch=1, key=3, value=2), keys, values)
        >>> torch.equal(rule.read(memory, keys), values)
        True
    """
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1 pair, got {chunk}")
    for key, value in zip(keys.split(chunk, dim=1), values.split(chunk, dim=1), strict=True):
        memory = rule.update(memory, key, value)
    return memory


def outer(
    keys: Float[Tensor, "batch pair key"], values: Float[Tensor, "batch pair value"]
) -> Float[Tensor, "batch key value"]:
    """Sum over pairs of k v^T."""
    return keys.transpose(-1, -2) @ values


def seeded(key: int, value: int, seed: int) -> Float[Tensor, "key value"]:
    """A normal random matrix that is the same on every device, for rules that cannot begin at zero."""
    return torch.randn(key, value, generator=torch.Generator().manual_seed(seed))


def require_share(name: str, setting: float) -> None:
    """Refuse a setting that is no share of one.

    Raises:
        ValueError: for a number outside [0, 1].
    """
    if not 0 <= setting <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {setting}")


def require_positive(name: str, setting: float) -> None:
    """Refuse a setting that is not a positive, finite number.

    Raises:
        ValueError: for anything else.
    """
    if not 0 < setting < float("inf"):
        raise ValueError(f"{name} must be a finite number above 0, got {setting}")
