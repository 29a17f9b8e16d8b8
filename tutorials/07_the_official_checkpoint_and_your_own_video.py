# %% [markdown]
# # 7. The official checkpoint and your own video
#
# From a downloaded file and a video on your disk to cameras, depth and a point cloud. The official weights cannot be
# shipped (their licence, and 3.2 GB), so the steps are shown here with a small random network *in the official layout*
# and with a video that we make ourselves. Every command is the one that you will type; only the file names differ.

# %%
import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("TTT3R_TYPECHECK", "1")  # check dtype and axes of every tensor; must come before the import

import av
import matplotlib.pyplot as plt
import numpy as np
import torch

from ttt3r.data import CropToPatches, open_source
from ttt3r.data.procedural import HELD_OUT_SEED, NANO_WORLD, sample_clips
from ttt3r.network import CUT3R, CUT3RConfig, load_network, official_name, official_shapes

SMOKE_TEST = os.environ.get("SMOKE_TEST") == "1"
FRAMES = 4 if SMOKE_TEST else 24
folder = Path(tempfile.mkdtemp(prefix="ttt3r_tutorial_"))

# %% [markdown]
# ## A file like the official one
#
# An official checkpoint is a pickle with two entries: `args`, a text that describes the architecture, and `model`, the
# weights by name. Here is one of our own making. Where to get the real file, and what its licence allows: [Use an
# official checkpoint](../how-to/official-checkpoint.md).

# %%
ARCHITECTURE = (
    "ARCroco3DStereo(ARCroco3DStereoConfig(state_size=30, state_pe='2d', pos_embed='RoPE100', rgb_head=True, "
    "pose_head=True, patch_embed_cls='ManyAR_PatchEmbed', img_size=(64, 64), head_type='dpt', output_mode='pts3d+pose', "
    "depth_mode=('exp', -inf, inf), conf_mode=('exp', 1, inf), pose_mode=('exp', -inf, inf), enc_embed_dim=64, "
    "enc_depth=2, enc_num_heads=4, dec_embed_dim=48, dec_depth=4, dec_num_heads=4, state_dec_num_heads=2, "
    "local_mem_size=8, ray_enc_depth=2, landscape_only=False))"
)
small = CUT3R.random(CUT3RConfig.tiny(), seed=3)
ours = small.state_dict()
weights = {official_name(name, small.config): tensor for name, tensor in ours.items()}
shapes = official_shapes({name: tuple(tensor.shape) for name, tensor in ours.items()}, small.config)
everything = {name: weights.get(name, torch.zeros(shape)) for name, shape in shapes.items()}
torch.save({"args": argparse.Namespace(model=ARCHITECTURE), "model": everything}, folder / "downloaded.pth")

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    network = load_network(folder / "downloaded.pth")
print("warning:", *(str(warning.message).partition(": ")[2] for warning in caught))
print(len(everything), "entries in the file; parameters of the network:", sum(p.numel() for p in network.parameters()))
print(
    "the same weights:",
    all(torch.equal(a, b) for a, b in zip(ours.values(), network.state_dict().values(), strict=True)),
)

# %% [markdown]
# The official layout has weights that are never used, and some twice; they are left out, with a warning. How much
# larger is the real one? A network on the device `meta` has shapes and no weights.

# %%
with torch.device("meta"):
    official = CUT3R(CUT3RConfig.official_512())
count = sum(parameter.numel() for parameter in official.parameters())
print(f"{count / 1e6:.1f} million parameters that can influence an output, {4 * count / 1e9:.2f} GB in float32")

# %% [markdown]
# ## A pickle can run code
#
# That is why a checkpoint counts as untrusted. `torch.load` with `weights_only=False` runs whatever the file asks for;
# here the file is refused, with the name of what it wanted, and nothing of it has run.


# %%
class Trap:
    def __reduce__(self):
        return os.mkdir, (str(folder / "broken_in"),)


torch.save({"args": Trap(), "model": everything}, folder / "trap.pth")
try:
    load_network(folder / "trap.pth")
except ValueError as error:
    print(type(error).__name__, "-", str(error).replace(str(folder) + os.sep, ""))
print("the folder that the file wanted to make is there:", (folder / "broken_in").exists())

# %% [markdown]
# ## Convert once
#
# A folder with `model.safetensors` and `config.json` holds data only, and its weights are mapped from disk instead of
# read.


# %%
def ttt3r_command(*words: str, lines: int | None = None) -> None:
    print("$ ttt3r", *words)
    settings = os.environ | {"COLUMNS": "100", "PYTHONPATH": os.pathsep.join(sys.path), "TTT3R_TYPECHECK": "0"}
    settings["FORCE_COLOR"] = ""  # a notebook asks for colours, which a text cannot show
    command = [sys.executable, "-m", "ttt3r", *words]
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    for line in done.stdout.splitlines()[:lines]:
        print(line.rstrip())


ttt3r_command("convert", "downloaded.pth", "converted", lines=2)
again = load_network(folder / "converted")
print(
    "the same weights:", all(torch.equal(a, b) for a, b in zip(ours.values(), again.state_dict().values(), strict=True))
)

# %% [markdown]
# ## A video
#
# Yours comes from a telephone. Ours is a walk through a house, written as H.264.

# %%
clip = sample_clips(NANO_WORLD, batch=1, frames=FRAMES, seed=HELD_OUT_SEED + 3)
with av.open(str(folder / "walk.mp4"), "w") as container:
    stream = container.add_stream("libx264", rate=10, options={"crf": "10"})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for image in clip.image[:, 0]:
        pixels = ((image.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
    container.mux(stream.encode())
items = list(open_source(folder / "walk.mp4", policy=CropToPatches(64)))
print(
    len(items),
    "frames of",
    tuple(items[0].image.shape),
    "at",
    [round(item.timestamp, 2) for item in items[:3]],
    "s ...",
)

# %% [markdown]
# ## Run
#
# With the converted checkpoint first: this is the command for the real one, and a random network answers with noise.
# Then with `nano`, which was trained on such houses.

# %%
ttt3r_command("run", "walk.mp4", "--network", "converted", "--rule", "ttt3r", "--out", "random", lines=2)
ttt3r_command("run", "walk.mp4", "--network", "nano", "--rule", "ttt3r", "--min-confidence", "1.1", "--out", "run")
print(*sorted(path.name for path in (folder / "run").iterdir()))

# %% figure="Path of the camera and coloured cloud as ttt3r run drew them for the video of the walk"
figure, panels = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for axes, name in zip(panels, ("trajectory.png", "points.png"), strict=True):
    axes.imshow(plt.imread(folder / "run" / name))
    axes.set_axis_off()
plt.show()

# %% [markdown]
# ## A stream that is not over yet
#
# Everything is written as it comes, and the memory lies in `memory.safetensors`. So a run that was stopped, or whose
# camera went on recording, goes on with `--resume`, and gives what it would have given in one go. Here the second half
# of the frames arrives later. (`--stride 5` takes every fifth frame; `--reset-every 100` restarts the memory and
# chains.)

# %%
frames = sorted((folder / "run" / "images").iterdir())
(folder / "shots").mkdir()
for half, more in ((frames[: FRAMES // 2], ()), (frames[FRAMES // 2 :], ("--resume",)), ((), ("--overwrite",))):
    for image in half:
        shutil.copy(image, folder / "shots")
    ttt3r_command("run", "shots", "--rule", "ttt3r", "--outputs", "cameras", "--out", "out", *more, lines=0)
    shutil.copy(folder / "out" / "trajectory.txt", folder / f"path{len(more and more[0])}.txt")
in_parts, in_one_go = (np.loadtxt(folder / f"path{len(word)}.txt") for word in ("--resume", "--overwrite"))
print(in_parts.shape, "largest difference to a run in one go:", np.abs(in_parts - in_one_go).max())

# %% [markdown]
# ## Two exercises
#
# Each function below is wrong. Change it until the cell under it says `right`.
#
# **1. Where did the camera look?** A line of `trajectory.txt` is `t x y z qx qy qz qw`, camera to world. Cameras look
# along their own +z axis. Give the viewing direction in the world.


# %%
def looking(line: np.ndarray) -> np.ndarray:
    return line[1:4] / np.linalg.norm(line[1:4])


def check_looking(answer) -> str:
    for turn in (0.0, 0.5, 2.0):  # about the y axis, which points down
        line = np.array([0.0, 3.0, 0.0, 1.0, 0.0, np.sin(turn / 2), 0.0, np.cos(turn / 2)])
        found, expected = np.asarray(answer(line)), np.array([np.sin(turn), 0.0, np.cos(turn)])
        if not np.allclose(found, expected, atol=1e-6):
            return f"not yet: turned by {turn}, the camera looks along {expected.round(3)}, you say {found.round(3)}"
    return "right"


print("exercise 1:", check_looking(looking))

# %% [markdown]
# **2. The focal length of your camera.** `intrinsics.csv` gives the focal length in pixels of the *prepared* image: the
# photograph was scaled so that its longer side has `size` pixels, then margins were cropped. What is it in pixels of
# the photograph?

# %%
with (folder / "run" / "intrinsics.csv").open() as stream:
    print(next(csv.DictReader(stream)))


def focal_of_photograph(focal: float, size: int, width: int, height: int) -> float:
    return focal * width / size


def check_focal_of_photograph(answer) -> str:
    for width, height in ((1920, 1080), (1080, 1920), (640, 480)):
        expected = 0.9 * max(width, height)
        found = answer(0.9 * 512, 512, width, height)
        if not np.isclose(found, expected):
            return f"not yet: for a photograph of {width} x {height} it is {expected:.0f}, you say {found:.0f}"
    return "right"


print("exercise 2:", check_focal_of_photograph(focal_of_photograph))

# %% [markdown]
# **Learned:** a checkpoint is untrusted data that is read through a list of allowed types and converted once; from then
# on a video of any length is one command, whose results are written as they come.
