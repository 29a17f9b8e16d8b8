"""How the scale of predicted depth wanders through a sequence."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ttt3r.evaluation.metrics.depth.alignment import DepthAlignment, L1Scale
from ttt3r.evaluation.metrics.depth.pixels import DepthPixels


@dataclass(frozen=True)
class ScaleDrift:
    """The scale that each frame asks for by itself.

    Args:
        scales: s_t of each frame, true metres per predicted metre; NaN where a frame has none.
    """

    scales: Float[np.ndarray, " frame"]

    @property
    def log_std(self) -> float:
        """Standard deviation of ln s_t over the frames; 0 for a steady scale, and NaN for fewer than two frames."""
        known = self._known
        return float(np.log(self.scales[known]).std()) if known.sum() >= 2 else math.nan

    @property
    def log_slope(self) -> float:
        """Trend of ln s_t per 100 frames, by least squares: positive where the prediction shrinks."""
        known = self._known
        if known.sum() < 2:
            return math.nan
        time, value = np.flatnonzero(known) / 100, np.log(self.scales[known])
        return float((time - time.mean()) @ value / np.square(time - time.mean()).sum())

    @property
    def _known(self) -> Bool[np.ndarray, " frame"]:
        return np.isfinite(self.scales) & (self.scales > 0)


def scale_drift(pixels: DepthPixels, alignment: DepthAlignment = L1Scale()) -> ScaleDrift:
    """Fit each frame by itself.

    Args:
        pixels: the valid pixels of the sequence.
        alignment: of a frame; its scale is what counts.
    """
    fits = [alignment.fit(p.astype(np.float64), g.astype(np.float64)) if len(g) else None for p, g in pixels.by_frame()]
    return ScaleDrift(np.array([math.nan if fit is None else fit[0] for fit in fits], dtype=np.float64))
