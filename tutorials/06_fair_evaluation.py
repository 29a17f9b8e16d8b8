# %% [markdown]
# # 6. Fair evaluation
#
# Most errors of an evaluation are small and well meant. Here are five, each shown with numbers: what an alignment
# hides, what a prefix is, intervals that are too short, the best of many, and averages of averages. Nothing here is
# particular to a rule.

# %%
import os

os.environ.setdefault("TTT3R_TYPECHECK", "1")  # check dtype and axes of every tensor; must come before the import

import matplotlib.pyplot as plt
import numpy as np
import torch

import ttt3r
from ttt3r.data.procedural import HELD_OUT_SEED, NANO_WORLD, ClipTruth, sample_clips
from ttt3r.evaluation import Interval, mean_interval, score_worlds, trajectory_errors, umeyama
from ttt3r.evaluation.plots import COLORS, rule_styles
from ttt3r.update_rules import TTT3R, ConstantRate, FullOverwrite

SMOKE_TEST = os.environ.get("SMOKE_TEST") == "1"
random = np.random.default_rng(0)

# %% [markdown]
# ## 1. What an alignment hides
#
# A walk on a circle, and four predictions of it. The error of a path is usually given after an alignment: none, a rigid
# motion (SE(3), six numbers fitted *to the truth*), or a similarity (Sim(3), seven).

# %% figure="The true path and four predictions of it, seen from above"
turn = np.linspace(0, 1.5 * np.pi, 60)
true = np.tile(np.eye(4), (60, 1, 1))
true[:, :3, 3] = np.stack([2 * np.sin(turn), 0.2 * np.sin(3 * turn), 2 - 2 * np.cos(turn)], axis=1)


def moved(positions: np.ndarray) -> np.ndarray:
    path = true.copy()
    path[:, :3, 3] = positions
    return path


where = true[:, :3, 3]
predictions = {
    "half as large": moved(0.5 * where),
    "drifting": moved(where + np.linspace(0, 1, 60)[:, None] ** 2 * [1.0, 0.0, 0.5]),
    "noisy": moved(where + 0.2 * random.standard_normal((60, 3))),
    "pure noise": moved(random.standard_normal((60, 3))),
}


def ate(predicted: np.ndarray, scale: bool | None) -> float:
    """Root mean square distance after no alignment (None), SE(3) (False) or Sim(3) (True)."""
    path = predicted[:, :3, 3]
    aligned = path if scale is None else umeyama(path, where, with_scale=scale).points(path)
    return float(np.sqrt(np.square(aligned - where).sum(axis=1).mean()))


figure, axes = plt.subplots(figsize=(4.6, 3.4), layout="constrained")
axes.plot(where[:, 0], where[:, 2], color="#333333", label="true")
print(f"{'':>14} {'none':>8} {'SE(3)':>8} {'Sim(3)':>8}")
axes.set_prop_cycle(color=COLORS)
for name, path in predictions.items():
    print(f"{name:>14}", *(f"{ate(path, scale):>8.2f}" for scale in (None, False, True)))
    axes.plot(path[:, 0, 3], path[:, 2, 3], label=name, linewidth=1 if "noise" not in name else 0.4)
axes.set(xlabel="x", ylabel="z", aspect="equal")
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# Sim(3) makes a wrong scale vanish and a drift smaller, and it turns *pure noise* into a number that looks like a
# result: it shrinks the noise to a point, and what is left is how far the truth spreads. So report with each ATE the
# alignment, and the error of a trivial predictor. An error is large or small only in comparison.
#
# ## 2. What a prefix is
#
# "The error at 20 frames" has two meanings: align 20 frames and judge them, or align all 60 and look at the first 20. The
# second uses the future.

# %%
drift = predictions["drifting"]
whole = umeyama(drift[:, :3, 3], where).points(drift[:, :3, 3])
for n in (10, 20, 40, 60):
    own = trajectory_errors(drift[:n], true[:n]).ate
    cut = np.sqrt(np.square(whole[:n] - where[:n]).sum(axis=1).mean())
    print(f"first {n} frames: aligned by themselves {own:.3f}, aligned as a part of all {cut:.3f}")

# %% [markdown]
# This package judges every prefix by itself, so that a number at a length is what one would have got by stopping there.
#
# ## 3. Intervals
#
# Now real numbers: three rules on the same houses. How sure is a mean over twelve of them? And how sure is a *difference*?

# %% figure="Rotation error of three rules in each house, and the differences between two of them in the same houses"
worlds, length = (3, 4) if SMOKE_TEST else (12, 16)
network = ttt3r.load_network("nano")
truth = ClipTruth.of(sample_clips(NANO_WORLD, batch=worlds, frames=length, seed=HELD_OUT_SEED))
rules = {"cut3r": FullOverwrite(), "ttt3r": TTT3R(), "constant:rate=0.1": ConstantRate(0.1)}
with torch.no_grad():
    scores, _ = score_worlds(network, rules, truth, [length])
errors = {name: scores.rotation_degrees[name][0] for name in rules}
for name, values in errors.items():
    print(f"{name:>17}: {mean_interval(values)} degrees")
apart = mean_interval(errors["constant:rate=0.1"]).half + mean_interval(errors["cut3r"]).half
paired = mean_interval(errors["constant:rate=0.1"] - errors["cut3r"])
print(f"constant:rate=0.1 minus cut3r, paired: {paired}; the two intervals added up: ±{apart:.3f}")
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
styles = rule_styles([*errors])
for name, values in errors.items():
    left.plot(range(worlds), values, "o", color=styles[name].color, label=name)
left.set(xlabel="house", ylabel="rotation error, degrees")
left.legend(fontsize=8)
right.plot(range(worlds), errors["constant:rate=0.1"] - errors["cut3r"], "o", color=styles["constant:rate=0.1"].color)
right.axhline(0, color="#333333", linewidth=0.8)
right.set(xlabel="house", title="constant:rate=0.1 minus cut3r")
plt.show()

# %% [markdown]
# Houses are easy or hard for all rules alike. The difference within a house takes that away.
#
# The interval uses the t distribution. With few houses the factor 1.96 of the normal distribution is too small: here is how
# often an interval that promises 95 % holds the true mean.

# %%
draws = 200 if SMOKE_TEST else 2000
for n in (3, 5, 12, 50):
    samples = random.standard_normal((draws, n))
    error = samples.std(axis=1, ddof=1) / np.sqrt(n)
    normal = (np.abs(samples.mean(axis=1)) < 1.96 * error).mean()
    by_t = np.mean([abs(i.mean) < i.half for i in map(mean_interval, samples)])
    print(f"{n:>3} values: with 1.96 {normal:.0%}, with t {by_t:.0%}")

# %% [markdown]
# ## 4. The best of many
#
# Twenty settings of a rule that make *no difference whatever*, twelve houses each. How often is the best of them
# "significantly" better than the baseline? This is why a setting is chosen on some houses and reported on others.

# %%
trials, found = 20 if SMOKE_TEST else 200, 0
for _ in range(trials):
    differences = random.standard_normal((20, 12))  # setting, house: of mean zero
    found += any(interval.high < 0 for interval in map(mean_interval, differences))
print(f"a 'better' setting among 20 equal ones was found in {found / trials:.0%} of the trials")

# %% [markdown]
# ## 5. Averages of averages
#
# Two rules on sequences of unequal length. Which is better? It depends on whether a *frame* or a *sequence* counts
# once, and both are right if said. What is wrong is a mean over *processes*: each reports the mean of its sequences,
# and where the sequences cannot be divided evenly, some frameworks give the last process copies of the first ones.

# %%
frames = np.array([30, 40, 50, 60, 900])
error = {"rule A": np.array([0.10, 0.12, 0.11, 0.13, 0.30]), "rule B": np.array([0.18, 0.20, 0.19, 0.21, 0.22])}
parts = [[0, 1, 2], [3, 4, 0]]  # two processes, three each: the first sequence was copied
for name, values in error.items():
    by_frame = (values * frames).sum() / frames.sum()
    by_process = np.mean([values[part].mean() for part in parts])
    print(
        f"{name}: mean over sequences {values.mean():.3f}, over frames {by_frame:.3f}, over processes {by_process:.3f}"
    )

# %% [markdown]
# The evaluator of this package writes one row for each sequence, whoever ran it, and takes means once, in the end.
#
# ## Two exercises
#
# Each function below is wrong. Change it until the cell under it says `right`.
#
# **1. Two rules, the same houses.** Give the interval of `a - b`.


# %%
def difference(a: np.ndarray, b: np.ndarray) -> Interval:
    one, other = mean_interval(a), mean_interval(b)
    return Interval(one.mean - other.mean, one.half + other.half, one.count)


def check_difference(answer) -> str:
    hard = np.random.default_rng(1).uniform(1, 9, 20)
    a, b = hard + np.random.default_rng(2).normal(0.3, 0.2, 20), hard
    found, expected = answer(a, b), mean_interval(a - b)
    if not np.allclose([found.mean, found.half], [expected.mean, expected.half]):
        return f"not yet: yours is {found}, and the paired interval is {expected}"
    return "right"


print("exercise 1:", check_difference(difference))

# %% [markdown]
# **2. Merge what processes report.** Each process hands in (name of the sequence, error) pairs; copies may be among them.
# Give the mean over sequences.


# %%
def merged(reports: list[list[tuple[str, float]]]) -> float:
    return float(np.mean([np.mean([error for _, error in report]) for report in reports]))


def check_merged(answer) -> str:
    reports = [[("a", 1.0), ("b", 2.0), ("c", 3.0)], [("d", 10.0), ("a", 1.0)]]
    found = answer(reports)
    return (
        "right" if abs(found - 4.0) < 1e-9 else f"not yet: a, b, c, d have the errors 1, 2, 3, 10; you say {found:.2f}"
    )


print("exercise 2:", check_merged(merged))

# %% [markdown]
# **Learned:** say what was aligned, to what, over which frames; compare within the same sequences; count each sequence
# once; and put beside every number what a trivial predictor gets.
