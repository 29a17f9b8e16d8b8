"""Training through time: losses, a recipe of stages, and the LightningModule that runs the same loop as everything else."""

from ttt3r.training.fitting import Machine as Machine
from ttt3r.training.fitting import train as train
from ttt3r.training.losses import LossTerms as LossTerms
from ttt3r.training.losses import LossWeights as LossWeights
from ttt3r.training.losses import frame_loss as frame_loss
from ttt3r.training.module import TrainingModule as TrainingModule
from ttt3r.training.nano import nano_recipe as nano_recipe
from ttt3r.training.nano import refinement as refinement
from ttt3r.training.recipe import Recipe as Recipe
from ttt3r.training.recipe import Stage as Stage

__all__ = [
    "LossTerms",
    "LossWeights",
    "Machine",
    "Recipe",
    "Stage",
    "TrainingModule",
    "frame_loss",
    "nano_recipe",
    "refinement",
    "train",
]
