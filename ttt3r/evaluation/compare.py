"""Rules side by side: all in one pass over the same frames, judged by the same ground truth."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from torch import Tensor

from ttt3r.data import Clip
from ttt3r.evaluation.accounting import GainAccount, GainMoment, GainSummary, equal_gain_constants
from ttt3r.evaluation.comparison import Comparison, ComparisonRow
from ttt3r.evaluation.depth import MedianScale, depth_errors, resize_depth
from ttt3r.evaluation.similarity import demand_motion
from ttt3r.evaluation.trajectory import DegenerateTrajectory, trajectory_errors
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.rollout import rollout_rules
from ttt3r.types import Outputs, Step
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.labels import Control
from ttt3r.update_rules.resets import ResetPolicy

Resets = int | ResetPolicy | Mapping[str, int | ResetPolicy | None] | None
"""One policy for all rules, or one for each by name."""

DEPTH_SAMPLES = 10_000
"""Depth is judged on at most so many valid pixels of a frame, evenly spread, so that memory stays small on long clips."""


@dataclass(frozen=True)
class _Trace:
    """What is kept of one rule's pass over a clip."""

    cameras: list[Float[np.ndarray, "4 4"]]
    gains: list[GainMoment]
    books: list[GainSummary]  # after each frame
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
    reset_every: Resets = None,
    controls: bool = False,
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
        controls: run each clip a second time, with a constant rate for every gate: its mean gain on that clip. These rules
            are called `control of NAME`; they reset as NAME does.
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
    rows, cameras, truth, timestamps, gains = [], {}, {}, {}, {}
    for clip in clips:
        if clip.camera_to_world is None:
            raise ValueError(f"clip {clip.name} has no true cameras; compare needs a sequence with ground truth")
        longest = len(clip.timestamps) if lengths is None else min(max(lengths), len(clip.timestamps))
        done = _run(network, rules, clip, longest, reset_every, on_frame)
        passes = [(done, dict.fromkeys(rules, ""))]
        if controls:
            constants = equal_gain_constants({name: trace.books[-1] for name, trace in done.traces.items()})
            gates = {Control.EQUAL_GAIN.of(gate): gate for gate in constants}
            if gates:
                named = {name: constants[gate] for name, gate in gates.items()}
                passes.append((_run(network, named, clip, longest, _resets_of(gates, reset_every), on_frame), gates))
        total = len(done.indices)  # fewer than that where broken frames were left out
        truth[clip.name] = clip.camera_to_world[done.indices]
        timestamps[clip.name] = clip.timestamps[done.indices]
        for run, control_of in passes:
            for rule, trace in run.traces.items():
                cameras[clip.name, rule], gains[clip.name, rule] = np.stack(trace.cameras), tuple(trace.gains)
                for length in sorted({min(n, total) for n in lengths or [total]}):
                    rows.append(_row(clip, rule, run, length, control_of[rule]))
    return Comparison(tuple(rows), cameras, truth, timestamps, gains)


def _resets_of(gates: Mapping[str, str], reset_every: Resets) -> Resets:
    """The policy of each control is that of its gate."""
    if not isinstance(reset_every, Mapping):
        return reset_every
    return {control: reset_every.get(gate) for control, gate in gates.items()}


def _run(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    clip: Clip,
    longest: int,
    reset_every: Resets,
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

    traces, truth = {name: _Trace([], [], [], []) for name in rules}, []
    accounts = dict.fromkeys(rules, GainAccount())
    outputs = Outputs.CAMERA if clip.depth_files is None else Outputs.CAMERA | Outputs.POINTS_CAMERA
    steps, spent = rollout_rules(network, rules, images(), reset_every=reset_every, outputs=outputs), 0.0
    while True:
        started = time.perf_counter()
        moment = next(steps, None)
        if moment is None:
            break
        spent += time.perf_counter() - started
        depth = clip.visible_depth(indices[-1]) if Outputs.POINTS_CAMERA in outputs else None
        judged = None if depth is None else (depth.shape, _pixels(depth))
        truth.append(
            np.zeros(0, np.float32) if depth is None or judged is None else depth.ravel()[judged[1]].astype(np.float32)
        )
        for name, step in moment.items():
            accounts[name] = accounts[name].including(step)
            _record(traces[name], step, accounts[name], judged)
        on_frame(clip.name, moment)
    return _Pass(traces, indices, truth, (spent - reading) / len(indices))


def _pixels(depth: Float[np.ndarray, "height width"]) -> Int[np.ndarray, " pixel"]:
    """Where a depth map is judged: at valid pixels, evenly spread."""
    valid = np.flatnonzero((depth > 0) & np.isfinite(depth))
    return valid[np.linspace(0, len(valid) - 1, min(len(valid), DEPTH_SAMPLES)).astype(np.int64)]


def _record(
    trace: _Trace,
    step: Step,
    account: GainAccount,
    judged: tuple[tuple[int, ...], Int[np.ndarray, " pixel"]] | None,
) -> None:
    """Keep camera, books and depth of a frame; `judged` is the size of the true depth and the pixels to look at."""
    camera = step.reconstruction.camera_to_world
    assert camera is not None  # it was asked for
    assert account.moment is not None  # the step was entered
    trace.cameras.append(camera[0].double().cpu().numpy())
    trace.gains.append(account.moment)
    trace.books.append(account.summary)
    if judged is None:
        trace.depth.append(np.zeros(0, np.float32))
    else:
        predicted = resize_depth(step.reconstruction.depth.float().cpu().numpy(), judged[0])
        trace.depth.append(predicted.ravel()[judged[1]])


def _row(clip: Clip, rule: str, done: _Pass, length: int, control_of: str) -> ComparisonRow:
    trace = done.traces[rule]
    books = trace.books[length - 1]
    ate = rpe_translation = rpe_rotation = math.nan
    note = ""
    assert clip.camera_to_world is not None  # compare has seen to it
    try:
        truth = clip.camera_to_world[done.indices[:length]]
        demand_motion(np.stack(trace.cameras[:length]), truth)
        errors = trajectory_errors(np.stack(trace.cameras[:length]), truth)
        ate, rpe_translation, rpe_rotation = errors.ate, errors.rpe_translation, errors.rpe_rotation_degrees
    except DegenerateTrajectory as error:
        note = str(error)
    predicted, measured = (np.concatenate(rows[:length])[None, None] for rows in (trace.depth, done.depth))
    return ComparisonRow(
        clip=clip.name,
        rule=rule,
        frames=length,
        ate=ate,
        rpe_translation=rpe_translation,
        rpe_rotation_degrees=rpe_rotation,
        depth_abs_rel=depth_errors(predicted, measured, MedianScale(), max_depth=None).abs_rel,
        seconds_per_frame=done.seconds,
        gain_mean=books.gain_mean,
        gain_std=books.gain_std,
        gain_std_tokens=books.gain_std_tokens,
        gain_std_frames=books.gain_std_frames,
        memory_age=books.memory_age,
        drift=books.drift,
        norm_ratio=books.norm_ratio,
        control_of=control_of,
        note=note,
    )
