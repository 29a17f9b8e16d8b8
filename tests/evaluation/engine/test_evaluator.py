"""Rules x sequences x lengths: prefixes, passes, resumption, failures that are named, controls."""

import io
import math
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from ttt3r.cli.aggregate import aggregate
from ttt3r.data import BrokenImage, Clip
from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.frames.memory import DepthInMemory
from ttt3r.data.frames.source import FrameSource, SourceFrame
from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.engine.evaluator import Evaluation, evaluate
from ttt3r.evaluation.engine.sharding import Shard
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.measures.trajectory import StrictTrajectory
from ttt3r.evaluation.measures.trajectory_official import OfficialTrajectory
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.protocols.sources import ProceduralWorlds
from ttt3r.evaluation.report.writing import make_report
from ttt3r.evaluation.results.files import read_results
from ttt3r.evaluation.tasks.cameras import CameraTask
from ttt3r.evaluation.tasks.depth import DepthTask
from ttt3r.evaluation.tasks.gains import GainTask
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.update_rules import RULES
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.resets import Every

SHORT = StrictTrajectory(distances=(1, 2), window=3)
TASKS = (CameraTask((SHORT,)), DepthTask(), GainTask())
WORLDS = Protocol("test", "worlds", ProceduralWorlds(count=1), lengths=(3, 6), tasks=TASKS)
BOTH_WAYS = (CameraTask((OfficialTrajectory(), SHORT)), DepthTask(), GainTask())
TWO = replace(WORLDS, source=ProceduralWorlds(count=2))


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


def contenders(*names):
    return tuple(Contender(name, RULES[name]()) for name in names)


def run(network, out, who, protocol=WORLDS, controls=False):
    """Results of an evaluation, and how many frames were run for each sequence."""
    frames = Counter()
    evaluation = Evaluation(protocol, Path(), who, "a network", controls)
    units = evaluate(network, evaluation, out, on_frame=lambda sequence, done: frames.update([sequence]))
    return {(unit.rows[0].sequence, unit.rows[0].rule): unit for unit in units}, frames


def kept(unit):
    """The rows but for drift, which needs two windows of three frames."""
    return [row for row in unit.rows if not row.metric.startswith("drift")]


def numbers(unit, length=None):
    return {(r.length, r.metric): r.value for r in kept(unit) if length in (None, r.length)}


def statuses(unit):
    return {(r.length, r.metric.partition("_")[0]): r.status for r in kept(unit)}


def same_bits(a, b):
    """Rows are equal, NaN included."""
    assert [repr(row) for row in a.rows] == [repr(row) for row in b.rows]


def test_prefixes_of_one_run_equal_separate_runs(network, tmp_path):
    long, _ = run(network, tmp_path / "long", contenders("cut3r", "ttt3r"))
    short, frames = run(network, tmp_path / "short", contenders("cut3r", "ttt3r"), replace(WORLDS, lengths=(3,)))
    assert frames == {"world-000": 3}
    for key, unit in long.items():
        assert numbers(unit, 3) == numbers(short[key], 3)
        assert numbers(unit, 6)[6, "ate"] != numbers(unit, 3)[3, "ate"]


def test_rules_in_one_pass_equal_rules_alone(network, tmp_path):
    together, frames = run(network, tmp_path / "all", contenders("cut3r", "ttt3r", "constant"))
    assert frames == {"world-000": 6}
    for name in ("cut3r", "ttt3r", "constant"):
        alone, _ = run(network, tmp_path / name, contenders(name))
        for key, unit in alone.items():
            np.testing.assert_allclose(
                list(numbers(together[key]).values()), list(numbers(unit).values()), rtol=3e-4, atol=1e-6
            )


def test_what_is_done_is_not_run_again_and_shares_make_the_whole(network, tmp_path):
    whole, _ = run(network, tmp_path / "whole", contenders("cut3r", "ttt3r"), TWO)
    again, frames = run(network, tmp_path / "whole", contenders("cut3r", "ttt3r"), TWO)
    assert not frames
    for key in whole:
        same_bits(whole[key], again[key])
    evaluation = Evaluation(TWO, Path(), contenders("cut3r", "ttt3r"), "a network")
    for index in (1, 0):
        evaluate(network, evaluation, tmp_path / "shares", shard=Shard(index, 2))
    for a, b in zip(read_results(tmp_path / "whole"), read_results(tmp_path / "shares"), strict=True):
        same_bits(a, b)


def test_a_rule_that_is_added_runs_alone_and_a_pass_that_was_cut_off_runs_whole(network, tmp_path):
    first, _ = run(network, tmp_path, contenders("cut3r", "ttt3r"))
    more, frames = run(network, tmp_path, contenders("cut3r", "ttt3r", "frozen"))
    assert frames == {"world-000": 6}
    assert more["world-000", "frozen"].settings["pass"] == "frozen"
    same_bits(more["world-000", "ttt3r"], first["world-000", "ttt3r"])
    (lost,) = (tmp_path / "units").glob("world-000.ttt3r.*.json")
    lost.unlink()  # as if the process had been killed while it wrote
    repaired, frames = run(network, tmp_path, contenders("cut3r", "ttt3r", "frozen"))
    assert frames == {"world-000": 6}
    assert repaired["world-000", "ttt3r"].settings["pass"] == "cut3r, ttt3r"
    for key, unit in more.items():
        same_bits(repaired[key], unit)


def test_a_damaged_file_is_run_again(network, tmp_path):
    run(network, tmp_path, contenders("ttt3r"), TWO)
    (path,) = (tmp_path / "units").glob("world-001.*.json")
    path.write_text(path.read_text()[:100])
    _, frames = run(network, tmp_path, contenders("ttt3r"), TWO)
    assert frames == {"world-001": 6}


def test_controls_have_the_mean_gain_of_their_gate(network, tmp_path):
    found, frames = run(network, tmp_path, contenders("cut3r", "ttt3r"), controls=True)
    assert frames == {"world-000": 12}
    assert {rule for _, rule in found} == {"cut3r", "ttt3r", "control of ttt3r"}
    gate, control = (numbers(found["world-000", rule])[6, "gain_mean"] for rule in ("ttt3r", "control of ttt3r"))
    np.testing.assert_allclose(control, gate, rtol=1e-6)
    assert {row.control_of for row in found["world-000", "control of ttt3r"].rows} == {"ttt3r"}
    again, frames = run(network, tmp_path, contenders("cut3r", "ttt3r"), controls=True)
    assert not frames
    assert again.keys() == found.keys()


def test_a_rule_with_its_own_resets_equals_the_protocol_with_them(network, tmp_path):
    rule = RULES["ttt3r"]()
    own, _ = run(network, tmp_path / "a", (Contender("a", rule, Every(3)),))
    all_of_them, _ = run(network, tmp_path / "b", (Contender("a", rule),), replace(WORLDS, reset=Every(3)))
    never, _ = run(network, tmp_path / "c", (Contender("a", rule),))
    key = ("world-000", "a")
    assert numbers(own[key]) == numbers(all_of_them[key])
    assert numbers(own[key])[3, "ate"] == numbers(never[key])[3, "ate"]  # the restart comes after the third camera
    assert numbers(own[key], 6) != numbers(never[key], 6)


@dataclass(frozen=True)
class Spoiler(GatedUpdateRule):
    """Fails at its fourth frame, as `what` says; a half before that."""

    what: str = "nan"

    def gain(self, state, candidate, evidence, rule_state):
        if int(evidence.age[0]) == 3:
            if self.what == "mistake":
                raise KeyError("a mistake")
            if self.what == "memory":
                raise torch.OutOfMemoryError("too little")
            return Gain(torch.full_like(state[..., :1], math.nan))
        return Gain(torch.full_like(state[..., :1], 0.5))


@pytest.mark.parametrize(
    ("what", "status", "again"),
    [("nan", Status.NON_FINITE, 0), ("mistake", Status.FAILED, 4), ("memory", Status.OUT_OF_MEMORY, 4)],
)
def test_a_rule_that_fails_costs_itself_only(network, tmp_path, what, status, again):
    who = (*contenders("cut3r"), Contender("spoiler", Spoiler(what)), *contenders("ttt3r"))
    found, _ = run(network, tmp_path / "a", who)
    spoiled = found["world-000", "spoiler"]
    assert set(statuses(spoiled).values()) == {Status.OK, status}
    for row in kept(spoiled):
        assert (row.status is Status.OK) == (row.length == 3)
        assert row.frames == 3
        assert math.isfinite(row.value) == (row.length == 3)
        assert bool(row.note) == (row.length == 6)
    fine, _ = run(network, tmp_path / "b", contenders("cut3r", "ttt3r"))
    for rule in ("cut3r", "ttt3r"):
        assert set(statuses(found["world-000", rule]).values()) == {Status.OK}
        np.testing.assert_allclose(
            list(numbers(found["world-000", rule]).values()),
            list(numbers(fine["world-000", rule]).values()),
            rtol=3e-4,
            atol=1e-6,
        )
    with np.load(spoiled.arrays) as arrays:
        assert len(arrays["camera_to_world"]) == len(arrays["gain_mean"]) == 3
    again_found, frames = run(network, tmp_path / "a", who)  # what may be different by now is tried again, alone
    assert frames.total() == again
    for rule in ("cut3r", "ttt3r"):
        assert again_found["world-000", rule].settings["pass"] == "cut3r, spoiler, ttt3r"
    assert again_found["world-000", "spoiler"].settings["pass"] == ("spoiler" if again else "cut3r, spoiler, ttt3r")


def test_a_failure_that_has_gone_leaves_no_trace(network, tmp_path, monkeypatch):
    """One rule fails once, say for lack of memory; it runs again alone, and the others keep the bits that they had."""
    who = (*contenders("cut3r", "ttt3r"), Contender("spoiler", Spoiler("mistake")))
    first, _ = run(network, tmp_path / "a", who)
    monkeypatch.setattr(Spoiler, "gain", lambda self, state, *rest: Gain(torch.full_like(state[..., :1], 0.5)))
    repaired, _ = run(network, tmp_path / "a", who)
    calm, _ = run(network, tmp_path / "b", who)
    for key, unit in calm.items():
        assert set(statuses(repaired[key]).values()) == {Status.OK}
        values = list(numbers(repaired[key]).values())
        np.testing.assert_allclose(values, list(numbers(unit).values()), rtol=3e-4, atol=1e-6)
    for rule in ("cut3r", "ttt3r"):
        same_bits(repaired["world-000", rule], first["world-000", rule])
    assert repaired["world-000", "spoiler"].settings["pass"] == "spoiler"
    _, frames = run(network, tmp_path / "a", who)
    assert not frames


class NarrowNetwork:
    """A network that has memory for two rows of a batch only."""

    def __init__(self, network):
        self._network = network
        self.initial_memory, self.encode, self.readout = network.initial_memory, network.encode, network.readout

    def propose(self, tokens, memory, needs, biases):
        if memory.batch > 2:
            raise torch.OutOfMemoryError(f"{memory.batch} rows")
        return self._network.propose(tokens, memory, needs, biases)


def test_rules_that_do_not_fit_together_run_one_by_one(network, tmp_path):
    found, _ = run(NarrowNetwork(network), tmp_path / "a", contenders("cut3r", "ttt3r", "constant"))
    for name in ("cut3r", "ttt3r", "constant"):
        alone, _ = run(network, tmp_path / name, contenders(name))
        same_bits(found["world-000", name], alone["world-000", name])


class Breaking(FrameSource):
    """Frames of another source, but the fifth cannot be read."""

    def __init__(self, source):
        self.source = source

    @property
    def name(self):
        return self.source.name

    @property
    def length(self):
        return self.source.length

    @property
    def skipped(self):
        return []

    def __iter__(self) -> Generator[SourceFrame, None, None]:
        for item in self.source:
            if item.index == 4:
                raise BrokenImage("photo.png is cut short")
            yield item


@dataclass(frozen=True)
class BadWorlds(ProceduralWorlds):
    """Worlds with one fault each."""

    fault: str = ""

    def open(self, root, sequence, policy, frames):
        if self.fault == "missing":
            raise FileNotFoundError(f"no sequence {sequence}")
        clip: Clip = super().open(root, sequence, policy, 5 if self.fault == "short" else frames)
        assert isinstance(clip.depth_files, DepthInMemory)
        assert clip.camera_to_world is not None
        cameras, maps = clip.camera_to_world.copy(), clip.depth_files.maps
        if self.fault == "lost":
            cameras[4] = -np.inf
        if self.fault == "still":
            cameras[:] = cameras[0]
        if self.fault == "no cameras":
            return replace(clip, camera_to_world=None)
        if self.fault == "no depth":
            return replace(clip, depth_files=None)
        if self.fault == "scale":
            maps = maps * 5000
        if self.fault == "holes":
            maps = maps.clone()
            maps[1] = 0
        if self.fault == "unsorted":
            unsorted = Finding(Problem.UNSORTED, "rgb.txt", Severity.NOTE, "row 2 is early", "they are read in order")
            return replace(clip, findings=(unsorted, unsorted))
        if self.fault == "broken":
            return replace(clip, source=Breaking(clip.source))
        return replace(clip, camera_to_world=cameras, depth_files=DepthInMemory(maps))


def faulty(network, tmp_path, fault):
    protocol = replace(WORLDS, source=BadWorlds(count=1, fault=fault), tasks=BOTH_WAYS)
    found, _ = run(network, tmp_path / fault, contenders("ttt3r"), protocol)
    return found["world-000", "ttt3r"]


def rows_of(unit, metric, length):
    (row,) = [row for row in unit.rows if (row.metric, row.length) == (metric, length)]
    return row


@pytest.mark.parametrize(
    ("fault", "metric", "status", "frames", "word"),
    [
        ("missing", "ate", Status.UNREADABLE, 0, "no sequence world-000"),
        ("broken", "ate", Status.UNREADABLE, 4, "cut short"),
        ("short", "ate", Status.TOO_SHORT, 5, "5 of 6 frames"),
        ("still", "ate", Status.DEGENERATE, 6, "one place"),
        ("no cameras", "ate", Status.INVALID_TRUTH, 0, "0 of 6 frames have a true pose"),
        ("no depth", "depth_abs_rel/median", Status.INVALID_TRUTH, 0, "no pixel"),
        ("scale", "depth_abs_rel/median", Status.INVALID_TRUTH, 6, "is the scale"),
        ("holes", "depth_abs_rel/median", Status.OK, 5, "1 of 6 frames have no true depth"),
        ("lost", "ate", Status.OK, 5, "1 of 6 frames have no true pose"),
    ],
)
def test_bad_data_have_a_named_status(network, tmp_path, fault, metric, status, frames, word):
    row = rows_of(faulty(network, tmp_path, fault), metric, 6)
    assert (row.status, row.frames) == (status, frames)
    assert word in row.note
    assert math.isfinite(row.value) == (status in (Status.OK, Status.TOO_SHORT) or fault == "scale")


def test_what_was_found_about_the_files_is_kept_and_shown(network, tmp_path):
    unit = faulty(network, tmp_path, "unsorted")
    assert unit.findings == ("row 2 is early; they are read in order",)
    written = read_results(tmp_path / "unsorted")
    assert [one.findings for one in written] == [unit.findings]
    report = make_report(written)
    (remarks,) = [table for table in report.facts if table.name == "remarks"]
    assert [row[2].text for row in remarks.rows].count(unit.findings[0]) == 1
    console = Console(record=True, width=200, file=io.StringIO())
    aggregate(tmp_path / "unsorted", console)
    assert "files: row 2 is early; they are read in order (world-000)" in console.export_text()
    assert not faulty(network, tmp_path, "").findings


def test_everything_before_a_broken_frame_is_kept(network, tmp_path):
    row = rows_of(faulty(network, tmp_path, "broken"), "ate", 3)
    assert row.status is Status.OK
    whole, _ = run(network, tmp_path / "whole", contenders("ttt3r"))
    assert row.value == rows_of(whole["world-000", "ttt3r"], "ate", 3).value


def test_a_lost_camera_drops_the_sequence_officially_and_the_frame_strictly(network, tmp_path):
    found = faulty(network, tmp_path, "lost")
    official, strict = (rows_of(found, metric, 6) for metric in ("official/ate", "ate"))
    assert official.status is Status.INVALID_TRUTH
    assert "drops the sequence" in official.note
    assert (strict.status, strict.frames) == (Status.OK, 5)
    official, strict = (rows_of(found, metric, 3) for metric in ("official/ate", "ate"))  # it is lost only later
    assert official.value == float(f"{strict.value:.6f}")
    assert math.isfinite(rows_of(found, "depth_abs_rel/median", 6).value)


def test_rows_of_whole_sequences_have_length_zero(network, tmp_path):
    whole = replace(WORLDS, lengths=(), source=ProceduralWorlds(count=1, frames=6))
    found, frames = run(network, tmp_path / "whole", contenders("ttt3r"), whole)
    assert frames == {"world-000": 6}
    rows = found["world-000", "ttt3r"].rows
    assert {(row.length, row.frames) for row in rows} == {(0, 6)}
    capped, _ = run(network, tmp_path / "capped", contenders("ttt3r"), replace(whole, lengths=(6,)))
    assert [row.value for row in rows] == [row.value for row in capped["world-000", "ttt3r"].rows]


def test_depth_of_all_pixels_and_of_samples_agree(network, tmp_path):
    protocol = replace(WORLDS, tasks=(DepthTask(samples=None), CameraTask((SHORT,)), GainTask()))
    full, _ = run(network, tmp_path / "full", contenders("ttt3r"), protocol)
    some, _ = run(network, tmp_path / "some", contenders("ttt3r"))
    key = ("world-000", "ttt3r")
    assert rows_of(full[key], "depth_pixels", 6).value == 6 * 64 * 48
    np.testing.assert_allclose(
        rows_of(full[key], "depth_abs_rel/median", 6).value,
        rows_of(some[key], "depth_abs_rel/median", 6).value,
        rtol=0.03,
    )


def test_arrays_hold_what_the_rows_were_made_of(network, tmp_path):
    from ttt3r.evaluation.metrics.trajectory.errors import trajectory_errors

    found, _ = run(network, tmp_path, contenders("ttt3r"))
    unit = found["world-000", "ttt3r"]
    with np.load(unit.arrays) as arrays:
        assert set(arrays) == {
            *("camera_to_world", "true_camera_to_world", "gain_mean", "gain_std", "points", "colors"),
        }
        errors = trajectory_errors(arrays["camera_to_world"], arrays["true_camera_to_world"])
        assert errors.ate == rows_of(unit, "ate", 6).value
        assert len(arrays["points"]) == len(arrays["colors"]) <= 20_000
        np.testing.assert_allclose(arrays["gain_mean"][1:].mean(), rows_of(unit, "gain_mean", 6).value, rtol=1e-6)
