"""Errors of cameras and depth on many procedural worlds at once, by length. Arrays in, arrays out.

Lengths are in units of the mean distance of the first frame's points, as in training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.data.procedural import ClipTruth
from ttt3r.evaluation.metrics.trajectory.errors import trajectory_errors
from ttt3r.evaluation.metrics.trajectory.similarity import DegenerateTrajectory, NotFinite
from ttt3r.evaluation.results.knowing_nothing import MEAN_DEPTH, NO_MOTION
from ttt3r.geometry import rotation_degrees

WINDOW = 8
"""Errors at a length are means over so many last frames: what a user sees who looks at the stream at that frame."""


@dataclass(frozen=True)
class WorldScores:
    """Per rule and length, one value for each world. All but `ate` are means over the last `WINDOW` frames, without the first.

    Args:
        lengths: of the prefixes, in frames.
        rotation_degrees: angle between predicted and true camera, not aligned; also of `NO_MOTION`.
        translation: distance between predicted and true camera, not aligned; also of `NO_MOTION`.
        ate: of the whole prefix after Sim(3) alignment; NaN where no similarity can be fitted. That of `NO_MOTION` is the
            spread of the true positions about their mean, where the best similarity puts a path that is a point.
        depth_abs_rel: after one median scale per frame; also of `MEAN_DEPTH`, see `with_mean_depth`.
        gain: mean over tokens, channels and the frames after the first.
    """

    lengths: tuple[int, ...]
    rotation_degrees: Mapping[str, Float[np.ndarray, "length world"]]
    translation: Mapping[str, Float[np.ndarray, "length world"]]
    ate: Mapping[str, Float[np.ndarray, "length world"]]
    depth_abs_rel: Mapping[str, Float[np.ndarray, "length world"]]
    gain: Mapping[str, Float[np.ndarray, "length world"]]

    @classmethod
    def joined(cls, parts: Sequence["WorldScores"]) -> "WorldScores":
        """The same rules and lengths on the worlds of all parts."""
        tables = {}
        for field in fields(cls)[1:]:
            named = [getattr(part, field.name) for part in parts]
            tables[field.name] = {name: np.concatenate([table[name] for table in named], axis=1) for name in named[0]}
        return cls(parts[0].lengths, **tables)

    def with_rules(self, other: "WorldScores") -> "WorldScores":
        """The same worlds with further rules, e.g. controls that were run in a second pass."""
        tables = {f.name: {**getattr(self, f.name), **getattr(other, f.name)} for f in fields(self)[1:]}
        return WorldScores(self.lengths, **tables)

    def with_mean_depth(self, image: Float[Tensor, "height width"], truth: ClipTruth) -> "WorldScores":
        """The same with the predictor `MEAN_DEPTH`, which says `image` (see `mean_depth_image`) to every frame of `truth`."""
        maps = truth.points_camera[: max(self.lengths), ..., 2]
        errors = torch.stack([abs_rel(image.expand_as(one), one).cpu() for one in maps])
        found = {MEAN_DEPTH: _recent(errors, self.lengths)}
        return replace(self, depth_abs_rel={**self.depth_abs_rel, **found})


def abs_rel(
    predicted: Float[Tensor, "batch height width"], depth: Float[Tensor, "batch height width"]
) -> Float[Tensor, " batch"]:
    """Mean |s p - d| / d with the median scale s of each frame; what lies behind the camera counts as just before it."""
    predicted = predicted.clamp_min(1e-3)
    scale = (depth / predicted).flatten(1).median(dim=1).values[:, None, None]
    return ((scale * predicted - depth).abs() / depth).mean(dim=(1, 2))


def mean_depth_image(truth: ClipTruth) -> Float[Tensor, "height width"]:
    """The mean depth of every pixel over frames and worlds, in units of the first frame: the predictor that knows no image."""
    return truth.points_camera[..., 2].mean(dim=(0, 1))


def scores_of(
    lengths: tuple[int, ...],
    cameras: Mapping[str, Float[Tensor, "frame batch 4 4"]],
    true: Float[Tensor, "frame batch 4 4"],
    depth: Mapping[str, Float[Tensor, "frame batch"]],
    gains: Mapping[str, Float[Tensor, "frame batch"]],
) -> WorldScores:
    """Scores of what was kept of a pass.

    Args:
        lengths: of the prefixes.
        cameras: predicted, by name; those of trivial predictors, too.
        true: the true ones.
        depth: `abs_rel` of each frame, by rule.
        gains: mean of each frame, by rule.
    """
    apart = {name: rotation_degrees(found, true) for name, found in cameras.items()}
    away = {name: (found - true)[..., :3, 3].norm(dim=-1) for name, found in cameras.items()}
    return WorldScores(
        lengths,
        rotation_degrees={name: _recent(values, lengths) for name, values in apart.items()},
        translation={name: _recent(values, lengths) for name, values in away.items()},
        ate={
            **{name: np.stack([_ate(cameras[name], true, n) for n in lengths]) for name in gains},
            NO_MOTION: np.stack([_spread(true, n) for n in lengths]),
        },
        depth_abs_rel={name: _recent(values, lengths) for name, values in depth.items()},
        gain={
            name: torch.stack([values[1:n].mean(dim=0) for n in lengths]).double().numpy()
            for name, values in gains.items()
        },
    )


def _recent(values: Float[Tensor, "frame batch"], lengths: Sequence[int]) -> Float[np.ndarray, "length world"]:
    """Means over the last `WINDOW` frames before each length, without the first frame."""
    windows = [slice(max(1, length - WINDOW), length) for length in lengths]
    return torch.stack([values[window].mean(dim=0) for window in windows]).double().numpy()


def _ate(
    found: Float[Tensor, "frame batch 4 4"], true: Float[Tensor, "frame batch 4 4"], length: int
) -> Float[np.ndarray, " world"]:
    errors = []
    for world in range(found.shape[1]):
        try:
            errors.append(
                trajectory_errors(found[:length, world].double().numpy(), true[:length, world].double().numpy()).ate
            )
        except (DegenerateTrajectory, NotFinite):
            errors.append(float("nan"))
    return np.array(errors)


def _spread(true: Float[Tensor, "frame batch 4 4"], length: int) -> Float[np.ndarray, " world"]:
    """Root mean square distance of the true positions from their mean: no similarity of a point does better."""
    positions = true[:length, :, :3, 3].double()
    return (positions - positions.mean(dim=0)).square().sum(dim=-1).mean(dim=0).sqrt().numpy()
