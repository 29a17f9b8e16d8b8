"""How fast is the procedural world? Frames per second by image size and by what stands in the houses.

    python benchmarks/world_speed.py [--device cuda] [--threads 1]

Prints one table: making the houses apart from rendering, CPU time where the device is the CPU (so that other programs on the
machine do not count). The first row is what the small network is trained on.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from ttt3r.data.procedural import (
    Lights,
    Mixture,
    Orbit,
    Scenes,
    Walk,
    WorldConfig,
    render,
    sample_cameras,
    sample_scenes,
)

PATH = Mixture((Walk(), 2), (Orbit(), 1))
BASE = WorldConfig(path=PATH)
WORLDS = {
    "as it comes, 64 x 48": BASE,
    "one empty room": replace(BASE, rooms=(1, 1), solids=(0, 0)),
    "one room, 8 pieces": replace(BASE, rooms=(1, 1), solids=(8, 8)),
    "three rooms, 8 pieces each": replace(BASE, rooms=(3, 3), solids=(8, 8)),
    "six rooms, 12 pieces each": replace(BASE, rooms=(6, 6), solids=(12, 12)),
    "with shadows": replace(BASE, lights=Lights(shadows=True)),
    "2 x 2 rays a pixel": replace(BASE, supersample=2),
    "32 x 32": replace(BASE, width=32, height=32),
    "128 x 96": replace(BASE, width=128, height=96),
    "224 x 160": replace(BASE, width=224, height=160),
    "512 x 384": replace(BASE, width=512, height=384),
}


def seconds(work: Callable[[], object], device: str, repeats: int) -> float:
    """Of the fastest of some runs."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    best = float("inf")
    for _ in range(repeats):
        start = clock()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        best = min(best, clock() - start)
    return best


def solids(scenes: Scenes) -> float:
    """Mean number of solids in a house, with the pieces of its inner walls."""
    kinds = (scenes.walls, scenes.boxes, scenes.turned, scenes.balls, scenes.cylinders)
    return float(sum((kind.half[..., 0] > 0).sum() for kind in kinds)) / scenes.batch


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--rays", type=int, default=0, help="rays of one timing; 0 is 0.8 million on a CPU, else 50 million"
    )
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rays = given.rays or (800_000 if given.device == "cpu" else 50_000_000)
    print(f"{'world':28} {'solids':>7} {'houses/s':>9} {'frames/s':>9} {'million rays/s':>15}")
    for name, config in WORLDS.items():
        pixels = config.width * config.height
        batch = max(1, min(64, rays // pixels // 8))
        frames = max(1, rays // pixels // batch)
        scenes = sample_scenes(config, batch=batch, seed=0, device=given.device)
        cameras = sample_cameras(scenes, config, frames)
        size = (config.height, config.width)
        shoot = lambda s=scenes, c=cameras, n=size, k=config.supersample: render(s, c, n, k)  # noqa: E731
        make = lambda c=config, b=batch: sample_scenes(c, batch=b, seed=1, device=given.device)  # noqa: E731
        shoot()
        making = seconds(make, given.device, given.repeats)
        rendering = seconds(shoot, given.device, given.repeats)
        speed = batch * frames / rendering
        print(f"{name:28} {solids(scenes):7.1f} {batch / making:9.0f} {speed:9.0f} {speed * pixels / 1e6:15.2f}")


if __name__ == "__main__":
    main()
