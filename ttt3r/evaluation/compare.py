"""Rules side by side: all in one pass over the same frames, judged by the same ground truth."""

import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ttt3r.data import Clip
from ttt3r.evaluation.depth import MedianScale, depth_errors, resize_depth
from ttt3r.evaluation.trajectory import DegenerateTrajectory, trajectory_errors
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.rollout import rollout_rules
from ttt3r.types import Outputs, Step
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.resets import ResetPolicy

DEPTH_SAMPLES = 20_000
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
        seconds_per_frame: wall time of the pass over frames; a pass serves all its rules at once.
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
        truth: true `camera_to_world`, by clip.
        timestamps: seconds, by clip.
    """

    rows: tuple[ComparisonRow, ...]
    cameras: Mapping[tuple[str, str], Float[np.ndarray, "frame 4 4"]]
    truth: Mapping[str, Float[np.ndarray, "frame 4 4"]]
    timestamps: Mapping[str, Float[np.ndarray, " frame"]]

    def write_csv(self, path: str | Path) -> None:
        """The rows as CSV, numbers in full."""
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(field.name for field in fields(ComparisonRow))
            writer.writerows(astuple(row) for row in self.rows)


@dataclass
class _Trace:
    """What is kept of one rule's pass over a clip."""

    cameras: list[Float[np.ndarray, "4 4"]]
    gains: list[tuple[float, float]]  # mean and mean square of each frame after the first
    depth: list[Float[np.ndarray, "pair=2 pixel"]]  # predicted and true, at the sampled pixels


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
        ValueError: for a clip without cameras, or a length below 2.
        BadStep: if a rule's result cannot be used.
    """
    if lengths is not None and min(lengths) < 2:
        raise ValueError(f"a trajectory needs at least 2 frames, got the lengths {list(lengths)}")
    rows, cameras, truth, timestamps = [], {}, {}, {}
    for clip in clips:
        if clip.camera_to_world is None:
            raise ValueError(f"clip {clip.name} has no true cameras; compare needs a sequence with ground truth")
        total = len(clip.timestamps) if lengths is None else min(max(lengths), len(clip.timestamps))
        traces, seconds = _run(network, rules, clip, total, reset_every, on_frame)
        truth[clip.name] = clip.camera_to_world[:total]
        timestamps[clip.name] = clip.timestamps[:total]
        for name, trace in traces.items():
            cameras[clip.name, name] = np.stack(trace.cameras)
            for length in sorted({min(n, total) for n in lengths or [total]}):
                rows.append(_row(clip, name, trace, length, seconds))
    return Comparison(tuple(rows), cameras, truth, timestamps)


def _run(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    clip: Clip,
    total: int,
    reset_every: int | ResetPolicy | Mapping[str, int | ResetPolicy | None] | None,
    on_frame: Callable[[str, Mapping[str, Step]], None],
) -> tuple[dict[str, _Trace], float]:
    """Traces by rule, and seconds per frame of the pass (reading images and measuring errors left out)."""
    indices: list[int] = []

    def images() -> Iterator[Tensor]:
        for item in clip.source:
            if len(indices) == total:
                return
            indices.append(item.index)
            yield item.image

    traces = {name: _Trace([], [], []) for name in rules}
    outputs = Outputs.CAMERA if clip.depth_files is None else Outputs.CAMERA | Outputs.POINTS_CAMERA
    steps, spent = rollout_rules(network, rules, images(), reset_every=reset_every, outputs=outputs), 0.0
    while True:
        started = time.perf_counter()
        moment = next(steps, None)
        spent += time.perf_counter() - started
        if moment is None:
            break
        depth = clip.visible_depth(indices[-1]) if Outputs.POINTS_CAMERA in outputs else None
        for name, step in moment.items():
            _record(traces[name], step, depth)
        on_frame(clip.name, moment)
    return traces, spent / max(1, len(indices))


def _record(trace: _Trace, step: Step, depth: Float[np.ndarray, "height width"] | None) -> None:
    camera = step.reconstruction.camera_to_world
    assert camera is not None  # it was asked for
    trace.cameras.append(camera[0].double().cpu().numpy())
    if step.index > 0:
        gain = step.gain.float()
        trace.gains.append((float(gain.mean()), float(gain.square().mean())))
    if depth is None:
        trace.depth.append(np.zeros((2, 0)))
        return
    predicted = resize_depth(step.reconstruction.depth.float().cpu().numpy(), depth.shape)[0]
    valid = np.flatnonzero((depth > 0) & np.isfinite(depth))
    chosen = valid[np.linspace(0, len(valid) - 1, min(len(valid), DEPTH_SAMPLES)).astype(np.int64)]
    trace.depth.append(np.stack([predicted.ravel()[chosen], depth.ravel()[chosen]]).astype(np.float64))


def _row(clip: Clip, rule: str, trace: _Trace, length: int, seconds: float) -> ComparisonRow:
    ate = rpe_translation = rpe_rotation = math.nan
    note = ""
    assert clip.camera_to_world is not None  # compare has seen to it
    try:
        errors = trajectory_errors(np.stack(trace.cameras[:length]), clip.camera_to_world[:length])
        ate, rpe_translation, rpe_rotation = errors.ate, errors.rpe_translation, errors.rpe_rotation_degrees
    except DegenerateTrajectory as error:
        note = str(error)
    pairs = np.concatenate(trace.depth[:length], axis=1)[:, None, None]
    abs_rel = depth_errors(pairs[0], pairs[1], MedianScale(), max_depth=None).abs_rel
    moments = np.array(trace.gains[: length - 1]).reshape(-1, 2).mean(axis=0)
    return ComparisonRow(
        clip=clip.name,
        rule=rule,
        frames=length,
        ate=ate,
        rpe_translation=rpe_translation,
        rpe_rotation_degrees=rpe_rotation,
        depth_abs_rel=abs_rel,
        seconds_per_frame=seconds,
        gain_mean=float(moments[0]),
        gain_std=float(np.sqrt(max(0.0, moments[1] - moments[0] ** 2))),
        note=note,
    )
