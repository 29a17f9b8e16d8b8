"""What a machine can do and what it is, for `benchmarks/speed.py`: rates of products and copies, peak memory, its name."""

import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

import ttt3r
from ttt3r.network.linear import linear


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def fastest(work: Callable[[], object], repeats: int, rounds: int, device: torch.device) -> float:
    """Seconds of one `work`, best of several rounds of so many repeats, after one that is not counted."""
    best = float("inf")
    for _ in range(rounds + 1):
        wait(device)
        started = time.perf_counter()
        for _ in range(repeats):
            work()
        wait(device)
        best = min(best, (time.perf_counter() - started) / repeats)
    return best


def gemm_rate(width: int, tokens: int, device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the largest hidden matrix (4 width x width) with that many tokens."""
    a = torch.randn(tokens, width, device=device, dtype=dtype)
    b = torch.randn(4 * width, width, device=device, dtype=dtype)
    flops = 2 * a.shape[0] * b.numel()
    return flops / fastest(lambda: linear(a, b, None), max(1, int(2e9 / flops)), 7, device)


def copy_rate(device: torch.device) -> float:
    """Bytes read and written a second by a large copy."""
    source = torch.ones(64 * 2**20, device=device)
    target = torch.empty_like(source)
    return 2 * 4 * source.numel() / fastest(lambda: target.copy_(source), 1, 5, device)


def peak_bytes(device: torch.device) -> float:
    """Most that this process has held on the device; on Linux since it began itself (`ru_maxrss` knows the parent's share)."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * next(float(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line)
    import resource

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def machine(device: torch.device) -> dict[str, str]:
    """What the numbers depend on."""
    model = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        names = [line.partition(":")[2].strip() for line in facts.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    found = {"processor": model, "threads": str(torch.get_num_threads())}
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    return {**found, "torch": torch.__version__, "ttt3r": ttt3r.__version__}
