"""Several runs that are shown together: a common timeline, a place for each, a common range of colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.export import RunStatus, SavedRun, find_runs
from ttt3r.update_rules import AttentionRecorded, RuleLabel
from ttt3r.update_rules.naming.former import name_in
from ttt3r.viewer.colors import RUN_COLORS
from ttt3r.viewer.scene import RunScene
from ttt3r.viewer.settings import ViewLayout, ViewSettings

MOST_STEPS = 200
"""Steps of the timeline where nothing else is given."""
MOST_POINTS = 300_000
"""Points of all runs where nothing else is given."""


@dataclass(frozen=True)
class Limits:
    """How much of long runs is shown.

    Args:
        points: most points of all runs together.
        every: one frame in `every` is a step of the timeline; `None` for as few as keep it below 200 steps.

    Raises:
        ValueError: if a number is not positive.
    """

    points: int = MOST_POINTS
    every: int | None = None

    def __post_init__(self) -> None:
        if self.points < 1:
            raise ValueError(f"at least 1 point must be shown, got {self.points}")
        if self.every is not None and self.every < 1:
            raise ValueError(f"every must be at least 1 frame, got {self.every}")


@dataclass(frozen=True)
class SceneStage:
    """The runs that are shown together.

    Args:
        runs: one scene for each.
    """

    runs: tuple[RunScene, ...]

    @classmethod
    def open(cls, paths: Sequence[str | Path], limits: Limits = Limits()) -> "SceneStage":
        """Open run folders, or folders of run folders.

        Raises:
            FileNotFoundError, ValueError: as `SavedRun.open` and `find_runs` do, or if there is no path.
        """
        saved = [SavedRun.open(path) for path in find_runs(paths)]
        if not saved:
            raise ValueError("no run to view; give at least one folder that ttt3r run wrote")
        longest = max(run.frames for run in saved)
        every = limits.every or -(-longest // MOST_STEPS)
        share = max(limits.points // len(saved), 1)
        return cls(
            tuple(
                RunScene(
                    label,
                    RUN_COLORS[number % len(RUN_COLORS)],
                    run,
                    tuple(sorted({*range(0, run.frames, every), run.frames - 1})),
                    run.cloud.sample(share),
                )
                for number, (label, run) in enumerate(zip(labels(saved), saved, strict=True))
            )
        )

    @property
    def steps(self) -> int:
        """Steps of the timeline: those of the longest run."""
        return max(len(run.steps) for run in self.runs)

    @cached_property
    def bounds(self) -> Float[np.ndarray, "end=2 xyz=3"]:
        """Lower and upper corner of cameras and points of all runs, each in its own world, without outliers, metres."""
        parts = [run.saved.camera_to_world[:, :3, 3] for run in self.runs]
        boxes = [*parts, *(np.percentile(run.cloud.xyz, (2, 98), axis=0) for run in self.runs if len(run.cloud))]
        together = np.concatenate(boxes)
        return np.stack([together.min(axis=0), together.max(axis=0)])

    @property
    def size(self) -> float:
        """Diagonal of `bounds`, metres; 1 where everything is in one place."""
        return float(np.linalg.norm(self.bounds[1] - self.bounds[0])) or 1.0

    @property
    def point_size(self) -> float:
        """A size of points that suits the scene, metres, of one digit."""
        return float(f"{self.size / 400:.1g}")

    @property
    def confidence_range(self) -> tuple[float, float]:
        """From the least confidence that the runs kept to one that leaves the surest hundredth; two decimals."""
        lowest = min(float(run.saved.record.points["min_confidence"]) for run in self.runs)
        sure = [float(np.percentile(run.cloud.confidence, 99)) for run in self.runs if len(run.cloud)]
        lowest = math.floor(100 * lowest) / 100
        return lowest, max(math.ceil(100 * max(sure, default=lowest)) / 100, lowest + 0.1)

    def offset(self, run: int, layout: ViewLayout) -> Float[np.ndarray, " xyz=3"]:
        """Where the world of a run stands in the scene: side by side along x, or at the origin, metres."""
        spacing = 1.4 * float(self.bounds[1, 0] - self.bounds[0, 0]) or self.size
        return np.array([run * spacing if layout is ViewLayout.SIDE_BY_SIDE else 0.0, 0.0, 0.0])

    def is_shown(self, run: int, settings: ViewSettings) -> bool:
        """Whether a run is in the picture."""
        return settings.layout is not ViewLayout.SINGLE or run == settings.run

    def gain_range(self, settings: ViewSettings) -> tuple[float, float]:
        """The gains that dark blue and yellow stand for."""
        return (0.0, 1.0) if settings.full_scale or settings.token is not None else self._gains_used

    @cached_property
    def _gains_used(self) -> tuple[float, float]:
        # Without first frames: there every token takes all, whatever the rule says.
        maps = [run.painting(frame, None) for run in self.runs for frame in run.steps[1:]]
        values = np.concatenate([found.ravel() for found in maps if found is not None] or [np.array([0.0, 1.0])])
        low, high = np.percentile(values, (2, 98)).tolist()
        return (low, high) if high - low > 1e-3 else (0.0, 1.0)

    @property
    def tokens(self) -> int:
        """State tokens whose gains were recorded; 0 if no run recorded them."""
        found = [run.token_gains(0) for run in self.runs]
        return max((len(gains.gain) for gains in found if gains is not None), default=0)

    def notes(self) -> list[str]:
        """What a user should know before looking: unfinished runs, empty clouds, thinning."""
        notes = []
        for run in self.runs:
            record, label = run.saved.record, run.label
            if record.status is not RunStatus.COMPLETE:
                notes.append(f"{label} is {record.status}: its first {run.saved.frames} frames are shown")
            if len(run.saved.cloud) == 0:
                cure = "run again with --outputs points"
                if run.saved.pinholes:
                    cure = f"no point has a confidence of {record.points['min_confidence']:g}; lower --min-confidence"
                notes.append(f"{label} has no points, only cameras ({cure})")
            elif len(run.cloud) < len(run.saved.cloud):
                notes.append(f"{label}: {len(run.cloud):,} of {len(run.saved.cloud):,} points are shown (--points)")
            if len(run.steps) < run.saved.frames:
                notes.append(f"{label}: {len(run.steps)} of {run.saved.frames} frames are steps (--every)")
        return notes


def labels(runs: Sequence[SavedRun]) -> list[str]:
    """A short name for each run: folder and rule; numbered where two would be the same."""
    found: list[str] = []
    for number, run in enumerate(runs):
        label = f"{run.path.resolve().name} ({_rule_name(run)})"
        found.append(f"{label} {number + 1}" if label in found else label)
    return found


def _rule_name(run: SavedRun) -> str:
    """Of the rule that decided, not of the one that recorded where it looked."""
    if run.record.is_older:
        return name_in(run.rule)
    try:
        label = RuleLabel.parse(run.rule)
    except ValueError:  # a record of unknown origin
        return run.rule
    inner = dict(label.settings).get("rule")
    if label.name == AttentionRecorded.name and isinstance(inner, tuple) and inner:
        return inner[0].name
    return label.name
