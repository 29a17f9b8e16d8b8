"""How the scale of predicted depth wanders through a sequence."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.depth import matched_pixels
from ttt3r.evaluation.depth_alignment import DepthAlignment, L1Scale


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
    def _known(self) -> np.ndarray:
        return np.isfinite(self.scales) & (self.scales > 0)


def scale_drift(
    predicted: Float[np.ndarray, "frame height width"],
    truth: Float[np.ndarray, "frame true_height true_width"],
    alignment: DepthAlignment = L1Scale(),
    max_depth: float | None = 70.0,
) -> ScaleDrift:
    """Fit each frame by itself.

    Args:
        predicted: metres, of any size; resized to the truth's.
        truth: metres; pixels not in (0, max_depth) or NaN do not count.
        alignment: of a frame; its scale is what counts.
        max_depth: of the truth, metres; `None` for no limit.

    Raises:
        ValueError: if the numbers of frames differ.
    """
    if len(predicted) != len(truth):
        raise ValueError(f"{len(predicted)} predicted depth maps meet {len(truth)} true ones; give one for each frame")
    scales = []
    for index in range(len(truth)):
        p, g = matched_pixels(predicted[index : index + 1], truth[index : index + 1], max_depth)
        scales.append(alignment.fit(p.astype(np.float64), g.astype(np.float64))[0] if len(g) else math.nan)
    return ScaleDrift(np.array(scales))
