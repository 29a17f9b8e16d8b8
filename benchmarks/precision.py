"""What does another precision change? Two runs over the same long stream, side by side.

    python benchmarks/precision.py --frames 1000

One stream in float32 and one in the other precision, each with its own memory; printed is how far the second has gone from the
first, in the answer to a frame and in the memory. Differences feed back through the memory: the question is whether they grow.
"""

import argparse

import torch

import ttt3r
from ttt3r.data.procedural import sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, NANO_WORLD
from ttt3r.geometry import rotation_degrees
from ttt3r.runner import Precision
from ttt3r.update_rules import find_rule

POINTS = ttt3r.Outputs.CAMERA | ttt3r.Outputs.POINTS_CAMERA


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="nano")
    parser.add_argument("--rules", default="cut3r,ttt3r")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--precision", choices=["bfloat16", "float16"], default="bfloat16")
    settings = parser.parse_args()
    network = ttt3r.load_network(settings.network)
    device = next(network.parameters()).device
    rules = {name: find_rule(name)() for name in settings.rules.split(",")}
    clip = sample_clips(NANO_WORLD, batch=settings.worlds, frames=settings.frames, seed=HELD_OUT_SEED)
    print(
        f"*{settings.network}, {settings.precision} against float32, {settings.worlds} held-out worlds, means over worlds*\n"
    )
    print(
        "| frame | rule | rotation, degrees | translation | depth, relative | state, relative |\n|---|---|---|---|---|---|"
    )
    wanted = {10**power for power in range(1, 5)} | {settings.frames}
    memories: dict[str, dict[str, ttt3r.Memory]] = {"float32": {}, settings.precision: {}}
    with torch.no_grad():
        for index, image in enumerate(clip.image):
            found = {}
            for name, kept in memories.items():
                with Precision(name).on(device):
                    (steps,) = ttt3r.rollout_rules(network, rules, [image], memories=kept or None, outputs=POINTS)
                kept.update({rule: step.memory for rule, step in steps.items()})
                found[name] = steps
            if index + 1 in wanted:
                for rule in rules:
                    print(line(index + 1, rule, found["float32"][rule], found[settings.precision][rule]), flush=True)


def line(frames: int, rule: str, exact: ttt3r.Step, other: ttt3r.Step) -> str:
    """One row: means over the worlds."""
    a, b = exact.reconstruction, other.reconstruction
    turn = rotation_degrees(a.camera_to_world, b.camera_to_world).mean()
    way = (a.camera_to_world - b.camera_to_world)[:, :3, 3].norm(dim=-1).mean()
    depth = ((a.depth - b.depth).abs() / a.depth.abs().clamp_min(1e-3)).mean()
    state = ((exact.memory.state - other.memory.state).norm() / exact.memory.state.norm()).item()
    return f"| {frames} | {rule} | {turn:.3f} | {way:.4f} | {depth:.4f} | {state:.4f} |"


if __name__ == "__main__":
    main()
