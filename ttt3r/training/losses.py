"""The losses of the field: confidence-weighted point distances, camera distances, colours."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ttt3r.data.procedural import ClipTruth
from ttt3r.geometry import rotation_chord
from ttt3r.types import Reconstruction


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts.

    Args:
        confidence: alpha of the confidence term, c * distance - alpha * log c.
        translation, rotation: of the camera.
        color: of the predicted colours.
        spread: of `sameness` of the state after each frame, which keeps the state tokens apart.
        depth: of the depths' relative errors, without confidence.
        offset: distances of points count relative to (offset + true distance); small values make near points count as
            much as far ones, in units of the first frame's mean distance.

    Raises:
        ValueError: for a weight that is negative or not finite, or an offset that is not positive.
    """

    confidence: float = 0.2
    translation: float = 1.0
    rotation: float = 1.0
    color: float = 0.3
    spread: float = 0.0
    depth: float = 0.0
    offset: float = 1.0

    def __post_init__(self) -> None:
        weights = (self.confidence, self.translation, self.rotation, self.color, self.spread, self.depth)
        if not all(0 <= weight < math.inf for weight in weights) or not 0 < self.offset < math.inf:
            raise ValueError(f"weights of losses must be finite and not negative, and offset above 0; got {self}")


@dataclass(frozen=True)
class LossTerms:
    """Terms of one frame, each a mean over the batch.

    Args:
        points_camera, points_world: confidence-weighted distances.
        translation: Euclidean distance.
        rotation: `rotation_chord`, in [0, 1].
        color: mean square error of the colours.
        depth: mean of |z - z_true| / max(z_true, 0.1). The confidence-weighted distance hardly counts what the network is
            unsure of; this term counts it in full, as AbsRel does.
    """

    points_camera: Float[Tensor, ""]
    points_world: Float[Tensor, ""]
    translation: Float[Tensor, ""]
    rotation: Float[Tensor, ""]
    color: Float[Tensor, ""]
    depth: Float[Tensor, ""]

    def total(self, weights: LossWeights) -> Float[Tensor, ""]:
        """The weighted sum."""
        points = self.points_camera + self.points_world
        camera = weights.translation * self.translation + weights.rotation * self.rotation
        return points + camera + weights.color * self.color + weights.depth * self.depth


def confident_distance(
    points: Float[Tensor, "batch height width xyz=3"],
    confidence: Float[Tensor, "batch height width"],
    truth: Float[Tensor, "batch height width xyz=3"],
    weights: LossWeights,
) -> Float[Tensor, ""]:
    """mean(c * |p - p_true| / (offset + |p_true|) - alpha log c): distances are relative, so that far walls do not dominate.

    The published loss divides by the clip's mean distance instead; here lengths are already in units of the first frame,
    and a stream may walk into rooms of quite another depth.
    """
    distance = (points - truth).norm(dim=-1) / (weights.offset + truth.norm(dim=-1))
    return (confidence * distance - weights.confidence * confidence.log()).mean()


def frame_loss(answer: Reconstruction, truth: ClipTruth, index: int, weights: LossWeights) -> LossTerms:
    """The terms for frame `index` of the clip.

    Raises:
        ValueError: if the answer has an output missing; training asks for all of them.
    """
    parts = (answer.points_camera, answer.confidence_camera, answer.points_world, answer.confidence_world)
    camera, color = answer.camera_to_world, answer.color
    if camera is None or color is None or any(part is None for part in parts):
        raise ValueError("the loss needs all outputs; read out with Outputs.ALL")
    points_camera, confidence_camera, points_world, confidence_world = parts
    pose = truth.camera_to_world[index]
    image = truth.image[index].permute(0, 2, 3, 1)
    depth, true_depth = points_camera[..., 2], truth.points_camera[index][..., 2]  # pyright: ignore
    return LossTerms(
        confident_distance(points_camera, confidence_camera, truth.points_camera[index], weights),  # pyright: ignore
        confident_distance(points_world, confidence_world, truth.points_world[index], weights),  # pyright: ignore
        (camera[:, :3, 3] - pose[:, :3, 3]).norm(dim=-1).mean(),
        rotation_chord(camera, pose).mean(),
        functional.mse_loss(color, image),
        ((depth - true_depth).abs() / true_depth.clamp_min(0.1)).mean(),
    )


def effective_rank(state: Float[Tensor, "batch state channel"]) -> Float[Tensor, " batch"]:
    """Exp of the entropy of the normalised singular values of the centred state: how many tokens are really different."""
    centred = state.float() - state.float().mean(dim=1, keepdim=True)
    share = functional.normalize(torch.linalg.svdvals(centred), p=1, dim=-1)
    return torch.exp(-(share * share.clamp_min(1e-12).log()).sum(dim=-1))


def sameness(state: Float[Tensor, "batch state channel"]) -> Float[Tensor, ""]:
    """log(n |K|_F^2) for the kernel K of the centred state with trace 1, mean over the batch.

    log n when all differences between the n tokens lie along one direction, about 0 when they go in n - 1 directions alike:
    the logarithm of n over the participation ratio of the state's spectrum.
    """
    centred = state.float() - state.float().mean(dim=1, keepdim=True)
    power = centred.square().sum(dim=(1, 2)).clamp_min(1e-12)
    kernel = centred @ centred.transpose(1, 2) / power[:, None, None]
    return (state.shape[1] * kernel.square().sum(dim=(1, 2))).log().mean()


def between_token_share(state: Float[Tensor, "batch state channel"]) -> Float[Tensor, " batch"]:
    """Variance between tokens over total power of the state; 0 when all tokens are the same."""
    centred = state - state.mean(dim=1, keepdim=True)
    return centred.square().mean(dim=(1, 2)) / state.square().mean(dim=(1, 2)).clamp_min(1e-12)
