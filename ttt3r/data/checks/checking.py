"""Whether depths are metres and poses are camera to world: what only the pixels show."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity, unreadable
from ttt3r.data.sequences.clip import Clip
from ttt3r.data.sequences.depth import demand_shape
from ttt3r.data.sequences.poses import from_opengl, inverse
from ttt3r.data.sequences.recording import Record, Recording

LOOKED_AT = 3
"""Number of depth maps of a sequence that are checked, evenly spread."""

_CONFUSED = (1000.0, 5000.0, 256.0, 5.0, 1000 / 256, 5000 / 256)  # ratios of the usual numbers of values a metre

WORST_ERROR = 0.1
"""Median relative depth error of re-projection from which poses and depth are said to disagree."""

SURE_ERROR = 0.02
"""Up to this error they agree; in between, they disagree if another convention halves it."""


def check_depth(recording: Recording, records: Sequence[Record], looked_at: int = LOOKED_AT) -> list[Finding]:
    """What is wrong with a few depth maps: unreadable, empty, not of the image's shape, or with a median hardly metres."""
    deep = [(record, path) for record in records if (path := record.depth) is not None]
    if not deep:
        return []
    chosen = [deep[i] for i in np.unique(np.linspace(0, len(deep) - 1, looked_at).astype(np.int64))]
    source, found, valid = recording.depth_source(tuple(path for _, path in chosen)), [], []
    for index, (record, path) in enumerate(chosen):
        try:
            depth, size = source.read(index), recording.size_of(record)
            found += [] if depth is None or size is None else check_shape(depth.shape, size, path)
        except (OSError, ValueError) as error:
            found.append(unreadable(str(path), error))
            continue
        if depth is not None:
            valid.append(depth[(depth > 0) & np.isfinite(depth)])
    if not valid:
        return found
    return [*found, *_scale(recording, np.concatenate(valid), len(valid))]


def check_shape(depth: tuple[int, ...], image: tuple[int, int], path: Path) -> list[Finding]:
    """A finding if a depth map of (height, width) cannot be of an image of (width, height)."""
    try:
        demand_shape(depth, image, f"depth map {path}")
    except ValueError as error:
        return [replace(unreadable(str(path), error), what=Problem.DEPTH_SIZE)]
    return []


def _scale(recording: Recording, valid: Float[np.ndarray, " pixel"], maps: int) -> list[Finding]:
    name, (low, high) = recording.name, recording.plausible_depth
    if not len(valid):
        detail = f"not one pixel of {maps} depth maps of {name} was measured"
        return [Finding(Problem.MISSING_DEPTH, name, Severity.WARNING, detail, "copy the depth maps again")]
    median = float(np.median(valid))
    if low <= median <= high:
        return []
    detail = f"the median depth of {name} is {median:.4g} m, where {low:g} m to {high:g} m are to be expected"
    middle = np.sqrt(low * min(high, 100 * low))  # of a typical scene, in the sense of the logarithm
    factors = [factor for known in _CONFUSED for factor in (known, 1 / known) if low <= median * factor <= high]
    best = min(factors, key=lambda factor: abs(np.log(median * factor / middle)), default=None)
    hint = "" if best is None else f", and {best:.4g} times that would do"
    cure = "check how many values a metre has in the depth files"
    return [Finding(Problem.DEPTH_SCALE, name, Severity.WARNING, detail + hint, cure)]


def check_intrinsics(K: Float[np.ndarray, "3 3"], size: tuple[int, int], name: str) -> list[Finding]:
    """A finding if the principal point is not near the middle of images of (width, height): it may be of another size."""
    across, down = ((2 * K[axis, 2] + 1) / size[axis] for axis in range(2))
    if (
        0.5 < across < 1.5
        and 0.5 < down < 1.5
        and (0.8 < (across * down) ** 0.5 < 1.25 or abs(across / down - 1) > 0.1)
    ):
        return []
    detail = (
        f"the principal point of {name} is ({K[0, 2]:.4g}, {K[1, 2]:.4g}) in images of {size[0]} x {size[1]} pixels"
    )
    alike = across > 0 and abs(across / down - 1) < 0.1
    hint = f", as it would be in the middle of {across * size[0]:.0f} x {down * size[1]:.0f}" if alike else ""
    cure = "scale the intrinsics to the images"
    return [Finding(Problem.CAMERA_MODEL, name, Severity.WARNING, detail + hint, cure)]


def reprojection_error(clip: Clip, here: int, there: int, poses: Float[np.ndarray, "frame 4 4"] | None = None) -> float:
    """Median relative difference between the depth of frame `here`, moved by the poses, and the depth measured `there`.

    x' = K_there inverse(camera_to_world_there) camera_to_world_here depth K_here^-1 (u, v, 1)
    |z' - depth_there(x')| / depth_there(x').
    NaN where fewer than 100 points land on measured depth, or depth, poses or intrinsics are not known. Occlusions are in it:
    below some per cent, poses and depths are of one world.

    Args:
        clip: with depth and intrinsics.
        here: index of the frame that is moved.
        there: index of the frame that it is compared with.
        poses: others than those of the clip, to try something out.

    Raises:
        BrokenImage: if a depth map cannot be decoded.
        ValueError: if it cannot be of the image, by its size.
    """
    poses = clip.camera_to_world if poses is None else poses
    first, second = clip.depth(here), clip.depth(there)
    if poses is None or first is None or second is None:
        return float("nan")
    K_here, K_there = (
        clip.depth_camera((depth.shape[1], depth.shape[0]), index) for depth, index in ((first, here), (second, there))
    )
    if K_here is None or K_there is None:
        return float("nan")
    v, u = np.nonzero(first)
    points = first[v, u] * (np.linalg.inv(K_here) @ np.stack([u, v, np.ones(len(u))]))
    motion = inverse(poses[there : there + 1])[0] @ poses[here]
    x, y, z = K_there @ (motion[:3, :3] @ points + motion[:3, 3:])
    front = z > 1e-6
    column, row = (np.round(side[front] / z[front]).astype(np.int64) for side in (x, y))
    height, width = second.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    measured, moved = second[row[inside], column[inside]], z[front][inside]
    seen = measured > 0
    if seen.sum() < 100:
        return float("nan")
    return float(np.median(np.abs(moved[seen] - measured[seen]) / measured[seen]))


def check_poses(clip: Clip, places: int = LOOKED_AT) -> list[Finding]:
    """Whether poses and depth belong together, by re-projection at a few places; says which other convention would fit.

    Frames some way apart are compared, since between neighbours any pose fits.
    """
    poses = clip.camera_to_world
    if poses is None or clip.depth_files is None:
        return []
    usable = [i for i in range(len(poses)) if np.isfinite(poses[i]).all()]
    pairs = _pairs(poses, usable, places)
    errors = _median([reprojection_error(clip, i, j) for i, j in pairs])
    if not np.isfinite(errors) or errors <= SURE_ERROR:
        return []
    others = {
        "the inverse poses (world to camera)": inverse(np.nan_to_num(poses)),
        "poses with OpenGL axes": from_opengl(poses),
        "transposed rotations": _transposed(poses),
    }
    tried = {
        words: _median([reprojection_error(clip, i, j, other) for i, j in pairs]) for words, other in others.items()
    }
    words, best = min(tried.items(), key=lambda item: np.nan_to_num(item[1], nan=np.inf))
    if errors <= WORST_ERROR and not best < errors / 2:
        return []
    detail = f"depth of {clip.name} moved by the poses is off by {100 * errors:.1f} % (median, {len(pairs)} pairs)"
    fits = f", and by {100 * best:.1f} % with {words}" if best < errors / 2 else ""
    cure = "check that poses are camera to world in metres, and which body they describe"
    return [Finding(Problem.POSES_DISAGREE, clip.name, Severity.WARNING, detail + fits, cure)]


def _transposed(poses: Float[np.ndarray, "frame 4 4"]) -> Float[np.ndarray, "frame 4 4"]:
    turned = poses.copy()
    turned[:, :3, :3] = np.swapaxes(poses[:, :3, :3], 1, 2)
    return turned


def _median(errors: Sequence[float]) -> float:
    known = [error for error in errors if np.isfinite(error)]
    return float(np.median(known)) if known else float("nan")


def _pairs(poses: Float[np.ndarray, "frame 4 4"], usable: Sequence[int], places: int) -> list[tuple[int, int]]:
    """Frames that look at the same things from places some way apart: 50 cm or 20 degrees, or 60 frames."""
    starts = [usable[i] for i in np.unique(np.linspace(0, max(0, len(usable) - 2), places).astype(np.int64))]
    pairs = []
    for start in starts if len(usable) > 1 else []:
        later = [i for i in usable if i > start][:60]
        far = (i for i in later if _apart(poses[start], poses[i]))
        pairs.append((start, next(far, later[-1])))
    return pairs


def _apart(first: Float[np.ndarray, "4 4"], second: Float[np.ndarray, "4 4"]) -> bool:
    cosine = (np.trace(first[:3, :3].T @ second[:3, :3]) - 1) / 2
    return bool(np.linalg.norm(first[:3, 3] - second[:3, 3]) > 0.5 or cosine < np.cos(np.radians(20)))
