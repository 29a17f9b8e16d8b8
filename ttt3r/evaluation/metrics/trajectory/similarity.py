"""Motions that bring a prediction to the truth before it is judged: fits of a similarity, and what may be undone."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

EPSILON = np.finfo(np.float64).eps
"""Rounding of float64, 2.2e-16."""


class DegenerateTrajectory(ValueError):  # noqa: N818 (a noun of the domain)
    """The positions fix no alignment: all in one place or on one line."""


class NotFinite(ValueError):  # noqa: N818 (a noun of the domain)
    """A pose or a point is NaN or infinite."""


@dataclass(frozen=True)
class Similarity:
    """x -> scale * rotation @ x + translation.

    Args:
        rotation: a proper rotation.
        translation: in the unit of the target.
        scale: target units per source unit.
    """

    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, " xyz=3"]
    scale: float

    def points(self, points: Float[np.ndarray, "*batch xyz=3"]) -> Float[np.ndarray, "*batch xyz=3"]:
        """Move points."""
        return self.scale * points @ self.rotation.T + self.translation

    def cameras(self, camera_to_world: Float[np.ndarray, "*batch 4 4"]) -> Float[np.ndarray, "*batch 4 4"]:
        """Move cameras: their centres as points, their orientation by the rotation alone, so that they stay rigid."""
        moved = camera_to_world.astype(np.float64)
        moved[..., :3, :3] = self.rotation @ camera_to_world[..., :3, :3]
        moved[..., :3, 3] = self.points(camera_to_world[..., :3, 3])
        return moved

    def after(self, first: "Similarity") -> "Similarity":
        """The motion that does `first` and then this one."""
        return Similarity(self.rotation @ first.rotation, self.points(first.translation), self.scale * first.scale)


STRAIGHT = 1e-4
"""A true path whose width is smaller than this share of its length counts as straight: 1 mm in 10 m, the digits of files."""

STRAIGHT_PREDICTION = 1e-6
"""The same of a prediction, whose rounding is that of float32."""

STAY = Similarity(np.eye(3), np.zeros(3), 1.0)
"""The motion that moves nothing."""


def umeyama(
    predicted: Float[np.ndarray, "frame xyz=3"], truth: Float[np.ndarray, "frame xyz=3"], with_scale: bool = True
) -> Similarity:
    """The similarity (or rigid motion) from prediction to truth of least squared distance.

    With C = 1/n sum (y_i - my)(x_i - mx)^T = U D V^T and S = diag(1, 1, det(U) det(V)): R = U S V^T,
    s = tr(D S) / var(x), t = my - s R mx.

    Raises:
        DegenerateTrajectory: if fewer than two singular values of C exceed 2.2e-16.
        NotFinite: if a position is not finite.

    Source: Umeyama, Least-squares estimation of transformation parameters between two point patterns, PAMI 1991.
    """
    x, y = predicted.astype(np.float64), truth.astype(np.float64)
    demand_finite(x, "predicted")
    demand_finite(y, "true")
    if len(x) == 0:
        raise DegenerateTrajectory("no frames to align; a similarity needs at least three positions")
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    u, spread, vt = np.linalg.svd((y - mean_y).T @ (x - mean_x) / len(x))
    if (spread > EPSILON).sum() < 2:
        raise DegenerateTrajectory(
            f"positions of {len(x)} frames lie in one place or on one line (singular values {spread}), so no rotation "
            "can be fitted; give frames with more motion"
        )
    signs = np.array([1, 1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u * signs @ vt
    scale = float((spread * signs).sum() / np.square(x - mean_x).sum(axis=1).mean()) if with_scale else 1.0
    return Similarity(rotation, mean_y - scale * rotation @ mean_x, scale)


def demand_motion(predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]) -> None:
    """Refuse cameras whose alignment would be decided by the rounding of their positions, wherever they point.

    With w1 >= w2 the two largest standard deviations of positions: all stand in one place if w1 is below rounding, on one line
    if w2 / w1 is below `STRAIGHT` (truth) or `STRAIGHT_PREDICTION`. `umeyama` refuses only what is exactly so, as published.

    Raises:
        DegenerateTrajectory: if so, with the name of the path.
    """
    for name, cameras, straight in (("true", truth, STRAIGHT), ("predicted", predicted, STRAIGHT_PREDICTION)):
        places = cameras[:, :3, 3].astype(np.float64)
        if len(places) < 3:
            raise DegenerateTrajectory(f"{len(places)} positions fix no rotation; give three frames or more")
        floor = 1e-6 * max(float(np.abs(places).max()), 1.0 if name == "true" else 0.0)
        widths = np.linalg.svd(places - places.mean(axis=0), compute_uv=False) / len(places) ** 0.5
        if widths[0] <= floor or widths[1] <= straight * widths[0]:
            where = "in one place" if widths[0] <= floor else "on one line"
            raise DegenerateTrajectory(
                f"the {name} positions of {len(places)} frames lie {where} (their spread is {widths[0]:.2g} along and "
                f"{widths[1]:.2g} across), so that rounding would decide the alignment; give frames with more motion"
            )


def demand_finite(values: Float[np.ndarray, "frame ..."], name: str) -> None:
    """Refuse values that are not finite.

    Raises:
        NotFinite: with the number of the first such frame.
    """
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise NotFinite(f"the {name} pose of frame {int(np.argmin(finite))} is not finite; leave such frames out")


class TrajectoryAlignment(ABC):
    """What is undone before a trajectory is judged: the freedom that a method is given."""

    @abstractmethod
    def fit(self, predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]) -> Similarity:
        """The motion of the predicted `camera_to_world`, from the cameras of the same frames."""


@dataclass(frozen=True)
class Sim3Alignment(TrajectoryAlignment):
    """Rotation, translation and scale of least squared distance (`umeyama`): the published tables' ATE."""

    def fit(self, predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]) -> Similarity:
        """`umeyama` with scale."""
        return umeyama(predicted[:, :3, 3], truth[:, :3, 3])


@dataclass(frozen=True)
class SE3Alignment(TrajectoryAlignment):
    """Rotation and translation of least squared distance; a wrong scale counts as an error."""

    def fit(self, predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]) -> Similarity:
        """`umeyama` without scale."""
        return umeyama(predicted[:, :3, 3], truth[:, :3, 3], with_scale=False)


@dataclass(frozen=True)
class ScaleAlignment(TrajectoryAlignment):
    """Scale alone, that of `umeyama`; the cameras are multiplied about the origin and neither turned nor shifted.

    It is meant for two trajectories that begin in the same camera; use `FirstCameraAlignment` otherwise.
    """

    def fit(self, predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]) -> Similarity:
        """(I, 0, scale of `umeyama`)."""
        return Similarity(np.eye(3), np.zeros(3), umeyama(predicted[:, :3, 3], truth[:, :3, 3]).scale)


@dataclass(frozen=True)
class FirstCameraAlignment(TrajectoryAlignment):
    """The first cameras are laid on each other; then the whole path shows its drift.

    Args:
        with_scale: multiply the path from the first camera by the scale of `umeyama` besides.
    """

    with_scale: bool = False

    def fit(self, predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]) -> Similarity:
        """R = G_0 P_0^T, t = g_0 - s R p_0."""
        scale = umeyama(predicted[:, :3, 3], truth[:, :3, 3]).scale if self.with_scale else 1.0
        rotation = (truth[0, :3, :3] @ predicted[0, :3, :3].T).astype(np.float64)
        return Similarity(rotation, truth[0, :3, 3] - scale * rotation @ predicted[0, :3, 3], scale)


@dataclass(frozen=True)
class NoAlignment(TrajectoryAlignment):
    """Both are in the same world already, in metres."""

    def fit(self, predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]) -> Similarity:
        """The motion that moves nothing."""
        return STAY
