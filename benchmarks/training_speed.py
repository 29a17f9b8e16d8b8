"""Frames a second of training: today's way beside that of the recipe `nano_first`, on the same network and clips.

    python benchmarks/training_speed.py
    python benchmarks/training_speed.py --rounds 5 --steps 8 --frames 8 --batch 16

Before: all heads on all frames, float32, plain attention, freed memory given back to the system. Now: points and colours of a
quarter of the frames, and what `ttt3r train` does on this machine (precision, attention, memory). Both train the bundled
network with the optimisers of the recipe and one question a clip, each round in fresh processes that take turns. Counted is
the time of the process with one thread from the start of one step to that of the next, clips included; questions are no
frames.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

import ttt3r.training.fitting as fitting
from ttt3r.network import CUT3RConfig
from ttt3r.training import Machine, TrainingModule, first_nano_recipe
from ttt3r.training.processor import Precision
from ttt3r.update_rules import FullOverwrite


class Before(TrainingModule):
    """The plain form of attention in float32 too."""

    def _attention(self) -> AbstractContextManager[object]:
        return sdpa_kernel(SDPBackend.MATH)


def run(before: bool, steps: int, frames: int, batch: int) -> list[float]:
    """Seconds of each step, in this process; the first one, which warms up, is left out."""
    torch.set_num_threads(1)
    recipe = first_nano_recipe()
    share = 1.0 if before else 0.25
    stage = replace(
        recipe.stages[-1], steps=steps + 2, frames=(frames, frames), batch=batch, questions=1, read_share=share
    )
    recipe = replace(recipe, stages=(stage,), warmup=1)
    stamps: list[float] = []
    kind = Before if before else TrainingModule
    step = TrainingModule.training_step

    def timed(self: TrainingModule, *given: object) -> None:
        stamps.append(time.process_time())
        step(self, *given)  # pyright: ignore[reportArgumentType]

    precision: Precision = "32-true" if before else "auto"
    with (
        tempfile.TemporaryDirectory() as out,
        mock.patch.object(kind, "training_step", timed),
        mock.patch.object(fitting, "TrainingModule", kind),
        mock.patch.object(fitting, "keep_freed_memory") if before else nullcontext(),
    ):
        machine = Machine(0, precision, minutes=1e6)
        fitting.train(CUT3RConfig.nano(), FullOverwrite(), recipe, Path(out), machine, "nano")
    return [after - start for start, after in zip(stamps[1:], stamps[2:], strict=False)]


def main() -> None:
    """Print frames a second of both ways, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--way", choices=("before", "now"), help="run one way in this process; print seconds as JSON")
    given = parser.parse_args()
    if given.way is not None:
        print(json.dumps(run(given.way == "before", given.steps, given.frames, given.batch)))
        return
    sizes = [f"--{name}={getattr(given, name)}" for name in ("steps", "frames", "batch")]
    rates: dict[str, list[float]] = {"before": [], "now": []}
    for _ in range(given.rounds):
        for way, found in rates.items():
            words = [sys.executable, __file__, "--way", way, *sizes]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            seconds = json.loads(done.stdout.splitlines()[-1])
            found.append(given.frames * given.batch / statistics.median(seconds))
        print(f"{rates['before'][-1]:7.1f} frames/s before {rates['now'][-1]:7.1f} now", flush=True)
    ratios = [now / before for before, now in zip(rates["before"], rates["now"], strict=True)]
    before, now = (statistics.median(found) for found in rates.values())
    print(f"median {before:.1f} and {now:.1f}: {now / before:.2f} times ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
