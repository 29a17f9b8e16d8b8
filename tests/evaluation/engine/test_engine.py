"""The one loop: chunks give the numbers of single frames, a rule that fails costs itself only, frames are read ahead."""

import math
import threading
import warnings
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ttt3r.data import BrokenImage, Clip
from ttt3r.data.frames.source import FrameSource, SourceFrame
from ttt3r.data.procedural import ClipTruth, as_clips, sample_clips
from ttt3r.data.procedural.presets import NANO_WORLD
from ttt3r.evaluation.engine.compare import compare
from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.engine.evaluator import Evaluation, evaluate
from ttt3r.evaluation.engine.loop import RuleRun, Shown, run_pass
from ttt3r.evaluation.engine.passes import AHEAD, clip_frames
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.protocols.sources import ProceduralWorlds
from ttt3r.evaluation.tasks.base import Observer
from ttt3r.evaluation.worlds.rows import units_of
from ttt3r.evaluation.worlds.running import score_worlds
from ttt3r.evaluation.worlds.study import WorldPlan, run_study
from ttt3r.guard import BadStep
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.types import Frame, Outputs, Step
from ttt3r.update_rules import RULES
from ttt3r.update_rules.base import Gain, GatedUpdateRule

NUMBERS = ("ate", "rpe_translation", "rpe_rotation_degrees", "depth_abs_rel", "gain_mean", "gain_std", "memory_age")


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


@pytest.fixture(scope="module")
def clip():
    return as_clips(sample_clips(NANO_WORLD, batch=1, frames=7, seed=3))[0]


def some(*names):
    return {name: RULES[name]() for name in names}


@dataclass(frozen=True)
class Spoiler(GatedUpdateRule):
    """A half; fails at its fourth frame, as `what` says."""

    what: str = "nan"

    def gain(self, state, candidate, evidence, rule_state):
        if int(evidence.age[0]) == 3:
            if self.what == "mistake":
                raise KeyError("a mistake")
            if self.what == "memory":
                raise torch.OutOfMemoryError("too little")
            return Gain(torch.full_like(state[..., :1], math.nan))
        return Gain(torch.full_like(state[..., :1], 0.5))


FAILURES = [("nan", Status.NON_FINITE), ("mistake", Status.FAILED), ("memory", Status.OUT_OF_MEMORY)]


def same(rows, others):
    """Numbers agree up to float noise; NaN only where the other is NaN."""
    for row, other in zip(rows, others, strict=True):
        assert (row.clip, row.rule, row.frames, row.note) == (other.clip, other.rule, other.frames, other.note)
        for field in NUMBERS:
            np.testing.assert_allclose(getattr(row, field), getattr(other, field), rtol=2e-3, atol=1e-5, err_msg=field)


def test_chunks_give_the_numbers_of_single_frames_and_a_rule_that_looks_may_stand_beside(network, clip):
    rules = some("cut3r", "ttt3r", "raymap3r")  # the last one looks at the answer before it writes
    one, three = (compare(network, rules, [clip], lengths=[2, 7], reset_every={"ttt3r": 3}, chunk=n) for n in (1, 3))
    same(three.rows, one.rows)
    without = some("cut3r", "ttt3r")
    one, four = (compare(network, without, [clip], lengths=[7], controls=True, chunk=n) for n in (1, 4))
    same(four.rows, one.rows)
    seen = []
    compare(
        network, without, [clip], chunk=3, on_frame=lambda name, steps: seen.append([s.index for s in steps.values()])
    )
    assert seen == [[index, index] for index in range(7)]


def test_worlds_in_chunks_answer_as_in_single_frames(network):
    plan = WorldPlan(worlds=2, lengths=(3, 5))
    one, four = (run_study(network, some("cut3r", "ttt3r"), plan, chunk=n) for n in (1, 4))
    np.testing.assert_allclose(four.scores.translation["ttt3r"], one.scores.translation["ttt3r"], rtol=1e-3)
    for a, b in zip(four.asked, one.asked, strict=True):
        np.testing.assert_allclose(a.color_error["ttt3r"], b.color_error["ttt3r"], rtol=1e-3)


@pytest.mark.parametrize(("what", "status"), FAILURES)
@pytest.mark.parametrize("chunk", [1, 4])
def test_an_evaluation_keeps_what_is_before_a_failure_in_chunks_too(network, tmp_path, what, status, chunk):
    protocol = Protocol("test", "worlds", ProceduralWorlds(count=1), lengths=(3, 6))
    who = tuple(Contender(name, rule) for name, rule in {**some("cut3r"), "spoiler": Spoiler(what)}.items())
    fine, spoiled = evaluate(network, Evaluation(protocol, Path(), who, "a network", chunk=chunk), tmp_path)
    values = {(row.length, row.metric): row for row in spoiled.rows}
    assert (values[3, "gain_mean"].value, values[3, "gain_mean"].status) == (0.5, Status.OK)
    assert {row.status for row in spoiled.rows if row.length == 6} == {status}
    assert {row.frames for row in spoiled.rows if row.length == 6} == {3}
    assert {row.status for row in fine.rows if row.metric == "ate"} == {Status.OK}
    assert fine.settings.get("chunk") == (None if chunk == 1 else "4")


@pytest.mark.parametrize(("what", "status"), FAILURES)
def test_a_rule_that_fails_costs_itself_only_in_a_comparison(network, clip, what, status):
    rules = {**some("cut3r"), "spoiler": Spoiler(what), **some("ttt3r")}
    found = compare(network, rules, [clip], lengths=[3, 7], controls=True)
    calm = compare(network, some("cut3r", "ttt3r"), [clip], lengths=[3, 7], controls=True)
    same([row for row in found.rows if row.rule != "spoiler"], calm.rows)
    first, last = (row for row in found.rows if row.rule == "spoiler")
    assert (first.frames, first.gain_mean, first.note) == (3, 0.5, "")
    assert math.isfinite(first.ate)
    assert last.frames == 7
    assert all(math.isnan(getattr(last, field)) for field in NUMBERS)
    assert {"nan": "not finite", "mistake": "a mistake", "memory": "fit into memory"}[what] in last.note
    assert set(found.cameras) == set(found.gains) == set(calm.cameras)


def test_where_no_rule_is_left_the_error_of_the_first_is_raised(network, clip):
    with pytest.raises(KeyError, match="a mistake"):
        compare(network, {"a": Spoiler("mistake"), "b": Spoiler("nan")}, [clip])
    with pytest.raises(BadStep, match="rule Spoiler"):
        run_study(network, {"a": Spoiler("nan")}, WorldPlan(worlds=2, lengths=(5,)))
    assert compare(network, {"a": Spoiler("mistake")}, [clip], lengths=[3]).rows[0].gain_mean == 0.5
    with pytest.raises(ValueError, match="no rules to run"):
        compare(network, {}, [clip])
    with pytest.raises(ValueError, match="chunk must be at least 1 frame, got 0"):
        compare(network, some("cut3r"), [clip], chunk=0)
    with pytest.raises(ValueError, match="no frame to run"):
        compare(network, some("cut3r"), [replace(clip, source=Skipping(clip.source))])
    with pytest.raises(ValueError, match="reset policies for"):
        compare(network, some("cut3r"), [clip], reset_every={"ttt3r": 3})


@pytest.mark.parametrize(("what", "status"), FAILURES)
def test_a_rule_that_fails_costs_itself_only_on_worlds(network, what, status):
    plan = WorldPlan(worlds=2, lengths=(3, 5))
    study = run_study(network, {"spoiler": Spoiler(what), **some("ttt3r")}, plan)
    calm = run_study(network, some("ttt3r"), plan)
    assert {name: stop.status for name, stop in study.stopped.items()} == {"spoiler": status}
    for table, other in ((study.scores.ate, calm.scores.ate), (study.scores.gain, calm.scores.gain)):
        np.testing.assert_allclose(table["ttt3r"], other["ttt3r"], rtol=1e-3, atol=1e-5)
    assert np.isfinite(study.scores.rotation_degrees["spoiler"][0]).all()
    assert np.isnan(study.scores.rotation_degrees["spoiler"][1]).all()
    np.testing.assert_allclose(
        study.asked[1].explained("ttt3r"), calm.asked[1].explained("ttt3r"), rtol=1e-3, atol=1e-4
    )
    assert np.isfinite(study.asked[0].explained("spoiler")).all()
    assert np.isnan(study.asked[1].explained("spoiler")).all()
    assert study.gain_summaries["spoiler"][0].gain_mean == 0.5
    assert math.isnan(study.gain_summaries["spoiler"][1].gain_mean)
    rows = [row for unit in units_of(study, {}) for row in unit.rows if row.rule == "spoiler" and row.length == 5]
    assert {(row.status, row.note) for row in rows} == {(status, study.stopped["spoiler"].note)}


def test_scores_of_worlds_warn_of_a_rule_that_failed(network):
    truth = ClipTruth.of(sample_clips(NANO_WORLD, batch=2, frames=5, seed=2))
    with pytest.warns(UserWarning, match="rule spoiler did not come to the end: KeyError: 'a mistake'"):
        scores, _ = score_worlds(network, {**some("cut3r"), "spoiler": Spoiler("mistake")}, truth, [2, 5])
    assert np.isfinite(scores.gain["cut3r"]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score_worlds(network, some("cut3r"), truth, [2, 5])


class Counted(FrameSource):
    """Frames of another source; counts what was read, and may break."""

    def __init__(self, source, breaks_at=None):
        self.source, self.breaks_at, self.read, self.threads = source, breaks_at, 0, set()

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
            if item.index == self.breaks_at:
                raise BrokenImage("photo.png is cut short")
            self.read += 1
            self.threads.add(threading.current_thread())
            yield item


class Skipping(Counted):
    """No frame of another source can be read, and none is asked for."""

    def __iter__(self) -> Generator[SourceFrame, None, None]:
        yield from ()


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "ttt3r-prefetch"]


def test_frames_are_read_ahead_by_a_thread_and_none_that_is_not_judged(network, clip):
    source = Counted(clip.source)
    compare(network, some("frozen"), [replace(clip, source=source)], lengths=[3])
    assert source.read == 3
    assert threading.current_thread() not in source.threads
    assert readers() == []
    with pytest.raises(KeyError):
        compare(network, {"a": Spoiler("mistake")}, [replace(clip, source=source)])
    assert readers() == []
    source = Counted(clip.source)
    frames = clip_frames(network, replace(clip, source=source), None, Outputs.CAMERA)
    next(frames)
    frames.close()
    assert source.read <= 2 + AHEAD
    assert readers() == []


def test_a_frame_that_cannot_be_read_ends_a_comparison_with_its_error(network, clip):
    broken: Clip = replace(clip, source=Counted(clip.source, breaks_at=4))
    with pytest.raises(BrokenImage, match="cut short"):
        compare(network, some("cut3r"), [broken], chunk=3)
    assert compare(network, some("cut3r"), [broken], lengths=[4]).rows[0].frames == 4


@dataclass(frozen=True)
class Image(Shown[Step]):
    image: torch.Tensor

    @property
    def frame(self) -> Frame:
        return Frame(image=self.image)

    def seen_by(self, step: Step) -> Step:
        return step


class Gains(Observer[Step]):
    def __init__(self):
        self.gains = []

    def observe(self, seen: Step) -> None:
        self.gains.append(float(seen.gain.mean()))


def test_images_may_change_their_size_amid_a_chunk(network):
    sizes = [(48, 64), (48, 64), (64, 48), (64, 48), (64, 48), (48, 64), (48, 64)]
    images = [
        torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(i)) * 2 - 1 for i, size in enumerate(sizes)
    ]
    runs = {name: RuleRun(rule, None, Gains()) for name, rule in some("cut3r", "ttt3r").items()}
    done = run_pass(network, runs, (Image(image) for image in images), Outputs.CAMERA, chunk=4)
    assert done.available == len(images)
    assert [run.frames for run in runs.values()] == [len(images)] * 2
    steps = rollout(Reconstructor(network, RULES["ttt3r"]()), images, outputs=Outputs.CAMERA)
    assert runs["ttt3r"].kept.gains == pytest.approx([float(step.gain.mean()) for step in steps], rel=1e-4)
