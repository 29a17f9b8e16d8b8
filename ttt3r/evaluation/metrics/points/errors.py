"""Errors of a point cloud against the true one: how near, how complete, how well its surfaces are turned."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ttt3r.evaluation.metrics.trajectory.similarity import NotFinite

if TYPE_CHECKING:
    from scipy.spatial import KDTree

THRESHOLDS = (0.01, 0.025, 0.05, 0.1)
"""Distances below which a point counts as right, metres."""


@dataclass(frozen=True)
class SceneViews:
    """A scene to be judged: one map of points for each view.

    Args:
        points_world: true points, metres.
        valid: where the truth is known.
        camera_to_world: of the first view.
        predicted: points in the frame of the first camera, in the prediction's unit.
    """

    points_world: Float[Tensor, "view height width xyz=3"]
    valid: Bool[Tensor, "view height width"]
    camera_to_world: Float[Tensor, "4 4"]
    predicted: Float[Tensor, "view height width xyz=3"]


@dataclass(frozen=True)
class Cloud:
    """Points of a surface.

    Args:
        points: metres.
        normals: unit, of either sign; `None` where they are not asked for.

    Raises:
        ValueError: for a cloud without points, or with another number of normals.
        NotFinite: if a point or normal is not finite.
    """

    points: Float[np.ndarray, "point xyz=3"]
    normals: Float[np.ndarray, "normal xyz=3"] | None = None

    def __post_init__(self) -> None:
        if len(self.points) == 0:
            raise ValueError("a cloud without points cannot be judged; is the mask of valid points empty?")
        if self.normals is not None and len(self.normals) != len(self.points):
            raise ValueError(f"{len(self.normals)} normals meet {len(self.points)} points; give one for each point")
        for values in (self.points, self.normals):
            if values is not None and not np.isfinite(values).all():
                raise NotFinite("a point or normal of the cloud is not finite; leave such points out")


@dataclass(frozen=True)
class PointErrors:
    """Errors of a cloud, mean and median over its points; metres, or cosines for normals (NaN without normals).

    Args:
        accuracy: distance from a predicted point to the nearest true one, mean.
        accuracy_median: the same, median.
        completeness: distance from a true point to the nearest predicted one, mean.
        completeness_median: the same, median.
        normals_accuracy: |cosine| between the normals of a predicted point and of the nearest true one, mean ("NC1").
        normals_accuracy_median: the same, median.
        normals_completeness: |cosine| between the normals of a true point and of the nearest predicted one, mean ("NC2").
        normals_completeness_median: the same, median.
        thresholds: of the following shares, metres.
        precision: share of predicted points with a true one nearer than the threshold.
        recall: share of true points with a predicted one nearer than the threshold ("completion ratio").
    """

    accuracy: float
    accuracy_median: float
    completeness: float
    completeness_median: float
    normals_accuracy: float
    normals_accuracy_median: float
    normals_completeness: float
    normals_completeness_median: float
    thresholds: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]

    @property
    def chamfer(self) -> float:
        """(accuracy + completeness) / 2, metres."""
        return (self.accuracy + self.completeness) / 2

    @property
    def normal_consistency(self) -> float:
        """Mean of both directions' means. It depends on the density of the clouds: compare at one voxel size only."""
        return (self.normals_accuracy + self.normals_completeness) / 2

    @property
    def normal_consistency_median(self) -> float:
        """Mean of both directions' medians."""
        return (self.normals_accuracy_median + self.normals_completeness_median) / 2

    @property
    def f_score(self) -> tuple[float, ...]:
        """Harmonic mean 2 P R / (P + R) at each threshold; 0 where both are 0."""
        pairs = zip(self.precision, self.recall, strict=True)
        return tuple(2 * p * r / (p + r) if p + r > 0 else 0.0 for p, r in pairs)


def point_errors(predicted: Cloud, truth: Cloud, thresholds: Sequence[float] = THRESHOLDS) -> PointErrors:
    """Errors of a predicted cloud, both ways, by exact nearest neighbours.

    Args:
        predicted: in the frame of the truth, aligned already.
        truth: the points that should have been found.
        thresholds: for precision, recall and F-score, metres.

    Raises:
        ImportError: without scipy.
    """
    to_truth, nearest_truth = nearest(search_tree(truth.points), predicted.points)
    to_prediction, nearest_prediction = nearest(search_tree(predicted.points), truth.points)
    return PointErrors(
        *_mean_and_median(to_truth),
        *_mean_and_median(to_prediction),
        *_mean_and_median(_cosines(predicted.normals, truth.normals, nearest_truth)),
        *_mean_and_median(_cosines(truth.normals, predicted.normals, nearest_prediction)),
        thresholds=tuple(thresholds),
        precision=tuple(float((to_truth < limit).mean()) for limit in thresholds),
        recall=tuple(float((to_prediction < limit).mean()) for limit in thresholds),
    )


def search_tree(points: Float[np.ndarray, "point xyz=3"]) -> "KDTree":
    """The k-d tree of a cloud.

    Raises:
        ImportError: without scipy.
    """
    try:
        from scipy.spatial import KDTree
    except ImportError as error:
        raise ImportError("errors of points need scipy: pip install 'ttt3r[eval]'") from error
    return KDTree(points.astype(np.float64))


def nearest(
    tree: "KDTree", points: Float[np.ndarray, "point xyz=3"]
) -> tuple[Float[np.ndarray, " point"], Int[np.ndarray, " point"]]:
    """Distance to, and index of, the nearest point of a tree (`search_tree`), for each point; metres."""
    distance, index = tree.query(points.astype(np.float64))
    return np.asarray(distance), np.asarray(index, np.int64)


def _cosines(
    here: Float[np.ndarray, "point xyz=3"] | None,
    there: Float[np.ndarray, "other xyz=3"] | None,
    index: Int[np.ndarray, " point"],
) -> Float[np.ndarray, " kept"]:
    """|cosine| between each normal and that of the nearest point over there; none without normals."""
    if here is None or there is None:
        return np.zeros(0)
    return np.abs((here * there[index]).sum(axis=1))


def _mean_and_median(values: Float[np.ndarray, " point"]) -> tuple[float, float]:
    return (float(values.mean()), float(np.median(values))) if len(values) else (math.nan, math.nan)
