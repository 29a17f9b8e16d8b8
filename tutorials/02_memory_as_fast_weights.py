# %% [markdown]
# # 2. Memory as fast weights
#
# A memory that learns while it is used, in its smallest form: one matrix, no network. You will store pairs as outer
# products, see them disturb each other, derive the delta rule as one step of gradient descent, find out how much a
# matrix can hold, and see the trade-off of every rule for state tokens: a learning rate of 1 forgets.

# %%
import os

os.environ.setdefault("TTT3R_TYPECHECK", "1")  # check dtype and axes of every tensor; must come before the import

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import normalize

from ttt3r.evaluation.plots import COLORS, FAST_COLORS
from ttt3r.update_rules import blend
from ttt3r.update_rules.fast_weights import (
    DeltaRule,
    LinearAttention,
    Mesa,
    RecallTask,
    delta_error,
    hebbian_error,
    least_squares_error,
    recall,
)

SMOKE_TEST = os.environ.get("SMOKE_TEST") == "1"
BATCH = 4 if SMOKE_TEST else 64
random = torch.Generator().manual_seed(0)

# %% [markdown]
# ## One pair, one outer product
#
# The memory is a matrix `S` of key by value channels. Writing adds `k vᵀ`; reading with a query `q` gives `Sᵀ q`. With a
# key of length 1 the value comes back exactly, since `(k vᵀ)ᵀ k = v (kᵀ k) = v`.

# %%
key = normalize(torch.randn(8, generator=random), dim=0)
value = torch.randn(3, generator=random)
S = torch.outer(key, value)
print("stored ", [round(x, 3) for x in value.tolist()])
print("read   ", [round(x, 3) for x in (S.T @ key).tolist()])

# %% [markdown]
# A second pair is added to the same matrix. A read now returns the value asked for *plus* the other value times
# `<k1, k2>`. With orthogonal keys the error is 0; with similar keys, as those of two neighbouring frames, nearly all of
# the other value is added.

# %%
other = torch.randn(3, generator=random)
away = normalize(torch.randn(8, generator=random), dim=0)
for name, second in {
    "orthogonal": normalize(away - (away @ key) * key, dim=0),
    "at random": away,
    "alike": normalize(key + 0.3 * away, dim=0),
}.items():
    both = S + torch.outer(second, other)
    print(f"{name:>10}: <k1, k2> = {key @ second:+.2f}, error of the first answer {(both.T @ key - value).norm():.2f}")

# %% [markdown]
# ## Take off what is known, then write: the delta rule
#
# Adding ignores what is already in the memory. Ask instead how wrong the answer is, `L(S) = 1/2 ‖Sᵀ k - v‖²`, and take
# one step of gradient descent on it:
#
# ```text
# S_t = S_{t-1} - rate · grad L = S_{t-1} + rate · k (v - S_{t-1}ᵀ k)ᵀ
# ```
#
# This is test-time training in one line. The matrix takes the role of weights that are trained while the model is in
# use: *fast weights*. Autograd agrees:

# %%
rate = 0.5
weights = torch.randn(8, 3, generator=random, requires_grad=True)
(0.5 * (weights.T @ key - value).square().sum()).backward()
by_autograd = weights - rate * weights.grad
rule = DeltaRule(rate)
start = rule.init(batch=1, key=8, value=3)
memory = rule.update(type(start)(weights.detach()[None]), key[None, None], value[None, None])
print("the delta rule is the gradient step:", torch.allclose(memory.matrix[0], by_autograd, atol=1e-6))

# %% [markdown]
# ## How much fits
#
# Now a test: write pairs with random keys of 64 channels, then ask for each. An error of 0 is perfect, 1 is as bad as
# answering nothing. Lines are measured, dots are closed forms (see the module `theory`): nothing is fitted. `Mesa` solves
# for all pairs at once, at the price of a second matrix. It is the best that any matrix can do.

# %% figure="Error against number of pairs for linear attention, the delta rule and mesa, with closed forms as dots"
counts = [8, 48, 128] if SMOKE_TEST else [4, 8, 16, 32, 48, 64, 96, 128, 192, 256]
expected = {
    "linear attention": lambda n: hebbian_error(n, 64).mean(),
    "delta rule": lambda n: delta_error(n, 64).mean(),
    "mesa": lambda n: least_squares_error(n, 64),
}
rules = {"linear attention": LinearAttention(), "delta rule": DeltaRule(rate=1.0), "mesa": Mesa()}
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
for name, rule in rules.items():
    color = FAST_COLORS[name]
    errors = [recall(rule, RecallTask(pairs=n), batch=BATCH).error.mean().item() for n in counts]
    axes.plot(counts, errors, color=color, label=name)
    axes.plot(counts, [float(expected[name](n)) for n in counts], ".", color=color)
    print(f"{name:>16}:", "  ".join(f"{n}: {error:.2f}" for n, error in zip(counts, errors, strict=True)))
axes.axvline(64, color="#999999", linewidth=0.8, linestyle=":")
axes.set(xlabel="pairs written (dotted: key channels)", ylabel="error", ylim=(0, 2))
axes.legend()
plt.show()

# %% [markdown]
# ## Why a rate of 1 forgets
#
# Look at *which* pairs are lost. With rate 1 the newest pair is exact, and each later write removes a part of the older
# ones. A smaller rate stores the newest less well and removes less of the others.

# %% figure="Error of a pair against the number of pairs written since, for the delta rule at rates 1, 0.5 and 0.2"
pairs = 96
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
for rate, dashes in {1.0: "-", 0.5: "--", 0.2: ":"}.items():
    error = recall(DeltaRule(rate), RecallTask(pairs=pairs), batch=BATCH).error.mean(dim=0).flip(0)
    theory = delta_error(pairs, 64, step=rate).flip(0)
    axes.plot(range(pairs), error, color=FAST_COLORS["delta rule"], linewidth=0.8)
    axes.plot(range(pairs), theory, dashes, color=FAST_COLORS["delta rule"], linewidth=2, label=f"rate {rate}")
    print(f"rate {rate}: newest {error[0]:.2f}, 16 ago {error[12:21].mean():.2f}, oldest {error[-8:].mean():.2f}")
axes.set(xlabel="pairs written since", ylabel="error", ylim=(0, 1.5))
axes.legend()
plt.show()

# %% [markdown]
# ## From a matrix to state tokens
#
# In a recurrent 3D network the memory is a set of tokens, and a decoder proposes a *candidate* for them. The loss is `1/2
# |S - candidate|²` and the step is `S + G (candidate - S)`: the delta rule with the identity as key. With a constant gain
# the share of a frame that was taken `n` frames ago is `(1 - G)^n`, and `G = 1`, the full overwrite of CUT3R, leaves
# nothing of the old state but what the decoder itself carried over into the candidate.
#
# Is a small gain then always better? Not if the scene changes. Here each candidate is the truth plus noise, and the
# truth either stands still or drifts. Averaging (gain `1/t`) wins while nothing changes, and loses when something does.

# %% figure="Error of a token against its gain, for a truth that stands still and one that drifts"
gains = torch.linspace(0.02, 1, 25)
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
axes.set_prop_cycle(color=COLORS)
for name, drift in {"stands still": 0.0, "drifts": 0.3}.items():
    truth = drift * torch.randn(BATCH * 8, 100, generator=random).cumsum(dim=1)
    candidates = truth + torch.randn(truth.shape, generator=random)
    state, average = candidates[:, :1].repeat(1, len(gains)), candidates[:, 0]
    for t in range(1, 100):
        state = state + gains * (candidates[:, t, None] - state)
        average = average + (candidates[:, t] - average) / (t + 1)
    error = (state - truth[:, -1:]).square().mean(dim=0)
    axes.plot(gains, error, label=f"the truth {name}")
    plain = (average - truth[:, -1]).square().mean()
    print(
        f"truth {name}: best gain {gains[error.argmin()]:.2f}, error at gain 1 {error[-1]:.2f}, of the average {plain:.2f}"
    )
axes.set(xlabel="gain", ylabel="squared error at frame 100", ylim=(0, 2))
axes.legend()
plt.show()

# %% [markdown]
# ## Two exercises
#
# Each function below is wrong. Change it until the cell under it says `right`.
#
# **1. Take off what is known.** Write one step of the delta rule yourself.


# %%
def delta_step(S, key, value, rate):
    return S + rate * torch.outer(key, value)


def check_delta_step(answer) -> str:
    rule, S = DeltaRule(0.7), torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    k, v = normalize(torch.arange(1.0, 6), dim=0), torch.tensor([1.0, -2.0])
    start = rule.init(batch=1, key=5, value=2)
    expected = rule.update(type(start)(S[None]), k[None, None], v[None, None]).matrix[0]
    found = answer(S, k, v, 0.7)
    if found.shape != expected.shape:
        return f"not yet: the memory must stay {tuple(expected.shape)}, yours is {tuple(found.shape)}"
    away = (found - expected).norm().item()
    return "right" if away < 1e-5 else f"not yet: your matrix is {away:.2f} away from the gradient step"


print("exercise 1:", check_delta_step(delta_step))

# %% [markdown]
# **2. Half after n.** Which constant gain keeps exactly half of a state after `frames` further frames?


# %%
def gain_for_half_life(frames: int) -> float:
    return 0.5


def check_gain_for_half_life(answer) -> str:
    for frames in (1, 4, 20):
        left = torch.ones(1, 1, 1)
        for _ in range(frames):
            left = blend(left, torch.zeros(1, 1, 1), torch.full((1, 1, 1), float(answer(frames))))
        if abs(left.item() - 0.5) > 1e-3:
            return f"not yet: with your gain of {answer(frames):.3f}, {left.item():.3f} is left after {frames} frames"
    return "right"


print("exercise 2:", check_gain_for_half_life(gain_for_half_life))

# %% [markdown]
# **Learned:** a memory update is a step of learning, its gain is the learning rate, and no constant rate is right for what
# must be kept and what must be replaced at once.
