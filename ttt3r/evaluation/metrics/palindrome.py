"""A truth for any video: it is shown forwards, then backwards, so that every camera must come back to where it was.

Frames 0..T are shown, then T-1..0. Whatever the camera did, camera_{2T-k} = camera_k. What differs between the two readings of
frame k is the predictor's own error, against the lag 2 (T - k), the number of frames between them. It is an error of
consistency: a predictor without a memory makes none, however wrong it is. So the predicted path is described as well.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from ttt3r.evaluation.metrics.trajectory.errors import absolute_errors
from ttt3r.evaluation.metrics.trajectory.similarity import DegenerateTrajectory, Similarity, demand_motion, umeyama
from ttt3r.geometry import invert_rigid, rotation_degrees

LEAST_SPREAD = 0.01
"""Of the positions, in units of the first view: below it a path hardly moves, and errors over its length mean little."""
STRAIGHT = 0.01
"""Width of a path over its length, below which it is called straight."""


@dataclass(frozen=True)
class PredictedPath:
    """What a predictor says of the way there: a path that hardly moves makes every error small.

    Args:
        length: sum of the distances between neighbouring positions, in units of the first view.
        spread: root mean square distance of the positions from their mean, in units of the first view.
        width: second standard deviation of the positions over the first; NaN of fewer than three frames.
        turn_degrees: the largest angle from the first camera.
    """

    length: float
    spread: float
    width: float
    turn_degrees: float

    @classmethod
    def of(cls, camera_to_world: Float[np.ndarray, "frame 4 4"], first_view: float) -> "PredictedPath":
        """Of the cameras of the way there.

        Args:
            camera_to_world: in any unit.
            first_view: mean distance of the points of the first reading, in the same unit.
        """
        places = camera_to_world[:, :3, 3] / first_view
        centred = places - places.mean(axis=0)
        widths = np.linalg.svd(centred, compute_uv=False) / len(places) ** 0.5
        turned = _degrees(camera_to_world[:1].repeat(len(places), axis=0), camera_to_world)
        return cls(
            length=float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum()),
            spread=float(np.sqrt(np.square(centred).sum(axis=1).mean())),
            width=float(widths[1] / widths[0]) if len(places) > 2 and widths[0] > 0 else math.nan,
            turn_degrees=float(turned.max()),
        )

    @property
    def note(self) -> str:
        """What is degenerate; empty if nothing is."""
        if self.spread < LEAST_SPREAD:
            return "hardly moves"
        return "straight" if self.width < STRAIGHT else ""


@dataclass(frozen=True)
class PalindromeErrors:
    """One predictor on one palindrome. Entry k is of frame k, which was read twice, `lag[k]` frames apart.

    Args:
        lag: 2 (T - k).
        translation: distance of the two positions, in units of the first view: the mean distance of the points of the very
            first reading, which is the same for all rules of a network.
        rotation_degrees: angle between the two rotations.
        log_depth: mean over pixels of |ln d - ln d'|.
        path: of the way there.
        gain: mean over tokens and frames in which the rule decided; NaN where it is not known.
        restarts: how often the memory was restarted.
    """

    lag: Int[np.ndarray, " frame"]
    translation: Float[np.ndarray, " frame"]
    rotation_degrees: Float[np.ndarray, " frame"]
    log_depth: Float[np.ndarray, " frame"]
    path: PredictedPath
    gain: float = math.nan
    restarts: int = 0

    @property
    def translation_per_path(self) -> Float[np.ndarray, " frame"]:
        """Distance of the two positions over the length of the predicted way there; NaN for one that does not move."""
        return self.translation / (self.path.length or math.nan)

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes small errors say little."""
        never = ("never writes",) if self.gain == 0 else ()
        return (*never, *([self.path.note] if self.path.note else []))


def palindrome_errors(
    camera_to_world: Float[np.ndarray, "shown 4 4"],
    log_depth: Float[np.ndarray, " frame"],
    first_view: float = 1.0,
    gain: float = math.nan,
    restarts: int = 0,
) -> PalindromeErrors:
    """Errors of the cameras of frames 0..T, T-1..0 as they were predicted, in that order.

    Moving all cameras by one rigid motion changes nothing.

    Args:
        camera_to_world: 2 T + 1 of them, in any unit.
        log_depth: differences of frames 0..T-1.
        first_view: mean distance of the points of the first reading, in the unit of the cameras.
        gain: see `PalindromeErrors`.
        restarts: likewise.

    Raises:
        ValueError: if the cameras are not those of a palindrome of at least two frames.
    """
    shown = len(camera_to_world)
    if shown < 3 or shown % 2 == 0:
        raise ValueError(f"a palindrome shows 2 T + 1 frames, T at least 1, got the cameras of {shown}")
    turn = shown // 2
    if len(log_depth) != turn:
        raise ValueError(f"{turn} frames are read twice, got the differences of {len(log_depth)} depth maps")
    cameras = camera_to_world.astype(np.float64)
    there, again = cameras[:turn], cameras[:turn:-1].copy()
    return PalindromeErrors(
        lag=2 * (turn - np.arange(turn)),
        translation=np.linalg.norm(there[:, :3, 3] - again[:, :3, 3], axis=1) / first_view,
        rotation_degrees=_degrees(there, again),
        log_depth=log_depth.astype(np.float64),
        path=PredictedPath.of(cameras[: turn + 1], first_view),
        gain=gain,
        restarts=restarts,
    )


@dataclass(frozen=True)
class TrueErrors:
    """The way there against ground truth, where there is one. NaN where a frame has none.

    Args:
        rotation_degrees: of each frame, both paths seen from the first camera that has a truth.
        translation: of each frame after the best similarity, metres; NaN where the path fixes none.
        path_length: of the truth, metres.
    """

    rotation_degrees: Float[np.ndarray, " frame"]
    translation: Float[np.ndarray, " frame"]
    path_length: float

    @property
    def rotation(self) -> float:
        """Mean angle over the frames after the first; NaN without any."""
        known = self.rotation_degrees[np.isfinite(self.rotation_degrees)][1:]
        return float(known.mean()) if len(known) else math.nan

    @property
    def ate(self) -> float:
        """Root mean square of the distances, metres."""
        known = self.translation[np.isfinite(self.translation)]
        return float(np.sqrt(np.square(known).mean())) if len(known) else math.nan


def true_errors(predicted: Float[np.ndarray, "frame 4 4"], truth: Float[np.ndarray, "frame 4 4"]) -> TrueErrors:
    """The way there against the true cameras of the same frames, metres; not finite where there is none."""
    known = np.flatnonzero(np.isfinite(truth).all(axis=(1, 2)))
    turned, away = np.full(len(truth), math.nan), np.full(len(truth), math.nan)
    if len(known):
        found, true = predicted[known].astype(np.float64), truth[known].astype(np.float64)
        turned[known] = _degrees(_seen_from_first(found), _seen_from_first(true))
        motion = _similarity(found, true)
        if motion is not None:
            away[known] = absolute_errors(found, true, motion)
    length = float(np.linalg.norm(np.diff(truth[known, :3, 3], axis=0), axis=1).sum())
    return TrueErrors(turned, away, length)


@dataclass(frozen=True)
class Palindrome:
    """All rules on one palindrome.

    Args:
        source: name of the video.
        segment: its number, from 0.
        frames: of the source, those of the way there, by their index.
        errors: by rule; of those that came to the end.
        truth: by rule, where the source has ground truth.
        control_of: for each control, the rule that it is of.
        stopped: why a rule did not come to the end.
    """

    source: str
    segment: int
    frames: tuple[int, ...]
    errors: Mapping[str, PalindromeErrors]
    truth: Mapping[str, TrueErrors] = field(default_factory=dict)
    control_of: Mapping[str, str] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LagBin:
    """Lags between two powers of two; all lags are even.

    Args:
        first: smallest lag.
        last: largest lag.
    """

    first: int
    last: int

    def of(self, lag: Int[np.ndarray, " frame"]) -> Bool[np.ndarray, " frame"]:
        """Which lags lie in it."""
        return (lag >= self.first) & (lag <= self.last)

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"


def lag_bins(longest: int) -> tuple[LagBin, ...]:
    """Bins of lags by powers of two: 2, 4-6, 8-14, ..., the last one up to the longest lag.

    Examples:
        >>> [str(one) for one in lag_bins(20)]
        ['2', '4-6', '8-14', '16-20']
    """
    firsts = [2**power for power in range(1, longest.bit_length())]
    return tuple(LagBin(first, min(2 * first - 2, longest)) for first in firsts)


def _degrees(a: Float[np.ndarray, "frame 4 4"], b: Float[np.ndarray, "frame 4 4"]) -> Float[np.ndarray, " frame"]:
    return rotation_degrees(torch.from_numpy(a), torch.from_numpy(b)).numpy()


def _seen_from_first(cameras: Float[np.ndarray, "frame 4 4"]) -> Float[np.ndarray, "frame 4 4"]:
    return invert_rigid(torch.from_numpy(cameras[0])).numpy() @ cameras


def _similarity(found: Float[np.ndarray, "frame 4 4"], true: Float[np.ndarray, "frame 4 4"]) -> Similarity | None:
    try:
        demand_motion(found, true)
        return umeyama(found[:, :3, 3], true[:, :3, 3])
    except DegenerateTrajectory:
        return None
