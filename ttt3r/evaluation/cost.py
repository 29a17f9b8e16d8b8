"""What a run costs: seconds per frame by part, peak memory, and whether either grows with the length of the stream.

    meter = CostMeter(device)
    for frame in frames:
        with meter.part("encode"): ...
        with meter.part("recur"): ...
        meter.end_frame()
    meter.summary().seconds_per_frame["recur"]

The first frames warm the machine up and do not count. Each part waits for the device, so that work which was only queued is
not booked under the next part; a metered run is therefore a little slower than a free one.
"""

import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

WARM_UP = 10
"""Frames that do not count, as the first ones compile, allocate and fill caches."""


@dataclass(frozen=True)
class CostSummary:
    """The costs of a stream; NaN where there is nothing to tell.

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
        """The numbers by the names under which a `UnitResult` keeps them."""
        parts = {f"seconds_per_frame/{name}": value for name, value in self.seconds_per_frame.items()}
        return {
            **parts,
            "seconds_per_frame": self.total_seconds_per_frame,
            "peak_bytes": self.peak_bytes,
            "bytes_per_frame": self.bytes_per_frame,
            "slowdown": self.slowdown,
        }


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
        """Everything inside is booked under this name for the present frame; a name may come more than once."""
        synchronise(self._device)
        started = time.perf_counter()
        try:
            yield
        finally:
            synchronise(self._device)
            self._open[name] = self._open.get(name, 0.0) + time.perf_counter() - started

    def end_frame(self) -> None:
        """Close the books of a frame."""
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
    """Memory held now: allocated on the device, or resident of the process; NaN where the system does not tell."""
    if device.type == "cuda":
        return float(torch.cuda.memory_allocated(device))
    if device.type == "mps":
        return float(torch.mps.current_allocated_memory())
    table = Path("/proc/self/statm")  # Linux: sizes in pages, the second is what is resident
    if not table.is_file():
        return math.nan
    import resource

    return float(table.read_text().split()[1]) * resource.getpagesize()


def peak_bytes(device: torch.device) -> float:
    """Most memory held at once: allocated on the device since the meter began, or resident since the process began."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    if device.type == "mps":
        return float(torch.mps.driver_allocated_memory())
    if sys.platform == "win32":
        return math.nan
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(used if sys.platform == "darwin" else used * 1024)
