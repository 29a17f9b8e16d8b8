"""Rules side by side: all in one pass over the same frames, judged by the same ground truth."""

import csv
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int
from torch import Tensor

from ttt3r.data import Clip
from ttt3r.evaluation.depth import MedianScale, depth_errors, resize_depth
from ttt3r.evaluation.trajectory import DegenerateTrajectory, trajectory_errors
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.rollout import rollout_rules
from ttt3r.types import Outputs, Step
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.resets import ResetPolicy

DEPTH_SAMPLES = 10_000
"""Depth is judged on at most so many valid pixels of a frame, evenly spread, so that memory stays small on long clips."""


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
        gain_mean: over frames after the first, tokens and channels.
        gain_std: likewise.
        note: why a number is missing, if one is.
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
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """The table, and the trajectories behind it.

    Args:
        rows: one for each clip, rule and length.
        cameras: predicted `camera_to_world` of every frame, by (clip, rule).
        truth: true `camera_to_world` of the same frames, by clip.
        timestamps: seconds, by clip.
    """

    rows: tuple[ComparisonRow, ...]
    cameras: Mapping[tuple[str, str], Float[np.ndarray, "frame 4 4"]]
    truth: Mapping[str, Float[np.ndarray, "frame 4 4"]]
    timestamps: Mapping[str, Float[np.ndarray, " frame"]]

    def extended(self, other: "Comparison") -> "Comparison":
        """The same with further clips."""
        return Comparison(
            (*self.rows, *other.rows),
            {**self.cameras, **other.cameras},
            {**self.truth, **other.truth},
            {**self.timestamps, **other.timestamps},
        )

    def write_csv(self, path: str | Path) -> None:
        """The rows as CSV, numbers in full."""
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(field.name for field in fields(ComparisonRow))
            writer.writerows(astuple(row) for row in self.rows)


@dataclass(frozen=True)
class _Trace:
    """What is kept of one rule's pass over a clip."""

    cameras: list[Float[np.ndarray, "4 4"]]
    gains: list[tuple[float, float]]  # mean and mean square of each frame after the first
    depth: list[Float32[np.ndarray, " pixel"]]  # predicted, at the sampled pixels


@dataclass(frozen=True)
class _Pass:
    """What is kept of a pass of all rules over a clip. Entry i of everything belongs to frame `indices[i]` of the clip."""

    traces: Mapping[str, _Trace]
    indices: list[int]
    depth: list[Float32[np.ndarray, " pixel"]]  # true, at the sampled pixels; shared by the rules
    seconds: float


def compare(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    clips: Sequence[Clip],
    *,
    lengths: Sequence[int] | None = None,
    reset_every: int | ResetPolicy | Mapping[str, int | ResetPolicy | None] | None = None,
    on_frame: Callable[[str, Mapping[str, Step]], None] = lambda clip, steps: None,
) -> Comparison:
    """Run all rules over each clip in one pass and judge them on prefixes of it.

    One run at the largest length serves all shorter ones, since the recurrence is causal.

    Args:
        network: shared by the rules; each frame is encoded once.
        rules: by the name that the table shows.
        clips: sequences with ground truth.
        lengths: prefixes to judge, in frames; by default the whole clip. A longer one than the clip is the whole clip.
        reset_every: as in `rollout_rules`.
        on_frame: called with the clip's name and the steps of each frame, for progress bars.

    Raises:
        ValueError: for a clip without cameras, two clips of one name, or a length below 2.
        BadStep: if a rule's result cannot be used.
    """
    if lengths is not None and min(lengths) < 2:
        raise ValueError(f"a trajectory needs at least 2 frames, got the lengths {list(lengths)}")
    names = [clip.name for clip in clips]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"two clips are called {twice[0]}; give each another name, or compare them one by one")
    rows, cameras, truth, timestamps = [], {}, {}, {}
    for clip in clips:
        if clip.camera_to_world is None:
            raise ValueError(f"clip {clip.name} has no true cameras; compare needs a sequence with ground truth")
        longest = len(clip.timestamps) if lengths is None else min(max(lengths), len(clip.timestamps))
        done = _run(network, rules, clip, longest, reset_every, on_frame)
        total = len(done.indices)  # fewer than that where broken frames were left out
        truth[clip.name] = clip.camera_to_world[done.indices]
        timestamps[clip.name] = clip.timestamps[done.indices]
        for rule, trace in done.traces.items():
            cameras[clip.name, rule] = np.stack(trace.cameras)
            for length in sorted({min(n, total) for n in lengths or [total]}):
                rows.append(_row(clip, rule, done, length))
    return Comparison(tuple(rows), cameras, truth, timestamps)


def _run(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    clip: Clip,
    longest: int,
    reset_every: int | ResetPolicy | Mapping[str, int | ResetPolicy | None] | None,
    on_frame: Callable[[str, Mapping[str, Step]], None],
) -> _Pass:
    """One pass over the first `longest` frames; its seconds leave out the reading of images and the measuring."""
    indices: list[int] = []
    reading = 0.0

    def images() -> Iterator[Tensor]:
        nonlocal reading
        started = time.perf_counter()
        for item in itertools.islice(clip.source, longest):
            reading += time.perf_counter() - started
            indices.append(item.index)
            yield item.image
            started = time.perf_counter()

    traces, truth = {name: _Trace([], [], []) for name in rules}, []
    outputs = Outputs.CAMERA if clip.depth_files is None else Outputs.CAMERA | Outputs.POINTS_CAMERA
    steps, spent = rollout_rules(network, rules, images(), reset_every=reset_every, outputs=outputs), 0.0
    while True:
        started = time.perf_counter()
        moment = next(steps, None)
        if moment is None:
            break
        spent += time.perf_counter() - started
        depth = clip.visible_depth(indices[-1]) if Outputs.POINTS_CAMERA in outputs else None
        pixels = None if depth is None else _pixels(depth)
        truth.append(np.zeros(0, np.float32) if depth is None else depth.ravel()[pixels].astype(np.float32))
        for name, step in moment.items():
            _record(traces[name], step, None if depth is None else depth.shape, pixels)
        on_frame(clip.name, moment)
    return _Pass(traces, indices, truth, (spent - reading) / len(indices))


def _pixels(depth: Float[np.ndarray, "height width"]) -> Int[np.ndarray, " pixel"]:
    """Where a depth map is judged: at valid pixels, evenly spread."""
    valid = np.flatnonzero((depth > 0) & np.isfinite(depth))
    return valid[np.linspace(0, len(valid) - 1, min(len(valid), DEPTH_SAMPLES)).astype(np.int64)]


def _record(trace: _Trace, step: Step, size: tuple[int, ...] | None, pixels: Int[np.ndarray, " pixel"] | None) -> None:
    camera = step.reconstruction.camera_to_world
    assert camera is not None  # it was asked for
    trace.cameras.append(camera[0].double().cpu().numpy())
    if step.index > 0:
        gain = step.gain.float()
        trace.gains.append((float(gain.mean()), float(gain.square().mean())))
    if size is None:
        trace.depth.append(np.zeros(0, np.float32))
    else:
        predicted = resize_depth(step.reconstruction.depth.float().cpu().numpy(), size)
        trace.depth.append(predicted.ravel()[pixels])


def _row(clip: Clip, rule: str, done: _Pass, length: int) -> ComparisonRow:
    trace = done.traces[rule]
    ate = rpe_translation = rpe_rotation = math.nan
    note = ""
    assert clip.camera_to_world is not None  # compare has seen to it
    try:
        truth = clip.camera_to_world[done.indices[:length]]
        errors = trajectory_errors(np.stack(trace.cameras[:length]), truth)
        ate, rpe_translation, rpe_rotation = errors.ate, errors.rpe_translation, errors.rpe_rotation_degrees
    except DegenerateTrajectory as error:
        note = str(error)
    predicted, measured = (np.concatenate(rows[:length])[None, None] for rows in (trace.depth, done.depth))
    mean, square = np.array(trace.gains[: length - 1] or [(math.nan, math.nan)]).mean(axis=0)
    return ComparisonRow(
        clip=clip.name,
        rule=rule,
        frames=length,
        ate=ate,
        rpe_translation=rpe_translation,
        rpe_rotation_degrees=rpe_rotation,
        depth_abs_rel=depth_errors(predicted, measured, MedianScale(), max_depth=None).abs_rel,
        seconds_per_frame=done.seconds,
        gain_mean=float(mean),
        gain_std=float(np.sqrt(np.maximum(0.0, square - mean**2))),
        note=note,
    )
