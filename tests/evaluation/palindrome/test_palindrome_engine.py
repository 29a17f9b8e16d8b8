"""Forwards and backwards through the loop: closed forms, batches, chunks, resets, segments, controls."""

import math
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch

import ttt3r
from ttt3r.data.frames.memory import FramesInMemory
from ttt3r.data.procedural import as_clips, sample_clips
from ttt3r.data.procedural.presets import NANO_WORLD
from ttt3r.evaluation.engine.contenders import contenders_of
from ttt3r.evaluation.engine.palindrome import palindrome, play
from ttt3r.evaluation.engine.segments import Segments
from ttt3r.evaluation.engine.spool import ImageSpool, TensorSpool
from ttt3r.guard import BadStep
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.rollout import rollout
from ttt3r.types import Outputs, Reconstruction
from ttt3r.update_rules import RULES
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.resets import Every
from ttt3r.update_rules.rules.constant import ConstantRate


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


@pytest.fixture(scope="module")
def images():
    """(frame, batch, 3, 48, 64)"""
    return sample_clips(NANO_WORLD, batch=3, frames=7, seed=3).image


def video(images, name="room"):
    return FramesInMemory(name, images, np.arange(len(images), dtype=np.float64))


def rules(*names):
    return {name: RULES[name]() for name in names}


class Scripted:
    """The memory of a real network, and answers of a script: the i-th answer is the i-th camera, and depth."""

    def __init__(self, network, cameras, depth):
        self.network, self.cameras, self.depth, self.shown = network, cameras, depth, 0
        self.images = []

    def initial_memory(self, batch):
        return self.network.initial_memory(batch)

    def encode(self, frame):
        self.images.append(frame.image)
        return self.network.encode(frame)

    def propose(self, tokens, memory, needs, biases):
        return self.network.propose(tokens, memory, needs, biases)

    def readout(self, features, outputs):
        camera, depth = self.cameras[self.shown], self.depth[self.shown]
        self.shown += 1
        points = torch.tensor([0.0, 0.0, depth]).expand(1, 48, 64, 3)
        found = Reconstruction(camera_to_world=camera[None], points_camera=points, confidence_camera=points[..., 0] + 1)
        return found.only(outputs)


class Memoryless(Scripted):
    """Answers by the picture alone: a turn and a place by its mean colours."""

    def __init__(self, network):
        super().__init__(network, [], [])

    def readout(self, features, outputs):
        color = self.images[-1].mean(dim=(2, 3))
        angle = color[:, 0]
        camera = torch.eye(4).repeat(len(color), 1, 1)
        camera[:, 0, 0], camera[:, 0, 2] = angle.cos(), angle.sin()
        camera[:, 2, 0], camera[:, 2, 2] = -angle.sin(), angle.cos()
        camera[:, :3, 3] = color
        points = (self.images[-1] + 2).permute(0, 2, 3, 1)
        found = Reconstruction(camera_to_world=camera, points_camera=points, confidence_camera=points[..., 0])
        return found.only(outputs)


def test_known_drift_of_a_network_gives_known_errors(network, images):
    turn = 6
    cameras, depth = torch.eye(4).repeat(2 * turn + 1, 1, 1), []
    for shown in range(2 * turn + 1):
        late = max(0, shown - turn)
        cameras[shown, 2, 3] = 0.5 * min(shown, 2 * turn - shown)
        cameras[shown, 0, 3] = 0.02 * late
        angle = math.radians(1.5 * late)
        cameras[shown, 0, 0] = cameras[shown, 1, 1] = math.cos(angle)
        cameras[shown, 0, 1], cameras[shown, 1, 0] = -math.sin(angle), math.sin(angle)
        depth.append(2.0 * math.exp(0.03 * late))
    fake = Scripted(network, cameras, depth)
    (found,) = palindrome(fake, rules("cut3r"), video(images[:, 0]))
    errors, late = found.errors["cut3r"], np.array([6, 5, 4, 3, 2, 1])
    assert errors.lag.tolist() == (2 * late).tolist()
    np.testing.assert_allclose(errors.translation_per_path, 0.02 * late / 3, rtol=1e-5)
    np.testing.assert_allclose(errors.translation, 0.02 * late / 2, rtol=1e-5)
    np.testing.assert_allclose(errors.rotation_degrees, 1.5 * late, rtol=1e-4)
    np.testing.assert_allclose(errors.log_depth, 0.03 * late, rtol=1e-4)
    assert errors.path.length == pytest.approx(3 / 2)
    assert (found.source, found.segment, found.frames) == ("room", 0, tuple(range(7)))
    shown = torch.cat(fake.images)
    assert torch.equal(shown, torch.cat([images[:, 0], images[:-1, 0].flip(0)]))  # the turning frame once


def test_a_network_without_a_memory_makes_no_error(network, images):
    (found,) = palindrome(Memoryless(network), rules("cut3r"), video(images[:, 0]))
    errors = found.errors["cut3r"]
    for values in (errors.translation, errors.translation_per_path, errors.rotation_degrees, errors.log_depth):
        assert values.tolist() == [0] * 6
    assert errors.path.length > 0.01


def test_a_rule_that_never_writes_errs_on_the_first_frame_alone(network, images):
    (found,) = palindrome(network, rules("frozen", "cut3r"), video(images[:, 0]))
    frozen, cut3r = found.errors["frozen"], found.errors["cut3r"]
    for values in (frozen.translation, frozen.log_depth):
        assert values[0] > 0
        assert values[1:].tolist() == [0] * 5
    assert frozen.rotation_degrees[1:].tolist() == [0] * 5
    assert (cut3r.translation > 0).all()
    assert "never writes" in frozen.notes
    assert "never writes" not in cut3r.notes
    assert (frozen.gain, cut3r.gain) == (0, 1)


def same(one, other, rtol=2e-3):
    for name in ("translation", "translation_per_path", "rotation_degrees", "log_depth"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=1e-4, err_msg=name)
    assert one.path.length == pytest.approx(other.path.length, rel=rtol)


@pytest.mark.parametrize("chunk", [3, 50])
def test_chunks_give_the_numbers_of_single_frames(network, images, chunk):
    one, other = (
        next(palindrome(network, rules("cut3r", "ttt3r", "ttsa3r"), video(images[:, 0]), Segments(chunk=size)))
        for size in (1, chunk)
    )
    assert list(one.errors) == list(other.errors) == ["cut3r", "ttt3r", "ttsa3r"]
    for rule in one.errors:
        same(one.errors[rule], other.errors[rule])


def test_videos_side_by_side_are_as_each_alone(network, images):
    contenders = contenders_of(rules("cut3r", "ttt3r"), {"ttt3r": 3})
    with ExitStack() as resources:
        whole = play(network, contenders, images, resources)
        for row in range(3):
            alone = play(network, contenders, images[:, row : row + 1], resources)
            for rule, run in whole.runs.items():
                same(run.kept.errors()[row], alone.runs[rule].kept.errors()[0])
                assert run.kept.errors()[row].restarts == alone.runs[rule].kept.errors()[0].restarts


def test_a_restart_at_the_turn_begins_anew_and_is_chained(network, images):
    frames = images[:, 0]
    (found,) = palindrome(network, rules("cut3r"), video(frames), Segments(controls=True))
    assert list(found.errors) == ["cut3r", "frozen", "cut3r@7"]
    assert found.control_of == {"frozen": "cut3r", "cut3r@7": "cut3r"}
    assert (found.errors["cut3r"].restarts, found.errors["cut3r@7"].restarts) == (0, 1)
    model = ttt3r.Reconstructor(network, RULES["cut3r"]())
    there, anew = (
        torch.stack([step.reconstruction.camera_to_world[0] for step in rollout(model, part[:, None])]).double()
        for part in (frames, frames.flip(0))
    )
    back = (there[-1] @ anew)[1:].flip(0)
    away = (there[:-1] - back)[:, :3, 3].norm(dim=-1)
    length = there[:, :3, 3].diff(dim=0).norm(dim=-1).sum()
    np.testing.assert_allclose(found.errors["cut3r@7"].translation_per_path, away / length, rtol=1e-4)


@pytest.mark.parametrize(("every", "restarts"), [(1, 12), (5, 2), (13, 1), (14, 0)])
def test_restarts_are_counted(network, images, every, restarts):
    (found,) = palindrome(network, rules("cut3r"), video(images[:, 0]), reset_every=Every(every))
    assert found.errors["cut3r"].restarts == restarts
    assert np.isfinite(found.errors["cut3r"].translation).all()


def test_the_control_of_a_gate_has_its_mean_gain(network, images):
    (found,) = palindrome(network, rules("ttt3r", "frozen"), video(images[:, 0]), Segments(controls=True))
    assert set(found.errors) == {"ttt3r", "frozen", "ttt3r@7", "control of ttt3r"}
    assert found.control_of["control of ttt3r"] == "ttt3r"
    gain = found.errors["ttt3r"].gain
    assert found.errors["control of ttt3r"].gain == pytest.approx(gain, rel=1e-5)
    (alone,) = palindrome(network, {"constant": ConstantRate(gain)}, video(images[:, 0]))
    same(alone.errors["constant"], found.errors["control of ttt3r"], rtol=1e-5)


def test_segments_are_palindromes_of_their_own(network, images):
    frames = images[:, 0]
    whole = list(palindrome(network, rules("ttt3r"), video(frames), Segments(count=2)))
    assert [one.frames for one in whole] == [(0, 1, 2), (3, 4, 5)]
    with pytest.warns(UserWarning, match="the last 1 frames of room make no whole segment of 3"):
        again = list(palindrome(network, rules("ttt3r"), video(frames), Segments(length=3)))
    assert [one.segment for one in again] == [0, 1]
    (second,) = palindrome(network, rules("ttt3r"), video(frames[3:6]))
    for one in (whole[1], again[1]):
        same(one.errors["ttt3r"], second.errors["ttt3r"], rtol=1e-6)
    (first,) = palindrome(network, rules("ttt3r"), video(frames), Segments(length=3, count=1))
    assert first.frames == (0, 1, 2)


def test_what_cannot_be_cut_is_refused(network, images):
    frames = images[:, 0]
    with pytest.raises(ValueError, match="room gives 1 frame, and a palindrome needs at least 2"):
        list(palindrome(network, rules("cut3r"), video(frames[:1])))
    with pytest.raises(ValueError, match="room gives 7 frames, and a segment was to have 9; give --length 7 or less"):
        list(palindrome(network, rules("cut3r"), video(frames), Segments(length=9)))
    with pytest.raises(ValueError, match="7 frames, too few for 4 segments"):
        list(palindrome(network, rules("cut3r"), video(frames), Segments(count=4)))
    for wrong in (partial(Segments, length=1), partial(Segments, count=0), partial(Segments, chunk=0)):
        with pytest.raises(ValueError, match="at least"):
            wrong()
    with pytest.raises(ValueError, match="no rules to run"):
        list(palindrome(network, {}, video(frames)))


def test_a_camera_needs_a_length(network, images, monkeypatch):
    frames = images[:, 0]
    camera = FramesInMemory("camera", frames, np.arange(7.0))
    with monkeypatch.context() as patch:
        patch.setattr(FramesInMemory, "length", None)  # nobody knows when a camera ends
        patch.setattr(FramesInMemory, "stamp", lambda source, frames=None: None)  # nor are its frames the same again
        with pytest.raises(ValueError, match=r"not known beforehand; give the frames of a segment \(--length 50\)"):
            list(palindrome(network, rules("cut3r"), camera))
        (found,) = palindrome(network, rules("cut3r"), camera, Segments(length=4, count=1))
    (same_frames,) = palindrome(network, rules("cut3r"), video(frames[:4]))
    same(found.errors["cut3r"], same_frames.errors["cut3r"], rtol=1e-6)


@dataclass(frozen=True)
class Spoiler(GatedUpdateRule):
    """Fails at its fourth frame."""

    def gain(self, state, candidate, evidence, rule_state):
        return Gain(torch.full_like(state[..., :1], math.nan if int(evidence.age[0]) == 3 else 0.5))


def test_a_rule_that_fails_costs_itself_only(network, images):
    (found,) = palindrome(network, {"bad": Spoiler(), **rules("cut3r")}, video(images[:, 0]), Segments(controls=True))
    assert "bad" not in found.errors
    assert "finite" in found.stopped["bad"]
    (alone,) = palindrome(network, rules("cut3r"), video(images[:, 0]))
    same(found.errors["cut3r"], alone.errors["cut3r"], rtol=1e-5)
    with pytest.raises(BadStep):
        list(palindrome(network, {"bad": Spoiler()}, video(images[:, 0])))


def test_the_way_there_is_judged_by_the_truth_where_there_is_one(network):
    clip = as_clips(sample_clips(NANO_WORLD, batch=1, frames=6, seed=3))[0]
    (found,) = palindrome(network, rules("cut3r", "ttt3r"), clip, Segments(length=5, count=1))
    assert set(found.truth) == {"cut3r", "ttt3r"}
    model = ttt3r.Reconstructor(network, RULES["cut3r"]())
    steps = rollout(
        model, [frame.image for frame, _ in zip(clip.source, range(5), strict=False)], outputs=Outputs.CAMERA
    )
    predicted = np.stack([step.reconstruction.camera_to_world[0].numpy() for step in steps])
    expected = ttt3r.evaluation.trajectory_errors(predicted, clip.camera_to_world[:5]).ate
    assert found.truth["cut3r"].ate == pytest.approx(expected, rel=1e-4)
    blind = replace(clip, camera_to_world=None)
    (found,) = palindrome(network, rules("cut3r"), blind)
    assert not found.truth


@pytest.mark.parametrize("limit", [10, 10**9])
def test_a_spool_gives_back_what_it_was_given(limit):
    tensors = [torch.randn(2, 3), torch.arange(5, dtype=torch.uint8), torch.zeros(1, 4), torch.tensor(1.5)]
    with closing(TensorSpool(limit)) as spool:
        for tensor in tensors:
            spool.append(tensor)
        assert len(spool) == 4
        for index in (3, 0, 2, 1, 0):
            assert torch.equal(spool[index], tensors[index])
        spool.append(torch.ones(1))
        assert torch.equal(spool[4], torch.ones(1))
        assert torch.equal(spool[0], tensors[0])


def test_images_come_back_to_the_last_bit():
    of_bytes = ttt3r.data.to_tensor(ttt3r.data.to_image(torch.rand(1, 3, 16, 16) * 2 - 1))
    with closing(ImageSpool()) as spool:
        for image in (of_bytes, torch.rand(1, 3, 16, 16) * 2 - 1):
            spool.append(image)
            assert torch.equal(spool[len(spool) - 1], image)


def test_a_full_disk_is_named_with_the_cure(monkeypatch):
    with closing(TensorSpool()) as spool:
        spool._file.close()

        class Full:
            def seek(self, place):
                pass

            def write(self, content):
                raise OSError(28, "No space left on device")

            def close(self):
                pass

        monkeypatch.setattr(spool, "_file", Full())
        with pytest.raises(OSError, match=r"No space left on device\); set TMPDIR"):
            spool.append(torch.ones(1))
