"""What a comparison of rules gives: the table, and the trajectories and gains behind it."""

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.measures.base import Measured
from ttt3r.evaluation.measures.gains import FrameGain
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
METRICS = (
    *((name, name) for name in (*_SAME, "memory_age", "norm_ratio")),
    *(("depth_abs_rel", "depth_abs_rel/median"), ("drift", "state_drift")),
)
"""Columns of a row, each with the metric that it holds."""


@dataclass(frozen=True)
class ComparisonRow:
    """One rule on the first frames of one clip. Numbers that the clip has no truth for are NaN.

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
    def of(
        cls, who: tuple[str, str, str], frames: int, numbers: Mapping[str, Measured], seconds_per_frame: float
    ) -> "ComparisonRow":
        """From what was measured, by metric.

        Args:
            who: clip, rule, and the gate whose control it is.
            frames: length of the prefix.
            numbers: of cameras, gains and, where there is a truth, depth.
            seconds_per_frame: of the pass.
        """
        clip, rule, gate = who
        values = {name: numbers[metric].value if metric in numbers else math.nan for name, metric in METRICS}
        note = numbers["ate"].note
        return cls(clip, rule, frames, seconds_per_frame=seconds_per_frame, control_of=gate, note=note, **values)


@dataclass(frozen=True)
class Comparison:
    """The table, and the trajectories behind it.

    Args:
        rows: one for each clip, rule and length.
        cameras: predicted `camera_to_world` of every frame, by (clip, rule); without rules that failed on the clip.
        truth: true `camera_to_world` of the same frames, by clip; not finite where it is unknown.
        timestamps: seconds, by clip.
        gains: the gain in every frame, likewise.
    """

    rows: tuple[ComparisonRow, ...]
    cameras: Mapping[tuple[str, str], Float[np.ndarray, "frame 4 4"]]
    truth: Mapping[str, Float[np.ndarray, "frame 4 4"]]
    timestamps: Mapping[str, Float[np.ndarray, " frame"]]
    gains: Mapping[tuple[str, str], tuple[FrameGain, ...]] = field(default_factory=dict)

    def extended(self, other: "Comparison") -> "Comparison":
        """The same with further clips."""
        return Comparison(
            (*self.rows, *other.rows),
            {**self.cameras, **other.cameras},
            {**self.truth, **other.truth},
            {**self.timestamps, **other.timestamps},
            {**self.gains, **other.gains},
        )

    def write_csv(self, path: str | Path) -> None:
        """The rows as CSV, numbers in full."""
        write_sheet(Path(path), (column.name for column in fields(ComparisonRow)), (astuple(row) for row in self.rows))
