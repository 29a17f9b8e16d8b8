"""Whether poses are rigid motions, whatever file they come from: what can be repaired is, and all is reported."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.sequences.recording import Poses, Recording

EXACT_ROTATION = 1e-5
"""Relative deviation from a rotation that the digits of a file explain; such matrices are left as they are."""

NEAREST_ROTATION = 0.02
"""Up to this one the nearest rotation is taken; beyond, a matrix is none."""

FARTHEST = 1e9
"""A position with a larger coordinate is none: the earth has 6.4e6 m, and in millimetres 6.4e9 at most."""


@dataclass(frozen=True)
class _Parts:
    """Matrices taken apart: M[:3, :3] = scale (rotation + deviation), M[3] = bottom."""

    known: Bool[np.ndarray, " pose"]
    scale: Float[np.ndarray, " pose"]
    rotation: Float[np.ndarray, "pose 3 3"]
    deviation: Float[np.ndarray, " pose"]
    mirrored: Bool[np.ndarray, " pose"]
    open_bottom: Bool[np.ndarray, " pose"]


def with_rigid_poses(recording: Recording) -> Recording:
    """The recording with poses that are rigid motions or NaN, and findings for all that had to be changed."""
    matrices, findings = check(recording.poses.camera_to_world, recording.name)
    poses = Poses(matrices, recording.poses.stamps)
    return replace(recording, poses=poses, findings=(*recording.findings, *findings))


def check(poses: Float[np.ndarray, "pose 4 4"], name: str) -> tuple[Float[np.ndarray, "pose 4 4"], list[Finding]]:
    """The poses as rigid motions, NaN where they are lost, and what is wrong with them.

    With M = [s R, t; 0, 1]: a uniform scale s of the axes is taken out, positions stay ([R, t; 0, w] is divided by w). A pose
    that is not finite, whose 3x3 part is zero, or that lies beyond `FARTHEST`, was lost. A mirror (det < 0), another last row
    than 0 0 0 1 (a transposed matrix) and a 3x3 part further than `NEAREST_ROTATION` from a rotation are errors: these poses
    become NaN, and all do if most are such.

    Args:
        poses: camera_to_world (for a mirror or a scale it does not matter which way).
        name: of the sequence, for the findings.
    """
    poses = _divided(poses)
    parts = _take_apart(poses)
    wrong = parts.known & (parts.mirrored | parts.open_bottom | (parts.deviation > NEAREST_ROTATION))
    found = _errors(poses, parts, wrong, name)
    if 2 * wrong.sum() > parts.known.sum():
        wrong = np.ones_like(wrong)
    good = parts.known & ~wrong
    found += _changes(poses, parts, good, name)
    result = poses.copy()
    result[~good] = np.nan
    inexact = good & (np.maximum(parts.deviation, np.abs(parts.scale - 1)) > EXACT_ROTATION)
    result[inexact, :3, :3] = parts.rotation[inexact]
    return result, found


def _divided(poses: Float[np.ndarray, "pose 4 4"]) -> Float[np.ndarray, "pose 4 4"]:
    """A copy in float64, homogeneous matrices divided by their last number."""
    poses = poses.astype(np.float64)
    last = poses[:, 3, 3]
    plain = np.isfinite(poses).all(axis=(1, 2)) & (poses[:, 3, :3] == 0).all(axis=1) & (np.abs(last) > 1e-12)
    return poses / np.where(plain, last, 1)[:, None, None]


def _take_apart(poses: Float[np.ndarray, "pose 4 4"]) -> _Parts:
    known = np.asarray(np.isfinite(poses).all(axis=(1, 2)))
    near = np.asarray((np.abs(np.where(known[:, None], poses[:, :3, 3], 0)) <= FARTHEST).all(axis=1))
    known = known & near
    axes = np.where(known[:, None, None], poses[:, :3, :3], 0)
    u, sizes, vt = np.linalg.svd(axes)
    known &= sizes[:, 0] > 1e-12
    scale = np.where(known, sizes.mean(axis=1), 1)
    signs = np.ones((len(poses), 3))
    signs[:, 2] = np.linalg.det(u @ vt)
    return _Parts(
        known,
        scale,
        (u * signs[:, None]) @ vt,
        np.abs(sizes / scale[:, None] - 1).max(axis=1),
        signs[:, 2] < 0,
        np.asarray((np.abs(poses[:, 3] - [0, 0, 0, 1]) > EXACT_ROTATION).any(axis=1)),
    )


def _errors(
    poses: Float[np.ndarray, "pose 4 4"], parts: _Parts, wrong: Bool[np.ndarray, " pose"], name: str
) -> list[Finding]:
    """One for each kind of matrix that is no rigid motion."""
    if not wrong.any():
        return []
    found = []
    open_bottom, sheared = wrong & parts.open_bottom, wrong & (parts.deviation > NEAREST_ROTATION)
    if open_bottom.any():
        row = " ".join(f"{number:.4g}" for number in poses[np.argmax(open_bottom), 3])
        detail = f"the last row is {row} and not 0 0 0 1"
        transposed = not poses[open_bottom, :3, 3].any()
        cure = "the matrices are transposed (written column by column): transpose them" if transposed else _WRITE
        found.append(_error(open_bottom, name, detail, cure))
    if (rest := sheared & ~open_bottom).any():
        index = int(np.argmax(rest))
        detail = f"its axes are no right angles of one length (off by {100 * parts.deviation[index]:.2g} %)"
        columns = "the 12 numbers are written column by column: write 3 rows of 4, one after the other"
        found.append(_error(rest, name, detail, columns if _by_columns(poses[rest]) else _WRITE))
    if (rest := wrong & parts.mirrored & ~open_bottom & ~sheared).any():
        cure = "the camera or the world is left-handed there: negate one axis of it when the poses are written"
        found.append(_error(rest, name, "it mirrors (its determinant is negative)", cure))
    return found


_WRITE = "write camera to world as [R t; 0 0 0 1] with a rotation R, row by row"


def _error(which: Bool[np.ndarray, " pose"], name: str, detail: str, cure: str) -> Finding:
    count, first = int(which.sum()), int(np.argmax(which))
    text = f"{count} of {len(which)} poses of {name} are no rigid motions, such as pose {first} (from 0): {detail}"
    return Finding(Problem.NOT_RIGID, name, Severity.ERROR, text, cure)


def _by_columns(poses: Float[np.ndarray, "pose 4 4"]) -> bool:
    """Whether 3x4 matrices become rigid if their numbers are taken for columns."""
    turned = np.tile(np.eye(4), (len(poses), 1, 1))
    turned[:, :3] = np.swapaxes(poses[:, :3].reshape(-1, 4, 3), 1, 2)
    parts = _take_apart(turned)
    return bool(parts.known.all() and (parts.deviation <= NEAREST_ROTATION).all())


def _changes(
    poses: Float[np.ndarray, "pose 4 4"], parts: _Parts, good: Bool[np.ndarray, " pose"], name: str
) -> list[Finding]:
    """What was repaired, or given up."""
    found, total = [], len(poses)
    far = np.isfinite(poses).all(axis=(1, 2)) & (np.abs(poses[:, :3, 3]) > FARTHEST).any(axis=1)
    if far.any():
        place = np.abs(poses[np.argmax(far), :3, 3]).max()
        detail = f"{far.sum()} of {total} positions of {name} are absurd, such as {place:.3g} of pose {np.argmax(far)} (from 0)"
        found.append(Finding(Problem.IMPLAUSIBLE_POSES, name, Severity.WARNING, detail, "they are taken for lost"))
    scaled = good & (np.abs(parts.scale - 1) > np.maximum(NEAREST_ROTATION / 10, 2 * parts.deviation))
    if scaled.any():
        low, high = parts.scale[scaled].min(), parts.scale[scaled].max()
        size = f"{low:.4g}" if high - low < 1e-3 * high else f"{low:.4g} to {high:.4g}"
        detail = f"the axes of {scaled.sum()} of {total} poses of {name} have length {size} instead of 1"
        cure = "that scale is taken out and the positions stay: check the unit of the positions"
        found.append(Finding(Problem.NOT_RIGID, name, Severity.WARNING, detail, cure))
    rough = good & ~scaled & (np.maximum(parts.deviation, np.abs(parts.scale - 1)) > 100 * EXACT_ROTATION)
    if rough.any():
        detail = (
            f"{rough.sum()} of {total} rotations of {name} are off by up to {100 * parts.deviation[rough].max():.2g} %"
        )
        cure = "the nearest rotations are taken: write more digits"
        found.append(Finding(Problem.NOT_RIGID, name, Severity.NOTE, detail, cure))
    return found
