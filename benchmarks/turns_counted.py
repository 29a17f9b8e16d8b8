"""How much of a turn the cameras of each rule report: 1 is right, 2 counts every step twice.

    python benchmarks/turns_counted.py            # prints Markdown (docs/numbers/turns.md)

Predicted over true rotation since the first frame: the slope of a line through 0 over worlds and axes, with its 95 % interval.
"""

import argparse

import numpy as np
import torch
from scipy.spatial.transform import Rotation

import ttt3r
from ttt3r.data.procedural import HELD_OUT_SEED, ClipTruth, find_world, sample_clips
from ttt3r.evaluation.metrics.intervals import pooled_ratio_interval
from ttt3r.types import Frame, Outputs
from ttt3r.update_rules import RuleLabel

CONSTANTS = "constant:rate=0.3,cut3r+pose=0.3,constant:rate=0.3+pose,constant:rate=0.1,constant:rate=0.1+pose"
RULES = f"cut3r,ttt3r,ttt3r+pose,{CONSTANTS}"


def turns(cameras: torch.Tensor) -> np.ndarray:
    """Rotation vectors (batch, 3) of cameras whose world is the first view."""
    return Rotation.from_matrix(cameras[:, :3, :3].double().numpy()).as_rotvec()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="nano")
    parser.add_argument("--world", default="video")
    parser.add_argument("--worlds", type=int, default=32)
    parser.add_argument("--frames", type=int, default=8)
    settings = parser.parse_args()
    rules = {str(label): label.make() for label in RuleLabel.parse_list(RULES)}
    clip = sample_clips(find_world(settings.world), batch=settings.worlds, frames=settings.frames, seed=HELD_OUT_SEED)
    truth = ClipTruth.of(clip)
    network, stream = ttt3r.load_network(settings.network), (Frame(image=image) for image in truth.image)
    with torch.no_grad():
        *_, last = ttt3r.rollout_rules(network, rules, stream, outputs=Outputs.CAMERA)
    true = turns(truth.camera_to_world[settings.frames - 1])
    print(f"*{settings.worlds} held-out worlds ({settings.world}), after {settings.frames} frames.*\n")
    print("| rule | reported turn / true turn |\n| --- | ---: |")
    for name, step in last.items():
        camera = step.reconstruction.camera_to_world
        assert camera is not None  # it was asked for
        found = pooled_ratio_interval((turns(camera) * true).sum(axis=1), (true**2).sum(axis=1))
        print(f"| {name} | {found.mean:.2f}±{found.half:.2f} |")


if __name__ == "__main__":
    main()
