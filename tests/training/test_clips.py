"""The clips of a training: the same as ever for small seeds, and never a held-out world for any."""

import pytest
import torch

from ttt3r.data.procedural import WorldConfig, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED
from ttt3r.training import clips
from ttt3r.training.clips import batch_at
from ttt3r.training.nano import nano_recipe
from ttt3r.training.recipe import Recipe, Stage

WORLD = WorldConfig(width=16, height=16, rooms=(1, 1), solids=(0, 0))


def recipe(seed, steps=20_000_000):
    return Recipe(stages=(Stage(steps, (2, 2), 0, 2, WORLD),), seed=seed)


@pytest.fixture
def asked(monkeypatch):
    """The seeds that worlds are made from."""
    found, made = [], sample_clips(WORLD, batch=2, frames=2, seed=0)
    monkeypatch.setattr(
        clips, "sample_clips", lambda config, *, batch, frames, seed, first: (found.append(seed), made)[1]
    )
    return found


def test_training_never_sees_a_held_out_world(asked):
    seeds, steps = (0, 1, 88, 89, 90, 91, 179, 1234, 20_261_128, 2**32 - 1), (0, 1, 13_699, 9_998_308, 9_998_309)
    for seed in seeds:
        for step in steps:
            batch_at(recipe(seed), step)
    assert max(asked) < HELD_OUT_SEED
    assert len(set(asked)) == len(seeds) * len(steps)  # and no two steps see the same houses
    assert all(-(2**63) < seed < 2**63 for seed in asked)


def test_the_clips_of_small_seeds_stay_as_they_were(asked):
    for seed in range(90):
        batch_at(recipe(seed), 13_699)
    assert asked == [seed * 10_000_019 + 13_699 for seed in range(90)]


def test_clips_of_a_large_seed_can_be_made_and_differ():
    first, second = (batch_at(recipe(seed), 0).image for seed in (90, 2**32 - 1))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("seed", [-1, 2**32, True])
def test_seeds_that_are_none_are_refused(seed):
    with pytest.raises(ValueError, match="whole number from 0 to"):
        nano_recipe(seed)
