"""What is measured on procedural worlds, where lengths are in units of the mean distance of the first view's points."""

from ttt3r.evaluation.measures.depth import ABS_REL
from ttt3r.evaluation.measures.gains import GAIN_MEAN
from ttt3r.evaluation.measures.metric import Family, Metric

ROTATION = Metric("rotation_degrees", "rotation", "deg", False, Family.TRAJECTORY, ratio=True, digits=2)
TRANSLATION = Metric("translation_per_first_view", "translation / first view", "", False, Family.TRAJECTORY, ratio=True)
ATE_PER_VIEW = Metric("ate_per_first_view", "ATE / first view", "", False, Family.TRAJECTORY, ratio=True, digits=4)
DEPTH = ABS_REL.variant("median")
SCORES = (ROTATION, TRANSLATION, ATE_PER_VIEW, DEPTH, GAIN_MEAN)
"""The fields of `WorldScores`. Lengths are in the unit of `ClipTruth`, the mean distance of the first view's points."""

RECALL = Metric("recall_color", "recall colour", higher_is_better=True, family=Family.RECALL)
"""`worlds.forgetting.RecallScores.explained` of a world."""
