"""What is measured on procedural worlds, where lengths are in units of the mean distance of the first view's points."""

from ttt3r.evaluation.measures.depth import ABS_REL
from ttt3r.evaluation.measures.gains import GAIN_MEAN
from ttt3r.evaluation.measures.metric import Family, Metric

ROTATION = Metric("rotation_degrees", "rotation", "deg", False, Family.TRAJECTORY, ratio=True, digits=2)
"""Angle between predicted and true camera, degrees, not aligned."""
TRANSLATION = Metric("translation_per_first_view", "translation / first view", "", False, Family.TRAJECTORY, ratio=True)
"""Distance between predicted and true camera, in units of the first view, not aligned."""
ATE_PER_VIEW = Metric("ate_per_first_view", "ATE / first view", "", False, Family.TRAJECTORY, ratio=True, digits=4)
"""ATE after Sim(3), in units of the first view."""
DEPTH = ABS_REL.variant("median")
"""AbsRel after one median scale per frame."""
SCORES = (ROTATION, TRANSLATION, ATE_PER_VIEW, DEPTH, GAIN_MEAN)
"""The fields of `WorldScores`, in their order."""

RECALL = Metric("recall_color", "recall colour", higher_is_better=True, family=Family.RECALL)
"""`worlds.forgetting.RecallScores.explained` of a world."""
