"""Rules on many procedural worlds at once: errors against length, and the direct measure of forgetting, recall.

All worlds of a run stand side by side in the batch, all rules share each encoding, and one run at the largest length serves
all shorter ones. Lengths are in units of the mean distance of the first frame's points, as in training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r import geometry
from ttt3r.data.procedural import ClipBatch
from ttt3r.evaluation.trajectory import DegenerateTrajectory, trajectory_errors
from ttt3r.reconstructor import RecurrentNetwork, look
from ttt3r.rollout import rollout_rules
from ttt3r.types import Frame, Memory, Outputs
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.resets import ResetPolicy


@dataclass(frozen=True)
class WorldScores:
    """Per rule and length, one value for each world.

    Args:
        lengths: of the prefixes, in frames.
        ate: after Sim(3) alignment.
        rotation_degrees: mean angle between predicted and true camera, not aligned.
        translation: mean distance between predicted and true camera, not aligned.
        depth_abs_rel: after one median scale per world and prefix.
        gain: mean gain over frames after the first.
        recall_color: 1 - squared error / variance of the colours, asked for frame k after N frames; by (N, lag, world).
    """

    lengths: tuple[int, ...]
    ate: Mapping[str, Float[np.ndarray, "length world"]]
    rotation_degrees: Mapping[str, Float[np.ndarray, "length world"]]
    translation: Mapping[str, Float[np.ndarray, "length world"]]
    depth_abs_rel: Mapping[str, Float[np.ndarray, "length world"]]
    gain: Mapping[str, Float[np.ndarray, " world"]]
