"""Associative recall: pairs are written one after the other, then every key is asked for its value.

Three things can go wrong, and the task has a number for each: too many pairs (capacity), keys that look alike (interference),
pairs that are long ago (length). A fourth, `versions`, asks whether a memory can replace what it holds.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ttt3r.update_rules.fast_weights.base import FastWeightRule, Weights, store


@dataclass(frozen=True)
class RecallTask:
    """What is written and asked for. Keys are random directions of length 1, values are normal with variance 1 per channel.

    Args:
        pairs: keys that are asked for in the end.
        distractors: further pairs, written after those and never asked for.
        overlap: inner product that two keys have on average, from 0 to below 1; the shared direction takes one channel.
        versions: how often every key is written, each time with a new value; the last one is right.
        key: channels of a key.
        value: channels of a value.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> keys, values = RecallTask(pairs=3, key=16, value=8).draw(batch=2)
        >>> keys.shape, values.shape
        (torch.Size([2, 3, 16]), torch.Size([2, 3, 8]))
    """

    pairs: int
    distractors: int = 0
    overlap: float = 0.0
    versions: int = 1
    key: int = 64
    value: int = 64

    def __post_init__(self) -> None:
        if min(self.pairs, self.versions, self.key, self.value) < 1:
            raise ValueError(f"pairs, versions, key and value must be at least 1, got {self}")
        if self.distractors < 0:
            raise ValueError(f"distractors must be at least 0, got {self.distractors}")
        if not 0 <= self.overlap < 1:
            raise ValueError(f"overlap must lie in [0, 1), got {self.overlap}")
        if self.overlap and self.key < 2:
            raise ValueError("an overlap takes one channel of the key; give key at least 2")

    def draw(
        self, batch: int, seed: int = 0
    ) -> tuple[Float[Tensor, "batch written key"], Float[Tensor, "batch written value"]]:
        """Keys and values in the order of writing: all versions of the pairs, then the distractors."""
        random = torch.Generator().manual_seed(seed)
        free = self.key - 1 if self.overlap else self.key
        keys = functional.normalize(torch.randn(batch, self.pairs + self.distractors, free, generator=random), dim=-1)
        if self.overlap:
            shared = torch.full_like(keys[..., :1], self.overlap**0.5)
            keys = torch.cat([shared, (1 - self.overlap) ** 0.5 * keys], dim=-1)
        asked, others = keys[:, : self.pairs], keys[:, self.pairs :]
        written = torch.cat([asked] * self.versions + [others], dim=1)
        return written, torch.randn(batch, written.shape[1], self.value, generator=random)

    @property
    def asked(self) -> slice:
        """Which of the written pairs are asked for: the last version of each."""
        return slice((self.versions - 1) * self.pairs, self.versions * self.pairs)


@dataclass(frozen=True)
class Recall:
    """How well a memory answered, in the order in which the pairs were written.

    Args:
        error: squared error of the answer over the mean squared length of a value; 1 for an empty memory, 0 for a perfect one.
        right: whether the answer points to the right one of the values asked for rather than to another (cosine).
    """

    error: Float[Tensor, "batch pair"]
    right: Float[Tensor, "batch pair"]


def recall(
    rule: FastWeightRule[Weights], task: RecallTask, *, batch: int = 32, chunk: int = 1, seed: int = 0
) -> Recall:
    """Let a rule solve the task, for a batch of random sequences.

    Example:
        >>> from ttt3r.update_rules.fast_weights import Mesa
        >>> bool(recall(Mesa(), RecallTask(pairs=32)).error.mean() < 0.01)
        True
    """
    keys, values = task.draw(batch, seed)
    memory = store(rule, rule.init(batch, task.key, task.value), keys, values, chunk)
    queries, truth = keys[:, task.asked], values[:, task.asked]
    answer = rule.read(memory, queries)
    likeness = functional.normalize(answer, dim=-1) @ functional.normalize(truth, dim=-1).transpose(-1, -2)
    right = likeness.argmax(dim=-1) == torch.arange(task.pairs)
    return Recall((answer - truth).square().mean(dim=-1), right.float())
