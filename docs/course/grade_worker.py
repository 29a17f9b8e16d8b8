"""The part of the grader that meets the student's code. Started by `grade.py`, one process for each file; see there.

Writes what it sees as lines of JSON, one after each step, so that a process that dies leaves what it found out.
"""

import importlib.util
import json
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TextIO

import numpy as np
import torch

import ttt3r
from ttt3r.data.procedural import HELD_OUT_SEED, NANO_WORLD, ClipTruth, sample_clips
from ttt3r.evaluation import equal_gain_constants, mean_interval, score_worlds
from ttt3r.update_rules import LAWS, BrokenLaw, StateUpdateRule

Row = dict[str, object]

GRAVE = (
    "a_named_gain_is_the_one_taken",
    "inputs_are_never_changed",
    "an_unwritten_memory_is_untouched",
    "samples_are_independent",
    "results_repeat",
    "nothing_is_kept_in_the_rule",
)
"""Laws without which no number of the rule can be believed: it is not the rule that was measured."""

VARIES = 1e-3
"""A gain that differs by less between houses and frames depends on nothing."""

GRADING_SEED = HELD_OUT_SEED + 7_777
"""Other houses than those of the tutorials and of `ttt3r compare worlds`, on which students choose their settings."""


def main() -> None:
    """Load, check and run every rule of the file."""
    path, report, worlds, length = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    with report.open("w") as stream:
        try:
            module = _load(path)
        except BaseException as error:  # a student's file may also call sys.exit()
            _write(stream, {"note": f"the file cannot be loaded: {_described(error, path)}"})
            return
        rules = {name: found for name, found in vars(module).items() if _is_own_rule(found, module)}
        if not rules:
            _write(stream, {"note": "no rule is defined here; derive a class from GatedUpdateRule or StateUpdateRule"})
        for name, rule in rules.items():
            _grade(name, rule, path, (worlds, length), stream)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("submission", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["submission"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _is_own_rule(found: object, module: ModuleType) -> bool:
    return isinstance(found, type) and issubclass(found, StateUpdateRule) and found.__module__ == module.__name__


def _grade(name: str, rule: type[StateUpdateRule], path: Path, size: tuple[int, int], stream: TextIO) -> None:
    """Try one rule; after each step a line with all that is known so far."""
    row: Row = {"rule": name}
    notes: list[str] = []
    try:
        made = rule()
        row["made"] = True
    except Exception as error:
        _write(stream, row | {"note": f"{name}() cannot be made: {_described(error, path)}"})
        return
    _write(stream, row)
    try:
        ttt3r.check_rule(made)
        row |= {"kept": len(LAWS), "laws": len(LAWS)}
    except BrokenLaw as broken:
        untried = "not tried" in str(broken)
        row |= {"kept": 0 if untried else len(LAWS) - len(broken.laws), "laws": len(LAWS)}
        row["grave"] = [law.replace("_", " ") for law in GRAVE if law in broken.laws]
        notes.append(str(broken))
    except Exception as error:
        row["laws"] = len(LAWS)
        notes.append(f"the laws could not be tried: {_described(error, path)}")
    _write(stream, row | {"note": "; ".join(notes)})
    try:
        row["depends"] = _depends_on_evidence(rule(), size[1])
        row |= _compare(rule(), *size)
    except Exception as error:
        notes.append(f"the run on the houses failed: {_described(error, path)}")
    _write(stream, row | {"note": "; ".join(notes)})


def _depends_on_evidence(rule: StateUpdateRule, length: int) -> bool:
    """Whether the gain of any token is another one in another house or frame. The first frame is taken whole by the loop.

    A gate over tokens that is the same whatever is seen is a constant too, and so is a fixed pattern of random numbers.
    """
    model = ttt3r.Reconstructor(ttt3r.load_network("nano"), rule)
    clips = sample_clips(NANO_WORLD, batch=2, frames=max(length, 4), seed=GRADING_SEED)
    with torch.no_grad():
        steps = ttt3r.rollout(model, clips.image, outputs=ttt3r.Outputs.CAMERA)
        gains = torch.stack([step.gain for step in steps if step.index > 0])  # (frame, batch, state, 1 or channel)
    spread = gains.amax(dim=(0, 1)) - gains.amin(dim=(0, 1))
    return float(spread.max()) > VARIES


def _compare(rule: StateUpdateRule, worlds: int, length: int) -> Row:
    """The rule and the constant of its mean gain on the same houses."""
    network = ttt3r.load_network("nano")
    truth = ClipTruth.of(sample_clips(NANO_WORLD, batch=worlds, frames=length, seed=GRADING_SEED))
    with torch.no_grad():
        scores, summaries = score_worlds(network, {"rule": rule}, truth, [length])
        errors = scores.rotation_degrees["rule"][-1]
        if not np.isfinite(errors).all():
            raise ValueError("some errors are not finite")
        control = equal_gain_constants({"rule": summaries["rule"][-1]}).get("rule")
        if control is None:
            mean = summaries["rule"][-1].gain_mean
            return {
                "ran": True,
                "control": f"none: the gain does not vary, or its mean of {mean:.3f} is no rate in [0, 1]",
            }
        fair, _ = score_worlds(network, {"control": control}, truth, [length])
    paired = mean_interval(errors - fair.rotation_degrees["control"][-1])
    said = "a difference" if paired.excludes_zero else "no difference shown"
    return {"ran": True, "control": f"{paired} degrees at {length} frames, {worlds} houses, {control}: {said}"}


def _described(error: BaseException, path: Path) -> str:
    """The error, and the line of the student's file where it arose."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}{where}"


def _write(stream: TextIO, row: Row) -> None:
    stream.write(json.dumps(row) + "\n")
    stream.flush()


if __name__ == "__main__":
    main()
