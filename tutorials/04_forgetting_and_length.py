# %% [markdown]
# # 4. Forgetting and length
#
# A network that was trained on clips of 8 frames runs on 64. You will put update rules side by side on houses that the
# network has never seen, restart the memory on purpose, ask it for views of long ago, and draw the forgetting matrix. And
# you will ask of every difference: is it more than chance, and is it the rule, or only its average?
#
# The numbers come from the bundled network `nano`. The network is small and the houses here are few: learn from this page
# *how to look*. [Forgetting, measured](../forgetting.md) has more houses and longer streams.

# %%
import os

os.environ.setdefault("TTT3R_TYPECHECK", "1")  # check dtype and axes of every tensor; must come before the import

import matplotlib.pyplot as plt
import numpy as np
import torch

import ttt3r
from ttt3r.data.procedural import HELD_OUT_SEED, NANO_WORLD, TRAINING_LENGTH, ClipTruth, sample_clips
from ttt3r.evaluation import KNOWS_NOTHING, GainSummary, equal_gain_constants, mean_interval, score_worlds
from ttt3r.evaluation.plots import rule_styles
from ttt3r.evaluation.worlds import BINS, ask_recall, bin_name, questions_after, recall_intervals, with_controls
from ttt3r.update_rules import TTT3R, ConstantRate, Frozen, FullOverwrite, TokenMean

SMOKE_TEST = os.environ.get("SMOKE_TEST") == "1"
WORLDS, LENGTHS = (2, (4, 8)) if SMOKE_TEST else (12, (4, 8, 16, 32, 64))
network = ttt3r.load_network("nano")
truth = ClipTruth.of(sample_clips(NANO_WORLD, batch=WORLDS, frames=max(LENGTHS), seed=HELD_OUT_SEED))
print(WORLDS, "houses,", len(truth), "frames each; the network was trained on clips of", TRAINING_LENGTH)

# %% figure="Every eighth frame of a walk through the first house"
shown = range(0, len(truth), 2 if SMOKE_TEST else 8)
figure, axes = plt.subplots(1, len(shown), figsize=(9, 1.2), layout="constrained")
for panel, index in zip(axes, shown, strict=True):
    panel.imshow(truth.image[index, 0].permute(1, 2, 0) / 2 + 0.5)
    panel.set_title(f"frame {index}", fontsize=8)
    panel.set_axis_off()
plt.show()

# %% [markdown]
# ## Rules side by side
#
# All rules share the encoding of each frame; each has its own memory. `score_worlds` judges every prefix of the stream, so
# that one run gives all lengths. `on_frame` is called after each frame with the memories: there we put our questions, which
# are answered without a trace. The last contender is CUT3R's rule with a memory that restarts every 8 frames. We do not ask
# it: after a restart its world is that of the boundary frame, in other units, and rays of the first world would miss.

# %%
rules = {
    "cut3r": FullOverwrite(),
    "ttt3r": TTT3R(),
    "constant:rate=0.3": ConstantRate(0.3),
    "frozen": Frozen(),
    "cut3r@8": FullOverwrite(),
}
kept = [name for name in rules if name != "cut3r@8"]
asked = []


def ask(index, memories):
    if index + 1 in LENGTHS:
        everyone = with_controls(network, {name: memories[name] for name in kept})
        asked.append(ask_recall(network, everyone, truth, index + 1, questions_after(index + 1)))


with torch.no_grad():
    scores, summaries = score_worlds(network, rules, truth, LENGTHS, reset_every={"cut3r@8": 8}, on_frame=ask)

print("rotation error of the last 8 frames in degrees, mean over houses with its 95 % interval")
print(" " * 17, *(f"{length:>12}" for length in LENGTHS))
for name, table in scores.rotation_degrees.items():
    cells = [mean_interval(row) for row in table]
    print(f"{name:>17}", *(f"{cell.mean:>6.1f} ± {cell.half:<3.0f}" for cell in cells))

# %% [markdown]
# `no motion` is a predictor that never moves the camera. A rule that is no better than it has lost the camera, whatever
# the others do.
#
# The intervals are wide, since houses differ more than rules do. But all rules saw the *same* houses. So compare within
# each: the interval of the **paired** difference is what tells two rules apart.

# %% figure="Rotation error against length for each rule, and paired differences to full overwrite with 95 % intervals"
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
styles = rule_styles([*rules])
for name in rules:
    table, color = scores.rotation_degrees[name], styles[name].color
    left.plot(LENGTHS, table.mean(axis=1), linestyle=styles[name].line, color=color, label=name)
    if name != "cut3r":
        paired = [mean_interval(row) for row in table - scores.rotation_degrees["cut3r"]]
        places = np.array(LENGTHS) * 1.04 ** list(rules).index(name)
        right.errorbar(places, [p.mean for p in paired], [p.half for p in paired], color=color, fmt="o", markersize=3)
        print(
            f"{name:>17} minus cut3r at {LENGTHS[-1]} frames: {paired[-1]} degrees; 0 outside: {paired[-1].excludes_zero}"
        )
left.set(xscale="log", xlabel="frames", ylabel="rotation error, degrees", title="mean over houses")
right.set(xscale="log", xlabel="frames", title="minus cut3r, same houses")
right.axhline(0, color="#333333", linewidth=0.8)
for axes in (left, right):
    axes.set_xticks(LENGTHS, [str(length) for length in LENGTHS])
    axes.minorticks_off()
left.legend(fontsize=8)
plt.show()

# %% [markdown]
# ## Ask the memory
#
# A trajectory error mixes what a memory holds with what the frames themselves say. A question does not: the network is
# shown nothing but the *rays* of a view, so all that is right in the answer comes out of the memory. Here are answers about
# the view of the first house that was fed last, and about older ones.

# %% figure="Views of the first house as they were, and as the memory of each rule remembers them"
with torch.no_grad():
    for steps in ttt3r.rollout_rules(network, {name: rules[name] for name in kept}, truth.image[:, :1]):
        memories = {name: step.memory for name, step in steps.items()}
back = [0, 1, 2, 4] if SMOKE_TEST else [0, 2, 4, 8, 16, 32]
figure, axes = plt.subplots(len(kept) + 1, len(back), figsize=(6.5, 4.2), layout="constrained")
for column, ago in enumerate(back):
    index = len(truth) - 1 - ago
    views = {"truth": truth.image[index, 0].permute(1, 2, 0)}
    for name in kept:
        with torch.no_grad():
            answer = ttt3r.Reconstructor(network, rules[name]).query(memories[name], truth.ray_map[index, :1])
        views[name] = answer.color[0]
    for row, (name, view) in enumerate(views.items()):
        axes[row, column].imshow((view / 2 + 0.5).clamp(0, 1))
        axes[row, column].set(xticks=[], yticks=[], ylabel="" if column else name.replace(":", "\n"))
    axes[0, column].set_title(f"{ago} frames ago", fontsize=8)
plt.show()

# %% [markdown]
# ## The forgetting matrix
#
# Each row is a length (after N frames), each column a question: the frame fed so many frames ago, and at the right the
# first of all. The colour is the share of the variance that the answer explains: 1 is perfect; 0 is as good as knowing
# the mean colour of the view; red is worse than that. A memory that adapts is blue on the left, one that keeps is blue
# to the right.

# %% figure="Forgetting matrices: explained variance of colours, by frames fed and by how long ago the view was fed"
columns = [0, *(2**power for power in range(max(LENGTHS).bit_length() - 1)), "first"]
figure, panels = plt.subplots(1, len(kept), figsize=(9, 2.6), layout="constrained", sharey=True)
for panel, name in zip(panels, kept, strict=True):
    matrix = np.full((len(asked), len(columns)), np.nan)
    for row, answers in enumerate(asked):
        for question, frame in enumerate(answers.frames):
            error, variance = answers.color_error[name][question].sum(), answers.variance[question].sum()
            column = columns.index(answers.asked_after - 1 - frame) if frame else -1
            matrix[row, column] = 1 - error / variance
    drawn = panel.imshow(matrix, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    panel.set_xticks(range(len(columns)), columns, fontsize=7)
    panel.set_yticks(range(len(asked)), [answers.asked_after for answers in asked], fontsize=8)
    panel.set_title(name, fontsize=9)
    panel.set_xlabel("frames ago", fontsize=8)
panels[0].set_ylabel("asked after N frames")
figure.colorbar(drawn, ax=panels, label="explained variance")
plt.show()

# %% [markdown]
# ## Frames since a view was last seen, and controls
#
# "Fed long ago" is not "forgotten": the camera may have come back. So count from when half of the view was last in sight.
# And no recall means anything without controls: the memory of *another* house, a memory that has seen *nothing*, and the
# *mean colour* of all frames so far. Only what lies above all of them is memory of this house.

# %% figure="Explained variance against the frames since a view was last seen, with controls in grey"
figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
styles = rule_styles([*asked[0].color_error])
for name, style in styles.items():
    line = recall_intervals(asked, name)
    enough = [
        place for place, point in enumerate(line) if point.count > WORLDS / 3
    ]  # a mean over two houses says nothing
    means, halves = (np.array([getattr(line[place], what) for place in enough]) for what in ("mean", "half"))
    axes.plot(enough, means, label=name, color=style.color, linestyle=style.line)
    if name not in KNOWS_NOTHING:
        axes.fill_between(enough, means - halves, means + halves, alpha=0.12, color=style.color)
axes.set_xticks(range(len(BINS)), [bin_name(*ends) for ends in BINS])
axes.set(xlabel="frames since half of the view was last seen", ylabel="explained variance", ylim=(-1.5, 1))
axes.axhline(0, color="#333333", linewidth=0.8)
axes.legend(fontsize=8, ncols=2)
plt.show()

# %% [markdown]
# ## Is it the gate, or its mean?
#
# A gate that varies over tokens and frames also has a mean. If a *constant* of the same mean does as well, then
# choosing when and where to write gained nothing. If the gate *averaged over tokens* does as well, then choosing tokens
# gained nothing.

# %%
controls = {"control of ttt3r": equal_gain_constants({"ttt3r": summaries["ttt3r"][-1]})["ttt3r"]}
controls["token mean of ttt3r"] = TokenMean(TTT3R())
with torch.no_grad():
    controlled, _ = score_worlds(network, controls, truth, LENGTHS)
print("mean gain of ttt3r:", round(summaries["ttt3r"][-1].gain_mean, 3), "->", controls["control of ttt3r"])
for name in controls:
    paired = [mean_interval(row) for row in scores.rotation_degrees["ttt3r"] - controlled.rotation_degrees[name]]
    words = (f"{length}: {p.mean:+.1f} ± {p.half:.1f}" for length, p in zip(LENGTHS, paired, strict=True))
    print(f"ttt3r minus {name:>19}, degrees, by length:", "; ".join(words))

# %% [markdown]
# Where the interval holds 0, this experiment has not shown a difference. That is a result too. Say it so, and say on which
# network, over how many houses.
#
# ## Two exercises
#
# Each function below is wrong. Change it until the cell under it says `right`.
#
# **1. What a reset leaves.** The memory restarts after every `every` frames, and the boundary frame is fed again as the
# first of the next chunk. How many frames does the memory hold after frame `index` (counted from 0)?


# %%
def age_after(index: int, every: int) -> int:
    return index % every


def check_age_after(answer) -> str:
    model = ttt3r.Reconstructor(network, FullOverwrite())
    for every in (2, 3, 5):
        for step in ttt3r.rollout(model, truth.image[:8, :1], reset_every=every, outputs=ttt3r.Outputs.CAMERA):
            if answer(step.index, every) != int(step.memory.age):
                there, yours = int(step.memory.age), answer(step.index, every)
                return (
                    f"not yet: after frame {step.index}, with a reset every {every}, it holds {there}, you say {yours}"
                )
    return "right"


print("exercise 1:", check_age_after(age_after))

# %% [markdown]
# **2. A fair control.** Given the gain summary of a gate, return the rule to beat: constant, with the same mean gain.


# %%
def fair_control(summary: GainSummary) -> ttt3r.update_rules.StateUpdateRule:
    return ConstantRate(0.5)


def check_fair_control(answer) -> str:
    for summary in (
        summaries["ttt3r"][-1],
        GainSummary(frames=9, gain_mean=0.125, gain_var_tokens=0.01, gain_var_frames=0.0),
    ):
        expected, found = equal_gain_constants({"gate": summary})["gate"], answer(summary)
        if found != expected:
            return f"not yet: a gate with a mean gain of {summary.gain_mean:.3f} has to beat {expected}, not {found}"
    return "right"


print("exercise 2:", check_fair_control(fair_control))

# %% [markdown]
# **Learned:** whether a memory forgets is a question that can be put to it directly, and whether a rule is better is
# decided within the same houses, against a control of the same mean gain.
