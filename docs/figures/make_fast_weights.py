"""The picture of the page on fast weights: what each rule recalls. Drawn by `make figures`, in less than a minute.

fast_weights.png   squared error of the answers against stored pairs, likeness of the keys, and pairs written since
"""

import argparse
from pathlib import Path

import torch
from make_figures import CARD, INK, LINE, SOFT, card, save
from matplotlib.axes import Axes

from ttt3r.evaluation.plots.palette import FAST_COLORS
from ttt3r.update_rules.fast_weights import (
    FAST_WEIGHTS,
    RecallTask,
    delta_error,
    hebbian_error,
    least_squares_error,
    recall,
)

CHANNELS = 64
PAIRS = (4, 8, 16, 32, 64, 128, 256)
OVERLAPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
LATER = (0, 16, 32, 64, 128, 256)
TOP = 2.0


def errors(name: str, tasks: list[RecallTask]) -> list[float]:
    """Mean error of a rule for each task."""
    return [float(recall(FAST_WEIGHTS[name](), task, batch=24).error.mean()) for task in tasks]


def predicted(name: str) -> list[float] | None:
    """The closed form over `PAIRS`, if there is one for the rule's default settings."""
    if name == "linear attention":
        return [float(hebbian_error(pairs, CHANNELS).mean()) for pairs in PAIRS]
    if name == "mesa":
        return [least_squares_error(pairs, CHANNELS) for pairs in PAIRS]
    settings = {"delta rule": {}, "gated delta": {"decay": 0.99}, "longhorn": {"step": 0.8}}.get(name)
    return None if settings is None else [float(delta_error(pairs, CHANNELS, **settings).mean()) for pairs in PAIRS]


def dress(axes: Axes, title: str, label: str) -> None:
    """What the three panels share."""
    axes.set_facecolor("none")
    axes.set_ylim(0, TOP)
    axes.set_title(title, fontsize=12, color=INK, loc="left", weight="bold")
    axes.set_xlabel(label, color=INK)
    axes.tick_params(colors=INK, labelsize=9.5)
    axes.spines[:].set_color(LINE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.axhline(1, color=LINE, linewidth=1, zorder=0)


def draw(path: Path) -> None:
    """Three panels and a legend."""
    figure = card(12.4, 5.0)
    panels = [figure.add_axes((left, 0.27, 0.272, 0.6)) for left in (0.06, 0.382, 0.704)]
    tasks = [
        (range(len(PAIRS)), [RecallTask(pairs) for pairs in PAIRS]),
        (OVERLAPS, [RecallTask(32, overlap=overlap) for overlap in OVERLAPS]),
        (range(len(LATER)), [RecallTask(16, distractors=later) for later in LATER]),
    ]
    for name, color in FAST_COLORS.items():
        for axes, (places, task) in zip(panels, tasks, strict=True):
            axes.plot(places, errors(name, task), color=color, linewidth=1.9, label=name)
        theory = predicted(name)
        if theory is not None:
            panels[0].plot(range(len(PAIRS)), theory, "o", color=color, markersize=5.5, markeredgecolor=CARD)
    dress(panels[0], "Capacity", "stored pairs (dots: closed form)")
    dress(panels[1], "Interference", "mean inner product of the 32 keys")
    dress(panels[2], "Length", "pairs written after the 16 asked for")
    panels[0].set_ylabel("squared error of the answers", color=INK)
    panels[0].set_xticks(range(len(PAIRS)), [str(pairs) for pairs in PAIRS])
    panels[2].set_xticks(range(len(LATER)), [str(later) for later in LATER])
    panels[0].text(0, 1.03, "as bad as no answer", color=SOFT, fontsize=9, va="bottom")
    panels[0].axvline(PAIRS.index(CHANNELS), color=LINE, linewidth=1, zorder=0)
    panels[0].text(PAIRS.index(CHANNELS) - 0.1, 1.9, "key channels", color=SOFT, fontsize=9, ha="right", va="center")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="lower center", ncols=8, frameon=False, fontsize=10,
        bbox_to_anchor=(0.5, 0.025), labelcolor=INK, handlelength=1.4, columnspacing=1.6,
    )  # fmt: skip
    save(figure, path)


def main() -> None:
    """Draw the picture into a folder, by default beside this file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    draw(out / "fast_weights.png")


if __name__ == "__main__":
    main()
