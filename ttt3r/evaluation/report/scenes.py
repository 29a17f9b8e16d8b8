"""The interactive view: trajectories and clouds of all rules side by side, moved onto the truth, for plotly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ttt3r.evaluation.metrics.trajectory.similarity import DegenerateTrajectory, umeyama
from ttt3r.evaluation.plots.palette import RuleStyle
from ttt3r.evaluation.report.arrays import UnitArrays
from ttt3r.evaluation.report.results import Results, Slice

MOST_SEQUENCES = 6
"""Sequences in the interactive view."""
MOST_RULES = 7
"""Each rule is a WebGL view, and a browser keeps only some of them at once."""
ALL_POINTS = 60_000
"""Points of all clouds of a page together: about one megabyte."""
PALETTE = 64
"""Colours of a cloud in the interactive view."""


@dataclass(frozen=True)
class ScenePanel:
    """One view.

    Args:
        title: of the view.
        note: below it.
        figure: JSON of a plotly figure; colours may be names of the page's colours, `var(--rule-0)`.
    """

    title: str
    note: str
    figure: str


@dataclass(frozen=True)
class Scene:
    """The views of one sequence.

    Args:
        label: data set and sequence.
        panels: all paths first, then a rule each.
    """

    label: str
    panels: tuple[ScenePanel, ...]


@dataclass(frozen=True)
class _Placed:
    """A rule's result, seen from the first true camera: x to the right, y down, z forward; metres of the truth."""

    rule: str
    path: Float[np.ndarray, "frame xyz=3"]
    points: Float[np.ndarray, "point xyz=3"]
    colors: UInt8[np.ndarray, "point rgb=3"]
    note: str


@dataclass(frozen=True)
class _Room:
    """The box that a view shows; both ends of each axis, metres."""

    low: Float[np.ndarray, " xyz=3"]
    high: Float[np.ndarray, " xyz=3"]

    @classmethod
    def of(cls, clouds: Sequence[Float[np.ndarray, "_ xyz=3"]]) -> "_Room":
        """Around all points, with a little air, and never flatter than a fifth of its longest side."""
        points = np.concatenate([cloud for cloud in clouds if len(cloud)] or [np.zeros((1, 3))])
        low, high = points.min(axis=0), points.max(axis=0)
        side = np.maximum(1.1 * (high - low), max(0.2 * float((high - low).max()), 1e-6))
        return cls((low + high - side) / 2, (low + high + side) / 2)

    @property
    def ratio(self) -> Float[np.ndarray, " xyz=3"]:
        """Sides over the longest one."""
        return (self.high - self.low) / (self.high - self.low).max()


def make_scenes(results: Results, arrays: Sequence[UnitArrays], styles: Mapping[str, RuleStyle]) -> tuple[Scene, ...]:
    """The first sequences that have cameras, with each rule's path moved onto the truth by a similarity.

    Args:
        results: give the order of rules and sequences.
        arrays: of the units.
        styles: of the rules.

    Raises:
        ImportError: without the extra `eval`.
    """
    groups: dict[tuple[Slice, str], dict[str, UnitArrays]] = {}
    for one in arrays:
        if len(one.camera_to_world):
            groups.setdefault((one.slice, one.sequence), {})[one.rule] = one
    chosen = dict(sorted(groups.items(), key=lambda item: -len(item[1]))[:MOST_SEQUENCES])
    shown = sum(min(len(group), MOST_RULES) for group in chosen.values())
    budget = ALL_POINTS // max(1, shown)
    made = []
    for (part, sequence), group in chosen.items():
        rules = [rule for rule in results.rules if rule in group][:MOST_RULES]
        placed = [_place(group[rule], budget) for rule in rules]
        truth = _true_path(group[rules[0]])
        paths = [_line(one.path, one.rule, styles[one.rule]) for one in placed]
        known = [_line(truth, "truth", None)] if len(truth) else []
        room = _Room.of([truth, *(one.path for one in placed)])
        panels = [
            ScenePanel("all paths" + (", and the true one" if known else ""), "", _figure([*known, *paths], room))
        ]
        room = _Room.of([truth, *(part for one in placed for part in (one.path, one.points))])  # the same for all rules
        for one, line in zip(placed, paths, strict=True):
            cloud = [_cloud(one.points, one.colors)] if len(one.points) else []
            panels.append(ScenePanel(one.rule, one.note, _figure([*cloud, *known, line], room)))
        made.append(Scene(f"{part.label}: {sequence}", tuple(panels)))
    return tuple(made)


def _valid(one: UnitArrays) -> Bool[np.ndarray, " frame"]:
    both = one.true_camera_to_world + one.camera_to_world
    return np.all(np.isfinite(both), axis=(1, 2))


def _true_path(one: UnitArrays) -> Float[np.ndarray, "frame xyz=3"]:
    known = one.true_camera_to_world[np.isfinite(one.true_camera_to_world).all(axis=(1, 2))]
    return _seen_from(known[0], known[:, :3, 3]) if len(known) else np.zeros((0, 3))


def _seen_from(
    camera: Float[np.ndarray, "4 4"], points: Float[np.ndarray, "point xyz=3"]
) -> Float[np.ndarray, "point xyz=3"]:
    return (points - camera[:3, 3]) @ camera[:3, :3]


def _place(one: UnitArrays, budget: int) -> _Placed:
    """Move a rule's result onto the truth, as far as there is one, and thin its cloud."""
    finite = np.isfinite(one.points).all(axis=1)
    kept = np.flatnonzero(finite)
    kept = kept[np.linspace(0, len(kept) - 1, min(budget, len(kept))).astype(np.int64)]
    points, colors = one.points[kept].astype(np.float64), one.colors[kept]
    predicted = one.camera_to_world[np.isfinite(one.camera_to_world).all(axis=(1, 2))]
    path, note, first = predicted[:, :3, 3], "", predicted[0] if len(predicted) else np.eye(4)
    valid = _valid(one)
    if valid.any():
        true = one.true_camera_to_world[np.isfinite(one.true_camera_to_world).all(axis=(1, 2))]
        try:
            onto = umeyama(one.camera_to_world[valid, :3, 3], one.true_camera_to_world[valid, :3, 3])
            path, points, first = onto.points(path), onto.points(points), true[0]
            note = f"moved onto the truth, scale {onto.scale:.3g}"
        except DegenerateTrajectory:
            note = "cannot be moved onto the truth: drawn from its own first camera"
    else:
        note = "no true cameras: drawn from its own first camera"
    path, points = _seen_from(first, path), _seen_from(first, points)
    near = _near(points)
    return _Placed(one.rule, path, points[near], colors[near], note)


def _near(points: Float[np.ndarray, "point xyz=3"]) -> Bool[np.ndarray, " point"]:
    """Without the farthest hundredth, which would make the rest small."""
    if not len(points):
        return np.zeros(0, bool)
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    return distance <= np.quantile(distance, 0.99)


def _line(path: Float[np.ndarray, "frame xyz=3"], name: str, style: RuleStyle | None) -> Any:
    """A path with a mark at its first frame."""
    graph = _plotly()
    x, y, z = path.astype(np.float32).T
    color = "var(--ink)" if style is None else f"var(--rule-{style.place})"
    sizes = np.zeros(len(path), np.float32)
    sizes[:1] = 5
    return graph.Scatter3d(
        x=x,
        y=y,
        z=z,
        name=name,
        mode="lines+markers",
        line={
            "color": color,
            "width": 6 if style is None else 4,
            "dash": "solid" if style is None else "dash" if style.dashes else "solid",
        },
        marker={"color": color, "size": sizes, "line": {"width": 0}},
        hovertemplate=f"{name}<br>frame %{{pointNumber}}<extra></extra>".replace("<br>", ", "),
    )


def _cloud(points: Float[np.ndarray, "point xyz=3"], colors: UInt8[np.ndarray, "point rgb=3"]) -> Any:
    """A cloud whose colours are numbers in a palette of its own: one byte a point."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(colors)[None], "RGB").quantize(PALETTE)
    palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    count = max(2, len(palette))
    palette = np.concatenate([palette, palette])[:count]
    scale = [[place / (count - 1), f"rgb({r},{g},{b})"] for place, (r, g, b) in enumerate(palette.tolist())]
    x, y, z = points.astype(np.float32).T
    return _plotly().Scatter3d(
        x=x,
        y=y,
        z=z,
        name="cloud",
        mode="markers",
        hoverinfo="skip",
        marker={
            "size": 1.2,
            "color": np.asarray(image, np.uint8).ravel(),
            "colorscale": scale,
            "cmin": 0,
            "cmax": count - 1,
            "line": {"width": 0},
        },
    )


def _figure(traces: Sequence[Any], room: _Room) -> str:
    look = {"title": {"text": ""}, "showbackground": False, "gridcolor": "var(--faint)", "zeroline": False, "nticks": 5}
    look |= {"tickfont": {"color": "var(--dim)", "size": 10}}
    ends = zip(room.low.tolist(), room.high.tolist(), strict=True)
    axes = {f"{name}axis": {**look, "range": list(pair)} for name, pair in zip("xyz", ends, strict=True)}
    layout = {
        "template": {},
        "showlegend": False,
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "scene": {
            **axes,
            "aspectmode": "manual",
            "aspectratio": dict(zip("xyz", room.ratio.tolist(), strict=True)),
            "camera": {"up": {"x": 0, "y": -1, "z": 0}, "eye": {"x": 0.42, "y": -0.75, "z": -1.1}},
        },
    }
    return _plotly().Figure(data=list(traces), layout=layout).to_json()


def _plotly() -> ModuleType:
    try:
        import plotly.graph_objects as graph
    except ImportError as error:
        raise ImportError("the interactive view needs plotly: pip install 'ttt3r[eval]'") from error
    return graph


def plotly_script() -> str:
    """The library that draws the views, as text for a page.

    Raises:
        ImportError: without the extra `eval`.
    """
    _plotly()
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()
