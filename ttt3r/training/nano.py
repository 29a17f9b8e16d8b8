"""The recipes of the small network, and how a trained network is refined."""

from dataclasses import replace

from ttt3r.training.recipe import Recipe
from ttt3r.training.recipe_file import find_recipe


def nano_recipe(seed: int = 0) -> Recipe:
    """The recipe that `ttt3r train` follows, `ttt3r/training/recipes/nano.yaml`.

    First the memory is asked with known cameras, so that it learns to hold what was seen; then cameras have to be found. The
    last stages show clips of any speed, up to 24 frames, under several rules.
    """
    return replace(find_recipe("nano"), seed=seed)


def first_nano_recipe(seed: int = 0) -> Recipe:
    """The recipe of the bundled network, `nano_first.yaml`: up to eight frames, full overwrite, all heads on all frames.

    The last stages put weight on what is judged in the end: relative depths without confidence, recalled colours, translation.
    """
    return replace(find_recipe("nano_first"), seed=seed)


def refinement(recipe: Recipe) -> Recipe:
    """The last stage alone, at a third of the rates: for a network that is trained already."""
    third = None if recipe.matrix_rate is None else recipe.matrix_rate / 3
    return replace(recipe, stages=recipe.stages[-1:], learning_rate=recipe.learning_rate / 3, matrix_rate=third)
