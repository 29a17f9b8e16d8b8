"""Does the memory of an evaluation grow with the length of the sequence? Metrics included.

    python benchmarks/evaluation_memory.py --frames 1000

Two rules run over one procedural stream that is made on the fly; the memory that the process holds is looked at after every
frame. Printed: megabytes at some frames, the growth per frame after the warm-up, and the peak while the prefixes are judged.
"""

import argparse
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from ttt3r.data import Clip
from ttt3r.data.frames.memory import FramesInMemory
from ttt3r.data.frames.source import FrameSource, SourceFrame
from ttt3r.data.sequences.clip import DepthSource
from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.engine.evaluator import Evaluation, evaluate
from ttt3r.evaluation.measures.cost import held_bytes, peak_bytes, slope
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.protocols.sources import ProceduralWorlds
from ttt3r.network import load_network
from ttt3r.update_rules import RULES

WARM_UP = 100


class Repeated(FrameSource):
    """A short clip played forwards again and again, so that the input itself needs no memory."""

    def __init__(self, source: FrameSource, frames: int) -> None:
        self._source, self._frames = source, frames

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def length(self) -> int:
        return self._frames

    @property
    def skipped(self) -> list[tuple[str, str]]:
        return []

    def __iter__(self) -> Generator[SourceFrame, None, None]:
        items = list(self._source)
        for index in range(self._frames):
            yield replace(items[index % len(items)], index=index)


@dataclass(frozen=True)
class RepeatedDepth(DepthSource):
    short: DepthSource
    frames: int

    @property
    def length(self) -> int:
        return self.frames

    @property
    def measured(self) -> int:
        return self.frames

    def read(self, index: int):
        return self.short.read(index % self.short.length)


@dataclass(frozen=True)
class LongWorld(ProceduralWorlds):
    """One world of 20 frames, repeated."""

    def open(self, root, sequence, policy, frames):
        clip: Clip = super().open(root, sequence, policy, 20)
        assert isinstance(clip.source, FramesInMemory)
        assert clip.depth_files is not None
        assert clip.camera_to_world is not None
        chosen = np.arange(frames) % 20
        return replace(
            clip,
            source=Repeated(clip.source, frames),
            timestamps=np.arange(float(frames)),
            camera_to_world=clip.camera_to_world[chosen],
            depth_files=RepeatedDepth(clip.depth_files, frames),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--network", default="tiny-random")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lengths = tuple(n for n in (50, 100, 200, 500, options.frames) if n <= options.frames)
    protocol = Protocol("memory", "worlds", LongWorld(count=1), lengths=lengths)
    rules = tuple(Contender(name, RULES[name]()) for name in ("cut3r", "ttt3r"))
    held = []
    with TemporaryDirectory() as out:
        evaluate(
            load_network(options.network),
            Evaluation(protocol, Path(), rules, options.network),
            out,
            on_frame=lambda sequence, frames: held.append(held_bytes(torch.device("cpu"))),
        )
    for frame in sorted({1, WARM_UP, len(held) // 2, len(held)}):
        print(f"frame {frame:5d}: {held[frame - 1] / 1e6:8.1f} MB")
    print(f"growth after frame {WARM_UP}: {slope(np.array(held[WARM_UP:])) / 1e3:.2f} kB a frame")
    print(f"peak, prefixes judged: {peak_bytes(torch.device('cpu')) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
