"""Video depth: one alignment for a whole sequence, errors of every prefix, in flat memory.

The judged pixels are written to two files in the workspace as the frames go by, and looked at through a memory map.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int

from ttt3r.evaluation.depth import DepthAlignment, MedianScale, MetricDepth, depth_errors, resize_depth, valid_pixels
from ttt3r.evaluation.modes import Mode
from ttt3r.evaluation.rows import Status
from ttt3r.evaluation.tasks import Measurement, Moment, Recorder, Task
from ttt3r.types import Outputs

NAN = float("nan")
PLAUSIBLE = (0.05, 200.0)
"""Metres between which the median of a true depth lies, indoors or on a road; beyond, the scale of the files is suspected."""


@dataclass(frozen=True)
class NamedAlignment:
    """An alignment and the name by which the rows call it: `depth_abs_rel/NAME`."""

    name: str
    alignment: DepthAlignment


@dataclass(frozen=True)
class DepthTask(Task):
    """`depth_abs_rel/NAME`, `depth_delta_125/NAME`, `depth_scale/NAME` for each alignment, and `depth_valid_pixels`.

    Args:
        alignments: fitted once per prefix, on all its judged pixels.
        max_depth: of the truth, metres; `None` for no limit.
        clip: largest aligned prediction, metres; `None` for none.
        samples: judged pixels of a frame, evenly spread over the valid ones; `None` for all of them.
    """

    alignments: tuple[NamedAlignment, ...] = (
        NamedAlignment("median", MedianScale()),
        NamedAlignment("metric", MetricDepth()),
    )
    max_depth: float | None = None
    clip: float | None = None
    samples: int | None = 2_000

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the rows."""
        kinds = ("depth_abs_rel", "depth_delta_125", "depth_scale")
        return (*(f"{kind}/{a.name}" for a in self.alignments for kind in kinds), "depth_valid_pixels")

    @property
    def outputs(self) -> Outputs:
        """Points in the camera's frame: depth is their third coordinate."""
        return Outputs.POINTS_CAMERA

    def record(self, mode: Mode, workspace: Path) -> Recorder:
        """Keeps two numbers a frame in memory, the judged pixels on disk."""
        return _Depths(self, workspace)


class _Depths(Recorder):
    def __init__(self, task: DepthTask, workspace: Path) -> None:
        self._task = task
        self._files = workspace / "predicted.f32", workspace / "true.f64"
        self._pixels: list[int] = []  # judged in each frame
        self._medians: list[float] = []
        self._errors: list[str] = []

    def observe(self, moment: Moment) -> None:
        self._errors.append(moment.depth_error)
        predicted, truth = np.zeros(0, np.float32), np.zeros(0)
        if moment.depth is not None:
            chosen = self._chosen(moment.depth)
            truth = moment.depth.ravel()[chosen].astype(np.float64)
            depth = moment.step.reconstruction.depth.float().cpu().numpy()
            predicted = resize_depth(depth, moment.depth.shape).ravel()[chosen].astype(np.float32)
        self._pixels.append(len(truth))
        self._medians.append(float(np.median(truth)) if len(truth) else NAN)
        for path, values in zip(self._files, (predicted, truth), strict=True):
            with path.open("ab") as file:
                file.write(values.tobytes())

    def _chosen(self, depth: Float[np.ndarray, "height width"]) -> Int[np.ndarray, " pixel"]:
        valid = np.flatnonzero(valid_pixels(depth[None], self._task.max_depth))
        count = len(valid) if self._task.samples is None else min(len(valid), self._task.samples)
        return valid[np.linspace(0, len(valid) - 1, count).astype(np.int64)]

    def measure(self, frames: int) -> tuple[Measurement, ...]:
        broken = next((error for error in self._errors[:frames] if error), "")
        if broken:
            return self._failed(Status.UNREADABLE, broken)
        pixels, covered = sum(self._pixels[:frames]), sum(count > 0 for count in self._pixels[:frames])
        if pixels == 0:
            return self._failed(Status.INVALID_TRUTH, "no pixel has a true depth")
        status, note = self._verdict(frames, covered)
        predicted, truth = self._read(pixels)
        if not np.isfinite(predicted).all():
            return self._failed(Status.NON_FINITE, "a predicted depth is not finite")
        found = []
        for named in self._task.alignments:
            errors = depth_errors(predicted, truth, named.alignment, max_depth=None, clip=self._task.clip)
            fits = np.isfinite(errors.scale)
            why = note if fits else "most of the predicted depth lies behind the camera: no scale can be fitted"
            found += [
                Measurement(f"{kind}/{named.name}", value, covered, status if fits else Status.DEGENERATE, why)
                for kind, value in (
                    ("depth_abs_rel", errors.abs_rel),
                    ("depth_delta_125", errors.delta_125 if fits else NAN),
                    ("depth_scale", errors.scale),
                )
            ]
        return (*found, Measurement("depth_valid_pixels", float(pixels), covered, status, note))

    def _read(self, pixels: int) -> tuple[Float32[np.ndarray, "1 1 pixel"], Float[np.ndarray, "1 1 pixel"]]:
        predicted = np.memmap(self._files[0], np.float32, mode="r", shape=(1, 1, pixels))
        truth = np.memmap(self._files[1], np.float64, mode="r", shape=(1, 1, pixels))
        return np.asarray(predicted), np.asarray(truth)

    def _verdict(self, frames: int, covered: int) -> tuple[Status, str]:
        """What has to be said beside numbers that could be computed."""
        median = float(np.nanmedian(self._medians[:frames]))
        if not PLAUSIBLE[0] < median < PLAUSIBLE[1]:
            return (
                Status.INVALID_TRUTH,
                f"the median true depth is {median:.4g} m; is the scale of the depth files right?",
            )
        missing = frames - covered
        return Status.OK, f"{missing} of {frames} frames have no true depth and are left out" if missing else ""

    def _failed(self, status: Status, note: str) -> tuple[Measurement, ...]:
        return tuple(Measurement(metric, NAN, 0, status, note) for metric in self._task.metrics)
