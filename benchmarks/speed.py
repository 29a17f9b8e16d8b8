"""How fast is a frame, and how near to the machine's limit? Ours beside a direct implementation, in one run.

    python benchmarks/speed.py                      # nano: seconds
    python benchmarks/speed.py --network full       # a random network of official size, 512 x 288: minutes, 8 GB
    python benchmarks/speed.py --network full --json out/speed.json
    python benchmarks/speed.py --network full --device cuda --precision bfloat16 --compile

Every variant runs once in each round, so that other work on the machine strikes all alike; printed are the median over rounds
and the ratio of the medians, with the smallest and largest ratio of a round. FLOPs are counted, the rate of matrix products is
measured at the network's own shapes and precision, and the share is FLOPs / (time x rate). Peak memory is that of a process of
its own. The direct implementation always runs eagerly in float32 (on a GPU with TensorFloat-32).
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from plain_twin import MapGate, Maps, plain_linear, plain_way
from rates import copy_rate, gemm_rate, machine, peak_bytes, wait
from torch.utils.flop_counter import FlopCounterMode

import ttt3r
from ttt3r.compilation import Compiled
from ttt3r.network import CUT3R, CUT3RConfig, load_network
from ttt3r.runner import Precision, choose_device
from ttt3r.types import Memory, Outputs
from ttt3r.update_rules import FILT3R, TTT3R, ConstantRate, FullOverwrite, StateUpdateRule

Run = Callable[[list[torch.Tensor]], None]
POINTS = Outputs.CAMERA | Outputs.POINTS_CAMERA
FOUR: Mapping[str, StateUpdateRule] = {
    "cut3r": FullOverwrite(),
    "ttt3r": TTT3R(),
    "constant": ConstantRate(0.3),
    "filt3r": FILT3R(),
}


@dataclass(frozen=True)
class Variant:
    """One way of doing the same work.

    Args:
        name: for the table.
        baseline: name of the variant that it is compared with.
        run: over the frames; gives nothing.
        passes: how often the variant stands for the baseline's work.
        counted: the same work without compilation, whose FLOPs can be counted; by default `run`.
        batch: sequences side by side.
    """

    name: str
    baseline: str
    run: Run
    passes: int = 1
    counted: Run | None = None
    batch: int = 1

    def of(self, frames: list[torch.Tensor]) -> list[torch.Tensor]:
        """The frames as this variant takes them."""
        return [frame.expand(self.batch, -1, -1, -1).contiguous() for frame in frames]


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


@dataclass(frozen=True)
class Way:
    """How the network runs.

    Args:
        network: the network, perhaps compiled.
        precision: of its products.
        device: where.
    """

    network: CUT3R | Compiled
    precision: Precision
    device: torch.device

    def streaming(self, rules: Mapping[str, StateUpdateRule], outputs: Outputs, chunk: int = 1) -> Run:
        """A rollout of these rules over the frames; each call goes on from the memories of the last."""
        memories: dict[str, Memory] = {}

        def run(frames: list[torch.Tensor]) -> None:
            going_on = memories or None
            with self.precision.on(self.device):
                for steps in ttt3r.rollout_rules(
                    self.network, rules, frames, memories=going_on, outputs=outputs, chunk=chunk
                ):
                    memories.update({name: step.memory for name, step in steps.items()})

        return run


def plain(network: CUT3R, patches: int, device: torch.device) -> Run:
    """The direct implementation: everything, always."""
    way = Way(network, Precision.FLOAT32, device)
    everything, maps = way.streaming({"ttt3r": MapGate()}, Outputs.ALL), Maps(patches)

    def run(frames: list[torch.Tensor]) -> None:
        for frame in frames:
            with plain_way(maps):
                everything([frame])
            maps.next_frame()

    return run


def variants(eager: Way, compiled: Way | None, frames: int, patches: int) -> tuple[Variant, ...]:
    """What is compared. Four passes of the baseline are four times one, and are not run."""
    ttt3r_rule, direct = {"ttt3r": TTT3R()}, "direct implementation, all outputs"
    works: list[tuple[str, Callable[[Way], Run], int, int]] = [
        ("all outputs", lambda way: way.streaming(ttt3r_rule, Outputs.ALL), 1, 1),
        ("cameras and points", lambda way: way.streaming(ttt3r_rule, POINTS), 1, 1),
        ("cameras", lambda way: way.streaming(ttt3r_rule, Outputs.CAMERA), 1, 1),
        ("all outputs, no gate", lambda way: way.streaming({"cut3r": FullOverwrite()}, Outputs.ALL), 1, 1),
        ("4 rules in one pass, cameras", lambda way: way.streaming(FOUR, Outputs.CAMERA), 4, 1),
    ]
    if frames > 1:
        chunks = lambda way: way.streaming(ttt3r_rule, Outputs.CAMERA, frames)  # noqa: E731
        works.append((f"cameras, chunks of {frames}", chunks, 1, 1))
    if eager.device.type == "cuda":
        works.append(("8 sequences, cameras and points", lambda way: way.streaming(ttt3r_rule, POINTS), 8, 8))
    assert isinstance(eager.network, CUT3R)
    found = [Variant(direct, direct, plain(eager.network, patches, eager.device))]
    found += [Variant(name, direct, make(eager), passes, batch=batch) for name, make, passes, batch in works]
    if compiled is not None:
        for name, make, passes, batch in works:
            found.append(Variant(f"{name}, compiled", direct, make(compiled), passes, make(eager), batch))
    return tuple(found)


def flops_of(run: Run, frames: list[torch.Tensor]) -> float:
    """FLOPs for each frame, products and convolutions only."""
    with plain_linear(), FlopCounterMode(display=False) as counter:
        run(frames)
    return counter.get_total_flops() / len(frames)


def measure(
    everyone: tuple[Variant, ...], frames: list[torch.Tensor], rounds: int, rate: float, device: torch.device
) -> list[Measured]:
    """Every variant once in each round, after two that are not counted; seconds for each frame of all sequences."""
    flops, seconds = {}, {variant.name: [] for variant in everyone}
    for variant in everyone:
        for _ in range(2):  # the first frame asks no gate, and what is compiled is compiled for both
            variant.run(variant.of(frames))
        counted = variant.counted or variant.run
        counted(variant.of(frames))
        flops[variant.name] = flops_of(counted, variant.of(frames))
    for _ in range(rounds):
        for variant in everyone:
            mine = variant.of(frames)
            wait(device)
            started = time.perf_counter()
            variant.run(mine)
            wait(device)
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


def peak_memory(name: str) -> float:
    """GiB that a process holds at most which does only this."""
    done = subprocess.run([sys.executable, *sys.argv, "--only", name], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="nano", help="full, nano, or as --network elsewhere")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--precision", default="float32", choices=[precision.value for precision in Precision])
    parser.add_argument("--compile", action="store_true", help="also measure everything compiled")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=0, help="default: 3 for full on a CPU, 15 else")
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--only", default="", help="run one variant and print the process's peak memory in GiB")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    settings = parse()
    torch.set_num_threads(settings.threads)
    device, precision = choose_device(settings.device), Precision(settings.precision)
    torch.set_float32_matmul_precision("high")  # TensorFloat-32 on a GPU; nothing on a CPU
    slow = settings.network == "full" and device.type == "cpu"
    network = make_network(settings.network).to(device)
    height, width = (288, 512) if settings.network == "full" else (48, 64)
    count, rounds = (1, settings.rounds or 3) if slow else (16, settings.rounds or 15)
    generator = torch.Generator().manual_seed(0)
    frames = [(torch.rand(1, 3, height, width, generator=generator) * 2 - 1).to(device) for _ in range(count)]
    patches = (height // network.config.patch) * (width // network.config.patch)
    compiled = Way(Compiled(network), precision, device) if settings.compile else None
    everyone = variants(Way(network, precision, device), compiled, count, patches)
    with torch.no_grad():
        if settings.only:
            chosen = next(variant for variant in everyone if variant.name == settings.only)
            for _ in range(2):
                chosen.run(chosen.of(frames))
            print(peak_bytes(device) / 2**30)
            return
        dtype = {Precision.BFLOAT16: torch.bfloat16, Precision.FLOAT16: torch.float16}.get(precision, torch.float32)
        rate = gemm_rate(network.config.encoder_width, patches, device, dtype)
        found = measure(everyone, frames, rounds, rate, device)
    report(settings, found, [peak_memory(one.name) for one in found], rate, device)


def report(
    settings: argparse.Namespace, found: list[Measured], peaks: list[float], rate: float, device: torch.device
) -> None:
    """The table, and the JSON."""
    facts = machine(device)
    print(f"*{settings.network}; {', '.join(f'{name} {value}' for name, value in facts.items())}*\n")
    copies = copy_rate(device) / 1e9
    rates = f"{settings.precision}: {rate / 1e9:.0f} GFLOP/s; copies: {copies:.1f} GB/s"
    print(f"*matrix products at the network's shapes, {rates}*\n")
    print(
        "| | ms a frame | GFLOP a frame | share of the rate | times faster than the direct implementation | peak GiB |"
    )
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
