"""Errors of a reconstructed scene as the published evaluation computes them.

Use it to compare with published numbers. Its traits: the prediction is shifted along the first camera's axis and scaled by
medians, but never turned; the fit sees the whole images, the measures only their middle 224 x 224 pixels; closest points can
repair no more than 0.1 m; and normals come from 30 neighbours at the density of pixels, so that their consistency depends on
the number of views. Everything is float32 before the clouds are joined. The inputs are never written to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.evaluation.metrics.points.alignment import ClosestPoints, iterated_closest_points
from ttt3r.evaluation.metrics.points.errors import Cloud, PointErrors, SceneViews, point_errors
from ttt3r.evaluation.metrics.points.normals import estimated_normals


@dataclass(frozen=True)
class ShiftAndScale:
    """The published alignment of a scene, and both point maps after it, in the frame of the first camera.

    Args:
        truth: true points, shifted by `-true_shift`.
        predicted: predicted points, shifted by `-predicted_shift` and scaled by `true_scale / predicted_scale`.
        true_shift: median of the true z, metres.
        predicted_shift: median of the predicted z.
        true_scale: median distance of the shifted true points from their median, metres.
        predicted_scale: the same of the predicted ones.
    """

    truth: Float[Tensor, "view height width xyz=3"]
    predicted: Float[Tensor, "view height width xyz=3"]
    true_shift: float
    predicted_shift: float
    true_scale: float
    predicted_scale: float


@dataclass(frozen=True)
class OfficialScene:
    """What the published evaluation gives for a scene.

    Args:
        alignment: shift and scale, before the crop.
        predicted: the predicted cloud in the true world, before closest points; (view, row, column) order.
        truth: the true points of the same pixels.
        closest: the motion that closest points found.
        errors: of the moved cloud.
    """

    alignment: ShiftAndScale
    predicted: Float[np.ndarray, "point xyz=3"]
    truth: Float[np.ndarray, "point xyz=3"]
    closest: ClosestPoints
    errors: PointErrors


def shift_and_scale(views: SceneViews) -> ShiftAndScale:
    """Medians over the valid pixels of all views; each the lower of the two middle values where the count is even.

    truth.z -= median z of the truth, predicted.z -= median z of the prediction; then with
    scale(X) = median |X - median X|, predicted *= scale(truth) / clip(scale(predicted), 1e-3, 1e3).

    Raises:
        ValueError: if no pixel is valid.
    """
    if not views.valid.any():
        raise ValueError(
            f"no pixel of {len(views.valid)} views is valid, so nothing can be fitted; is the depth in metres?"
        )
    truth = _moved(torch.linalg.inv(views.camera_to_world), views.points_world)
    depth = torch.tensor([0.0, 0.0, 1.0], dtype=truth.dtype)
    true_shift, shift = (points[views.valid][:, 2].nanmedian() for points in (truth, views.predicted))
    truth, predicted = truth - true_shift * depth, views.predicted - shift * depth
    true_scale, scale = (_spread(points[views.valid]) for points in (truth, predicted))
    predicted = predicted * (true_scale / scale.clamp(1e-3, 1e3))
    return ShiftAndScale(truth, predicted, true_shift.item(), shift.item(), true_scale.item(), scale.item())


def _moved(
    motion: Float[Tensor, "4 4"], points: Float[Tensor, "view height width xyz=3"]
) -> Float[Tensor, "view height width xyz=3"]:
    """R p + t in float32 as the recorded runs made it: one fused multiply-add after another, the translation last.

    The last bit of a point decides which of two equally far neighbours shapes its normal, so the order is written out: float64
    holds each product of two float32 numbers exactly, and one rounding after each sum makes it fused.
    """
    exact, rotation = points.double(), motion[:3, :3].double()
    total = (exact[..., 0:1] * rotation[:, 0]).to(points.dtype)
    for axis in (1, 2):
        total = (total.double() + exact[..., axis : axis + 1] * rotation[:, axis]).to(points.dtype)
    return total + motion[:3, 3]


def _spread(points: Float[Tensor, "point xyz=3"]) -> Float[Tensor, ""]:
    return (points - points.nanmedian(dim=0).values).norm(dim=-1).nanmedian()


def official_scene_errors(views: SceneViews, crop: int = 224, radius: float = 0.1) -> OfficialScene:
    """The published measures of one scene.

    Args:
        views: the scene.
        crop: side of the square around each image's middle that is judged, pixels.
        radius: of closest points, metres; 100 for DTU.

    Raises:
        ImportError: without scipy.
        ValueError: if no judged pixel is valid.
    """
    height, width = views.valid.shape[1:]
    rows, columns = (slice(max(0, size // 2 - crop // 2), size // 2 + crop // 2) for size in (height, width))
    valid = views.valid[:, rows, columns]
    if not valid.any():
        raise ValueError(
            f"no pixel of the middle {crop} x {crop} of {len(valid)} views is valid; is the depth in metres?"
        )
    alignment = shift_and_scale(views)
    back = torch.tensor([0.0, 0.0, alignment.true_shift], dtype=alignment.truth.dtype)
    clouds = []
    for points in (alignment.predicted, alignment.truth):
        world = _moved(views.camera_to_world, points[:, rows, columns] + back)
        clouds.append(world[valid].double().numpy())
    predicted, truth = clouds
    closest = iterated_closest_points(predicted, truth, radius)
    moved = closest.motion.points(predicted)
    errors = point_errors(Cloud(moved, estimated_normals(moved)), Cloud(truth, estimated_normals(truth)))
    return OfficialScene(alignment, predicted, truth, closest, errors)


@dataclass(frozen=True)
class OfficialSceneMeans:
    """The published means over scenes, each scene with the same weight.

    Args:
        accuracy: metres.
        completeness: metres.
        normals_accuracy: "NC1".
        normals_completeness: "NC2".
        accuracy_median: mean of the scenes' medians, metres.
        completeness_median: likewise, metres.
        normals_accuracy_median: likewise.
        normals_completeness_median: likewise.
    """

    accuracy: float
    completeness: float
    normals_accuracy: float
    normals_completeness: float
    accuracy_median: float
    completeness_median: float
    normals_accuracy_median: float
    normals_completeness_median: float

    @property
    def normal_consistency(self) -> float:
        """(NC1 + NC2) / 2."""
        return (self.normals_accuracy + self.normals_completeness) / 2

    @property
    def normal_consistency_median(self) -> float:
        """The same of the medians."""
        return (self.normals_accuracy_median + self.normals_completeness_median) / 2


def official_scene_means(scenes: Sequence[PointErrors | OfficialSceneMeans]) -> OfficialSceneMeans:
    """Unweighted means over scenes.

    Raises:
        ValueError: without scenes.
    """
    if not scenes:
        raise ValueError("there are no scenes to average")
    return OfficialSceneMeans(
        accuracy=float(np.mean([scene.accuracy for scene in scenes])),
        completeness=float(np.mean([scene.completeness for scene in scenes])),
        normals_accuracy=float(np.mean([scene.normals_accuracy for scene in scenes])),
        normals_completeness=float(np.mean([scene.normals_completeness for scene in scenes])),
        accuracy_median=float(np.mean([scene.accuracy_median for scene in scenes])),
        completeness_median=float(np.mean([scene.completeness_median for scene in scenes])),
        normals_accuracy_median=float(np.mean([scene.normals_accuracy_median for scene in scenes])),
        normals_completeness_median=float(np.mean([scene.normals_completeness_median for scene in scenes])),
    )
