"""The recipe of the small network: short clips of furnished rooms, from two frames to eight."""

from ttt3r.data.procedural.presets import BOLD_WORLD, NANO_WORLD, SIMPLE_WORLD, TRAINING_LENGTH
from ttt3r.training.losses import LossWeights
from ttt3r.training.recipe import Recipe, Stage


def nano_recipe(seed: int = 0) -> Recipe:
    """The recipe that `ttt3r train` follows: about an hour and a half on one core that multiplies bfloat16.

    First the memory is asked with known cameras, so that it learns to hold what was seen; then cameras have to be found.
    """
    return Recipe(
        stages=(
            Stage(steps=700, frames=(2, 3), questions=1, known_cameras=0.5, batch=12, world=BOLD_WORLD),
            Stage(steps=1600, frames=(3, 5), questions=2, known_cameras=0.3, batch=10, world=SIMPLE_WORLD),
            Stage(steps=3400, frames=(4, TRAINING_LENGTH), questions=2, known_cameras=0.15, batch=8, world=NANO_WORLD),
        ),
        seed=seed,
        learning_rate=2e-3,
        matrix_rate=1e-2,
        warmup=100,
        average=0.998,
        loss=LossWeights(rotation=4.0, translation=4.0, color=1.0),
    )
