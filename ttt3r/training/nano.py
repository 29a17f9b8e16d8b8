"""The recipe of the small network: short clips of furnished rooms, from two frames to eight."""

from dataclasses import replace

from ttt3r.data.procedural.presets import BOLD_WORLD, NANO_WORLD, SIMPLE_WORLD, TRAINING_LENGTH
from ttt3r.training.losses import LossWeights
from ttt3r.training.recipe import Recipe, Stage


def nano_recipe(seed: int = 0) -> Recipe:
    """The recipe that `ttt3r train` follows: about five hours on one core that multiplies bfloat16.

    First the memory is asked with known cameras, so that it learns to hold what was seen; then cameras have to be found.
    The last stages put weight on what is judged in the end: relative depths without confidence, recalled colours, translation.
    """
    early = LossWeights(rotation=4.0, translation=4.0, color=1.0)
    late = LossWeights(rotation=6.0, translation=8.0, color=1.0, spread=0.03, offset=0.25)
    last = replace(late, color=4.0, depth=1.0)
    final = replace(last, translation=12.0, depth=2.0)
    return Recipe(
        stages=(
            Stage(700, (2, 3), 1, batch=12, world=BOLD_WORLD, known_cameras=0.5, loss=early),
            Stage(1600, (3, 5), 2, batch=10, world=SIMPLE_WORLD, known_cameras=0.3, loss=early),
            Stage(3400, (4, TRAINING_LENGTH), 2, batch=8, world=NANO_WORLD, known_cameras=0.15, loss=late),
            Stage(6000, (4, TRAINING_LENGTH), 2, batch=12, world=NANO_WORLD, known_cameras=0.1, loss=last),
            Stage(2000, (4, TRAINING_LENGTH), 2, batch=24, world=NANO_WORLD, known_cameras=0.05, loss=final),
        ),
        seed=seed,
        learning_rate=2e-3,
        matrix_rate=1e-2,
        warmup=100,
        average=0.999,
    )


def refinement(recipe: Recipe) -> Recipe:
    """The last stage alone, at a third of the rates: for a network that is trained already."""
    third = None if recipe.matrix_rate is None else recipe.matrix_rate / 3
    return replace(recipe, stages=recipe.stages[-1:], learning_rate=recipe.learning_rate / 3, matrix_rate=third)
