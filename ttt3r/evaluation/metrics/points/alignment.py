"""Alignments of a point cloud: by its known correspondences, and by iterated closest points."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.metrics.points.errors import nearest, search_tree
from ttt3r.evaluation.metrics.points.normals import thinned
from ttt3r.evaluation.metrics.trajectory.similarity import STAY, Similarity, umeyama


@dataclass(frozen=True)
class ClosestPoints:
    """What iterated closest points gives.

    Args:
        motion: rigid, from prediction to truth.
        fitness: share of predicted points with a true one within the radius.
        inlier_rmse: root mean square distance of these, metres; 0 without any.
        iterations: motions that were fitted.
    """

    motion: Similarity
    fitness: float
    inlier_rmse: float
    iterations: int


def iterated_closest_points(
    predicted: Float[np.ndarray, "point xyz=3"],
    truth: Float[np.ndarray, "other xyz=3"],
    radius: float = 0.1,
    start: Similarity = STAY,
    iterations: int = 30,
) -> ClosestPoints:
    """Rigid motion of least squared point-to-point distance, found by turns with the correspondences.

    Each predicted point is paired with the nearest true one if that is within the radius, then all are moved by `umeyama`
    without scale. It ends when fitness and error both change by less than 1e-6, or after so many iterations. These are the
    criteria of the published evaluation, whose numbers depend on them.

    Args:
        predicted: metres.
        truth: metres.
        radius: of the search, metres; larger errors cannot be repaired.
        start: first motion.
        iterations: at most.

    Raises:
        ImportError: without scipy.
        DegenerateTrajectory: if the paired points lie in one place or on one line.

    Source: Besl and McKay, A method for registration of 3-D shapes, PAMI 1992.
    """
    tree, motion, target = search_tree(truth), start, truth.astype(np.float64)
    points = motion.points(predicted.astype(np.float64))
    distance, index = nearest(tree, points)
    fitness, error = _fit(distance, radius)
    for done in range(iterations):
        inliers = distance < radius
        if not inliers.any():
            return ClosestPoints(motion, fitness, error, done)
        step = umeyama(points[inliers], target[index[inliers]], with_scale=False)
        motion, points = step.after(motion), step.points(points)
        distance, index = nearest(tree, points)
        before = fitness, error
        fitness, error = _fit(distance, radius)
        if abs(fitness - before[0]) < 1e-6 and abs(error - before[1]) < 1e-6:
            return ClosestPoints(motion, fitness, error, done + 1)
    return ClosestPoints(motion, fitness, error, iterations)


def _fit(distance: Float[np.ndarray, " point"], radius: float) -> tuple[float, float]:
    inliers = distance[distance < radius]
    return len(inliers) / len(distance), float(np.sqrt(np.square(inliers).mean())) if len(inliers) else 0.0


class PointAlignment(ABC):
    """What is undone before a scene is judged."""

    @abstractmethod
    def fit(
        self,
        predicted: Float[np.ndarray, "point xyz=3"],
        truth: Float[np.ndarray, "point xyz=3"],
        camera_to_world: Float[np.ndarray, "4 4"],
    ) -> Similarity:
        """The motion from prediction to truth.

        Args:
            predicted: points in the frame of the first camera.
            truth: the true points of the same pixels, in the world, metres.
            camera_to_world: of the first camera.
        """


@dataclass(frozen=True)
class FirstCameraPoints(PointAlignment):
    """Nothing is fitted: the prediction is metric, and the first camera says where it stands."""

    def fit(
        self,
        predicted: Float[np.ndarray, "point xyz=3"],
        truth: Float[np.ndarray, "point xyz=3"],
        camera_to_world: Float[np.ndarray, "4 4"],
    ) -> Similarity:
        """The first camera's own motion."""
        return Similarity(camera_to_world[:3, :3].astype(np.float64), camera_to_world[:3, 3].astype(np.float64), 1.0)


@dataclass(frozen=True)
class UmeyamaPoints(PointAlignment):
    """Rotation, translation and scale of least squared distance between the points of the same pixels (`umeyama`)."""

    def fit(
        self,
        predicted: Float[np.ndarray, "point xyz=3"],
        truth: Float[np.ndarray, "point xyz=3"],
        camera_to_world: Float[np.ndarray, "4 4"],
    ) -> Similarity:
        """`umeyama` with scale."""
        return umeyama(predicted, truth)


@dataclass(frozen=True)
class ClosestPointsAlignment(PointAlignment):
    """Another alignment, and iterated closest points after it.

    Args:
        first: the alignment before.
        radius: of the search, metres.
        voxel: both clouds are thinned to it for the search, metres, so that its time does not grow with the frames.
    """

    first: PointAlignment = UmeyamaPoints()
    radius: float = 0.1
    voxel: float = 0.01

    def fit(
        self,
        predicted: Float[np.ndarray, "point xyz=3"],
        truth: Float[np.ndarray, "point xyz=3"],
        camera_to_world: Float[np.ndarray, "4 4"],
    ) -> Similarity:
        """The motion of both together."""
        first = self.first.fit(predicted, truth, camera_to_world)
        moved = thinned(first.points(predicted.astype(np.float64)), self.voxel)
        closest = iterated_closest_points(moved, thinned(truth, self.voxel), self.radius)
        return closest.motion.after(first)
