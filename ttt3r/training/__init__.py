"""Training through time: losses, a recipe of stages, and the LightningModule that runs the same loop as everything else."""

from ttt3r.training.drawing import RuleMix as RuleMix
from ttt3r.training.drawing import WorldMix as WorldMix
from ttt3r.training.fitting import Machine as Machine
from ttt3r.training.fitting import train as train
from ttt3r.training.losses import LossTerms as LossTerms
from ttt3r.training.losses import LossWeights as LossWeights
from ttt3r.training.losses import frame_loss as frame_loss
from ttt3r.training.module import TrainingModule as TrainingModule
from ttt3r.training.nano import first_nano_recipe as first_nano_recipe
from ttt3r.training.nano import nano_recipe as nano_recipe
from ttt3r.training.nano import refinement as refinement
from ttt3r.training.recipe import Recipe as Recipe
from ttt3r.training.recipe import Stage as Stage
from ttt3r.training.recipe_file import find_recipe as find_recipe

__all__ = [
    "LossTerms",
    "LossWeights",
    "Machine",
    "Recipe",
    "RuleMix",
    "Stage",
    "TrainingModule",
    "WorldMix",
    "find_recipe",
    "first_nano_recipe",
    "frame_loss",
    "nano_recipe",
    "refinement",
    "train",
]
