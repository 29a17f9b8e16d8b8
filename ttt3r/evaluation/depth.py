"""Errors of video depth: one alignment for a whole sequence, then AbsRel and the share of pixels within 25 %."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

SMALLEST = 1e-5


@dataclass(frozen=True)
class DepthErrors:
    """Errors of one sequence; NaN where no pixel is valid.

    Args:
        abs_rel: mean of |p - g| / g.
        delta_125: share of pixels with max(p / g, g / p) < 1.25.
        scale: of the alignment: true metres per predicted metre.
        shift: of the alignment, metres.
        valid_pixels: pixels with true depth; the weight of this sequence in the published averages.
    """

    abs_rel: float
    delta_125: float
    scale: float
    shift: float
    valid_pixels: int


class DepthAlignment(ABC):
    """How a predicted depth p is brought to the truth g before it is judged: scale * p + shift, once per sequence."""

    @abstractmethod
    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """(scale, shift) from all valid pixels of the sequence, metres."""


@dataclass(frozen=True)
class MetricDepth(DepthAlignment):
    """No alignment: the prediction is taken as metres."""

    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """(1, 0)."""
        return 1.0, 0.0


@dataclass(frozen=True)
class MedianScale(DepthAlignment):
    """Scale = median(g) / median(p), each the lower of the two middle values where the count is even."""

    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """(median(g) / median(p), 0)."""
        if np.isnan(predicted).any():
            return float("nan"), 0.0
        middle = (len(truth) - 1) // 2
        typical = np.partition(predicted, middle)[middle]
        if not typical > 0:  # most of it lies behind the camera: no scale puts it before
            return float("nan"), 0.0
        return float(np.partition(truth, middle)[middle] / typical), 0.0


@dataclass(frozen=True)
class LeastSquaresScale(DepthAlignment):
    """Scale of least squared error: <p, g> / <p, p>."""

    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """(<p, g> / <p, p>, 0)."""
        return float(predicted @ truth / (predicted @ predicted)), 0.0


@dataclass(frozen=True)
class LeastSquaresScaleShift(DepthAlignment):
    """Scale and shift of least squared error: scale = cov(p, g) / var(p), shift = mean(g) - scale * mean(p)."""

    def fit(self, predicted: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
        """The line of regression; a constant prediction gets scale 0 and the mean of the truth."""
        mean_p, mean_g = predicted.mean(), truth.mean()
        variance = np.square(predicted - mean_p).mean()
        scale = float(((predicted - mean_p) * (truth - mean_g)).mean() / variance) if variance != 0 else 0.0
        return scale, float(mean_g - scale * mean_p)


def depth_errors(
    predicted: Float[np.ndarray, "frame height width"],
    truth: Float[np.ndarray, "frame true_height true_width"],
    alignment: DepthAlignment = MetricDepth(),
    max_depth: float | None = 70.0,
    clip: float | None = None,
) -> DepthErrors:
    """Errors of a whole sequence after one alignment.

    AbsRel takes the aligned prediction as it is, even if negative; delta < 1.25 takes it no smaller than 1e-5 m.

    Args:
        predicted: metres, of any size; resized to the truth's (see `resize_depth`).
        truth: metres; pixels not in (0, max_depth) or NaN do not count.
        alignment: fitted on the valid pixels of all frames together.
        max_depth: of the truth, metres; `None` for no limit.
        clip: largest aligned prediction, metres (the published Sintel numbers use 70); `None` for none.

    Raises:
        ValueError: if the numbers of frames differ.
    """
    if len(predicted) != len(truth):
        raise ValueError(f"{len(predicted)} predicted depth maps meet {len(truth)} true ones; give one for each frame")
    valid = valid_pixels(truth, max_depth)
    count = int(valid.sum())
    if count == 0:
        return DepthErrors(*[float("nan")] * 4, valid_pixels=0)
    p = resize_depth(predicted, truth.shape[1:])[valid].astype(np.float64)
    g = truth[valid].astype(np.float64)
    scale, shift = alignment.fit(p, g)
    p = np.minimum(scale * p + shift, np.inf if clip is None else clip)
    positive = np.maximum(p, SMALLEST)
    within = np.maximum(positive / g, g / positive) < 1.25
    return DepthErrors(float((np.abs(p - g) / g).mean()), float(within.mean()), scale, shift, count)


def valid_pixels(
    truth: Float[np.ndarray, "frame height width"], max_depth: float | None
) -> Bool[np.ndarray, "frame height width"]:
    """Where the truth is in (0, max_depth)."""
    return (truth > 0) & (truth < (np.inf if max_depth is None else max_depth))


def resize_depth(
    depth: Float[np.ndarray, "frame height width"], size: tuple[int, ...]
) -> Float[np.ndarray, "frame new_height new_width"]:
    """Bicubic with a = -0.75, pixel centres at halves, edges repeated, no smoothing: the published evaluation's kernel.

    Args:
        depth: metres; returned as it is if it already has the size.
        size: (height, width).
    """
    if depth.shape[1:] == tuple(size):
        return depth
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(depth)[:, None], tuple(size), mode="bicubic", align_corners=False, antialias=False
    )
    return resized[:, 0].numpy()
