"""Relative errors of a trajectory: motions between two frames, which no alignment but a scale can change."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from ttt3r.data.sequences.poses import inverse
from ttt3r.geometry import rotation_angle

KITTI_LENGTHS = (100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0)
"""Lengths of the segments of the KITTI odometry benchmark, metres."""


@dataclass(frozen=True)
class RelativeErrors:
    """One error for each pair of frames.

    Args:
        translation: metres.
        rotation_degrees: degrees.
    """

    translation: Float[np.ndarray, " pair"]
    rotation_degrees: Float[np.ndarray, " pair"]


def relative_errors(
    predicted: Float[np.ndarray, "frame 4 4"],
    truth: Float[np.ndarray, "frame 4 4"],
    pairs: Int[np.ndarray, "pair 2"],
    scale: float = 1.0,
) -> RelativeErrors:
    """Length and angle of E_ij = (G_i^-1 G_j)^-1 (P_i^-1 P_j), with G the true and P the predicted cameras.

    Args:
        predicted: `camera_to_world`.
        truth: `camera_to_world` of the same frames, metres.
        pairs: rows (i, j), e.g. of `frame_pairs`.
        scale: true metres per predicted metre; the part of an alignment that matters here.
    """
    first, second = pairs.T
    cameras, true = predicted.astype(np.float64), truth.astype(np.float64)
    cameras[:, :3, 3] *= scale
    error = inverse(inverse(true[first]) @ true[second]) @ (inverse(cameras[first]) @ cameras[second])
    return RelativeErrors(np.linalg.norm(error[:, :3, 3], axis=1), _angles(error[:, :3, :3]))


def frame_pairs(frames: Int[np.ndarray, " frame"], delta: int) -> Int[np.ndarray, "pair 2"]:
    """Rows (i, j) of all pairs whose frame numbers differ by `delta`; frames that are missing make no pairs.

    Args:
        frames: increasing numbers of the frames in the stream.
        delta: frames between the two of a pair, e.g. 1, 5, 10 or 50.
    """
    second = np.searchsorted(frames, frames + delta)
    there = np.flatnonzero((second < len(frames)) & (frames[np.minimum(second, len(frames) - 1)] == frames + delta))
    return np.stack([there, second[there]], axis=1)


def path_pairs(camera_to_world: Float[np.ndarray, "frame 4 4"], metres: float) -> Int[np.ndarray, "pair 2"]:
    """Rows (i, j) of consecutive stretches: each ends where at least `metres` were travelled, and the next begins there."""
    steps = np.linalg.norm(np.diff(camera_to_world[:, :3, 3], axis=0), axis=1)
    ends, travelled = [0], 0.0
    for index, step in enumerate(steps, start=1):
        travelled += step
        if travelled >= metres:
            ends.append(index)
            travelled = 0.0
    return np.stack([ends[:-1], ends[1:]], axis=1).astype(np.int64)


@dataclass(frozen=True)
class SegmentErrors:
    """Errors of the KITTI odometry benchmark, means over all segments; NaN where the path is shorter than every length.

    Args:
        translation_percent: error of the motion over a segment, in percent of its length.
        rotation_degrees_per_metre: the same for rotation.
        segments: number of segments.
    """

    translation_percent: float
    rotation_degrees_per_metre: float
    segments: int


def segment_errors(
    predicted: Float[np.ndarray, "frame 4 4"],
    truth: Float[np.ndarray, "frame 4 4"],
    scale: float = 1.0,
    lengths: Sequence[float] = KITTI_LENGTHS,
    every: int = 10,
) -> SegmentErrors:
    """Mean relative error over all stretches of given length along the true path.

    A segment begins at every tenth frame and ends at the first frame that is further than its length along the true path.

    Args:
        predicted: `camera_to_world`.
        truth: `camera_to_world` of the same frames, metres.
        scale: true metres per predicted metre; 1 as in the benchmark.
        lengths: of the segments, metres; those of indoor sequences must be shorter.
        every: frames between the beginnings.

    Source: Geiger et al., Are we ready for autonomous driving? CVPR 2012, and the benchmark's development kit.
    """
    steps = np.linalg.norm(np.diff(truth[:, :3, 3].astype(np.float64), axis=0), axis=1)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    first = np.arange(0, len(truth), every)
    translation, rotation = [], []
    for length in lengths:
        last = np.searchsorted(travelled, travelled[first] + length, side="right")
        pairs = np.stack([first, last], axis=1)[last < len(truth)]
        errors = relative_errors(predicted, truth, pairs, scale)
        translation.append(errors.translation / length)
        rotation.append(errors.rotation_degrees / length)
    translation, rotation = np.concatenate(translation), np.concatenate(rotation)
    if len(translation) == 0:
        return SegmentErrors(math.nan, math.nan, 0)
    return SegmentErrors(float(100 * translation.mean()), float(rotation.mean()), len(translation))


def rotation_auc(
    predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"], limit_degrees: float = 30.0
) -> float:
    """Area under the curve of accuracy against threshold, 0 to `limit_degrees`, of the relative rotation of all pairs.

    The curve counts the pairs i < j whose error e_ij is below the threshold; its area over the limit is the mean of
    max(0, 1 - e_ij / limit). Sums over bins of one degree, as often published, are about half a bin (0.017) higher.

    Args:
        predicted: `camera_to_world`.
        truth: `camera_to_world` of the same frames.
        limit_degrees: largest threshold.

    Returns:
        In [0, 1]; NaN for fewer than two frames.
    """
    # tr((G_i^T G_j)^T P_i^T P_j) = tr(D_i^T D_j) with D = P G^T, so that one product per frame gives its row of pairs.
    turn = predicted[:, :3, :3].astype(np.float64) @ np.swapaxes(truth[:, :3, :3], -1, -2)
    total = 0.0
    for index in range(len(turn) - 1):
        degrees = _angles(turn[index].T @ turn[index + 1 :])
        total += np.maximum(0, 1 - degrees / limit_degrees).sum()
    count = len(turn) * (len(turn) - 1) // 2
    return float(total / count) if count else math.nan


def _angles(rotation: Float[np.ndarray, "frame 3 3"]) -> Float[np.ndarray, " frame"]:
    """Degrees."""
    return np.degrees(rotation_angle(torch.from_numpy(rotation)).numpy())
