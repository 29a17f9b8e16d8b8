"""What a run costs: seconds per frame by part, peak memory, and whether either grows with the length of the stream.

    meter = CostMeter(device)
    for frame in frames:
        with meter.part("encode"): ...
        with meter.part("recur"): ...
        meter.end_frame()
    meter.summary().seconds_per_frame["recur"]

The first frames warm the machine up and do not count. Each part waits for the device, so that work which was only queued is
not counted in the next part; a metered run is therefore a little slower than a free one.
"""

import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from jaxtyping import Float

from ttt3r.evaluation.measures.metric import Family, Metric

WARM_UP = 10
"""Frames that do not count, as the first ones compile, allocate and fill caches."""


def _seconds(part: str) -> Metric:
    return Metric(f"{SECONDS.name}/{part}", part, SECONDS.unit, False, Family.COST, ratio=True, digits=4)


def _bytes(name: str, heading: str) -> Metric:
    return Metric(name, heading, "bytes", False, Family.COST, ratio=True, digits=0, peak=True)


SECONDS = Metric("seconds_per_frame", "time", "s/frame", False, Family.COST, ratio=True, digits=4)
"""Wall time of a frame, seconds."""
NETWORK_SECONDS = _seconds("network")
"""Its share in the network, seconds."""
PEAK_MEMORY = _bytes("peak_memory_bytes", "peak memory")
"""Most memory held at once, bytes."""
RULES_IN_PASS = Metric("rules_in_pass", "rules in pass", family=Family.COST, digits=0)
"""How many rules share the times of a pass."""
PASS_COSTS = (_seconds("reading"), NETWORK_SECONDS, _seconds("measuring"), RULES_IN_PASS, PEAK_MEMORY)
"""What is known of every pass of an evaluation, see `provenance.costs_of`."""

GROWTH = Metric("bytes_per_frame", "growth of memory", "bytes/frame", False, Family.COST)
"""Memory added by each frame, bytes."""
METER_COSTS = (
    SECONDS,
    _bytes("peak_bytes", "peak"),
    GROWTH,
    Metric("slowdown", "slowdown", "", False, Family.COST),
)
"""What `CostMeter` measures."""
FRAMES_PER_SECOND = Metric("frames_per_second", "speed", "frames/s", True, Family.COST, ratio=True, digits=1)
"""What papers print."""


@dataclass(frozen=True)
class CostSummary:
    """The costs of a stream; NaN where nothing was measured.

    Args:
        frames: that counted.
        seconds_per_frame: median over frames, by part.
        total_seconds_per_frame: of all parts together: median over frames.
        peak_bytes: most memory that was held at once, device memory on a GPU and otherwise that of the process (which never
            falls, so that an earlier run in the same process may have set it).
        bytes_per_frame: growth of the memory held, by least squares over the frames; 0 for a flat profile.
        slowdown: mean seconds per frame of the last quarter over those of the first; 1 for a constant cost.
    """

    frames: int
    seconds_per_frame: Mapping[str, float]
    total_seconds_per_frame: float
    peak_bytes: float
    bytes_per_frame: float
    slowdown: float

    def as_costs(self) -> dict[str, float]:
        """The numbers by the names under which a `UnitResult` keeps them; `metrics` says how they are read."""
        parts = {_seconds(name).name: value for name, value in self.seconds_per_frame.items()}
        values = (self.total_seconds_per_frame, self.peak_bytes, self.bytes_per_frame, self.slowdown)
        return parts | {metric.name: value for metric, value in zip(METER_COSTS, values, strict=True)}

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """How its numbers are read, for `UnitResult.metrics`."""
        return (*map(_seconds, self.seconds_per_frame), *METER_COSTS)


class CostMeter:
    """Takes the time of named parts of a frame, and looks at the memory once per frame.

    Args:
        device: on which the work is done.
        warm_up: frames at the start that do not count.
    """

    def __init__(self, device: torch.device | str = "cpu", warm_up: int = WARM_UP) -> None:
        self._device, self._warm_up = torch.device(device), warm_up
        self._open: dict[str, float] = {}
        self._seconds: list[dict[str, float]] = []
        self._bytes: list[float] = []
        self._frames = 0
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """The time inside counts under this name for the present frame; a name may come more than once."""
        synchronise(self._device)
        started = time.perf_counter()
        try:
            yield
        finally:
            synchronise(self._device)
            self._open[name] = self._open.get(name, 0.0) + time.perf_counter() - started

    def end_frame(self) -> None:
        """End the measurement of a frame."""
        self._frames += 1
        if self._frames > self._warm_up:
            self._seconds.append(self._open)
            self._bytes.append(held_bytes(self._device))
        self._open = {}

    def summary(self) -> CostSummary:
        """The costs so far."""
        names = list(dict.fromkeys(name for frame in self._seconds for name in frame))
        total = np.array([sum(frame.values()) for frame in self._seconds], dtype=np.float64)
        parts = {name: np.array([frame.get(name, 0.0) for frame in self._seconds]) for name in names}
        return CostSummary(
            frames=len(total),
            seconds_per_frame={name: float(np.median(values)) for name, values in parts.items()},
            total_seconds_per_frame=float(np.median(total)) if len(total) else math.nan,
            peak_bytes=peak_bytes(self._device),
            bytes_per_frame=slope(np.array(self._bytes, dtype=np.float64)),
            slowdown=slowdown(total),
        )


@dataclass
class Seconds:
    """Wall time of a pass by part: waiting for frames and truth, the network, and measuring."""

    reading: float = 0.0
    network: float = 0.0
    measuring: float = 0.0

    @contextmanager
    def spent(self, part: str) -> Iterator[None]:
        """Add what the block takes to a part."""
        started = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, part, getattr(self, part) + time.perf_counter() - started)


def slope(values: Float[np.ndarray, " frame"]) -> float:
    """Growth per frame, by least squares; NaN for fewer than two frames."""
    if len(values) < 2:
        return math.nan
    time_ = np.arange(len(values)) - (len(values) - 1) / 2
    return float(time_ @ values / np.square(time_).sum())


def slowdown(seconds: Float[np.ndarray, " frame"]) -> float:
    """Mean of the last quarter over mean of the first; NaN for fewer than four frames, or where no time passed."""
    quarter = len(seconds) // 4
    first = seconds[:quarter].sum()
    return float(seconds[-quarter:].sum() / first) if first > 0 else math.nan


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def held_bytes(device: torch.device) -> float:
    """Memory held now: allocated on the device, or resident of the process."""
    if device.type == "cuda":
        return float(torch.cuda.memory_allocated(device))
    if device.type == "mps":
        return float(torch.mps.current_allocated_memory())
    return float(psutil.Process().memory_info().rss)


def peak_bytes(device: torch.device) -> float:
    """Most memory held at once: allocated on the device since the meter began, or resident since the process began."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    if device.type == "mps":
        return float(torch.mps.driver_allocated_memory())
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset)
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(used if sys.platform == "darwin" else used * 1024)
