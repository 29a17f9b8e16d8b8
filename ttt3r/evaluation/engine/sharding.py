"""Exact shares of the work: every sequence belongs to exactly one process; nothing is padded, nothing is averaged twice."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Share `index` of `count`: items index, index + count, index + 2 count, ...

    Shares of a share are shares again (`within`), so that a job array may use several processes in each job.

    Args:
        index: from 0.
        count: number of shares.

    Raises:
        ValueError: unless 0 <= index < count.

    Examples:
        >>> Shard(1, 3).of("abcdefg")
        ('b', 'e')
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(
                f"share {self.index} of {self.count} does not exist; shares of n are numbered 0 to n-1, such as 0/4 to 3/4"
            )

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From `i/n`.

        Raises:
            ValueError: for anything else.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal()):
            raise ValueError(f"a share is written i/n with i from 0 to n-1, such as 0/4; got {text!r}")
        return cls(int(index), int(count))

    def of(self, items: Sequence[T]) -> tuple[T, ...]:
        """The items of this share, in order."""
        return tuple(items[self.index :: self.count])

    def within(self, outer: "Shard") -> "Shard":
        """The share of another share: both divisions at once."""
        return Shard(outer.index + outer.count * self.index, outer.count * self.count)


def launched_processes() -> int:
    """How many processes a launcher has started, this one included; 1 without one.

    Launchers are those that Lightning knows by their environment: `torchrun`, `srun` in a SLURM job, LSF, and Lightning.
    """
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.fabric.plugins.environments.lsf import LSFEnvironment
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    for launcher in (TorchElasticEnvironment, SLURMEnvironment, LSFEnvironment):
        if launcher.detect():
            return launcher().world_size()
    own = LightningEnvironment()
    return int(os.environ.get("WORLD_SIZE", "1")) if own.creates_processes_externally else 1
