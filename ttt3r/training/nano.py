"""The recipe of the bundled network: short clips of furnished rooms, from two frames to ten."""

from ttt3r.data.procedural import LookAround, Loop, Mixture, Walk, WorldConfig
from ttt3r.training.recipe import Recipe, Stage

LOOK = LookAround(speed=(0.0, 0.15), turn=(4.0, 14.0))
WALK = Walk(speed=(0.08, 0.3), turn=(5.0, 15.0))
LOOP = Loop(speed=(0.1, 0.35), turn=(6.0, 18.0))
FIELD_OF_VIEW = (75.0, 75.0)  # one camera: with 12 tokens a frame there is nothing to read a focal length from

SIMPLE_WORLD = WorldConfig(
    rooms=(1, 1), solids=(0, 4), field_of_view=FIELD_OF_VIEW, path=Mixture((LOOK, 1.0), (WALK, 1.0))
)
NANO_WORLD = WorldConfig(
    rooms=(1, 2), solids=(1, 5), field_of_view=FIELD_OF_VIEW, path=Mixture((LOOK, 1.0), (WALK, 1.5), (LOOP, 0.5))
)
"""The world in which `nano` was trained, and in which held-out worlds are judged."""

TRAINING_LENGTH = 10
"""Longest clip of the training, in frames. Everything beyond is extrapolation."""


def nano_recipe(seed: int = 0) -> Recipe:
    """The recipe of the bundled network."""
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
