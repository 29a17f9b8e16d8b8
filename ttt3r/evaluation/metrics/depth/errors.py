"""Errors of video depth: one alignment for a whole sequence, then the field's measures. Strict: float64, NaN stays NaN."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float

from ttt3r.evaluation.metrics.depth.alignment import (
    DepthAlignment,
    MetricDepth,
)

SMALLEST = 1e-5
"""Depths below it count as this for the logarithm and for the ratios, metres."""

_AT_ONCE = 1 << 20
"""Pixels that are judged at one time."""


@dataclass(frozen=True)
class DepthErrors:
    """Errors of one sequence, with the aligned prediction p and the truth g; NaN where no pixel is valid.

    Args:
        abs_rel: mean of |p - g| / g.
        delta_125: share of pixels with max(p / g, g / p) < 1.25.
        scale: of the alignment: true metres per predicted metre.
        shift: of the alignment, metres.
        valid_pixels: pixels with true depth; the weight of this sequence in the published averages.
        sq_rel: mean of (p - g)^2 / g, metres.
        rmse: root mean square of p - g, metres.
        log_rmse: root mean square of ln p - ln g.
        delta_125_2: share of pixels with max(p / g, g / p) < 1.25^2.
        delta_125_3: share of pixels with max(p / g, g / p) < 1.25^3.
    """

    abs_rel: float
    delta_125: float
    scale: float
    shift: float
    valid_pixels: int
    sq_rel: float = math.nan
    rmse: float = math.nan
    log_rmse: float = math.nan
    delta_125_2: float = math.nan
    delta_125_3: float = math.nan


NO_PIXEL = DepthErrors(math.nan, math.nan, math.nan, math.nan, 0)
"""The errors of a sequence without a valid pixel."""


def depth_errors(
    predicted: Float[np.ndarray, "frame height width"],
    truth: Float[np.ndarray, "frame true_height true_width"],
    alignment: DepthAlignment = MetricDepth(),
    max_depth: float | None = 70.0,
    clip: float | None = None,
) -> DepthErrors:
    """Errors of a whole sequence after one alignment.

    Args:
        predicted: metres, of any size; resized to the truth's (see `resize_depth`).
        truth: metres; pixels not in (0, max_depth) or NaN do not count.
        alignment: fitted on the valid pixels of all frames together.
        max_depth: of the truth, metres; `None` for no limit.
        clip: largest aligned prediction, metres (the published Sintel numbers use 70); `None` for none.

    Raises:
        ValueError: if the numbers of frames differ.
    """
    return pixel_errors(*matched_pixels(predicted, truth, max_depth), alignment, clip)


def matched_pixels(
    predicted: Float[np.ndarray, "frame height width"],
    truth: Float[np.ndarray, "frame true_height true_width"],
    max_depth: float | None = 70.0,
) -> tuple[Float[np.ndarray, " pixel"], Float[np.ndarray, " pixel"]]:
    """Predicted and true depth at the valid pixels, in the order of (frame, row, column), each in its own dtype.

    Args:
        predicted: metres, of any size; resized to the truth's (see `resize_depth`).
        truth: metres; pixels not in (0, max_depth) or NaN do not count.
        max_depth: of the truth, metres; `None` for no limit.

    Raises:
        ValueError: if the numbers of frames differ.
    """
    if len(predicted) != len(truth):
        raise ValueError(f"{len(predicted)} predicted depth maps meet {len(truth)} true ones; give one for each frame")
    valid = valid_pixels(truth, max_depth)
    return resize_depth(predicted, truth.shape[1:])[valid], truth[valid]


def pixel_errors(
    predicted: Float[np.ndarray, " pixel"],
    truth: Float[np.ndarray, " pixel"],
    alignment: DepthAlignment = MetricDepth(),
    clip: float | None = None,
) -> DepthErrors:
    """Errors of the valid pixels of a sequence (`matched_pixels`) after one alignment.

    AbsRel, SqRel and RMSE take the aligned prediction as it is, even if negative; the others take it no smaller than 1e-5 m.

    Args:
        predicted: metres.
        truth: metres, positive.
        alignment: fitted on all of them together.
        clip: largest aligned prediction, metres; `None` for none.
    """
    if len(truth) == 0:
        return NO_PIXEL
    scale, shift = alignment.fit(predicted.astype(np.float64), truth.astype(np.float64))
    parts = []
    for start in range(0, len(truth), _AT_ONCE):  # a long sequence, mapped from disk, must not be copied several times
        part = slice(start, start + _AT_ONCE)
        aligned = np.minimum(scale * predicted[part].astype(np.float64) + shift, np.inf if clip is None else clip)
        parts.append(aligned_errors(aligned, truth[part].astype(np.float64)))
    return replace(pooled_errors(parts) if len(parts) > 1 else parts[0], scale=scale, shift=shift)


def range_errors(
    predicted: Float[np.ndarray, " pixel"],
    truth: Float[np.ndarray, " pixel"],
    edges: Sequence[float],
    alignment: DepthAlignment = MetricDepth(),
) -> tuple[DepthErrors, ...]:
    """Errors by true distance, after one alignment of all: one entry for each range [edge, next edge).

    Args:
        predicted: metres, at the valid pixels of a sequence.
        truth: metres, positive.
        edges: increasing, metres, e.g. (0, 3, 10, 30, 80).
        alignment: fitted on all pixels together.
    """
    g = truth.astype(np.float64)
    scale, shift = alignment.fit(predicted.astype(np.float64), g) if len(g) else (math.nan, math.nan)
    inside = [(g >= low) & (g < high) for low, high in zip(edges, edges[1:], strict=False)]
    return tuple(
        aligned_errors(scale * predicted[part].astype(np.float64) + shift, g[part], scale, shift) for part in inside
    )


def aligned_errors(
    aligned: Float[np.ndarray, " pixel"], truth: Float[np.ndarray, " pixel"], scale: float = 1.0, shift: float = 0.0
) -> DepthErrors:
    """Errors of a prediction that is aligned already; the arguments `scale` and `shift` are handed through."""
    if len(truth) == 0:
        return NO_PIXEL
    difference = aligned - truth
    positive = np.maximum(aligned, SMALLEST)  # NaN stays NaN, and is within no threshold
    ratio = np.maximum(positive / truth, truth / positive)
    return DepthErrors(
        abs_rel=float((np.abs(difference) / truth).mean()),
        delta_125=float((ratio < 1.25).mean()),
        scale=scale,
        shift=shift,
        valid_pixels=len(truth),
        sq_rel=float((np.square(difference) / truth).mean()),
        rmse=float(np.sqrt(np.square(difference).mean())),
        log_rmse=float(np.sqrt(np.square(np.log(positive / truth)).mean())),
        delta_125_2=float((ratio < 1.25**2).mean()),
        delta_125_3=float((ratio < 1.25**3).mean()),
    )


def pooled_errors(sequences: Sequence[DepthErrors]) -> DepthErrors:
    """The errors of all pixels of some sequences together, each after its own alignment.

    Means are weighted by pixels, and so are the squares under the roots; sequences without a pixel do not count. Scale and
    shift are NaN, as there is not one of them.
    """
    seen = [errors for errors in sequences if errors.valid_pixels]
    if not seen:
        return NO_PIXEL
    pixels = np.array([errors.valid_pixels for errors in seen], np.float64)

    def mean(values: Sequence[float]) -> float:
        return float(np.average(values, weights=pixels))

    return DepthErrors(
        abs_rel=mean([errors.abs_rel for errors in seen]),
        delta_125=mean([errors.delta_125 for errors in seen]),
        scale=math.nan,
        shift=math.nan,
        valid_pixels=int(pixels.sum()),
        sq_rel=mean([errors.sq_rel for errors in seen]),
        rmse=math.sqrt(mean([errors.rmse**2 for errors in seen])),
        log_rmse=math.sqrt(mean([errors.log_rmse**2 for errors in seen])),
        delta_125_2=mean([errors.delta_125_2 for errors in seen]),
        delta_125_3=mean([errors.delta_125_3 for errors in seen]),
    )


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
