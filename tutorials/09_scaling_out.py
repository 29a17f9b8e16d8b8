# %% [markdown]
# # 9. Scaling out
#
# An evaluation of many rules on many sequences takes hours, on machines that are shared and jobs that are killed. Here
# is what makes that harmless, in a small example: the work is divided into whole sequences, each result is one whole
# file, the same command continues where it was cut off, and what is read in the end does not depend on which process
# did what.

# %%
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

os.environ.setdefault(
    "TTT3R_TYPECHECK", "1"
)  # check dtype and axes of every tensor; must come before an import of ttt3r

from ttt3r.evaluation import mean_interval
from ttt3r.evaluation.plots import rule_styles

SMOKE_TEST = os.environ.get("SMOKE_TEST") == "1"
HOUSES, LENGTHS = ("world-00[0-1]", "2,4") if SMOKE_TEST else ("world-00[0-5]", "4,8,16")
folder = Path(tempfile.mkdtemp(prefix="ttt3r_tutorial_"))

# %% [markdown]
# ## One process
#
# The protocol `worlds` makes its houses from seeds, so that nothing has to be downloaded. With a dataset of yours it is
# `folder --root DATA`, or the protocol of a paper.


# %%
def command(out: str, *more: str) -> list[str]:
    words = ["evaluate", "worlds", "--rules", "cut3r,ttt3r,frozen", "--lengths", LENGTHS, "--sequences", HOUSES]
    return [sys.executable, "-m", "ttt3r", *words, "--out", out, *more]


def run(out: str, *more: str) -> None:
    settings = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100", "TTT3R_TYPECHECK": "0"}
    done = subprocess.run(command(out, *more), cwd=folder, env=settings, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)


def units(out: str) -> list[str]:
    files = (folder / out / "units").glob("*.json")
    return sorted(file.name for file in files if not file.name.startswith("."))  # with a dot: one that is being written


print("$ python -m ttt3r", " ".join(command("whole")[3:]))
run("whole")
print(len(units("whole")), "results, a file for each sequence and rule; the first:")
print(*(name.rpartition(".json")[0] for name in units("whole")[:3]), sep="\n")

# %% [markdown]
# A name ends in the hash of all that the result depends on: protocol, rule and settings, network, sequence. With another
# setting it is another file, and an old result is never taken for a new one.
#
# ## Shares, and a kill
#
# Now the same as two independent jobs. The second is killed as soon as its first result is there, as a scheduler would
# do it at the time limit.

# %%
run("shared", "--shard", "0/2")
print("after the first job:", len(units("shared")), "results")
before = len(units("shared"))
settings = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TTT3R_TYPECHECK": "0"}
job = subprocess.Popen(
    command("shared", "--shard", "1/2"), cwd=folder, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)
while job.poll() is None and len(units("shared")) == before:
    time.sleep(0.02)
job.kill()
job.wait()
whole_files = all((folder / "shared" / "units" / name).read_text().strip().endswith("}") for name in units("shared"))
print("the second job was killed; every file that is there is whole:", whole_files)

# %% [markdown]
# Give the same command again: what is done is kept, and what is missing is run. Then read everything.

# %%
run("shared", "--shard", "1/2")
run(".", "--aggregate", "shared")
print("now:", len(units("shared")), "results; the same files as from one process:", units("shared") == units("whole"))


def rows(out: str) -> list[dict[str, str]]:
    with (folder / out / "rows.csv").open() as stream:
        return sorted(
            csv.DictReader(stream), key=lambda row: [row[name] for name in ("sequence", "rule", "length", "metric")]
        )


print(len(rows("whole")), "numbers; the same, digit by digit:", rows("shared") == rows("whole"))

# %% [markdown]
# Digit by digit, since a sequence is the smallest piece of work: no job shares a batch with another, nothing is padded, and
# no mean is taken before all is there (tutorial 6 shows what happens otherwise).
#
# ## From rows to a figure
#
# One row for each number, with its status. A metric that could not be taken says why, and is not a zero.

# %% figure="ATE of each rule by length, mean over houses with 95 % intervals, made from the table of rows"
table = rows("shared")
print({status: sum(row["status"] == status for row in table) for status in sorted({row["status"] for row in table})})
lengths = [int(length) for length in LENGTHS.split(",")]
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for place, (rule, style) in enumerate(rule_styles(["cut3r", "ttt3r", "frozen"]).items()):
    found = [
        mean_interval(
            np.array(
                [
                    float(row["value"])
                    for row in table
                    if (row["rule"], row["length"], row["metric"]) == (rule, str(length), "ate") and row["value"]
                ]
            )
        )
        for length in lengths
    ]
    where = np.array(lengths) * 1.03**place
    axes.errorbar(where, [i.mean for i in found], [i.half for i in found], color=style.color, marker="o", label=rule)
axes.set(xlabel="frames", ylabel="ATE after Sim(3) alignment", ylim=(0, None))
axes.legend()
plt.show()

# %% [markdown]
# On a cluster the same is an array of jobs with `--shard $SLURM_ARRAY_TASK_ID/8`, or `--jobs.count 8`: see [Evaluate on
# many GPUs](../how-to/clusters.md).
#
# ## Two exercises
#
# Each function below is wrong. Change it until the cell under it says `right`.
#
# **1. Shares.** Which of the sequences does share `index` of `count` take? All must be taken, none twice, and the
# shares may differ by one at most.


# %%
def share(names: list[str], index: int, count: int) -> list[str]:
    size = len(names) // count
    return names[index * size : (index + 1) * size]


def check_share(answer) -> str:
    for number, count in ((6, 2), (7, 3), (2, 4)):
        names = [f"house {i}" for i in range(number)]
        parts = [answer(names, index, count) for index in range(count)]
        taken = [name for part in parts for name in part]
        if len(set(taken)) < len(taken):
            return f"not yet: of {number} houses in {count} shares, one is taken twice"
        if set(taken) != set(names):
            return f"not yet: of {number} houses in {count} shares, {sorted(set(names) - set(taken))} are left out"
        if max(map(len, parts)) - min(map(len, parts)) > 1:
            return f"not yet: {number} houses in {count} shares of {[len(part) for part in parts]}"
    return "right"


print("exercise 1:", check_share(share))

# %% [markdown]
# **2. What is missing?** A job was killed. Given all (sequence, rule) pairs and the names of the files that are there,
# which pairs are left to do? Names are `SEQUENCE.RULE.HASH.json`; a file that ends in `.partial` was cut off.


# %%
def missing(pairs: list[tuple[str, str]], files: list[str]) -> list[tuple[str, str]]:
    return [pair for pair in pairs if not any(name.startswith(f"{pair[0]}.{pair[1]}") for name in files)]


def check_missing(answer) -> str:
    pairs = [(house, rule) for house in ("a", "b") for rule in ("ttt3r", "ttt")]
    files = ["a.ttt3r.12ab.json", "b.ttt.34cd.json", "b.ttt3r.56ef.json.partial"]
    found = answer(pairs, files)
    expected = [("a", "ttt"), ("b", "ttt3r")]
    return "right" if sorted(found) == expected else f"not yet: {expected} are left to do, you say {found}"


print("exercise 2:", check_missing(missing))

# %% [markdown]
# **Learned:** when the unit of work is a whole sequence and a result is a whole file with a name that says what it depends
# on, then many machines, kills and repeats change nothing but the time.
