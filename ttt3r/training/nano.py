"""The recipe of the small network: short clips of furnished rooms, from two frames to ten."""

from ttt3r.data.procedural.presets import NANO_WORLD, SIMPLE_WORLD, TRAINING_LENGTH
from ttt3r.training.recipe import Recipe, Stage


def nano_recipe(seed: int = 0) -> Recipe:
    """The recipe that `ttt3r train` follows: about half an hour on one core."""
    return Recipe(
        stages=(
            Stage(steps=600, frames=(2, 3), questions=0, batch=16, world=SIMPLE_WORLD),
            Stage(steps=1200, frames=(3, 6), questions=1, batch=10, world=SIMPLE_WORLD),
            Stage(steps=2000, frames=(4, TRAINING_LENGTH), questions=2, batch=8, world=NANO_WORLD),
        ),
        seed=seed,
        learning_rate=1.4e-3,
        warmup=100,
        average=0.998,
    )
