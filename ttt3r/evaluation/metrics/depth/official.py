"""Errors of video depth as the published evaluation computes them, with its unfinished fits and its number types.

Use it to compare with published numbers, and `ttt3r.evaluation.metrics.depth.errors` for everything else. What differs:
predictions are float32 and stay so after alignment even where the truth is float64; the L1 scale takes ten reweighted steps,
which is not enough; scale and shift move at most some 0.1 from the ratio of medians; a sequence without a valid pixel has
errors 0 and weight 0; and NaN predictions count as "not within" for the thresholds. The fit by reweighting also depends on
the order of summation: on a full video expect agreement to some 2e-3 between machines.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ttt3r.evaluation.metrics.depth.errors import SMALLEST, DepthErrors

ScaleValue = float | Tensor
"""A number, or a tensor without axes, whose dtype decides how the fit is rounded."""


@dataclass(frozen=True)
class OfficialFit:
    """What a published fit gives.

    Args:
        scale: true metres per predicted metre.
        shift: metres.
    """

    scale: ScaleValue
    shift: ScaleValue = 0.0


class OfficialAlignment(ABC):
    """One of the published alignments: scale * p + shift, once per sequence."""

    @abstractmethod
    def fit(self, predicted: Float32[Tensor, " pixel"], truth: Float[Tensor, " pixel"]) -> OfficialFit:
        """From all valid pixels of the sequence, metres."""


@dataclass(frozen=True)
class OfficialMetric(OfficialAlignment):
    """`--align metric`: the prediction is taken as metres."""

    def fit(self, predicted: Float32[Tensor, " pixel"], truth: Float[Tensor, " pixel"]) -> OfficialFit:
        """(1, 0)."""
        return OfficialFit(1.0)


@dataclass(frozen=True)
class OfficialMedian(OfficialAlignment):
    """The ratio of the lower medians. In the published code, but not called by it."""

    def fit(self, predicted: Float32[Tensor, " pixel"], truth: Float[Tensor, " pixel"]) -> OfficialFit:
        """(median(g) / median(p), 0)."""
        return OfficialFit(truth.median() / predicted.median())


@dataclass(frozen=True)
class OfficialScale(OfficialAlignment):
    """`--align scale`: an L1 scale by ten reweighted least squares, without a test of convergence.

    s_0 = mean(g) / mean(p); w = 1 / (|s p - g| + 1e-8), s <- sum(w p g) / sum(w p^2); at last max(s, 1e-3).
    """

    def fit(self, predicted: Float32[Tensor, " pixel"], truth: Float[Tensor, " pixel"]) -> OfficialFit:
        """(s, 0)."""
        scale = truth.nanmean() / predicted.nanmean()
        for _ in range(10):
            weight = 1 / ((scale * predicted - truth).abs() + 1e-8)
            scale = (weight * predicted * truth).sum() / (weight * predicted.square()).sum()
        return OfficialFit(scale.clamp(min=1e-3))


@dataclass(frozen=True)
class OfficialScaleShift(OfficialAlignment):
    """`--align scale&shift`: least absolute deviation by at most a thousand steps of Adam with rate 1e-4.

    Each step moves scale and shift by some 1e-4, so that they end within about 0.1 of the start, the ratio of the medians
    and 0. Where depths are large that is almost a median scale, and it may be worse than `OfficialScale`.
    """

    def fit(self, predicted: Float32[Tensor, " pixel"], truth: Float[Tensor, " pixel"]) -> OfficialFit:
        """(s, t)."""
        # The inputs are copied, as tensors made in inference mode cannot take part in a gradient.
        with torch.inference_mode(False), torch.enable_grad():
            p, g = predicted.detach().clone(), truth.detach().clone()
            start = (g.median() / p.median()).item()
            scale = torch.tensor(start, dtype=p.dtype, device=p.device, requires_grad=True)
            shift = torch.tensor(0.0, dtype=p.dtype, device=p.device, requires_grad=True)
            optimizer, before = torch.optim.Adam([scale, shift], lr=1e-4), float("inf")
            for _ in range(1000):
                optimizer.zero_grad()
                loss = (scale * p + shift - g).abs().sum()
                loss.backward()
                optimizer.step()
                if abs(loss.item() - before) < 1e-6:
                    break
                before = loss.item()
        return OfficialFit(scale.item(), shift.item())


@dataclass(frozen=True)
class OfficialLeastSquares(OfficialAlignment):
    """Scale and shift of least squared error. In the published code, but not called by it."""

    def fit(self, predicted: Float32[Tensor, " pixel"], truth: Float[Tensor, " pixel"]) -> OfficialFit:
        """(s, t), in the dtype of the truth.

        Raises:
            ValueError: if a prediction is not finite.
        """
        if not predicted.isfinite().all():
            raise ValueError("a predicted depth is not finite, so no line can be fitted; leave such pixels out")
        p, g = predicted.cpu().numpy(), truth.cpu().numpy()
        scale, shift = np.linalg.lstsq(np.stack([p, np.ones_like(p)], axis=1), g, rcond=None)[0]
        return OfficialFit(float(scale), float(shift))


def official_depth_errors(
    predicted: Float32[Tensor, " pixel"],
    truth: Float[Tensor, " pixel"],
    alignment: OfficialAlignment = OfficialScale(),
    clip: float | None = None,
) -> DepthErrors:
    """The published errors of the valid pixels of a sequence, in the order of (frame, row, column) (`matched_pixels`).

    Args:
        predicted: metres.
        truth: metres, positive; float64 in the published numbers of Bonn and KITTI, float32 in those of Sintel.
        alignment: fitted on all of them together.
        clip: largest aligned prediction, metres: 70 for Sintel, else `None`.
    """
    if len(truth) == 0:
        return DepthErrors(0.0, 0.0, 1.0, 0.0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    fit = alignment.fit(predicted, truth)
    aligned = fit.scale * predicted + fit.shift
    return official_measures(aligned if clip is None else aligned.clamp(max=clip), truth, fit)


def official_disparity_errors(
    disparity: Float32[Tensor, " pixel"],
    truth: Float[Tensor, " pixel"],
    alignment: OfficialAlignment = OfficialScale(),
    clip: float | None = None,
) -> DepthErrors:
    """The same for a network that predicts disparities: fitted to 1 / (g + 1e-8), and judged as depths.

    Args:
        disparity: 1 / metres; 0 and below become depth 0.
        truth: metres, positive.
        alignment: fitted on the disparities of all pixels together.
        clip: largest depth after the alignment, metres; `None` for none.
    """
    if len(truth) == 0:
        return official_depth_errors(disparity, truth)
    fit = alignment.fit(disparity, 1 / (truth + 1e-8))
    aligned = fit.scale * disparity + fit.shift
    depth = torch.where(aligned <= 0, 0.0, 1 / aligned)
    return official_measures(depth if clip is None else depth.clamp(max=clip), truth, fit)


def official_measures(
    aligned: Float[Tensor, " pixel"], truth: Float[Tensor, " pixel"], fit: OfficialFit = OfficialFit(1.0)
) -> DepthErrors:
    """The published measures of an aligned prediction, in the number types of their inputs; metres."""
    difference = aligned - truth
    positive = aligned.clamp(min=SMALLEST)
    ratio = torch.maximum(positive / truth, truth / positive)
    within = [(ratio < 1.25**power).float().mean().item() for power in (1, 2, 3)]
    return DepthErrors(
        abs_rel=(difference.abs() / truth).mean().item(),
        delta_125=within[0],
        scale=float(fit.scale),
        shift=float(fit.shift),
        valid_pixels=len(truth),
        sq_rel=(difference.square() / truth).mean().item(),
        rmse=difference.square().mean().sqrt().item(),
        log_rmse=(positive.log() - truth.log()).square().mean().sqrt().item(),
        delta_125_2=within[1],
        delta_125_3=within[2],
    )


def official_average(sequences: Sequence[DepthErrors]) -> DepthErrors:
    """The published average over sequences: every measure, roots included, weighted by valid pixels.

    Long and dense sequences dominate; `pooled_errors` puts the squares under the roots together, and the strict tables give
    every sequence the same weight besides. Scale and shift are NaN.

    Raises:
        ValueError: if no sequence has a valid pixel.
    """
    weights = [errors.valid_pixels for errors in sequences]
    if sum(weights) == 0:
        raise ValueError(f"none of the {len(weights)} sequences has a valid pixel; there is nothing to average")

    def mean(values: Sequence[float]) -> float:
        return float(np.average(values, weights=weights))

    return DepthErrors(
        abs_rel=mean([errors.abs_rel for errors in sequences]),
        delta_125=mean([errors.delta_125 for errors in sequences]),
        scale=float("nan"),
        shift=float("nan"),
        valid_pixels=sum(weights),
        sq_rel=mean([errors.sq_rel for errors in sequences]),
        rmse=mean([errors.rmse for errors in sequences]),
        log_rmse=mean([errors.log_rmse for errors in sequences]),
        delta_125_2=mean([errors.delta_125_2 for errors in sequences]),
        delta_125_3=mean([errors.delta_125_3 for errors in sequences]),
    )
