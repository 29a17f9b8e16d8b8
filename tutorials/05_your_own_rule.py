# %% [markdown]
# # 5. Your own rule in fifteen lines
#
# An idea about what a memory should take, written as a rule; checked against the laws that every rule has to keep; run on
# houses beside others, with its fair control; called from the command line; and offered to others as a plug-in.

# %%
import os

os.environ.setdefault("TTT3R_TYPECHECK", "1")  # check dtype and axes of every tensor; must come before the import

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from torch import Tensor

import ttt3r
from ttt3r.data.procedural import HELD_OUT_SEED, NANO_WORLD, ClipTruth, sample_clips
from ttt3r.evaluation import equal_gain_constants, mean_interval, score_worlds
from ttt3r.evaluation.plots import rule_styles
from ttt3r.types import Needs, RuleState
from ttt3r.update_rules import TTT3R, Evidence, Frozen, FullOverwrite, Gain, GatedUpdateRule

SMOKE_TEST = os.environ.get("SMOKE_TEST") == "1"
WORLDS, LENGTHS = (2, (4, 8)) if SMOKE_TEST else (12, (4, 8, 16, 32))

# %% [markdown]
# ## The idea
#
# Write where something is new. A token whose candidate is far from what it holds is surprised and takes much; one whose
# candidate is near keeps what it has:
#
# ```text
# G_s = 1 - exp( - |candidate_s - S_s| / (scale |S_s|) )
# ```
#
# ## The rule
#
# A rule is a frozen dataclass of settings. It answers one question, how large the gain is, and holds nothing that changes.
# The annotations are checked while it runs.


# %%
@dataclass(frozen=True)
class Surprised(GatedUpdateRule):
    """Tokens take as much as they are surprised.

    Args:
        scale: relative change at which a token takes 63 per cent.
    """

    equation: ClassVar[str] = "S + (1 - exp(-|candidate - S| / (scale |S|))) (candidate - S)"

    scale: float = 0.5

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        change = (candidate - state).norm(dim=-1, keepdim=True) / state.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        return Gain(1 - torch.exp(-change / self.scale))


# %% [markdown]
# ## The laws
#
# First frames, resets, masks, batches and devices belong to the loop; but a rule can still break them. `check_rule` tries
# it on random streams, without a network:

# %%
print(ttt3r.check_rule(Surprised()))

# %% [markdown]
# Here is how it looks when something is wrong. This rule takes the mean of the gate over the batch, which is easily done
# and hard to see: the numbers are fine as long as one sequence is run at a time.


# %%
class Careless(Surprised):
    def gain(self, state, candidate, evidence, rule_state):
        gate = super().gain(state, candidate, evidence, rule_state).value
        return Gain(gate.mean(dim=0, keepdim=True).expand_as(gate))


try:
    ttt3r.check_rule(Careless())
except AssertionError as broken:
    print(broken)

# %% [markdown]
# ## Beside others
#
# The same houses for all, each rule with its own memory; and in a second pass the rule that it has to beat, a *constant*
# with the same mean gain.

# %% figure="Rotation error against length of the own rule, its control and others, and the gain of the own rule per frame"
network = ttt3r.load_network("nano")
truth = ClipTruth.of(sample_clips(NANO_WORLD, batch=WORLDS, frames=max(LENGTHS), seed=HELD_OUT_SEED))
rules = {"cut3r": FullOverwrite(), "ttt3r": TTT3R(), "frozen": Frozen(), "surprised": Surprised()}
with torch.no_grad():
    scores, summaries = score_worlds(network, rules, truth, LENGTHS)
    control = {"control of surprised": equal_gain_constants({"surprised": summaries["surprised"][-1]})["surprised"]}
    scores = scores.with_rules(score_worlds(network, control, truth, LENGTHS)[0])
    model = ttt3r.Reconstructor(network, rules["surprised"])
    gains = torch.stack([step.gain[0, :, 0] for step in ttt3r.rollout(model, truth.image[:, :1])])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for name, style in rule_styles([*scores.gain]).items():
    left.plot(LENGTHS, scores.rotation_degrees[name].mean(axis=1), color=style.color, linestyle=style.line, label=name)
left.set(xlabel="frames", ylabel="rotation error, degrees", title=f"mean over {WORLDS} houses")
left.legend(fontsize=8)
drawn = right.imshow(gains.T, aspect="auto", vmin=0, vmax=1)
right.set(xlabel="frame", ylabel="state token", title="gain of `surprised` in the first house")
figure.colorbar(drawn, ax=right)
plt.show()
print(
    "mean gain:", round(summaries["surprised"][-1].gain_mean, 3), "-> its control is", control["control of surprised"]
)
for other in ("cut3r", "control of surprised"):
    paired = [mean_interval(row) for row in scores.rotation_degrees["surprised"] - scores.rotation_degrees[other]]
    words = (f"{length}: {p.mean:+.1f} ± {p.half:.1f}" for length, p in zip(LENGTHS, paired, strict=True))
    print(f"surprised minus {other}, degrees, by length:", "; ".join(words))

# %% [markdown]
# Read the last two lines with the intervals: where 0 lies inside, nothing was shown. And remember that there are many ideas
# and few houses; the more rules you try, the more of them will look good by chance.
#
# ## From the command line
#
# In a file, a rule needs no registration: name it by `file.Class`. This is the same rule, as short as it gets (the
# annotations are left out; in a file that others read, write them).

# %%
folder = Path(tempfile.mkdtemp(prefix="ttt3r_tutorial_"))
(folder / "my_lab.py").write_text("""
from dataclasses import dataclass
import torch
from ttt3r.update_rules import Gain, GatedUpdateRule


@dataclass(frozen=True)
class Surprised(GatedUpdateRule):
    scale: float = 0.5

    def gain(self, state, candidate, evidence, rule_state):
        change = (candidate - state).norm(dim=-1, keepdim=True) / state.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        return Gain(1 - torch.exp(-change / self.scale))
""")


def ttt3r_command(*words: str, lines: int) -> None:
    print("$ python -m ttt3r", *words)
    settings = os.environ | {"COLUMNS": "110", "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    command = [sys.executable, "-m", "ttt3r", *words]
    done = subprocess.run(command, cwd=folder, env=settings | {"FORCE_COLOR": ""}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    print("\n".join(line.rstrip() for line in done.stdout.strip().splitlines()[:lines]))


ttt3r_command("rules", "check", "my_lab.Surprised", lines=4)

# %% [markdown]
# Settings are set as in `my_lab.Surprised:scale=0.2`, and every command takes it: `ttt3r run`, `ttt3r compare`, `ttt3r
# train`. Two houses and two lengths, only to see that it works:

# %%
if not SMOKE_TEST:
    words = "compare worlds --worlds 2 --lengths 4,8 --rules cut3r,my_lab.Surprised:scale=0.2"
    ttt3r_command(*words.split(), lines=16)

# %% [markdown]
# ## As a plug-in
#
# In a package of your own, three lines of `pyproject.toml` give the rule a name wherever both are installed:
#
# ```toml
# [project.entry-points."ttt3r.rules"]
# surprised = "my_lab:Surprised"
# ```
#
# When pip installs the package, it writes these lines into a small file. Here it is written by hand, to see that it works:

# %%
installed = folder / "my_lab-1.0.dist-info"
installed.mkdir()
(installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my-lab\nVersion: 1.0\n")
(installed / "entry_points.txt").write_text("[ttt3r.rules]\nsurprised = my_lab:Surprised\n")
ttt3r_command("rules", "check", "surprised", lines=1)

# %% [markdown]
# ## Two exercises
#
# Each class below is wrong. Change it until the cell under it says `right`.
#
# **1. The plain average.** After `n` frames the memory shall be the mean of its `n` candidates. `evidence.age` counts the
# frames absorbed so far, one number for each sequence, `(batch,)`; a gain is `(batch, state, 1)`.


# %%
@dataclass(frozen=True)
class PlainAverage(GatedUpdateRule):
    def gain(self, state, candidate, evidence, rule_state):
        return Gain(torch.full_like(state[..., :1], 0.5))


def check_PlainAverage(answer) -> str:
    try:
        ttt3r.check_rule(answer())
    except (AssertionError, TypeError) as broken:
        return f"not yet: {broken}"
    for step in ttt3r.rollout(ttt3r.Reconstructor(network, answer()), truth.image[:6, :1]):
        if abs(step.gain.mean().item() - 1 / (step.index + 1)) > 1e-4:
            return f"not yet: frame {step.index} should be taken by 1/{step.index + 1}, not {step.gain.mean():.3f}"
    return "right"


print("exercise 1:", check_PlainAverage(PlainAverage))

# %% [markdown]
# **2. Each for itself.** A rule that takes TTT3R's gate, and at most `most` of it. It breaks a law; fix it.


# %%
@dataclass(frozen=True)
class AtMost(GatedUpdateRule):
    needs: ClassVar[Needs] = Needs.STATE_ATTENTION

    most: float = 0.4

    def gain(self, state, candidate, evidence, rule_state):
        gate = torch.sigmoid(evidence.state_attention.mean_logit())
        return Gain(self.most * gate / gate.max())


def check_AtMost(answer) -> str:
    try:
        ttt3r.check_rule(answer())
    except AssertionError as broken:
        return "not yet: " + " ".join(str(broken).split())
    seen = list(ttt3r.rollout_rules(network, {"yours": answer(), "ttt3r": TTT3R()}, truth.image[:2, :2]))
    expected = seen[1]["ttt3r"].gain.clamp(max=0.4)
    away = (seen[1]["yours"].gain - expected).abs().max().item()
    return "right" if away < 1e-4 else f"not yet: it should be the gate, cut at 0.4; a token is {away:.2f} away"


print("exercise 2:", check_AtMost(AtMost))

# %% [markdown]
# **Learned:** a rule is one method, its laws can be tried in a second, and it has won only if it beats the constant of its
# own mean gain on the same houses.
