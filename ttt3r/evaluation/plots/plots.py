"""Pictures of results: trajectories, gains over time, and a shaded preview of a point cloud."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, UInt8

from ttt3r.evaluation.measures.gains import FrameGain, GainSummary
from ttt3r.evaluation.metrics.trajectory.errors import trajectory_errors
from ttt3r.evaluation.metrics.trajectory.similarity import DegenerateTrajectory, umeyama
from ttt3r.evaluation.plots.cloud_image import View, shaded_image
from ttt3r.evaluation.plots.palette import COLORS, Dashes, rule_styles
from ttt3r.evaluation.plots.pictures import new_figure, save_figure
from ttt3r.types import LengthUnit

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

INK, FAINT = "#333333", "#D9D9D9"
LEGEND = 4.0
"""Length of a legend's lines in heights of its letters: two periods of every dash, so that no dash looks solid."""
AGES = (0, 1, 2, 4, 9, 19)  # marks of the age axis: gains of 1, 1/2, 1/3, 1/5, 1/10, 1/20


def plot_trajectories(
    path: str | Path,
    trajectories: Mapping[str, Float[np.ndarray, "frame 4 4"]],
    truth: Float[np.ndarray, "frame 4 4"] | None = None,
    unit: LengthUnit = LengthUnit.METRES,
) -> None:
    """Draw camera paths seen from above and from the side, with equal axes, into a PNG (or what the ending says).

    With `truth` every path is first moved onto it by the similarity of least squared distance, and its ATE stands in the
    legend; frames without a true pose are left out of both. A path that cannot be aligned is drawn as it is and says so.
    Seen from the first (true) camera: x to the right, z forward, height upward.

    Args:
        path: the picture.
        trajectories: name -> `camera_to_world`.
        truth: `camera_to_world` of the same frames, metres; not finite where it is unknown.
        unit: of the trajectories; what is aligned to a truth has metres.

    Raises:
        ImportError: without the extra `eval`.
    """
    if truth is None or not len(known := np.flatnonzero(np.isfinite(truth).all(axis=(1, 2)))):
        truth, paths = None, {name: (_in_first_camera(c[:, :3, 3], c), "") for name, c in trajectories.items()}
    else:
        truth, paths = truth[known], {name: _aligned(c, truth[known], known) for name, c in trajectories.items()}
    styles = rule_styles(list(trajectories))
    short = LengthUnit.METRES.short if truth is not None else unit.short
    figure = new_figure(10.0, 5.4)
    views = figure.subplots(1, 2)
    for axes, (right, up), title, labels in zip(
        views,
        ((0, 2), (2, 1)),
        ("from above   (● first frame, ■ last)", "from the side"),
        ((f"x: right ({short})", f"z: forward ({short})"), (f"z: forward ({short})", f"height ({short})")),
        strict=True,
    ):
        if truth is not None:
            axes_of_truth = _in_first_camera(truth[:, :3, 3], truth)[:, [right, up]]
            _draw_path(axes, axes_of_truth, (INK, "-"), "truth", width=3.2)
        for name, (positions, note) in paths.items():
            look = styles[name].color, styles[name].line
            _draw_path(axes, positions[:, [right, up]], look, f"{name}{note}", width=1.6)
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.08)
        axes.set_title(title, fontsize=11, color=INK)
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        quiet_axes(axes)
    legend_below(figure, views[0])
    save_figure(figure, path)


def _aligned(
    cameras: Float[np.ndarray, "frame 4 4"],
    truth: Float[np.ndarray, "other 4 4"],
    known: Int[np.ndarray, " other"],
) -> tuple[Float[np.ndarray, "frame xyz=3"], str]:
    """Positions in the frame of the first true camera (x, height, z), and a note for the legend.

    The true cameras are those of the known frames alone.
    """
    try:
        error = trajectory_errors(cameras[known], truth).ate
        moved = umeyama(cameras[known, :3, 3], truth[:, :3, 3]).points(cameras[:, :3, 3])
    except DegenerateTrajectory:
        return _in_first_camera(cameras[:, :3, 3], cameras), " (not aligned)"
    return _in_first_camera(moved, truth), f" (ATE {error:.3g} m)"


def _in_first_camera(
    positions: Float[np.ndarray, "frame xyz=3"], cameras: Float[np.ndarray, "other 4 4"]
) -> Float[np.ndarray, "frame xyz=3"]:
    first = cameras[0].astype(np.float64)
    local = (positions - first[:3, 3]) @ first[:3, :3]
    return local * [1, -1, 1]  # y points down; a picture has its height upward


def _draw_path(
    axes: "matplotlib.axes.Axes",
    points: Float[np.ndarray, "frame 2"],
    look: "tuple[str, str | tuple[float, Dashes]]",
    label: str,
    width: float,
) -> None:
    color, line = look
    axes.plot(*points.T, color=color, linestyle=line, linewidth=width, label=label, solid_capstyle="round", zorder=3)
    axes.plot(*points[0], "o", color=color, markersize=6, markeredgecolor="white", zorder=4)
    axes.plot(*points[-1], "s", color=color, markersize=6, markeredgecolor="white", zorder=4)


def plot_gains(path: str | Path, gains: Mapping[str, Sequence[FrameGain]]) -> None:
    """Draw how much each rule writes over time, and how old what it holds becomes, into a PNG (or what the ending says).

    Left: the mean gain of every frame in which the rule decides, with the range of the middle 80 % of the tokens; the axis
    at the right gives the memory age (1 - G) / G to which a constant gain G leads. Right: the memory's age as it was, frames.

    Args:
        path: the picture.
        gains: name -> its gain in every frame (`Comparison.gains`, or `GainAccount.last_frame` after each step).

    Raises:
        ImportError: without the extra `eval`.
    """
    figure = new_figure(11.0, 4.8)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    styles = rule_styles(list(gains))
    for name, curve in gains.items():
        color, frames = styles[name].color, [point.frame for point in curve]
        summary = GainSummary()
        for point in curve:
            summary = summary.including(point)
        label = f"{name} ({summary.gain_mean:.2f})" if summary.frames else name
        low, high = [point.low for point in curve], [point.high for point in curve]
        left.fill_between(frames, low, high, color=color, alpha=0.15, linewidth=0)
        line = styles[name].line
        left.plot(frames, [point.gain for point in curve], linestyle=line, color=color, linewidth=1.8, label=label)
        right.plot(frames, [point.memory_age for point in curve], linestyle=line, color=color, linewidth=1.8)
    left.set_title("gain: mean, and middle 80 % of the tokens", fontsize=11, color=INK)
    left.set_ylabel("gain")
    left.set_ylim(min(-0.03, left.get_ylim()[0]), max(1.05, left.get_ylim()[1]))
    ages = left.twinx()
    ages.set_ylim(left.get_ylim())
    ages.set_yticks([1 / (1 + age) for age in AGES], [str(age) for age in AGES])
    ages.set_ylabel("memory age at this gain, frames")
    right.set_title("age of what the memory holds", fontsize=11, color=INK)
    right.set_ylabel("frames")
    right.set_yscale("symlog", linthresh=1, linscale=0.6)
    oldest = max(1.0, right.get_ylim()[1])
    right.set_yticks(
        [0, *(digit * 10**power for power in range(6) for digit in (1, 2, 5) if digit * 10**power <= oldest)]
    )
    right.yaxis.set_major_formatter("{x:g}")
    right.set_ylim(-0.1, oldest)
    for axes in (left, right):
        axes.set_xlabel("frame")
        axes.locator_params(axis="x", integer=True)
        quiet_axes(axes)
    quiet_axes(ages)
    ages.grid(visible=False)
    legend_below(figure, left)
    save_figure(figure, path)


def quiet_axes(axes: "matplotlib.axes.Axes") -> None:
    """Faint grid and frame, dark marks."""
    axes.grid(color=FAINT, linewidth=0.6)
    axes.tick_params(colors=INK, labelsize=9)
    for spine in axes.spines.values():
        spine.set_color(FAINT)


def legend_below(figure: "matplotlib.figure.Figure", axes: "matplotlib.axes.Axes") -> None:
    """The names of the curves below the picture, in as many rows as its width asks for."""
    handles, names = axes.get_legend_handles_labels()
    fitting = int(
        figure.get_figwidth() / (0.1 * max(map(len, names), default=1) + 0.7)
    )  # inches of a name and its line
    rows = -(-len(names) // max(1, fitting))
    columns = -(-len(names) // max(1, rows))
    figure.legend(
        handles,
        names,
        loc="outside lower center",
        ncols=max(columns, 1),
        frameon=False,
        fontsize=10,
        handlelength=LEGEND,
    )


def plot_point_cloud(
    path: str | Path,
    points: Float[np.ndarray, "point xyz=3"],
    colors: UInt8[np.ndarray, "point rgb=3"],
    camera_to_world: Float[np.ndarray, "frame 4 4"] | None = None,
) -> None:
    """Draw a point cloud, seen from behind and above the cameras, with the cameras and their path, into a PNG.

    Depth is shaded (see `cloud_image.shaded_image`), so that shapes read without normals or colours.

    Args:
        path: the picture.
        points: metres, in the world (OpenCV axes).
        colors: of each point.
        camera_to_world: the cameras, metres; decides from where one looks.

    Raises:
        ImportError: without the extra `eval`.
        ValueError: if no point is finite.
    """
    figure = new_figure(9.6, 7.2)
    view = View.fit(points, camera_to_world)
    figure.set_layout_engine("none")  # the picture fills the figure
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(shaded_image(view, points, colors), interpolation="antialiased")
    axes.set_axis_off()
    if camera_to_world is not None:
        _draw_cameras(axes, view, camera_to_world)
    axes.set_xlim(-0.5, view.width - 0.5)
    axes.set_ylim(view.height - 0.5, -0.5)
    save_figure(figure, path, dpi=100)


def _draw_cameras(axes: "matplotlib.axes.Axes", view: View, camera_to_world: Float[np.ndarray, "frame 4 4"]) -> None:
    """The path, and the frustum of about a dozen cameras."""
    cameras = camera_to_world.astype(np.float64)
    line, _ = view.project(cameras[:, :3, 3])
    axes.plot(*line.T, color="white", linewidth=4, alpha=0.8, solid_capstyle="round")
    axes.plot(*line.T, color=COLORS[1], linewidth=2, solid_capstyle="round")
    size = 0.035 * view.radius
    corners = size * np.array([[-1, -0.75, 1.2], [1, -0.75, 1.2], [1, 0.75, 1.2], [-1, 0.75, 1.2]])
    outline = np.concatenate([corners, corners[:1]])
    rays = np.stack([np.zeros_like(corners), corners], axis=1)
    for index in np.unique(np.linspace(0, len(cameras) - 1, 12).round().astype(int)):
        turn, center = cameras[index, :3, :3], cameras[index, :3, 3]
        for stroke in (outline, *rays):
            flat, _ = view.project(stroke @ turn.T + center)
            axes.plot(*flat.T, color="white", linewidth=2.4, alpha=0.7, solid_capstyle="round")
            axes.plot(*flat.T, color=COLORS[0], linewidth=1.1, solid_capstyle="round")
