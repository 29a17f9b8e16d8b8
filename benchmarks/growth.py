"""Does a long stream get slower or larger? The time of a frame and the memory held, early and late.

    python benchmarks/growth.py --frames 2000          # the loop alone, and `ttt3r run` on videos of 200 and 2,000 frames

Printed: the time of a frame after frame 100 and at the end, in streams that take turns, the memory held at both,
and the largest memory of `ttt3r run` over a short and a long video, each in a process of its own.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import ttt3r
from ttt3r.evaluation.measures.cost import held_bytes
from ttt3r.update_rules import TTT3R

WINDOW = 100


def stream(network: ttt3r.CUT3R, memory: ttt3r.Memory | None, frames: int) -> tuple[list[float], ttt3r.Memory]:
    """Seconds of each frame, and the memory at the end."""
    images = [torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(i)) * 2 - 1 for i in range(16)]
    model, seconds, last = ttt3r.Reconstructor(network, TTT3R()), [], memory
    feed = (images[i % 16] for i in range(frames))
    started = time.perf_counter()
    for step in ttt3r.rollout(model, feed, memory=memory):
        now = time.perf_counter()
        seconds.append(now - started)
        started, last = now, step.memory
    assert last is not None
    return seconds, last


def loop(frames: int) -> None:
    """The loop: windows of an old stream and of a young one take turns, so that both meet the same machine."""
    network = ttt3r.load_network("nano")
    with torch.no_grad():
        _, young = stream(network, None, WINDOW)
        before = held_bytes(torch.device("cpu"))
        _, old = stream(network, None, frames)
        after = held_bytes(torch.device("cpu"))
        rounds = [[statistics.median(stream(network, memory, WINDOW)[0]) for memory in (young, old)] for _ in range(9)]
    ratios = [late / early for early, late in rounds]
    early, late = (1e3 * statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"| frame | ms a frame | MiB held |\n|---|---|---|\n| {WINDOW} | {early:.2f} | {before / 2**20:.0f} |")
    print(f"| {frames} | {late:.2f} | {after / 2**20:.0f} |")
    print(f"\nratio of the times {statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]\n")


def video(path: Path, frames: int) -> None:
    """Noise that moves a little, as H.264."""
    import av

    generator = np.random.default_rng(0)
    picture = generator.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=30)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(picture, index, axis=1)), format="rgb24")
            container.mux(track.encode(shown))
        container.mux(track.encode())


def command(frames: int) -> None:
    """`ttt3r run` over a short and a long video."""
    print("| video, frames | largest memory of `ttt3r run`, MiB |\n|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for count in (200, frames):
            film = Path(place) / f"{count}.mp4"
            video(film, count)
            code = (
                "from ttt3r.cli import main; from pathlib import Path; "
                f"main(['run', {str(film)!r}, '--out', {str(film.with_suffix(''))!r}, '--points', '100000']); "
                "print([line for line in Path('/proc/self/status').read_text().splitlines() if 'VmHWM' in line][0])"
            )
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            peak = float(done.stdout.splitlines()[-1].split()[1]) / 1024
            print(f"| {count} | {peak:.0f} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    loop(settings.frames)
    command(settings.frames)


if __name__ == "__main__":
    main()
