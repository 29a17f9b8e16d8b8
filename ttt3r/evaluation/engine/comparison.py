"""What a comparison of rules gives: the table, and the trajectories and gains behind it."""

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.measures.cost import NETWORK_SECONDS
from ttt3r.evaluation.measures.gains import FrameGain
from ttt3r.evaluation.results.rows import ResultRow, UnitResult
from ttt3r.files import write_sheet

_SAME = (
    "ate",
    "rpe_translation",
    "rpe_rotation_degrees",
    "gain_mean",
    "gain_std",
    "gain_std_tokens",
    "gain_std_frames",
)
COLUMNS = (
    *((name, name) for name in (*_SAME, "memory_age", "norm_ratio")),
    *(("depth_abs_rel", "depth_abs_rel/median"), ("drift", "state_drift")),
)
"""Columns of a row, each with the metric that it holds."""


@dataclass(frozen=True)
class ComparisonRow:
    """One rule on the first frames of one clip, read from its `UnitResult`. Numbers that the clip has no truth for are NaN.

    Args:
        clip: name of the sequence.
        rule: name of the rule.
        frames: length of the prefix that was judged.
        ate: absolute trajectory error after Sim(3) alignment, metres.
        rpe_translation: relative pose error between neighbours, metres.
        rpe_rotation_degrees: the same for rotation, degrees.
        depth_abs_rel: mean |p - g| / g after one median scale for the whole prefix.
        seconds_per_frame: wall time of the pass, without reading images; a pass serves all its rules at once.
        gain_mean: over frames in which the rule decided (not the first), tokens and channels.
        gain_std: likewise.
        gain_std_tokens: root of the mean variance within a frame.
        gain_std_frames: standard deviation of the frames' means.
        memory_age: mean age of what the memory holds at the end, frames (see `FrameGain`).
        drift: |S_t - S_1| / |S_1| at the end.
        norm_ratio: |S_t| / |candidate_t|, mean over frames.
        control_of: the gate whose mean gain this constant has; empty for the rules that were asked for.
        note: why a number is missing, if one is; and how many frames have no true pose, which trajectory errors leave out.
    """

    clip: str
    rule: str
    frames: int
    ate: float
    rpe_translation: float
    rpe_rotation_degrees: float
    depth_abs_rel: float
    seconds_per_frame: float
    gain_mean: float
    gain_std: float
    gain_std_tokens: float
    gain_std_frames: float
    memory_age: float
    drift: float
    norm_ratio: float
    control_of: str = ""
    note: str = ""

    @classmethod
    def of(cls, unit: UnitResult) -> "list[ComparisonRow]":
        """What a rule gave on a clip, a row for each length."""
        by_length: dict[int, dict[str, ResultRow]] = {}
        for row in unit.rows:
            by_length.setdefault(row.length, {})[row.metric] = row
        made = []
        for length, rows in by_length.items():
            path, seconds = rows["ate"], unit.costs[NETWORK_SECONDS.name]
            numbers = {name: rows[metric].value if metric in rows else math.nan for name, metric in COLUMNS}
            of_pass = {"seconds_per_frame": seconds, "control_of": path.control_of, "note": path.note}
            made.append(cls(path.sequence, path.rule, length, **numbers, **of_pass))
        return made


@dataclass(frozen=True)
class Comparison:
    """The numbers, and the trajectories behind them.

    Args:
        units: one for each clip and rule, as `evaluate` gives them and `write_report` takes them.
        cameras: predicted `camera_to_world` of every frame, by (clip, rule); without rules that failed on the clip.
        truth: true `camera_to_world` of the same frames, by clip; not finite where it is unknown.
        timestamps: seconds, by clip.
        gains: the gain in every frame, likewise.
    """

    units: tuple[UnitResult, ...] = ()
    cameras: Mapping[tuple[str, str], Float[np.ndarray, "frame 4 4"]] = field(default_factory=dict)
    truth: Mapping[str, Float[np.ndarray, "frame 4 4"]] = field(default_factory=dict)
    timestamps: Mapping[str, Float[np.ndarray, " frame"]] = field(default_factory=dict)
    gains: Mapping[tuple[str, str], tuple[FrameGain, ...]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> tuple[ComparisonRow, ...]:
        """The table: one row for each clip, rule and length."""
        return tuple(row for unit in self.units for row in ComparisonRow.of(unit))

    def extended(self, other: "Comparison") -> "Comparison":
        """The same with further clips."""
        return Comparison(
            (*self.units, *other.units),
            {**self.cameras, **other.cameras},
            {**self.truth, **other.truth},
            {**self.timestamps, **other.timestamps},
            {**self.gains, **other.gains},
        )

    def write_csv(self, path: str | Path) -> None:
        """The rows as CSV, numbers in full."""
        write_sheet(Path(path), (column.name for column in fields(ComparisonRow)), (astuple(row) for row in self.rows))
