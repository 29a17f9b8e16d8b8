# %% [markdown]
# # 1. A stream in, a scene out
#
# One video goes through the model, frame by frame. You will see what a step hands out, open the loop yourself, and watch what
# the update rule does to the memory. It takes some seconds on a CPU.
#
# The network here is **untrained**: all shapes, files and rules are the real ones, and the numbers mean nothing.
#
# Run it as a script, `python tutorials/01_a_stream_in_a_scene_out.py`, or cell by cell in an editor that knows `# %%`.

# %%
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TTT3R_TYPECHECK", "1")  # check dtype and axes of every tensor; must come before the import

import numpy as np
import torch

import ttt3r
from ttt3r.evaluation import plot_trajectories
from ttt3r.update_rules import ConfidenceAware, ConstantRate, Frozen, FullOverwrite, blend

SMOKE_TEST = os.environ.get("SMOKE_TEST") == "1"
folder = Path(tempfile.mkdtemp(prefix="ttt3r_tutorial_"))

# %% [markdown]
# ## A stream
#
# The package makes a short sequence of a furnished room by itself. `open_source` would read your own video in the same way.

# %%
sequence = ttt3r.data.write_demo_sequence(folder / "sequence", frames=6 if SMOKE_TEST else 24)
network = ttt3r.load_network("tiny-random")
policy = ttt3r.data.CropToPatches(network.config.image_size)
frames = [item.image for item in ttt3r.data.open_source(sequence / "rgb", policy=policy)]
print(len(frames), "frames of", tuple(frames[0].shape), "= (batch, rgb, height, width), colours in [-1, 1]")

# %% [markdown]
# ## A scene
#
# A model is a network with a rule. `rollout` yields one `Step` for each frame: what the network answered, the memory after the
# frame, and the gain, that is, how much of the proposed change each memory token took.

# %%
model = ttt3r.Reconstructor(network, ConfidenceAware())
steps = list(ttt3r.rollout(model, frames))
last = steps[-1]
print("camera to world", tuple(last.reconstruction.camera_to_world.shape))
print("points in the world", tuple(last.reconstruction.points_world.shape))
print("memory", tuple(last.memory.state.shape), "= (batch, state, channel), after", int(last.memory.age), "frames")
print("gain of each frame:", [round(step.gain.mean().item(), 2) for step in steps])

# %% [markdown]
# The first gain is 1: an empty memory takes its first candidate whole, whatever the rule. The memory has the same size after
# every frame, however long the stream.
#
# ## The loop, opened
#
# `rollout` is this loop, with resets, chunks and checks added. Nothing is kept inside the model: the memory
# goes in and comes out.

# %%
memory = model.begin(batch=1)
with torch.no_grad():
    for image in frames:
        step = model.step(ttt3r.Frame(image), memory)
        memory = step.memory
assert torch.allclose(memory.state, last.memory.state, atol=1e-5)

# %% [markdown]
# ## Four rules, one pass
#
# A rule decides one thing: `S_t = S_{t-1} + G_t (candidate_t - S_{t-1})`. Here are four answers to the same frames, each with
# its own memory. How far does each memory move at the last frame?

# %%
rules = {"cut3r": FullOverwrite(), "ttt3r": ConfidenceAware(), "constant": ConstantRate(0.1), "frozen": Frozen()}
passes = list(ttt3r.rollout_rules(network, rules, frames, outputs=ttt3r.Outputs.CAMERA))
for name in rules:
    moved = (passes[-1][name].memory.state - passes[-2][name].memory.state).norm().item()
    print(f"{name:>9}: mean gain {passes[-1][name].gain.mean().item():.2f}, the memory moved by {moved:.3f}")

paths = {name: np.concatenate([step[name].reconstruction.camera_to_world.numpy() for step in passes]) for name in rules}
plot_trajectories(folder / "paths.png", paths)
print("camera paths under the four rules:", folder / "paths.png")

# %% [markdown]
# ## Two exercises
#
# Each function below is wrong. Change it until the cell under it says `right`.
#
# **1. What is left?** With a constant gain `g`, which share of the first candidate is still in the memory after `n` further
# frames?


# %%
def share_left(g: float, n: int) -> float:
    return 1.0


def check_share_left(answer) -> str:
    state, zero = torch.ones(1, 1, 1), torch.zeros(1, 1, 1)
    for n in range(6):
        if abs(answer(0.3, n) - state.item()) > 1e-5:
            return (
                f"not yet: after {n} frames at g = 0.3 there is {state.item():.3f} left, you say {answer(0.3, n):.3f}"
            )
        state = blend(state, zero, torch.full((1, 1, 1), 0.3))
    return "right"


print("exercise 1:", check_share_left(share_left))


# %% [markdown]
# **2. Look, but do not remember.** Feed all frames so that the third one is answered and leaves no trace in the memory.


# %%
def without_a_trace(images):
    for image in images:
        yield ttt3r.Frame(image)


def check_without_a_trace(answer) -> str:
    seen = list(ttt3r.rollout(model, answer(frames[:4])))
    if len(seen) != 4:
        return f"not yet: 4 frames go in and {len(seen)} are answered"
    if [int(step.memory.age) for step in seen] != [1, 2, 2, 3]:
        return f"not yet: the memory should have absorbed 1, 2, 2, 3 frames, not {[int(s.memory.age) for s in seen]}"
    return (
        "right" if torch.equal(seen[2].memory.state, seen[1].memory.state) else "not yet: the third frame left a trace"
    )


print("exercise 2:", check_without_a_trace(without_a_trace))

# %% [markdown]
# **Learned:** the network only proposes a memory; what is remembered is decided by one number per token, and that number is the
# rule.
