"""Clips for training, made on the fly: step i of a run always sees the same clips, on any machine and after any resumption."""

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ttt3r.data.procedural import ClipBatch, sample_clips
from ttt3r.training.recipe import Recipe


class TrainingClips(IterableDataset[ClipBatch]):
    """The batches of a recipe, from step `start` on."""

    def __init__(self, recipe: Recipe, start: int = 0) -> None:
        self.recipe, self.start = recipe, start

    def __iter__(self) -> Iterator[ClipBatch]:
        """Batch after batch; several workers take turns."""
        worker = get_worker_info()
        first, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        torch.set_num_threads(1)
        for step in range(self.start + first, self.recipe.steps, stride):
            yield batch_at(self.recipe, step)


def batch_at(recipe: Recipe, step: int) -> ClipBatch:
    """The clips of one step."""
    stage = recipe.stage_at(step)
    shortest, longest = stage.frames
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    frames = int(torch.randint(shortest, longest + 1, (1,), generator=generator))
    return sample_clips(stage.world, batch=stage.batch, frames=frames, seed=recipe.seed * 10_000_019 + step)


def training_loader(recipe: Recipe, start: int, workers: int) -> DataLoader[ClipBatch]:
    """Reads ahead in `workers` processes; 0 makes clips in the training process."""
    ahead = 4 if workers else None
    return DataLoader(TrainingClips(recipe, start), batch_size=None, num_workers=workers, prefetch_factor=ahead)
