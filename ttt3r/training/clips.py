"""Clips for training, made on the fly: step i of a run always sees the same clips, on any machine and after any resumption."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ttt3r.data.procedural import ClipBatch, WorldConfig, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED
from ttt3r.training.recipe import Recipe


@dataclass(frozen=True)
class Share:
    """Which part of each batch a process takes: the one of `rank` among `processes`, all of equal size.

    Raises:
        ValueError: if there is no such rank.
    """

    rank: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.processes:
            raise ValueError(f"rank {self.rank} is none of {self.processes} processes")


class TrainingClips(IterableDataset[ClipBatch]):
    """The batches of a recipe, from step `start` on, or one process's share of them."""

    def __init__(self, recipe: Recipe, start: int = 0, share: Share = Share()) -> None:
        self.recipe, self.start, self.share = recipe, start, share

    def __iter__(self) -> Iterator[ClipBatch]:
        """Batch after batch; several workers take turns."""
        worker = get_worker_info()
        first, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        if worker is not None:
            torch.set_num_threads(1)
            for number in (
                signal.SIGTERM,
                signal.SIGINT,
            ):  # sent to all processes at once: the training ends its workers
                signal.signal(number, signal.SIG_IGN)
        for step in range(self.start + first, self.recipe.steps, stride):
            yield batch_at(self.recipe, step, self.share)


def batch_at(recipe: Recipe, step: int, share: Share = Share()) -> ClipBatch:
    """The clips of one step. The shares of all processes make up the batch of one."""
    stage = recipe.stage_at(step)
    shortest, longest = stage.frames
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    frames = int(torch.randint(shortest, longest + 1, (1,), generator=generator))
    batch, seed = stage.batch // share.processes, seed_at(recipe, step)
    first = share.rank * batch
    if isinstance(stage.world, WorldConfig):
        return sample_clips(stage.world, batch=batch, frames=frames, seed=seed, first=first)
    worlds, made = stage.world.worlds(), []
    for world, clips in groupby(stage.world.draw(stage.batch, generator)[first : first + batch]):
        count = len([*clips])
        made.append(sample_clips(worlds[world], batch=count, frames=frames, seed=seed, first=first))
        first += count
    return ClipBatch.side_by_side(made)


def seed_at(recipe: Recipe, step: int) -> int:
    """The seed of a step's worlds: another one for each recipe seed and step, and never one that is held out.

    Held-out seeds go from `HELD_OUT_SEED` up; what would fall among them is turned to the other side of zero.
    """
    seed = recipe.seed * 10_000_019 + step
    return seed if seed < HELD_OUT_SEED else -seed


def check_shares(recipe: Recipe, processes: int) -> None:
    """See that every batch can be dealt in equal shares.

    Raises:
        ValueError: if a stage's batch is no multiple of the number of processes.
    """
    for stage in recipe.stages:
        if stage.batch % processes:
            raise ValueError(
                f"a batch of {stage.batch} clips cannot be dealt to {processes} processes in equal shares; choose a number "
                "of devices that divides the batch of every stage, or another batch"
            )


def training_loader(recipe: Recipe, start: int, workers: int, share: Share = Share()) -> DataLoader[ClipBatch]:
    """Reads ahead in `workers` processes; 0 makes clips in the training process."""
    ahead = 4 if workers else None
    return DataLoader(TrainingClips(recipe, start, share), batch_size=None, num_workers=workers, prefetch_factor=ahead)
