"""The pictures of README and documentation, drawn by the package itself: `make figures`.

    step.png   one frame through the model; the rule is the part that is exchanged
    gain.png   what four rules answer on the demo sequence, with an untrained network

Both are drawn on a light card with transparent corners, so that they stand on light and on dark pages.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from PIL import Image

import ttt3r
from ttt3r.data import Clip
from ttt3r.evaluation.plots.cloud_image import BACKGROUND, View, shaded_image
from ttt3r.evaluation.plots.palette import rule_styles
from ttt3r.update_rules import RULES

CARD, INK, SOFT, LINE = "#FAFAF7", "#2B2F36", "#6B7280", "#C9CCD1"
RULE, RULE_FILL, MEMORY, MEMORY_FILL = "#D55E00", "#FFE9DA", "#0072B2", "#DCEBF7"
DPI = 108

Image8 = UInt8[np.ndarray, "height width rgb=3"]


def card(width: float, height: float) -> Figure:
    """An empty light card with round, transparent corners; sizes in inches."""
    figure = Figure(figsize=(width, height), facecolor="none")
    figure.add_artist(
        FancyBboxPatch(
            (0.05 / width, 0.05 / height),
            1 - 0.1 / width,
            1 - 0.1 / height,
            boxstyle="round,pad=0,rounding_size=0.018",
            mutation_aspect=width / height,
            facecolor=CARD,
            edgecolor=LINE,
            linewidth=1,
            transform=figure.transFigure,
            zorder=-5,
        )
    )
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write the PNG; nothing in it tells of the day or the machine."""
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    with Image.open(path) as image:
        image.load()
        image.save(path, optimize=True)


# ---------------------------------------------------------------------------------------------------------------- step


def draw_step(path: Path, clip: Clip) -> None:
    """One frame through the model."""
    figure = card(12.4, 6.0)
    axes = figure.add_axes((0.012, 0.02, 0.976, 0.96))
    axes.set_xlim(0, 12.4)
    axes.set_ylim(0, 6.0)
    axes.set_axis_off()
    image = photograph(clip, 8)

    stage(axes, (0.35, 2.75), (1.9, 1.75), "Frame", "an image")
    picture(axes, image, (0.5, 3.02), (1.6, 1.2))
    stage(axes, (3.05, 2.75), (1.9, 1.75), "Tokens", "one for each patch")
    mosaic(axes, image, (3.2, 3.02), (1.6, 1.2))
    stage(axes, (5.75, 2.75), (2.35, 1.75), "Proposal", "")
    lines(
        axes,
        (5.95, 3.92),
        ["candidate", "evidence", "features"],
        ["the state it would write", "age, attention, ...", "for the heads"],
    )
    stage(axes, (9.15, 2.6), (2.9, 2.05), "Rule: the plug-in", "", RULE, RULE_FILL, 2.6)
    axes.text(
        10.6, 3.87, "how much of the change\ndoes each token take?", ha="center", va="center", color=INK, fontsize=11
    )
    bars(axes, (9.45, 2.98), (2.3, 0.52))
    axes.text(10.6, 2.79, "gain $G_t$ between 0 and 1", ha="center", va="center", color=RULE, fontsize=10.5)
    stage(axes, (5.75, 0.62), (2.35, 1.05), "Memory", "", MEMORY, MEMORY_FILL)
    strip(axes, (5.98, 0.78), (1.9, 0.34), seed=3)
    axes.text(7.93, 1.39, "$S_{t-1}$", ha="right", va="center", color=MEMORY, fontsize=13)
    stage(axes, (9.15, 0.62), (2.9, 1.05), "Memory", "", MEMORY, MEMORY_FILL)
    strip(axes, (9.4, 0.78), (2.4, 0.34), seed=4)
    axes.text(11.88, 1.39, "$S_t$", ha="right", va="center", color=MEMORY, fontsize=13)
    stage(axes, (0.35, 0.35), (3.6, 1.85), "Reconstruction", "cameras, points, confidence")
    picture(axes, room(clip), (1.2, 0.62), (1.9, 1.3))

    arrow(axes, (2.25, 3.62), (3.05, 3.62), "encode")
    arrow(axes, (4.95, 3.62), (5.75, 3.62), "decode")
    arrow(axes, (8.1, 3.62), (9.15, 3.62), "candidate,\nevidence", lift=0.28)
    arrow(axes, (6.92, 1.67), (6.92, 2.75), "")
    axes.text(7.02, 2.2, "read", ha="left", va="center", color=SOFT, fontsize=10.5)
    arrow(axes, (10.6, 2.6), (10.6, 1.67), "", RULE)
    axes.text(10.72, 2.13, "absorb", ha="left", va="center", color=RULE, fontsize=10.5)
    arrow(axes, (8.1, 1.14), (9.15, 1.14), "", MEMORY)
    bend(axes, [(6.1, 2.75), (6.1, 2.45), (5.0, 2.45), (5.0, 1.28), (3.95, 1.28)])
    axes.text(4.92, 1.46, "readout", ha="right", va="center", color=SOFT, fontsize=10.5)
    bend(axes, [(10.6, 0.62), (10.6, 0.27), (6.92, 0.27), (6.92, 0.62)], MEMORY)
    axes.text(8.62, 0.38, "next frame", ha="center", va="bottom", color=MEMORY, fontsize=10.5)

    axes.text(0.35, 5.42, "One frame through the model", ha="left", va="center", color=INK, fontsize=16, weight="bold")
    axes.text(0.35, 5.03, "The network proposes, the rule decides.", ha="left", va="center", color=SOFT, fontsize=12.5)
    axes.text(
        12.05, 5.22, r"$S_t \;=\; S_{t-1} + G_t\,(\mathrm{candidate}_t - S_{t-1})$",
        ha="right", va="center", color=INK, fontsize=16,
    )  # fmt: skip
    save(figure, path)


def stage(
    axes: Axes,
    corner: tuple[float, float],
    size: tuple[float, float],
    title: str,
    note: str,
    color: str = LINE,
    fill: str = "white",
    width: float = 1.4,
) -> None:
    """A box with its name on the upper left and a note below what is drawn into it."""
    shape = "round,pad=0,rounding_size=0.09"
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle=shape, facecolor=fill, edgecolor=color, linewidth=width))
    ink = INK if color == LINE else color
    axes.text(
        corner[0] + 0.15,
        corner[1] + size[1] - 0.19,
        title,
        ha="left",
        va="center",
        color=ink,
        fontsize=12,
        weight="bold",
    )
    axes.text(corner[0] + size[0] / 2, corner[1] + 0.14, note, ha="center", va="center", color=SOFT, fontsize=9.5)


def lines(axes: Axes, start: tuple[float, float], names: list[str], notes: list[str]) -> None:
    """Named parts below each other."""
    for row, (name, note) in enumerate(zip(names, notes, strict=True)):
        y = start[1] - 0.4 * row
        axes.text(start[0], y + 0.06, name, ha="left", va="center", color=INK, fontsize=11)
        axes.text(start[0] + 0.02, y - 0.125, note, ha="left", va="center", color=SOFT, fontsize=9.5)


def picture(axes: Axes, image: Image8, corner: tuple[float, float], size: tuple[float, float]) -> None:
    """An image, placed in the units of the drawing."""
    extent = (corner[0], corner[0] + size[0], corner[1], corner[1] + size[1])
    axes.imshow(image, extent=extent, aspect="auto", zorder=2, interpolation="antialiased")
    axes.set_xlim(0, 12.4)
    axes.set_ylim(0, 6.0)


def mosaic(axes: Axes, image: Image8, corner: tuple[float, float], size: tuple[float, float]) -> None:
    """The image as one square of mean colour for each patch."""
    rows, columns = 6, 8
    small = np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BOX))
    width, height = size[0] / columns, size[1] / rows
    for row, column in np.ndindex(rows, columns):
        place = (corner[0] + column * width + 0.015, corner[1] + (rows - 1 - row) * height + 0.015)
        color = tuple(small[row, column] / 255)
        axes.add_patch(Rectangle(place, width - 0.03, height - 0.03, facecolor=color, zorder=2))


def strip(axes: Axes, corner: tuple[float, float], size: tuple[float, float], seed: int) -> None:
    """The memory: a row of tokens."""
    tokens = 12
    shade = 0.25 + 0.65 * np.random.default_rng(seed).random(tokens)
    for token, strength in enumerate(shade):
        place = (corner[0] + token * size[0] / tokens + 0.015, corner[1])
        axes.add_patch(
            Rectangle(place, size[0] / tokens - 0.03, size[1], facecolor=MEMORY, alpha=float(strength), zorder=2)
        )


def bars(axes: Axes, corner: tuple[float, float], size: tuple[float, float]) -> None:
    """A gain for each token of the memory."""
    gains = 0.12 + 0.85 * np.random.default_rng(7).random(12) ** 1.6
    step = size[0] / len(gains)
    axes.plot([corner[0], corner[0] + size[0]], [corner[1]] * 2, color=RULE, linewidth=1, zorder=3)
    for token, gain in enumerate(gains):
        place = (corner[0] + token * step + 0.03, corner[1])
        axes.add_patch(Rectangle(place, step - 0.06, gain * size[1], facecolor=RULE, zorder=3))


def arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], label: str, color: str = SOFT, lift: float = 0.16
) -> None:
    """A straight arrow with its name above."""
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=15, color=color, linewidth=1.8, shrinkA=3, shrinkB=3
        )
    )
    middle = (start[0] + end[0]) / 2
    axes.text(middle, start[1] + lift, label, ha="center", va="center", color=color, fontsize=10.5, linespacing=1.05)


def bend(axes: Axes, corners: list[tuple[float, float]], color: str = SOFT) -> None:
    """An arrow along straight pieces."""
    axes.plot(*np.array(corners[:-1]).T, color=color, linewidth=1.8, solid_joinstyle="round", zorder=1)
    axes.add_patch(
        FancyArrowPatch(
            corners[-2],
            corners[-1],
            arrowstyle="-|>",
            mutation_scale=15,
            color=color,
            linewidth=1.8,
            shrinkA=0,
            shrinkB=3,
        )
    )


def photograph(clip: Clip, index: int) -> Image8:
    """A prepared frame of the clip."""
    image = next(frame.image for frame in clip.source if frame.index == index)
    return np.asarray(ttt3r.data.to_image(image))


def room(clip: Clip) -> Image8:
    """The true points of the clip: the diagram shows what a reconstruction is, not how good one is."""
    assert clip.camera_to_world is not None
    assert clip.intrinsics is not None
    points, colors = [], []
    for frame in clip.source:
        depth = clip.visible_depth(frame.index)
        if depth is None or frame.index % 3:
            continue
        color = np.asarray(ttt3r.data.to_image(frame.image).resize(depth.shape[::-1]))
        rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]]
        rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(clip.intrinsics).T
        pose = clip.camera_to_world[frame.index]
        local = (rays * depth[..., None]).reshape(-1, 3)
        points.append(local @ pose[:3, :3].T + pose[:3, 3])
        colors.append(color.reshape(-1, 3))
    cloud, tint = np.concatenate(points), np.concatenate(colors)
    kept = cloud[:, 1] > -1.2  # without the ceiling one sees into the room
    view = View.fit(cloud[kept], clip.camera_to_world, (760, 520))
    drawn = shaded_image(view, cloud[kept], tint[kept])
    return np.where((drawn == BACKGROUND).all(axis=-1, keepdims=True), np.uint8(255), drawn)


# ---------------------------------------------------------------------------------------------------------------- gain


def draw_gain(path: Path, clip: Clip) -> None:
    """The gains of four rules over the frames of the clip."""
    gains = measure(clip)
    figure = card(12.4, 4.5)
    left = figure.add_axes((0.065, 0.22, 0.4, 0.655))
    frames = np.arange(len(gains["ttt3r"]))
    styles = rule_styles([*gains])
    for name, gain in gains.items():
        color = styles[name].color
        left.fill_between(frames, gain.min(axis=1), gain.max(axis=1), color=color, alpha=0.16, linewidth=0)
        left.plot(frames, gain.mean(axis=1), color=color, linewidth=2.2)
        left.text(frames[-1] + 0.5, gain[-1].mean(), name, color=color, va="center", fontsize=11, weight="bold")
    left.annotate(
        "the first frame is\ntaken whole by all", (0.25, 0.985), (2.6, 0.82), color=SOFT, fontsize=10, va="center",
        arrowprops={"arrowstyle": "-", "color": SOFT, "linewidth": 1},
    )  # fmt: skip
    left.set_ylim(-0.04, 1.06)
    left.set_ylabel("gain: mean and range over tokens")
    left.set_title("How much of the proposed change is taken", fontsize=12, color=INK, loc="left", weight="bold")
    right = figure.add_axes((0.605, 0.22, 0.315, 0.655))
    heat = gains["ttt3r"][1:].T
    shown = right.imshow(heat, aspect="auto", cmap="cividis", extent=(0.5, len(frames) - 0.5, len(heat) - 0.5, -0.5))
    right.set_ylabel("state token")
    right.set_title("ttt3r: each token has its own", fontsize=12, color=INK, loc="left", weight="bold")
    scale = figure.colorbar(shown, cax=figure.add_axes((0.935, 0.22, 0.012, 0.655)))
    scale.ax.tick_params(colors=INK, labelsize=9)
    scale.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    for axes in (left, right):
        axes.set_facecolor("none")
        axes.set_xlabel("frame")
        axes.xaxis.label.set_color(INK)
        axes.yaxis.label.set_color(INK)
        axes.tick_params(colors=INK, labelsize=9.5)
        axes.spines[:].set_color(LINE)
    left.spines[["top", "right"]].set_visible(False)
    figure.text(
        0.5,
        0.062,
        f"Real runs over the {len(frames)} frames of the demo sequence, with an untrained network (tiny-random): "
        "they show the path, the values mean nothing.",
        ha="center",
        va="center",
        color=SOFT,
        fontsize=10.5,
    )
    save(figure, path)


def measure(clip: Clip) -> dict[str, Float[np.ndarray, "frame state"]]:
    """Gain of every token at every frame, for each rule; all in one pass."""
    network = ttt3r.load_network("tiny-random")
    rules = {name: RULES[name]() for name in ("cut3r", "ttt3r", "constant", "frozen")}
    images = (frame.image for frame in clip.source)
    steps = list(ttt3r.rollout_rules(network, rules, images, outputs=ttt3r.Outputs.NOTHING))
    return {name: np.stack([step[name].gain[0].mean(dim=-1).numpy() for step in steps]) for name in rules}


def main() -> None:
    """Draw both pictures into a folder, by default beside this file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sequence = ttt3r.data.write_demo_sequence(Path(folder) / "demo")
        large = ttt3r.data.open_clip(sequence, policy=ttt3r.data.CropToPatches(320))
        small = ttt3r.data.open_clip(sequence, policy=ttt3r.data.CropToPatches(64))
        draw_step(out / "step.png", large)
        draw_gain(out / "gain.png", small)


if __name__ == "__main__":
    main()
