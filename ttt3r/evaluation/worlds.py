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

from ttt3r import tree
from ttt3r.data.procedural import ClipTruth
from ttt3r.evaluation.trajectory import DegenerateTrajectory, trajectory_errors
from ttt3r.geometry import rotation_degrees
from ttt3r.reconstructor import RecurrentNetwork, look
from ttt3r.rollout import rollout_rules
from ttt3r.types import Frame, Memory, Outputs, Step
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
        depth_abs_rel: after one median scale per frame.
        gain: mean gain over frames after the first.
    """

    lengths: tuple[int, ...]
    ate: Mapping[str, Float[np.ndarray, "length world"]]
    rotation_degrees: Mapping[str, Float[np.ndarray, "length world"]]
    translation: Mapping[str, Float[np.ndarray, "length world"]]
    depth_abs_rel: Mapping[str, Float[np.ndarray, "length world"]]
    gain: Mapping[str, Float[np.ndarray, " world"]]


@dataclass(frozen=True)
class RecallScores:
    """How well a memory answers when it is asked for an earlier frame, by the frames since that frame was fed.

    Args:
        asked_after: N, the length of the stream when the questions are put.
        frames: k, the frames asked for.
        color: by rule, 1 - squared error / variance of the true colours; 1 is perfect, 0 the mean colour of the view.
        points: by rule, mean relative distance of the predicted world points.
    """

    asked_after: int
    frames: tuple[int, ...]
    color: Mapping[str, Float[np.ndarray, "question world"]]
    points: Mapping[str, Float[np.ndarray, "question world"]]


class _Tally:
    """Running sums of one rule over the frames of all worlds."""

    def __init__(self) -> None:
        self.cameras: list[Tensor] = []
        self.depth: list[Tensor] = []
        self.gains: list[Tensor] = []


def score_worlds(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    truth: ClipTruth,
    lengths: Sequence[int],
    *,
    reset_every: int | ResetPolicy | Mapping[str, int | ResetPolicy | None] | None = None,
    on_frame: Callable[[int, Mapping[str, Memory]], None] = lambda index, memories: None,
) -> WorldScores:
    """Run all rules over all worlds at once and judge every prefix.

    Args:
        network: trained in the units of the first frame.
        rules: by name.
        truth: of the worlds, at least as long as the largest length.
        lengths: of the prefixes.
        reset_every: as in `rollout_rules`.
        on_frame: called with the frame's number and the memories by rule, e.g. to ask them (see `recall`).

    Raises:
        ValueError: if the clip is shorter than the largest length.
    """
    if max(lengths) > len(truth):
        raise ValueError(f"the worlds are {len(truth)} frames long, {max(lengths)} are to be judged; make longer clips")
    tallies = {name: _Tally() for name in rules}
    images = (Frame(image=truth.image[index]) for index in range(max(lengths)))
    outputs = Outputs.CAMERA | Outputs.POINTS_CAMERA
    for steps in rollout_rules(network, rules, images, reset_every=reset_every, outputs=outputs):
        for name, step in steps.items():
            _note(tallies[name], step, truth.points_camera[step.index][..., 2])
        index = next(iter(steps.values())).index
        on_frame(index, {name: step.memory for name, step in steps.items()})
    by_length = {name: [_judge(tally, truth, length) for length in lengths] for name, tally in tallies.items()}

    def table(column: int) -> dict[str, Float[np.ndarray, "length world"]]:
        return {name: np.stack([row[column] for row in rows]) for name, rows in by_length.items()}

    gain = {name: torch.stack(tally.gains).mean(dim=0).numpy() for name, tally in tallies.items()}
    return WorldScores(tuple(lengths), table(0), table(1), table(2), table(3), gain)


def _note(tally: _Tally, step: Step, depth: Float[Tensor, "batch height width"]) -> None:
    camera = step.reconstruction.camera_to_world
    assert camera is not None  # it was asked for
    tally.cameras.append(camera.cpu())
    predicted = step.reconstruction.depth.cpu().clamp_min(1e-3)  # what lies behind the camera counts as just before it
    scale = (depth / predicted).flatten(1).median(dim=1).values[:, None, None]
    tally.depth.append(((scale * predicted - depth).abs() / depth).mean(dim=(1, 2)))
    if step.index > 0:
        tally.gains.append(step.gain.float().mean(dim=(1, 2)).cpu())


def _judge(tally: _Tally, truth: ClipTruth, length: int) -> tuple[Float[np.ndarray, " world"], ...]:
    """ATE, rotation, translation and depth errors of the first `length` frames, one value for each world."""
    predicted, true = torch.stack(tally.cameras[:length]), truth.camera_to_world[:length].cpu()
    rotation = rotation_degrees(predicted, true)[1:].mean(dim=0)
    translation = (predicted - true)[..., :3, 3].norm(dim=-1)[1:].mean(dim=0)
    ate = []
    for world in range(predicted.shape[1]):
        try:
            cameras = predicted[:, world].double().numpy(), true[:, world].double().numpy()
            ate.append(trajectory_errors(*cameras).ate)
        except DegenerateTrajectory:
            ate.append(float("nan"))
    depth = torch.stack(tally.depth[:length]).mean(dim=0)
    return np.array(ate), rotation.double().numpy(), translation.double().numpy(), depth.double().numpy()


def recall(
    network: RecurrentNetwork, memories: Mapping[str, Memory], truth: ClipTruth, asked_after: int, frames: Sequence[int]
) -> RecallScores:
    """Ask each memory for earlier frames by their ray maps and compare with the truth. Nothing is written.

    `other_scene` gives the control: what a network says that remembers another scene.
    """
    color: dict[str, list[Tensor]] = {name: [] for name in memories}
    points: dict[str, list[Tensor]] = {name: [] for name in memories}
    with torch.no_grad():
        for index in frames:
            image = truth.image[index].permute(0, 2, 3, 1)
            variance = (image - image.mean(dim=(1, 2), keepdim=True)).square().mean(dim=(1, 2, 3)).clamp_min(1e-4)
            where = truth.points_world[index]
            for name, memory in memories.items():
                answer = look(network, Frame(ray_map=truth.ray_map[index]), memory, Outputs.ALL)
                assert answer.color is not None
                assert answer.points_world is not None  # all were asked for
                color[name].append(1 - (answer.color - image).square().mean(dim=(1, 2, 3)) / variance)
                distance = (answer.points_world - where).norm(dim=-1) / (1 + where.norm(dim=-1))
                points[name].append(distance.mean(dim=(1, 2)))
    return RecallScores(
        asked_after,
        tuple(frames),
        {name: torch.stack(values).cpu().numpy() for name, values in color.items()},
        {name: torch.stack(values).cpu().numpy() for name, values in points.items()},
    )


def other_scene(memory: Memory) -> Memory:
    """The memories of the batch, each given to its neighbour: a control that knows the world but not the scene."""
    return tree.map_tensors(lambda tensor: tensor.roll(1, dims=0), memory)


def mean_and_interval(values: Float[np.ndarray, " world"]) -> tuple[float, float]:
    """Mean over worlds and half the width of its 95 % interval (1.96 standard errors); NaN worlds are left out."""
    good = values[np.isfinite(values)]
    if len(good) < 2:
        return float(good.mean()) if len(good) else float("nan"), float("nan")
    return float(good.mean()), float(1.96 * good.std(ddof=1) / np.sqrt(len(good)))
