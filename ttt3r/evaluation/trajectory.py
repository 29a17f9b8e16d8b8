"""Errors of a camera trajectory: absolute (ATE) after alignment by a similarity, and relative from frame to frame (RPE).

Own code in float64; the definitions are those of evo and of the published tables.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

EPSILON = np.finfo(np.float64).eps


class DegenerateTrajectory(ValueError):  # noqa: N818 (a noun of the domain)
    """The positions fix no alignment: all in one place or on one line."""


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


@dataclass(frozen=True)
class TrajectoryErrors:
    """Errors of one trajectory.

    Args:
        ate: absolute trajectory error: root mean square distance after alignment, metres of the truth.
        rpe_translation: root mean square error of the motion between neighbouring frames, metres per frame.
        rpe_rotation_degrees: root mean square angle of the same, degrees per frame.
        scale: of the alignment: true metres per predicted metre.
    """

    ate: float
    rpe_translation: float
    rpe_rotation_degrees: float
    scale: float


def umeyama(
    predicted: Float[np.ndarray, "frame xyz=3"], truth: Float[np.ndarray, "frame xyz=3"], with_scale: bool = True
) -> Similarity:
    """The similarity (or rigid motion) from prediction to truth of least squared distance.

    With C = 1/n sum (y_i - my)(x_i - mx)^T = U D V^T and S = diag(1, 1, det(U) det(V)): R = U S V^T,
    s = tr(D S) / var(x), t = my - s R mx.

    Raises:
        DegenerateTrajectory: if fewer than two singular values of C exceed 2.2e-16.
        ValueError: if a position is not finite.

    Source: Umeyama, Least-squares estimation of transformation parameters between two point patterns, PAMI 1991.
    """
    x, y = predicted.astype(np.float64), truth.astype(np.float64)
    _demand_finite(x, "predicted")
    _demand_finite(y, "true")
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


def _demand_finite(values: Float[np.ndarray, "frame ..."], name: str) -> None:
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise ValueError(f"the {name} pose of frame {int(np.argmin(finite))} is not finite; leave such frames out")


def trajectory_errors(
    predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]
) -> TrajectoryErrors:
    """ATE after Sim(3) alignment of the positions, and RPE between neighbouring frames.

    ATE = sqrt(mean |s R x_i + t - y_i|^2). With G the true and P the aligned cameras,
    E_i = (G_i^-1 G_{i+1})^-1 (P_i^-1 P_{i+1}); RPE are the root mean squares of its translation and of its angle.

    Args:
        predicted: `camera_to_world`, metres.
        truth: `camera_to_world` of the same frames, metres.

    Raises:
        ValueError: if the numbers of frames differ or a pose is not finite.
        DegenerateTrajectory: if the positions fix no alignment.
    """
    if len(predicted) != len(truth):
        raise ValueError(
            f"{len(predicted)} predicted poses meet {len(truth)} true ones; pair them with `associate` by timestamp first"
        )
    _demand_finite(predicted, "predicted")
    _demand_finite(truth, "true")
    alignment = umeyama(predicted[:, :3, 3], truth[:, :3, 3])
    aligned = alignment.cameras(predicted)
    distance = aligned[:, :3, 3] - truth[:, :3, 3]
    true_motion, motion = _neighbour_motion(truth.astype(np.float64)), _neighbour_motion(aligned)
    error = _invert(true_motion) @ motion
    return TrajectoryErrors(
        ate=_root_mean_square(np.linalg.norm(distance, axis=1)),
        rpe_translation=_root_mean_square(np.linalg.norm(error[:, :3, 3], axis=1)),
        rpe_rotation_degrees=float(np.degrees(_root_mean_square(rotation_angle(error[:, :3, :3])))),
        scale=alignment.scale,
    )


def _neighbour_motion(cameras: Float[np.ndarray, "frame 4 4"]) -> Float[np.ndarray, "step 4 4"]:
    return _invert(cameras[:-1]) @ cameras[1:]


def _invert(motion: Float[np.ndarray, "*batch 4 4"]) -> Float[np.ndarray, "*batch 4 4"]:
    inverse = np.zeros_like(motion)
    back = np.swapaxes(motion[..., :3, :3], -1, -2)
    inverse[..., :3, :3] = back
    inverse[..., :3, 3] = -(back @ motion[..., :3, 3, None])[..., 0]
    inverse[..., 3, 3] = 1
    return inverse


def rotation_angle(rotation: Float[np.ndarray, "frame 3 3"]) -> Float[np.ndarray, " frame"]:
    """Angle in [0, pi], radians: atan2(|R - R^T| / sqrt 8, (tr R - 1) / 2), accurate near 0 and near pi alike."""
    skew = rotation - np.swapaxes(rotation, -1, -2)
    sine = np.sqrt(np.square(skew).sum(axis=(-1, -2)) / 8)
    return np.arctan2(sine, (np.trace(rotation, axis1=-2, axis2=-1) - 1) / 2)


def _root_mean_square(values: Float[np.ndarray, " frame"]) -> float:
    return float(np.sqrt(np.square(values).mean()))


def associate(
    predicted: Float[np.ndarray, " frame"], truth: Float[np.ndarray, " other"], max_difference: float = 0.01
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """Pair frames by timestamp: each stamp of the shorter list (the predicted one if equal) with the nearest of the other.

    Args:
        predicted: timestamps, seconds.
        truth: timestamps, seconds.
        max_difference: pairs further apart are left out, seconds.

    Returns:
        Indices into `predicted` and into `truth`; an index of the longer list may occur twice.

    Raises:
        ValueError: if no pair is near enough.
    """
    shorter, longer = (truth, predicted) if len(predicted) > len(truth) else (predicted, truth)
    nearest = np.array([np.abs(longer - stamp).argmin() for stamp in shorter], dtype=np.int64)
    near = np.abs(longer[nearest] - shorter) <= max_difference
    if not near.any():
        raise ValueError(
            f"no timestamps of prediction and truth are within {max_difference} s of each other; do both count in seconds?"
        )
    pairs = np.flatnonzero(near), nearest[near]
    return (pairs[1], pairs[0]) if len(predicted) > len(truth) else pairs
