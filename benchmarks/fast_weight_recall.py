"""How much does a fast-weight memory recall? One curve for each rule, against the number of stored pairs.

    python benchmarks/fast_weight_recall.py --out out/fast_weight_recall

Prints one table for each question (capacity, interference, length, replacement) and draws the curves of the first, with the
closed forms of `ttt3r.update_rules.fast_weights.theory` where there is one. CPU, less than a minute.
"""

import argparse
import math
from pathlib import Path

import torch
from matplotlib import pyplot

from ttt3r.update_rules.fast_weights import (
    FAST_WEIGHTS,
    RecallTask,
    delta_error,
    hebbian_error,
    least_squares_error,
    recall,
)
from ttt3r.update_rules.fast_weights.recall import Recall

PAIRS = (4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
TASKS = {
    "capacity (pairs)": {str(pairs): RecallTask(pairs) for pairs in PAIRS},
    "interference (overlap of 32 keys)": {str(x): RecallTask(32, overlap=x) for x in (0, 0.1, 0.2, 0.4, 0.6, 0.8)},
    "length (pairs written after 16)": {str(x): RecallTask(16, distractors=x) for x in (0, 16, 32, 64, 128, 256)},
    "replacement (values that each of 16 keys had)": {str(x): RecallTask(16, versions=x) for x in (1, 2, 4, 8)},
}
THEORY = {
    "linear attention": lambda pairs, key: float(hebbian_error(pairs, key).mean()),
    "delta rule": lambda pairs, key: float(delta_error(pairs, key).mean()),
    "gated delta": lambda pairs, key: float(delta_error(pairs, key, decay=0.99).mean()),
    "longhorn": lambda pairs, key: float(delta_error(pairs, key, step=0.8).mean()),
    "mesa": least_squares_error,
}


def measure(batch: int, chunk: int) -> dict[str, dict[str, dict[str, Recall]]]:
    """Recall by question, rule and difficulty."""
    return {
        question: {
            name: {x: recall(rule(), task, batch=batch, chunk=chunk) for x, task in tasks.items()}
            for name, rule in FAST_WEIGHTS.items()
        }
        for question, tasks in TASKS.items()
    }


def print_table(question: str, rules: dict[str, dict[str, Recall]]) -> None:
    """Error and share of right answers."""
    print(f"\n{question}: squared error relative to the values / share of answers that point to the right value")
    print(" " * 18 + "".join(f"{x:>12}" for x in next(iter(rules.values()))))
    for name, found in rules.items():
        print(f"{name:<18}" + "".join(f"{r.error.mean():7.3f}/{r.right.mean():.2f}" for r in found.values()))


def print_deviation(rules: dict[str, dict[str, Recall]], key: int = 64) -> None:
    """How far the measured errors are from the closed forms."""
    print("\nmeasured minus predicted error, largest over the numbers of pairs (and in standard errors)")
    for name, predicted in THEORY.items():
        gaps = []
        for pairs, found in rules[name].items():
            each = found.error.mean(dim=1)
            gap = float(each.mean()) - predicted(int(pairs), key)
            gaps.append((abs(gap), abs(gap) / max(float(each.std()) / math.sqrt(len(each)), 1e-6)))
        print(f"{name:<18}{max(gap for gap, _ in gaps):8.4f}  ({max(sigma for _, sigma in gaps):.1f})")


def draw(rules: dict[str, dict[str, Recall]], path: Path) -> None:
    """Error and right answers against the number of pairs; dots are predicted."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for index, (name, found) in enumerate(rules.items()):
        color = f"C{index}"
        left.plot(PAIRS, [float(r.error.mean()) for r in found.values()], color=color, label=name)
        right.plot(PAIRS, [float(r.right.mean()) for r in found.values()], color=color, label=name)
        if name in THEORY:
            left.plot(PAIRS, [THEORY[name](pairs, 64) for pairs in PAIRS], "o", color=color, markersize=4)
    left.set(title="squared error (dots: closed form)", ylim=(0, 2.1))
    right.set(title="share of right answers", ylim=(0, 1.03))
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(PAIRS, [str(pairs) for pairs in PAIRS], fontsize=8)
        axes.axvline(64, color="0.8", zorder=0)
        axes.set_xlabel("stored pairs (line: key channels)")
    right.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"\ndrawn: {path}")


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/fast_weight_recall"))
    parser.add_argument("--batch", type=int, default=32, help="random sequences for each number")
    parser.add_argument("--chunk", type=int, default=1, help="pairs written at a time")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measured = measure(arguments.batch, arguments.chunk)
    for question, rules in measured.items():
        print_table(question, rules)
    capacity = next(iter(measured.values()))
    if arguments.chunk == 1:
        print_deviation(capacity)
    draw(capacity, arguments.out / "recall.png")


if __name__ == "__main__":
    main()
