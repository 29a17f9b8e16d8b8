# %% [markdown]
# # 3. Where the learning rate comes from
#
# TTT3R reads a learning rate for each state token out of the attention that the network computes anyway. Here you take
# it apart: from queries and keys to logits, from logits to one number per token, with all shapes on the page; why the
# mean is taken before the softmax, and what that costs; and why the rate of one token affects the others.

# %%
import copy
import os

os.environ.setdefault("TTT3R_TYPECHECK", "1")  # check dtype and axes of every tensor; must come before the import

import matplotlib.pyplot as plt
import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor

import ttt3r
from ttt3r.data.procedural import HELD_OUT_SEED, NANO_WORLD, ClipTruth, sample_clips
from ttt3r.types import AttentionLayer, Needs
from ttt3r.update_rules import TTT3R, AttentionEvidence, Keys

network = ttt3r.load_network("nano")
truth = ClipTruth.of(sample_clips(NANO_WORLD, batch=2, frames=6, seed=HELD_OUT_SEED))

# %% [markdown]
# ## Queries and keys
#
# Six frames go in; the memory before the last one and what the network proposes for it are taken apart. `propose`
# returns the queries and keys of the state's cross-attention if it is asked to keep them.

# %%
model = ttt3r.Reconstructor(network, TTT3R())
steps = list(ttt3r.rollout(model, truth.image))
memory = steps[-2].memory
with torch.no_grad():
    tokens = network.encode(ttt3r.Frame(truth.image[-1]))
    proposal = network.propose(tokens, memory, Needs.STATE_ATTENTION)
layers = proposal.state_attention
print(len(layers), "layers")
print("query", tuple(layers[0].query.shape), "= (batch, head, state, dim), already divided by the root of dim")
print("key  ", tuple(layers[0].key.shape), "= (batch, head, key, dim): the pose token, then 6 x 8 patches")

# %% [markdown]
# ## From logits to a gate
#
# Logits are inner products: how strongly does a state token ask for what a patch offers? TTT3R takes the mean over layers,
# heads and keys, and puts it through a sigmoid. One number for each state token is left.

# %%
logits = torch.stack([layer.query @ layer.key.transpose(-1, -2) for layer in layers])
print("logits", tuple(logits.shape), "= (layer, batch, head, state, key)")
mean = reduce(logits, "layer batch head state key -> batch state", "mean")
gate = torch.sigmoid(mean)
print("gate  ", tuple(gate.shape), f"= (batch, state), from {gate.min():.2f} to {gate.max():.2f}")
print("as the rule says:", torch.allclose(gate[..., None], steps[-1].gain, atol=1e-4))

# %% [markdown]
# No map is needed. The mean over keys of `q · k` is `q · mean(k)`, so the gate costs as much as one more key, and fused
# attention, which never stores its map, stays on:

# %%
short = torch.stack([(layer.query * layer.key.mean(dim=2, keepdim=True)).sum(dim=-1) for layer in layers])
print("the same:", torch.allclose(short.mean(dim=(0, 2)), mean, atol=1e-4))

# %% [markdown]
# ## What a token looks at
#
# The logits of a state token over the patches are a small picture. Here are the token with the largest gate and the one
# with the smallest. And the gates of all tokens over the frames: the first column is 1, since a first frame is taken whole.

# %% figure="The image, logits of two state tokens over its patches, and gates of all tokens over frames"
picture = AttentionEvidence(layers).logit_map(Keys.PATCHES)[0]
far = picture.abs().max().item()
figure, axes = plt.subplots(1, 4, figsize=(9, 2.4), layout="constrained", width_ratios=[1, 1, 1, 1.2])
axes[0].imshow(truth.image[-1, 0].permute(1, 2, 0) / 2 + 0.5)
axes[0].set_title("frame 5", fontsize=9)
for panel, token in zip(axes[1:], (int(gate[0].argmax()), int(gate[0].argmin())), strict=False):
    drawn = panel.imshow(
        rearrange(picture[token], "(row column) -> row column", row=6), cmap="RdBu_r", vmin=-far, vmax=far
    )
    panel.set_title(f"token {token}: gate {gate[0, token]:.2f}", fontsize=9)
for panel in axes[:3]:
    panel.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes[2], label="logit")
shown = axes[3].imshow(torch.cat([step.gain[:1, :, 0] for step in steps]).T, aspect="auto", vmin=0, vmax=1)
axes[3].set(xlabel="frame", ylabel="state token")
figure.colorbar(shown, ax=axes[3], label="gate")
plt.show()

# %% [markdown]
# ## Why the mean comes before the softmax
#
# After the softmax the weights of a token sum to 1 over the keys. Their mean is `1 / keys` for every token, every frame and
# every image: it says nothing.

# %%
after = logits.softmax(dim=-1).mean(dim=-1)
print(f"mean after the softmax: from {after.min():.6f} to {after.max():.6f}; 1 / keys = {1 / logits.shape[-1]:.6f}")

# %% [markdown]
# The level of the logits, which the softmax removes, is what the gate reads. This has a drawback. Add the same number
# to all logits of a token: attention does not change at all, so neither does anything that the network was trained for,
# but the gate does. The level of the logits was never trained to be a learning rate; that it is a useful one is an
# observation.

# %%
for shift in (-2, 0, 2):
    same = torch.allclose((logits + shift).softmax(dim=-1), logits.softmax(dim=-1), atol=1e-5)
    print(f"logits {shift:+d}: attention unchanged: {same}, mean gate {torch.sigmoid(mean + shift).mean():.2f}")

# %% [markdown]
# What else could one read? The *entropy* of the softmax says how peaked a token's look is, and the *variance* of its logits
# over the keys how much it prefers some patches. Both ignore the level. The figure shows that they are other questions, not
# the same one twice.

# %% figure="Entropy of the attention and standard deviation of the logits, against the gate, a dot for each state token"
attention = AttentionEvidence(layers)
figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), layout="constrained")
others = {
    "entropy, nats": attention.entropy(Keys.ALL),
    "deviation of logits": attention.logit_variance(Keys.ALL).sqrt(),
}
for panel, (name, values) in zip(axes, others.items(), strict=True):
    panel.plot(gate.flatten(), values.flatten(), ".")
    panel.set(xlabel="gate", ylabel=name)
    both = torch.stack([gate.flatten(), values.flatten()])
    print(f"{name}: correlation with the gate {torch.corrcoef(both)[0, 1]:+.2f}")
plt.show()

# %% [markdown]
# ## What self-attention changes
#
# The step `S + G (candidate - S)` treats each token by itself. The network does not: before a state token reads the image
# it reads the *other* state tokens, and the image tokens carry more from one to the other. So push one token of the
# memory, and see whose candidate moves. Then the same in a copy of the network whose state tokens do not read each other.

# %% figure="How much the candidate of each token moves when one token is pushed, with and without self-attention of the state"
alone = copy.deepcopy(network)
for block in alone.decoder.state_blocks:
    torch.nn.init.zeros_(block.self_attention.proj.weight)
    torch.nn.init.zeros_(block.self_attention.proj.bias)


def influence(network) -> Float[Tensor, "pushed state"]:
    one = ttt3r.tree.rows(memory, 0, 1)
    rows = ttt3r.tree.concatenate([one] * 48)
    direction = torch.randn(48, 1, 96, generator=torch.Generator().manual_seed(0))
    pushed = ttt3r.tree.map_tensors(torch.clone, rows)
    pushed.state.add_(0.5 * torch.eye(48)[:, :, None] * direction)
    with torch.no_grad():
        seen = network.encode(ttt3r.Frame(truth.image[-1, :1].expand(48, -1, -1, -1)))
        moved = network.propose(seen, pushed).candidate - network.propose(seen, rows).candidate
    return moved.norm(dim=-1)


figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for panel, (name, which) in zip(axes, {"as it is": network, "no self-attention": alone}.items(), strict=True):
    table = influence(which)
    panel.imshow(table.log10(), cmap="magma", vmin=-2, vmax=1)
    panel.set(title=name, xlabel="candidate of token", ylabel="pushed token")
    share = 1 - table.diagonal().sum() / table.sum()
    print(f"{name}: {share:.0%} of the movement is in other tokens than the one that was pushed")
plt.show()

# %% [markdown]
# So a gate of 0 holds a token's *own* content, and does not seal it: the next candidate of every other token has read it.
# And a gate is read from queries that have seen the other tokens. The equation is per token; the learning is not.
#
# Compare the two shares: the difference is the work of self-attention among the state tokens. What is left in the second
# picture goes through the image tokens: they read the memory, and the memory reads them. (A network that was trained
# without self-attention would be another network; this copy only shows which way the influence goes.)
#
# ## Two exercises
#
# Each function below is wrong. Change it until the cell under it says `right`.
#
# **1. The gate in one expression.** From the queries and keys of all layers to the gate, `(batch, state, 1)`.


# %%
def gate_of(layers: tuple[AttentionLayer, ...]) -> Float[Tensor, "batch state 1"]:
    maps = [(layer.query @ layer.key.transpose(-1, -2)).softmax(dim=-1) for layer in layers]
    return torch.sigmoid(torch.stack(maps).mean(dim=(0, 2, 4)))[..., None]


def check_gate_of(answer) -> str:
    found, expected = answer(layers), torch.sigmoid(AttentionEvidence(layers).mean_logit(Keys.ALL))
    if found.shape != expected.shape:
        return f"not yet: the gate should be {tuple(expected.shape)}, yours is {tuple(found.shape)}"
    if (found.max() - found.min()) < 1e-5:
        return "not yet: all your gates are equal; a mean after the softmax is 1 / keys, whatever is seen"
    away = (found - expected).abs().max().item()
    return "right" if away < 1e-4 else f"not yet: a token is {away:.3f} away from the rule's gate"


print("exercise 1:", check_gate_of(gate_of))

# %% [markdown]
# **2. A level.** Which number, added to all logits, brings a token of mean logit `mean` to the gain `wanted`?


# %%
def shift_to(mean: float, wanted: float) -> float:
    return wanted - mean


def check_shift_to(answer) -> str:
    for level, wanted in ((0.0, 0.5), (-0.8, 0.3), (1.5, 0.9)):
        reached = torch.sigmoid(torch.tensor(level + answer(level, wanted))).item()
        if abs(reached - wanted) > 1e-4:
            return f"not yet: a mean logit of {level} with your shift gives a gain of {reached:.3f}, not {wanted}"
    return "right"


print("exercise 2:", check_shift_to(shift_to))

# %% [markdown]
# **Learned:** the learning rate of TTT3R is the level of the attention logits, which the softmax removes and which was
# never trained for this; it is cheap to read, it differs from token to token, and it is a hypothesis about the memory,
# not a law.
