"""How fast is a frame, and how near to the machine's limit? Ours beside a plain twin, in one run.

    python benchmarks/speed.py                      # nano: seconds
    python benchmarks/speed.py --network full       # a random network of official size, 512 x 288: minutes, 8 GB
    python benchmarks/speed.py --network full --json out/speed.json

Every variant runs once in each round, so that other work on the machine strikes all alike; printed are the median over rounds
and the ratio of the medians, with the smallest and largest ratio of a round. FLOPs are counted, the rate of matrix products is
measured at the network's own shapes, and the share is FLOPs / (time x rate). Peak memory is that of a process of its own.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from plain_twin import MapGate, Maps, plain_linear, plain_way
from torch.utils.flop_counter import FlopCounterMode

import ttt3r
from ttt3r.network import CUT3R, CUT3RConfig, load_network
from ttt3r.network.linear import linear
from ttt3r.types import Memory, Outputs
from ttt3r.update_rules import ConfidenceAware, ConstantRate, FullOverwrite, KalmanGain, StateUpdateRule

Run = Callable[[list[torch.Tensor]], None]
POINTS = Outputs.CAMERA | Outputs.POINTS_CAMERA
FOUR: Mapping[str, StateUpdateRule] = {
    "cut3r": FullOverwrite(),
    "ttt3r": ConfidenceAware(),
    "constant": ConstantRate(0.3),
    "filt3r": KalmanGain(),
}


@dataclass(frozen=True)
class Variant:
    """One way of doing the same work.

    Args:
        name: for the table.
        baseline: name of the variant that it is compared with.
        run: over the frames; gives nothing.
        passes: how often the variant stands for the baseline's work.
    """

    name: str
    baseline: str
    run: Run
    passes: int = 1


@dataclass(frozen=True)
class Measured:
    """A line of the table; seconds for each frame."""

    name: str
    seconds: float
    rounds: tuple[float, ...]
    gflop: float
    share: float
    ratio: float
    ratio_low: float
    ratio_high: float
    peak_gib: float = float("nan")


def streaming(network: CUT3R, rules: Mapping[str, StateUpdateRule], outputs: Outputs, chunk: int = 1) -> Run:
    """A rollout of these rules over the frames; each call goes on from the memories of the last."""
    memories: dict[str, Memory] = {}

    def run(frames: list[torch.Tensor]) -> None:
        rollout = ttt3r.rollout_rules(network, rules, frames, memories=memories or None, outputs=outputs, chunk=chunk)
        for steps in rollout:
            memories.update({name: step.memory for name, step in steps.items()})

    return run


def plain(network: CUT3R, patches: int) -> Run:
    """The plain twin: everything, always."""
    everything, maps = streaming(network, {"ttt3r": MapGate()}, Outputs.ALL), Maps(patches)

    def run(frames: list[torch.Tensor]) -> None:
        for frame in frames:
            with plain_way(maps):
                everything([frame])
            maps.next_frame()

    return run


def variants(network: CUT3R, frames: int, patches: int) -> tuple[Variant, ...]:
    """What is compared. Four passes of the baseline are four times one, and are not run."""
    ttt3r_rule = {"ttt3r": ConfidenceAware()}
    twin, one = "plain twin, all outputs", "cameras"
    found = [
        Variant(twin, twin, plain(network, patches)),
        Variant("all outputs", twin, streaming(network, ttt3r_rule, Outputs.ALL)),
        Variant("cameras and points", twin, streaming(network, ttt3r_rule, POINTS)),
        Variant(one, twin, streaming(network, ttt3r_rule, Outputs.CAMERA)),
        Variant("all outputs, no gate", twin, streaming(network, {"cut3r": FullOverwrite()}, Outputs.ALL)),
        Variant("4 rules in one pass, cameras", twin, streaming(network, FOUR, Outputs.CAMERA), passes=4),
    ]
    if frames > 1:
        found.append(
            Variant(f"cameras, chunks of {frames}", twin, streaming(network, ttt3r_rule, Outputs.CAMERA, frames))
        )
    return tuple(found)


def gemm_rate(config: CUT3RConfig, tokens: int) -> float:
    """Products a second of the largest hidden matrix with a frame's tokens, x 2: FLOP/s, best of several."""
    a, b = torch.randn(tokens, config.encoder_width), torch.randn(4 * config.encoder_width, config.encoder_width)
    best, repeats = 0.0, max(1, int(2e9 / (2 * a.shape[0] * b.numel())))
    for _ in range(7):
        started = time.perf_counter()
        for _ in range(repeats):
            linear(a, b, None)
        best = max(best, 2 * a.shape[0] * b.numel() * repeats / (time.perf_counter() - started))
    return best


def copy_rate() -> float:
    """Bytes read and written a second by a large copy."""
    source = torch.ones(64 * 2**20)
    target = torch.empty_like(source)
    best = 0.0
    for _ in range(5):
        started = time.perf_counter()
        target.copy_(source)
        best = max(best, 2 * 4 * source.numel() / (time.perf_counter() - started))
    return best


def flops_of(run: Run, frames: list[torch.Tensor]) -> float:
    """FLOPs for each frame, products and convolutions only."""
    with plain_linear(), FlopCounterMode(display=False) as counter:
        run(frames)
    return counter.get_total_flops() / len(frames)


def measure(everyone: tuple[Variant, ...], frames: list[torch.Tensor], rounds: int, rate: float) -> list[Measured]:
    """Every variant once in each round, after one that is not counted."""
    flops, seconds = {}, {variant.name: [] for variant in everyone}
    for variant in everyone:
        variant.run(frames)  # warms up; the first frame asks no gate
        flops[variant.name] = flops_of(variant.run, frames)
    for _ in range(rounds):
        for variant in everyone:
            started = time.perf_counter()
            variant.run(frames)
            seconds[variant.name].append((time.perf_counter() - started) / len(frames))
    found = []
    for variant in everyone:
        mine, base = seconds[variant.name], seconds[variant.baseline]
        ratios = [variant.passes * b / a for a, b in zip(mine, base, strict=True)]
        median = statistics.median(mine)
        found.append(
            Measured(
                variant.name,
                median,
                tuple(mine),
                flops[variant.name] / 1e9,
                flops[variant.name] / (median * rate),
                variant.passes * statistics.median(base) / median,
                min(ratios),
                max(ratios),
            )
        )
    return found


def make_network(name: str) -> CUT3R:
    """`full`: official size, random weights; else as `load_network`."""
    if name != "full":
        return load_network(name).eval().requires_grad_(False)
    with torch.device("meta"):
        network = CUT3R(CUT3RConfig.official_512())
    network = network.to_empty(device="cpu").eval().requires_grad_(False)
    for tensor in network.state_dict().values():  # in place: the peak of memory shall be that of the run
        tensor.normal_(0, 0.02)
    return network


def peak_memory(settings: argparse.Namespace, name: str) -> float:
    """GiB that a process holds at most which does only this."""
    words = [
        sys.executable,
        __file__,
        "--network",
        settings.network,
        "--threads",
        str(settings.threads),
        "--only",
        name,
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def peak_bytes() -> float:
    """Most that this process has held; on Linux since it began itself (`ru_maxrss` counts the parent's share in)."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * next(float(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line)
    import resource

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    model = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        names = [line.partition(":")[2].strip() for line in facts.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    threads = str(torch.get_num_threads())
    return {"processor": model, "threads": threads, "torch": torch.__version__, "ttt3r": ttt3r.__version__}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="nano", help="full, nano, or as --network elsewhere")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=0, help="default: 3 for full, 15 else")
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--only", default="", help="run one variant and print the process's peak memory in GiB")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    full = settings.network == "full"
    network = make_network(settings.network)
    height, width = (288, 512) if full else (48, 64)
    count, rounds = (1, settings.rounds or 3) if full else (16, settings.rounds or 15)
    generator = torch.Generator().manual_seed(0)
    frames = [torch.rand(1, 3, height, width, generator=generator) * 2 - 1 for _ in range(count)]
    patches = (height // network.config.patch) * (width // network.config.patch)
    everyone = variants(network, count, patches)
    with torch.no_grad():
        if settings.only:
            chosen = next(variant for variant in everyone if variant.name == settings.only)
            for _ in range(2):  # the first frame asks no gate
                chosen.run(frames)
            print(peak_bytes() / 2**30)
            return
        rate = gemm_rate(network.config, patches)
        found = measure(everyone, frames, rounds, rate)
    peaks = [peak_memory(settings, one.name) for one in found]
    report(settings, found, peaks, rate)


def report(settings: argparse.Namespace, found: list[Measured], peaks: list[float], rate: float) -> None:
    """The table, and the JSON."""
    facts = machine()
    print(f"*{settings.network}; {', '.join(f'{name} {value}' for name, value in facts.items())}*\n")
    print(
        f"*matrix products at the network's shapes: {rate / 1e9:.0f} GFLOP/s; copies: {copy_rate() / 1e9:.1f} GB/s*\n"
    )
    print("| | ms a frame | GFLOP a frame | share of the rate | times faster than the twin | peak GiB |")
    print("|---|---|---|---|---|---|")
    for one, peak in zip(found, peaks, strict=True):
        ratio = f"{one.ratio:.2f} [{one.ratio_low:.2f}, {one.ratio_high:.2f}]"
        print(f"| {one.name} | {1e3 * one.seconds:.1f} | {one.gflop:.2f} | {one.share:.0%} | {ratio} | {peak:.2f} |")
    if settings.json is not None:
        settings.json.parent.mkdir(parents=True, exist_ok=True)
        lines = [{**asdict(one), "peak_gib": peak} for one, peak in zip(found, peaks, strict=True)]
        settings.json.write_text(json.dumps({"machine": facts, "gemm_flops": rate, "variants": lines}, indent=2) + "\n")


if __name__ == "__main__":
    main()
