# %% [markdown]
# # 1. A stream in, a scene out
#
# One video goes through the model, frame by frame. You will see what a step returns, look at the scene, open the loop
# yourself, and watch what the update rule does to the memory. It takes some seconds on a CPU.
#
# The network is `nano`, the small one that comes with the package. It was trained on procedural houses of 64 x 48 pixels,
# and that is what we show it.
#
# Run this as a script, `python tutorials/01_a_stream_in_a_scene_out.py`, cell by cell in an editor that knows `# %%`, or as
# a notebook.

# %%
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TTT3R_TYPECHECK", "1")  # check dtype and axes of every tensor; must come before the import

import matplotlib.pyplot as plt
import torch

import ttt3r
from ttt3r.data.procedural import HELD_OUT_SEED, NANO_WORLD, ClipTruth, sample_clips, write_tum
from ttt3r.evaluation import plot_point_cloud
from ttt3r.geometry import rotation_degrees
from ttt3r.update_rules import TTT3R, ConstantRate, Frozen, FullOverwrite, blend

SMOKE_TEST = os.environ.get("SMOKE_TEST") == "1"
folder = Path(tempfile.mkdtemp(prefix="ttt3r_tutorial_"))

# %% [markdown]
# ## A stream
#
# A walk through a house that the network has never seen, written to disk as a camera would have written it. `open_source`
# would read your own folder or video in the same way.

# %%
clip = sample_clips(NANO_WORLD, batch=1, frames=4 if SMOKE_TEST else 12, seed=HELD_OUT_SEED)
network = ttt3r.load_network("nano")
policy = ttt3r.data.CropToPatches(network.config.image_size)
frames = [item.image for item in ttt3r.data.open_source(write_tum(clip, folder / "walk") / "rgb", policy=policy)]
print(len(frames), "frames of", tuple(frames[0].shape), "= (batch, rgb, height, width), colours in [-1, 1]")

# %% [markdown]
# ## A scene
#
# A model is a network with a rule. `rollout` yields one `Step` for each frame: what the network answered, the memory after
# the frame, and the gain, that is, how much of the proposed change each state token took.

# %%
model = ttt3r.Reconstructor(network, TTT3R())
steps = list(ttt3r.rollout(model, frames))
last = steps[-1]
print("camera to world", tuple(last.reconstruction.camera_to_world.shape))
print("points in the world", tuple(last.reconstruction.points_world.shape))
print("memory", tuple(last.memory.state.shape), "= (batch, state, channel), after", int(last.memory.age), "frames")
print("gain of each frame:", [round(step.gain.mean().item(), 2) for step in steps])

# %% [markdown]
# What does it look like? Above the frames, in the middle the depth that the network answered, below the true depth. One
# length is free: the network counts in units of what it saw in the first frame, and so does `ClipTruth`.

# %% figure="Frames of the walk, the depth that the network answered, and the true depth"
truth = ClipTruth.of(clip)
shown = range(0, len(frames), 2)
figure, axes = plt.subplots(3, len(shown), figsize=(9, 3.8), layout="constrained")
for column, index in enumerate(shown):
    axes[0, column].imshow(frames[index][0].permute(1, 2, 0) / 2 + 0.5)
    axes[0, column].set_title(f"frame {index}", fontsize=8)
    for row, depth in ((1, steps[index].reconstruction.depth[0]), (2, truth.points_camera[index, 0, ..., 2])):
        axes[row, column].imshow(depth, vmin=0, vmax=2, cmap="viridis_r")
    for row, name in enumerate(("image", "depth", "true depth")):
        axes[row, column].set(xticks=[], yticks=[], ylabel="" if column else name)
plt.show()

# %% [markdown]
# The points of all frames, in the world of the first camera, make the scene, and the cameras are in it too: found from
# images alone. Compare the path with the true one.

# %% figure="The points of all frames as a shaded cloud, and how far the camera turned, found and true"
points = torch.cat([step.reconstruction.points_world.reshape(-1, 3) for step in steps])
colors = torch.cat([image[0].permute(1, 2, 0).reshape(-1, 3) for image in frames])
cameras = torch.cat([step.reconstruction.camera_to_world for step in steps])
plot_point_cloud(folder / "cloud.png", points.numpy(), ((colors + 1) * 127.5).byte().numpy(), cameras.numpy())
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.imshow(plt.imread(folder / "cloud.png"))
left.set_axis_off()
for name, path in (("found", cameras), ("true", truth.camera_to_world[:, 0])):
    right.plot(rotation_degrees(path, torch.eye(4).expand_as(path)), "o-", markersize=3, label=name)
right.set(xlabel="frame", ylabel="degrees", title="turn of the camera since frame 0")
right.legend()
plt.show()

# %% [markdown]
# The first gain is 1: an empty memory takes its first candidate whole, whatever the rule. The memory has the same size
# after every frame, however long the stream.
#
# ## The loop, opened
#
# `rollout` is this loop, with resets, chunks and checks added. Nothing is kept inside the model: the memory goes in and
# comes out.

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
# A rule decides one thing: `S_t = S_{t-1} + G_t (candidate_t - S_{t-1})`. Here are four answers to the same frames, each
# with its own memory. How far does each memory move at the last frame?

# %%
rules = {"cut3r": FullOverwrite(), "ttt3r": TTT3R(), "constant": ConstantRate(0.1), "frozen": Frozen()}
passes = list(ttt3r.rollout_rules(network, rules, frames, outputs=ttt3r.Outputs.CAMERA))
for name in rules:
    moved = (passes[-1][name].memory.state - passes[-2][name].memory.state).norm().item()
    print(f"{name:>9}: mean gain {passes[-1][name].gain.mean().item():.2f}, the memory moved by {moved:.3f}")

# %% [markdown]
# A gain of 1 takes the whole step, a gain of 0 none. Which of them is *better* is another question: see tutorial 4.
#
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
# **Learned:** the network only proposes a memory; what is remembered is decided by one number per token, and that number is
# the rule.
