"""The learning curves on the model card: `python docs/figures/make_training.py [TRAINING_FOLDER [--after STEPS]]`.

With the folder of a training (`ttt3r train --out FOLDER`), its logs are condensed into `docs/numbers/training.csv` first, means
over a hundred steps each; `--after` keeps the steps of the training that this one started from. Without a folder, the picture
is drawn again from that file.
"""

import argparse
import csv
import math
from pathlib import Path

from matplotlib.figure import Figure

from ttt3r.evaluation.plots.palette import COLORS
from ttt3r.evaluation.plots.pictures import new_figure
from ttt3r.evaluation.plots.plots import INK, quiet_axes

HERE = Path(__file__).parent
CURVES = HERE.parent / "numbers" / "training.csv"
SHOWN = ("rotation", "translation", "points_camera", "color", "asked_color", "effective_rank")
BLOCK = 100
STAGES = (700, 2300, 5700, 11_700)


def condense(folder: Path, after: int) -> None:
    """Means over blocks of steps from all legs of a training; a step that was made twice counts as made last.

    Args:
        folder: of the training.
        after: steps of an earlier training that it started from; their means in `CURVES` are kept.
    """
    rows: dict[int, dict[str, str]] = {}
    for file in sorted(folder.glob("logs/version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1])):
        with open(file) as opened:
            rows |= {int(row["step"]): row for row in csv.DictReader(opened)}
    earlier: list[list[str]] = []
    if after:
        with open(CURVES) as opened:
            earlier = [row for row in list(csv.reader(opened))[1:] if int(row[0]) <= after]
    CURVES.parent.mkdir(exist_ok=True)
    with open(CURVES, "w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerows([["step", *SHOWN], *earlier])
        for end in range(BLOCK, max(rows) + BLOCK + 1, BLOCK):
            inside = [row for step, row in rows.items() if end - BLOCK <= step < end]
            if inside:
                writer.writerow([after + end, *(f"{_mean(inside, name):.4f}" for name in SHOWN)])


def _mean(rows: list[dict[str, str]], name: str) -> float:
    values = [float(row[name]) for row in rows if row.get(name)]
    return sum(values) / len(values) if values else math.nan


def draw(path: Path) -> Figure:
    """Rotation, points and colours, and the state's rank, over the steps."""
    with open(CURVES) as opened:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(opened)]
    steps = [row["step"] for row in rows]
    figure = new_figure(12.0, 3.9)
    panels = figure.subplots(1, 3)
    degrees = [2 * math.degrees(math.asin(row["rotation"])) for row in rows]
    panels[0].plot(steps, degrees, color=COLORS[0], label="rotation error, degrees")
    panels[0].set_title("cameras of frames whose camera is not given", fontsize=10, color=INK)
    away = panels[0].twinx()
    away.plot(steps, [row["translation"] for row in rows], color=COLORS[1], label="translation error")
    away.set_ylim(bottom=0)
    panels[1].plot(steps, [row["color"] for row in rows], color=COLORS[2], label="colours of the frame itself")
    panels[1].plot(steps, [row["asked_color"] for row in rows], color=COLORS[3], label="colours asked for by rays")
    panels[1].set_title("mean square error", fontsize=10, color=INK)
    panels[2].plot(
        steps, [row["effective_rank"] for row in rows], color=COLORS[4], label="effective rank of 48 state tokens"
    )
    panels[2].axhline(24, color=INK, linewidth=0.8, linestyle=":")
    for axes in panels:
        for stage in STAGES:
            axes.axvline(stage, color=INK, linewidth=0.8, linestyle=":")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("step (dotted: a stage begins)")
        quiet_axes(axes)
    handles, names = panels[0].get_legend_handles_labels()
    more, others = away.get_legend_handles_labels()
    panels[0].legend(handles + more, names + others, frameon=False, fontsize=8)
    quiet_axes(away)
    away.grid(visible=False)
    for axes in panels[1:]:
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    return figure


def main() -> None:
    """Condense if a training is given, then draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="of a training")
    parser.add_argument("--after", type=int, default=0, help="steps of the training that this one started from")
    settings = parser.parse_args()
    if settings.folder is not None:
        condense(settings.folder, settings.after)
    draw(HERE / "training.png")


if __name__ == "__main__":
    main()
