"""Rules on many procedural worlds at once: errors against length.

Worlds stand side by side in the batch, all rules share each encoding, and one run at the largest length serves all shorter
ones. Lengths are in units of the mean distance of the first frame's points, as in training. `forgetting` asks the memories.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.data.procedural import ClipTruth
from ttt3r.evaluation.accounting import GainAccount, GainSummary
from ttt3r.evaluation.gain_task import GAIN_MEAN
from ttt3r.evaluation.knowing_nothing import MEAN_DEPTH as MEAN_DEPTH
from ttt3r.evaluation.knowing_nothing import NO_MOTION as NO_MOTION
from ttt3r.evaluation.measures_depth import ABS_REL
from ttt3r.evaluation.metric import Family, Metric
from ttt3r.evaluation.trajectory import DegenerateTrajectory, trajectory_errors
from ttt3r.geometry import rotation_degrees
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.rollout import rollout_rules
from ttt3r.types import Frame, Memory, Outputs, Step
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.resets import ResetPolicy

WINDOW = 8
"""Errors at a length are means over so many last frames: what a user sees who looks at the stream at that moment."""

ROTATION = Metric("rotation_degrees", "rotation", "deg", False, Family.TRAJECTORY, ratio=True, digits=2)
TRANSLATION = Metric("translation_per_first_view", "translation / first view", "", False, Family.TRAJECTORY, ratio=True)
ATE = Metric("ate_per_first_view", "ATE / first view", "", False, Family.TRAJECTORY, ratio=True, digits=4)
DEPTH = ABS_REL.variant("median")
SCORES = (ROTATION, TRANSLATION, ATE, DEPTH, GAIN_MEAN)
"""The fields of `WorldScores`. Lengths are in the unit of `ClipTruth`, the mean distance of the first view's points."""

Resets = int | ResetPolicy | Mapping[str, int | ResetPolicy | None] | None


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


class _Tally:
    """What is kept of one rule's pass."""

    def __init__(self) -> None:
        self.cameras: list[Tensor] = []
        self.depth: list[Tensor] = []
        self.gains: list[Tensor] = []
        self.account = GainAccount()
        self.books: list[GainSummary] = []

    def note(self, step: Step, truth: ClipTruth) -> None:
        """Enter one frame."""
        camera = step.reconstruction.camera_to_world
        assert camera is not None  # it was asked for
        self.cameras.append(camera.cpu())
        self.depth.append(abs_rel(step.reconstruction.depth, truth.points_camera[step.index][..., 2]).cpu())
        self.gains.append(step.gain.float().mean(dim=(1, 2)).cpu())
        self.account = self.account.including(step)
        self.books.append(self.account.summary)


def abs_rel(
    predicted: Float[Tensor, "batch height width"], depth: Float[Tensor, "batch height width"]
) -> Float[Tensor, " batch"]:
    """Mean |s p - d| / d with the median scale s of each frame; what lies behind the camera counts as just before it."""
    predicted = predicted.clamp_min(1e-3)
    scale = (depth / predicted).flatten(1).median(dim=1).values[:, None, None]
    return ((scale * predicted - depth).abs() / depth).mean(dim=(1, 2))


def score_worlds(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    truth: ClipTruth,
    lengths: Sequence[int],
    *,
    reset_every: Resets = None,
    on_frame: Callable[[int, Mapping[str, Memory]], None] = lambda index, memories: None,
) -> tuple[WorldScores, dict[str, tuple[GainSummary, ...]]]:
    """Run all rules over all worlds at once and judge every prefix.

    Args:
        network: trained in the units of the first frame.
        rules: by name.
        truth: of the worlds, at least as long as the largest length.
        lengths: of the prefixes.
        reset_every: as in `rollout_rules`.
        on_frame: called with the frame's number and the memories by rule, e.g. to ask them (see `forgetting`).

    Returns:
        The scores, and the books of each rule at each length (over all worlds together).

    Raises:
        ValueError: if the clip is shorter than the largest length, or a length is below 2.
    """
    if max(lengths) > len(truth):
        raise ValueError(f"the worlds are {len(truth)} frames long, {max(lengths)} are to be judged; make longer clips")
    if min(lengths) < 2:
        raise ValueError(f"a camera path needs at least 2 frames, got the lengths {list(lengths)}")
    tallies = {name: _Tally() for name in rules}
    images = (Frame(image=truth.image[index]) for index in range(max(lengths)))
    outputs = Outputs.CAMERA | Outputs.POINTS_CAMERA
    for steps in rollout_rules(network, rules, images, reset_every=reset_every, outputs=outputs):
        for name, step in steps.items():
            tallies[name].note(step, truth)
        on_frame(next(iter(steps.values())).index, {name: step.memory for name, step in steps.items()})
    cameras = {name: torch.stack(tally.cameras) for name, tally in tallies.items()}
    cameras[NO_MOTION] = torch.eye(4).expand(max(lengths), truth.image.shape[1], 4, 4)
    depth = {name: torch.stack(tally.depth) for name, tally in tallies.items()}
    gains = {name: torch.stack(tally.gains) for name, tally in tallies.items()}
    books = {name: tuple(tally.books[length - 1] for length in lengths) for name, tally in tallies.items()}
    return _scores(tuple(lengths), cameras, truth.camera_to_world[: max(lengths)].cpu(), depth, gains), books


def mean_depth_image(truth: ClipTruth) -> Float[Tensor, "height width"]:
    """The mean depth of every pixel over frames and worlds, in units of the first frame: the predictor that knows no image."""
    return truth.points_camera[..., 2].mean(dim=(0, 1))


def _scores(
    lengths: tuple[int, ...],
    cameras: Mapping[str, Float[Tensor, "frame batch 4 4"]],
    true: Float[Tensor, "frame batch 4 4"],
    depth: Mapping[str, Float[Tensor, "frame batch"]],
    gains: Mapping[str, Float[Tensor, "frame batch"]],
) -> WorldScores:
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
        except DegenerateTrajectory:
            errors.append(float("nan"))
    return np.array(errors)


def _spread(true: Float[Tensor, "frame batch 4 4"], length: int) -> Float[np.ndarray, " world"]:
    """Root mean square distance of the true positions from their mean: no similarity of a point does better."""
    positions = true[:length, :, :3, 3].double()
    return (positions - positions.mean(dim=0)).square().sum(dim=-1).mean(dim=0).sqrt().numpy()
