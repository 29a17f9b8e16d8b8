"""The loop: one truth in many guises. Chunked = streaming, batch = singles, several rules = several passes."""

import math
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import golden
import numpy as np
import pytest
import torch
from PIL import Image

from ttt3r.data import CropToPatches, Prefetch, open_source
from ttt3r.geometry import pose_encoding_to_camera, transform_points
from ttt3r.guard import BadStep, ChunkTooLarge, is_shortage
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout, rollout_rules
from ttt3r.tree import named_tensors
from ttt3r.types import Features, Frame, Memory, Needs, Outputs, Proposal, Reconstruction, Tokens
from ttt3r.update_rules import RULES, TTT3R, ConstantRate, GainRecord, Momentum, Recorded
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.resets import Every, ResetPolicy, WhenFar

HEIGHT, WIDTH = 32, 48


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


def images(count, batch=1, seed=0, size=(HEIGHT, WIDTH)):
    generator = torch.Generator().manual_seed(seed)
    return list(torch.rand(count, batch, 3, *size, generator=generator) * 2 - 1)


def close(a, b, tolerance=2e-5):
    """Equal in every tensor of every step, up to float noise relative to the field's size."""
    assert len(a) == len(b)
    for left, right in zip(a, b, strict=True):
        assert left.index == right.index
        tensors = dict(named_tensors(right))
        for name, value in named_tensors(left):
            scale = max(1.0, float(tensors[name].abs().max()))
            assert float((value - tensors[name]).abs().max()) < tolerance * scale, (left.index, name)


def camera_of(step):
    assert step.reconstruction.camera_to_world is not None
    return step.reconstruction.camera_to_world


def run(network, rule, frames, **options):
    return list(rollout(Reconstructor(network, RULES[rule]()), frames, **options))


@pytest.mark.parametrize("rule", ["cut3r", "ttt3r", "frozen"])
@pytest.mark.parametrize("chunk", [2, 3, 16])
def test_chunked_equals_streaming(network, rule, chunk):
    frames = images(7)
    close(run(network, rule, frames), run(network, rule, frames, chunk=chunk))
    close(run(network, rule, frames, reset_every=3), run(network, rule, frames, chunk=chunk, reset_every=3))


def test_chunks_break_where_frames_change_in_kind_or_size(network):
    rays = torch.randn(1, HEIGHT, WIDTH, 6, generator=torch.Generator().manual_seed(1))
    plain = images(6)
    frames = [*plain[:2], Frame(plain[2], rays), Frame(ray_map=rays), *plain[3:], *images(2, size=(48, 32))]
    steps = run(network, "ttt3r", frames, chunk=4)
    close(run(network, "ttt3r", frames), steps)
    assert steps[-1].reconstruction.points_camera.shape == (1, 48, 32, 3)


@pytest.mark.parametrize("rule", ["cut3r", "ttt3r", "constant", "frozen"])
def test_a_batch_equals_its_single_sequences(network, rule):
    a, b = images(6, seed=1), images(6, seed=2)
    writes = [(True, True), (True, False), (True, True), (False, True), (True, True), (True, True)]
    resets = [(False, False), (False, False), (False, True), (False, False), (True, False), (False, False)]

    def frames(select):
        for x, y, write, reset in zip(a, b, writes, resets, strict=True):
            image = torch.cat([x, y])[select]
            yield Frame(image, write=torch.tensor(write)[select], reset=torch.tensor(reset)[select])

    both = run(network, rule, frames(slice(0, 2)))
    for index in (0, 1):
        single = run(network, rule, frames(slice(index, index + 1)))
        for step, joint in zip(single, both, strict=True):
            tensors = dict(named_tensors(joint))
            for name, value in named_tensors(step):
                assert torch.allclose(value, tensors[name][index : index + 1], atol=2e-5, rtol=2e-5), name


class Stopped(Exception):
    """What a source may raise."""


@pytest.mark.parametrize("chunk", [1, 4])
@pytest.mark.parametrize("readable", [2, 4, 6])
def test_a_source_that_fails_loses_no_frame_that_it_gave_before(network, chunk, readable):
    def source():
        yield from images(readable)
        raise Stopped

    steps = rollout(Reconstructor(network, RULES["ttt3r"]()), source(), chunk=chunk)
    done = [next(steps) for _ in range(readable)]
    with pytest.raises(Stopped):
        next(steps)
    close(run(network, "ttt3r", images(readable)), done)


def test_a_frame_is_handed_out_before_the_next_one_is_fetched(network):
    fetched = []

    def live():
        for image in images(3):
            fetched.append(image)
            yield image

    for step in rollout(Reconstructor(network, RULES["ttt3r"]()), live()):
        assert len(fetched) == step.index + 1
    chunked = rollout(Reconstructor(network, RULES["ttt3r"]()), live(), chunk=2)
    next(chunked)
    assert len(fetched) == 5  # of the second pass: the two of its first chunk


def test_several_rules_in_one_pass_equal_separate_passes(network):
    frames = images(9)
    policies = {"cut3r": None, "ttt3r": Every(4), "constant": 3, "frozen": WhenFar(0.05, minimum=2)}
    rules = {name: RULES[name]() for name in policies}
    together = list(rollout_rules(network, rules, frames, reset_every=policies))
    for name in rules:
        alone = run(network, name, frames, reset_every=policies[name])
        close([steps[name] for steps in together], alone)
    chunked = list(rollout_rules(network, rules, frames, reset_every=policies, chunk=4))
    for name in rules:
        close([steps[name] for steps in together], [steps[name] for steps in chunked])


def test_several_rules_encode_each_frame_once(network, monkeypatch):
    calls = []
    encode = network.encode
    monkeypatch.setattr(network, "encode", lambda frame: calls.append(frame.batch) or encode(frame))
    made = {name: rule() for name, rule in RULES.items()}
    rules = {
        name: rule for name, rule in made.items() if Needs.REREAD not in rule.needs
    }  # a further pass encodes again
    list(rollout_rules(network, rules, images(5)))
    assert calls == [1] * 5


@pytest.mark.parametrize("reset_every", [None, 3])
def test_resumed_equals_uninterrupted(network, tmp_path, reset_every):
    frames = images(8)
    whole = run(network, "ttt3r", frames, reset_every=reset_every)
    first = run(network, "ttt3r", frames[:4], reset_every=reset_every)
    first[-1].memory.save(tmp_path / "memory.safetensors")
    memory = Memory.load(tmp_path / "memory.safetensors")
    rest = run(network, "ttt3r", frames[4:], memory=memory, reset_every=reset_every)
    assert [step.index for step in rest] == [4, 5, 6, 7]
    close(whole, first + rest)


def test_resets_restart_the_memory_and_chain_the_cameras(network):
    frames = images(7)
    steps = run(network, "cut3r", frames, reset_every=3)
    plain = run(network, "cut3r", frames[:3])
    close(steps[:2], plain[:2])
    boundary = camera_of(plain[2])
    # The second chunk by hand: it begins with the boundary frame.
    second = run(network, "cut3r", frames[2:6])
    for chained, own in zip(steps[3:6], second[1:], strict=True):
        assert torch.allclose(camera_of(chained), boundary @ camera_of(own), atol=1e-5)
        points = own.reconstruction.points_world @ boundary[0, :3, :3].T + boundary[0, :3, 3]
        assert float((chained.reconstruction.points_world - points).abs().max()) < 1e-4
    assert [int(step.memory.age) for step in steps] == [1, 2, 1, 2, 3, 1, 2]


def test_a_frame_that_may_not_write_leaves_no_trace(network):
    frames = images(5)
    masked = [*frames[:3], Frame(frames[3], write=False), frames[4]]
    steps = run(network, "ttt3r", masked)
    assert torch.equal(steps[3].memory.state, steps[2].memory.state)
    assert torch.equal(steps[3].memory.pose, steps[2].memory.pose)
    assert torch.equal(steps[3].gain, torch.zeros_like(steps[3].gain))
    without = run(network, "ttt3r", [*frames[:3], frames[4]])
    assert torch.equal(steps[4].memory.state, without[3].memory.state)


def test_a_masked_first_frame_keeps_the_next_one_first(network):
    # The reference decides "first" by the view's number; ours by what was absorbed, and says so.
    frames = images(3)
    steps = run(network, "ttt3r", [Frame(frames[0], write=False), *frames[1:]])
    assert torch.equal(steps[1].gain, torch.ones_like(steps[1].gain))
    assert int(steps[1].memory.age) == 1


def test_the_loop_opened_equals_the_rollout(network):
    model, frames = Reconstructor(network, RULES["ttt3r"]()), images(4)
    memory, steps = model.begin(batch=1), []
    with torch.no_grad():
        for image in frames:
            steps.append(model.step(Frame(image), memory))
            memory = steps[-1].memory
    close(run(network, "ttt3r", frames), steps)


def test_only_what_is_asked_for_is_read_out(network):
    step = run(network, "ttt3r", images(1), outputs=Outputs.CAMERA | Outputs.POINTS_CAMERA)[0]
    made = {name for name, _ in named_tensors(step.reconstruction)}
    assert made == {"camera_to_world", "points_camera", "confidence_camera"}
    assert step.reconstruction.depth.shape == (1, HEIGHT, WIDTH)
    nothing = run(network, "ttt3r", images(1), outputs=Outputs.NOTHING)[0].reconstruction
    with pytest.raises(ValueError, match="POINTS_CAMERA"):
        _ = nothing.depth


@dataclass(frozen=True)
class Looking(GatedUpdateRule):
    """Gain from the confidence of the prediction and from a second look at the frame."""

    needs = Needs.READOUT | Needs.REREAD

    def gain(self, state, candidate, evidence, rule_state):
        confidence = evidence.reconstruction().confidence_camera.mean(dim=(1, 2))
        assert evidence.camera().shape == (state.shape[0], 4, 4)
        rays = torch.zeros(state.shape[0], HEIGHT, WIDTH, 6)
        again = evidence.reread(Frame(ray_map=rays)).confidence_camera.mean(dim=(1, 2))
        share = confidence / (confidence + again)
        return Gain(share[:, None, None].expand(-1, state.shape[1], 1))


def test_a_rule_may_look_at_the_readout_which_then_runs_once(network, monkeypatch):
    calls = []
    readout = network.readout
    monkeypatch.setattr(network, "readout", lambda *a: calls.append(a[1]) or readout(*a))
    model = Reconstructor(network, Looking())
    steps = list(rollout(model, images(2)))
    assert 0 < float(steps[1].gain.mean()) < 1
    assert len(calls) == 3  # each frame itself, and the second look at the one that is not taken whole
    with pytest.raises(ValueError, match="chunk must be 1"):
        list(rollout(model, images(2), chunk=2))


def test_no_gradient_unless_asked_and_cut_every_k(network):
    frames = images(6)
    assert not run(network, "cut3r", frames)[-1].memory.state.requires_grad
    probe = frames[1].clone().requires_grad_()
    steps = run(network, "cut3r", [frames[0], probe, *frames[2:]], detach_every=3)
    near, far = steps[2].memory.state.sum(), steps[4].memory.state.sum()
    assert torch.autograd.grad(near, probe, retain_graph=True)[0].abs().sum() > 0
    assert torch.autograd.grad(far, probe, allow_unused=True)[0] is None


def test_grad_mode_does_not_leak_from_the_generator(network):
    steps = rollout(Reconstructor(network, RULES["cut3r"]()), images(2))
    next(steps)
    assert torch.is_grad_enabled()
    with torch.no_grad():
        next(steps)
    assert torch.is_grad_enabled()


def test_a_nan_stops_at_its_frame_and_keeps_the_memory_before(network):
    frames = images(5)
    frames[3] = torch.full_like(frames[3], float("nan"))
    for chunk in (1, 4):
        steps = rollout(Reconstructor(network, RULES["ttt3r"]()), frames, chunk=chunk)
        good = [next(steps) for _ in range(3)]
        with pytest.raises(BadStep, match=r"frame 3.*not finite") as caught:
            next(steps)
        assert caught.value.index == 3
        assert torch.equal(caught.value.memory["rule"].state, good[-1].memory.state)


@dataclass(frozen=True)
class Overshoot(GatedUpdateRule):
    """Twice the candidate."""

    def gain(self, state, candidate, evidence, rule_state):
        return Gain(torch.full_like(state[..., :1], 2.0))


@dataclass(frozen=True)
class MeantOvershoot(Overshoot):
    """The same, on purpose."""

    bounds = None


def test_a_gain_outside_its_bounds_is_refused_unless_meant(network):
    with pytest.raises(BadStep, match=r"frame 1, rule Overshoot: the gain lies in \[2, 2\], outside its bounds"):
        list(rollout(Reconstructor(network, Overshoot()), images(3)))
    assert len(list(rollout(Reconstructor(network, MeantOvershoot()), images(3)))) == 3


def test_bad_settings_and_frames_are_named(network):
    model = Reconstructor(network, RULES["cut3r"]())
    with pytest.raises(ValueError, match=r"add the batch with image\[None\]"):
        list(rollout(model, [torch.zeros(3, HEIGHT, WIDTH)]))
    with pytest.raises(ValueError, match="multiples of 16"):
        list(rollout(model, [torch.zeros(1, 3, 30, WIDTH)]))
    with pytest.raises(ValueError, match="at least 1"):
        list(rollout(model, images(1), chunk=0))
    with pytest.raises(ValueError, match="2 sequences, the memory 1"):
        list(rollout(model, images(1, batch=2), memory=model.begin(1)))
    with pytest.raises(ValueError, match="no rules"):
        list(rollout_rules(network, {}, images(1)))
    with pytest.raises(ValueError, match="policies for"):
        list(rollout_rules(network, {"a": RULES["cut3r"]()}, images(1), reset_every={"b": 3}))


def test_a_shortage_of_memory_names_the_chunk(network, monkeypatch):
    def fail(frame):
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes")

    monkeypatch.setattr(network, "encode", fail)
    with pytest.raises(ChunkTooLarge, match="smaller chunk"):
        list(rollout(Reconstructor(network, RULES["cut3r"]()), images(4), chunk=4))


def test_another_network_meets_the_same_rules():
    """The network is reached through a small protocol: here a memory of running colours."""

    class Colours:
        def initial_memory(self, batch):
            return Memory.start(torch.zeros(batch, 2, 3), torch.zeros(batch, 1, 2))

        def encode(self, frame):
            return Tokens(frame.image.flatten(2).transpose(1, 2), frame.size)

        def propose(self, tokens, memory, needs, biases):
            mean = tokens.patches.mean(dim=1, keepdim=True).expand(-1, 2, -1)
            features = Features((tokens.patches,), mean[:, 0], tokens.grid)
            return Proposal(mean, memory.pose, features, tokens.patches)

        def readout(self, features, outputs):
            return Reconstruction(camera_to_world=torch.eye(4).expand(features.pose_token.shape[0], 4, 4))

    model = Reconstructor(Colours(), ConstantRate(rate=0.5))
    steps = list(rollout(model, [torch.full((1, 3, 2, 2), value) for value in (1.0, 0.0)]))
    assert torch.allclose(steps[-1].memory.state, torch.full((1, 2, 3), 0.5))


LONG_STREAM = """
import resource, torch, ttt3r
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.types import Outputs
from ttt3r.update_rules import RULES, TTT3R, ConstantRate, GainRecord, Momentum, Recorded
torch.set_num_threads(1)
model = Reconstructor(CUT3R.random(CUT3RConfig.tiny()), RULES["ttt3r"]())
stream = (torch.zeros(1, 3, 16, 16) for _ in range(2000))
for step in rollout(model, stream, outputs=Outputs.CAMERA, reset_every=100):
    if step.index in (200, 1999):
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_of_a_long_stream_does_not_grow():
    """2,000 frames at the smallest size, in a process of its own: the peak after a warm-up stays where it was."""
    environment = {**os.environ, "TTT3R_TYPECHECK": "0"}
    done = subprocess.run(
        [sys.executable, "-c", LONG_STREAM], capture_output=True, text=True, check=True, env=environment
    )
    early, late = map(int, done.stdout.split())
    assert late - early < 8 * 1024, f"peak resident memory grew from {early} to {late} KiB"


def test_step_and_memory_are_frozen(network):
    step = run(network, "ttt3r", images(1))[0]
    with pytest.raises(AttributeError):
        step.memory.state = torch.zeros(1)  # pyright: ignore[reportAttributeAccessIssue]
    assert replace(step, index=5).index == 5


class Replayed:
    """A network that answers with recorded cameras and points: view by view, a boundary frame's second pass included."""

    def __init__(self, cameras, points, views):
        self.cameras, self.points, self.views = cameras, points, views  # views: image -> numbers of its passes

    def initial_memory(self, batch):
        return Memory.start(torch.zeros(batch, 1, 1), torch.zeros(batch, 1, 2))

    def encode(self, frame):
        return Tokens(frame.image[:, :1, 0, :1], (1, 1))  # the image's number

    def propose(self, tokens, memory, needs, biases):
        image = round(float(tokens.patches) * 64)
        again = int(memory.age) == 0 and image > 0
        view = self.views[image][1 if again else 0]
        features = Features((tokens.patches,), torch.full((1, 1), float(view)), (1, 1))
        return Proposal(memory.state, memory.pose, features, tokens.patches)

    def readout(self, features, outputs):
        view = int(features.pose_token)
        return Reconstruction(camera_to_world=self.cameras[view : view + 1], points_camera=self.points[view : view + 1])


@dataclass(frozen=True)
class At(ResetPolicy):
    """Ends chunks after the given frames."""

    frames: frozenset[int]

    def ends_chunk(self, memory, camera):
        return torch.tensor([int(seen) - 1 in self.frames for seen in memory.seen])


@pytest.mark.shared
@pytest.mark.parametrize("name", ["one", "two", "adjacent", "none", "last", "every"])
def test_chaining_equals_the_recorded_demo(shared, name):
    recorded = {k.removeprefix(name + "_"): v for k, v in np.load(shared / "golden/helpers/reset_chain.npz").items()}
    views, resets, image, after_reset = {}, set(), -1, False
    for view, reset in enumerate(recorded["reset"]):
        image += not after_reset
        views.setdefault(image, []).append(view)
        after_reset = bool(reset) and not after_reset
        if after_reset:
            resets.add(image)
    cameras = pose_encoding_to_camera(torch.from_numpy(recorded["encoding"]))
    network = Replayed(cameras, torch.from_numpy(recorded["pts_self"]), views)
    frames = [torch.full((1, 3, 1, 1), index / 64) for index in range(image + 1)]
    steps = list(rollout(Reconstructor(network, RULES["cut3r"]()), frames, reset_every=At(frozenset(resets))))
    chained = torch.cat([camera_of(step) for step in steps])
    assert golden.error(chained, torch.from_numpy(recorded["c2w"])) < 1e-6
    points = torch.cat([p for step in steps if (p := step.reconstruction.points_camera) is not None])
    assert golden.error(transform_points(chained, points), torch.from_numpy(recorded["pts_world"])) < 1e-6


def test_gradients_are_cut_at_multiples_of_k_whatever_the_chunks(network):
    """Questions break chunks; the windows of truncated back-propagation stay where they are, so each is taken once."""
    rays = torch.randn(1, HEIGHT, WIDTH, 6, generator=torch.Generator().manual_seed(1))
    plain = images(6)
    frames = [plain[0], Frame(ray_map=rays), *plain[1:4], Frame(ray_map=rays), *plain[4:]]
    model = Reconstructor(network, RULES["cut3r"]())
    pending = []
    for step in rollout(model, frames, chunk=3, detach_every=3):
        pending.append(step.memory.state.sum() + camera_of(step).sum())
        if len(pending) == 3:
            torch.stack(pending).sum().backward()  # would fail if a graph were taken twice
            pending.clear()
    model.zero_grad(set_to_none=True)


def test_a_chunk_does_not_end_at_a_frame_that_was_not_absorbed(network):
    frames = images(5)
    masked = [frames[0], Frame(frames[1], write=False), *frames[2:]]
    steps = run(network, "cut3r", masked, reset_every=2)
    assert int(steps[1].memory.age) == 1
    assert torch.equal(steps[1].memory.chunk_to_world[0], torch.eye(4))
    assert int(steps[3].memory.age) == 1  # the fourth frame ends the chunk and begins the next one


def test_a_restarted_memory_goes_on_counting(network):
    frames = [Frame(image, reset=index == 3) for index, image in enumerate(images(6))]
    whole = run(network, "ttt3r", frames)
    rest = run(network, "ttt3r", frames[4:], memory=whole[3].memory)
    assert [step.index for step in rest] == [4, 5]
    close(whole[4:], rest)


def test_a_restarted_memory_is_not_asked_in_the_world_of_the_stream(network):
    rays = torch.randn(1, HEIGHT, WIDTH, 6, generator=torch.Generator().manual_seed(1))
    model, frames = Reconstructor(network, RULES["ttt3r"]()), images(5)
    *_, last = rollout(model, frames, reset_every=3)
    with pytest.raises(ValueError, match="in_chunk=True"):
        model.query(last.memory, rays)
    answer = model.query(last.memory, rays, in_chunk=True)
    *_, alone = rollout(model, frames[2:])  # the frame at the boundary begins the chunk
    expected = model.query(alone.memory, rays).moved(last.memory.chunk_to_world)
    torch.testing.assert_close(answer.color, expected.color, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(answer.points_world, expected.points_world, atol=1e-4, rtol=1e-4)
    batch = replace(last.memory, chunk_to_world=torch.eye(4)[None])  # where no chunk ended, nothing is to be said
    torch.testing.assert_close(model.query(batch, rays).color, answer.color, rtol=0, atol=0)


def test_recorded_gains_travel_through_a_rollout(network):
    steps = list(rollout(Reconstructor(network, Recorded(TTT3R())), images(3)))
    record = steps[-1].memory.rule
    assert isinstance(record, GainRecord)
    torch.testing.assert_close(record.mean, torch.stack([step.gain for step in steps[1:]]).mean(dim=0)[..., 0])


def test_what_is_no_rule_is_refused_at_once(network):
    for wrong in ("ttt3r", TTT3R):
        with pytest.raises(TypeError, match=r"rule"):
            Reconstructor(network, wrong)  # pyright: ignore[reportArgumentType]


def test_a_real_shortage_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_shortage(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda image: (image + 1) * 127.5, r"lie in \[.*expected \[-1, 1\]; .*image / 127\.5 - 1"),
        (lambda image: image * 2.5, r"expected \[-1, 1\].*2 \* image - 1"),
        (lambda image: image - 0.5, r"expected \[-1, 1\]"),
        (lambda image: image * math.nan, "not finite"),
        (lambda image: image / 0, "not finite"),
    ],
)
def test_images_of_another_range_are_refused_at_their_frame(network, change, words):
    model, frames = Reconstructor(network, RULES["ttt3r"]()), images(3)
    wrong = [frames[0], frames[1], change(frames[2])]
    for chunk in (1, 3):
        steps = rollout(model, wrong, chunk=chunk)
        assert len([next(steps), next(steps)]) == 2
        with pytest.raises(BadStep, match="frame 2: .*" + words):
            next(steps)
    with pytest.raises(ValueError, match="frame 0: .*" + words):
        model.step(Frame(wrong[2]), model.begin())


def test_images_in_unit_range_are_warned_of_once_and_dark_or_white_ones_are_not(network, recwarn):
    model = Reconstructor(network, RULES["cut3r"]())
    noise = torch.rand(4, 1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    fine = [noise * 2 - 1, noise * 0.05 - 1, 1 - noise * 0.3, torch.ones_like(noise), torch.zeros_like(noise)]
    fine.append(torch.cat([torch.ones(1, 1, 3, HEIGHT, WIDTH), noise * 2 - 1]))  # out of white
    for frames in fine:
        list(rollout(model, frames, outputs=Outputs.NOTHING))
    assert not [warning for warning in recwarn if "look like" in str(warning.message)]
    with pytest.warns(UserWarning, match=r"look like \[0, 1\].*2 \* image - 1") as told:
        list(rollout(model, noise, outputs=Outputs.NOTHING))
    assert len([warning for warning in told if "look like" in str(warning.message)]) == 1
    with pytest.warns(UserWarning, match="look like"):
        model.step(Frame(noise[0]), model.begin())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_images_of_other_number_formats_become_the_networks(network, dtype):
    model = Reconstructor(network, RULES["ttt3r"]())
    rounded = [image.to(dtype) for image in images(3)]
    right = list(rollout(model, [image.float() for image in rounded]))
    for found in (list(rollout(model, rounded)), list(rollout(model, rounded, chunk=3))):
        for step, expected in zip(found, right, strict=True):
            assert camera_of(step).dtype == torch.float32
            assert torch.allclose(camera_of(step), camera_of(expected), atol=1e-5)
    step = model.step(Frame(rounded[0]), model.begin())
    assert torch.equal(camera_of(step), camera_of(right[0]))


def test_bytes_become_colours(network):
    model = Reconstructor(network, RULES["ttt3r"]())
    pixels = torch.randint(0, 256, (2, 1, 3, HEIGHT, WIDTH), dtype=torch.uint8)
    found, right = list(rollout(model, pixels)), list(rollout(model, (pixels.float() / 255 - 0.5) / 0.5))
    assert torch.equal(camera_of(found[1]), camera_of(right[1]))
    with pytest.raises((ValueError, TypeError)):
        Frame(pixels[0])


def test_a_batch_of_sequences_is_named(network):
    model = Reconstructor(network, RULES["ttt3r"]())
    clips = torch.zeros(2, 4, 3, HEIGHT, WIDTH)
    with pytest.raises(ValueError, match=r"batch of sequences.*transpose\(0, 1\)"):
        next(rollout(model, [clips]))
    assert len(list(rollout(model, clips.transpose(0, 1)))) == 4


def test_one_tensor_that_is_one_frame_of_many_sequences_is_warned_of(network):
    model = Reconstructor(network, RULES["ttt3r"]())
    stream = torch.zeros(5, 1, 3, HEIGHT, WIDTH)
    with pytest.warns(UserWarning, match=r"one frame of 5 sequences.*batch of sequences.*transpose\(0, 1\)"):
        assert len(list(rollout(model, stream.transpose(0, 1)))) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(rollout(model, stream))) == 5
        assert len(list(rollout(model, stream[:1]))) == 1


@pytest.mark.parametrize(
    ("item", "error", "words"),
    [
        (np.zeros((1, 3, HEIGHT, WIDTH), np.float32), TypeError, "got ndarray; torch.as_tensor"),
        ([[0.0]], TypeError, "got list; torch.as_tensor"),
        (Path("photo.png"), TypeError, "got .*Path"),
        (
            torch.zeros(3, HEIGHT, WIDTH),
            ValueError,
            r"image\[None\], or images\[:, None\] where time is the first axis",
        ),
        (torch.zeros(0, 3, HEIGHT, WIDTH), ValueError, "holds nothing; give at least one sequence"),
        (torch.zeros(1, 3, HEIGHT, 0), ValueError, "holds nothing"),
    ],
)
def test_what_is_no_image_is_named_with_the_cure(network, item, error, words):
    with pytest.raises(error, match=words):
        next(rollout(Reconstructor(network, RULES["ttt3r"]()), iter([item])))


def test_a_path_or_a_source_is_a_stream(network, tmp_path):
    model = Reconstructor(network, RULES["ttt3r"]())
    noise = np.random.default_rng(0).integers(0, 255, (48, 96, 3), dtype=np.uint8)
    for i in range(3):
        Image.fromarray(noise[:, 3 * i : 3 * i + 64]).save(tmp_path / f"photo{i}.png")
    size = CUT3RConfig.tiny().image_size
    source = open_source(tmp_path, policy=CropToPatches(size))
    right = list(rollout(model, [item.image for item in source]))
    for frames in (tmp_path, str(tmp_path), str(tmp_path / "*.png"), source, Prefetch(source)):
        found = list(rollout(model, frames))
        assert [torch.equal(camera_of(a), camera_of(b)) for a, b in zip(found, right, strict=True)] == [True] * 3
    with pytest.raises(FileNotFoundError, match="nothing at"):
        next(rollout(model, tmp_path / "nowhere"))


def test_a_memory_of_another_network_or_rule_is_refused(network):
    frames, model = images(2), Reconstructor(network, TTT3R())
    good = model.begin(1)
    assert len(list(rollout(model, frames, memory=good))) == 2
    for change, words in (
        ({"state": torch.zeros(1, 7, 48)}, "memory's state is"),
        ({"state": good.state.double()}, "memory's state is"),
        ({"pose": torch.zeros(1, 3, good.pose.shape[2])}, "memory's pose is"),
        ({"rule": Momentum().init(good.state)}, "carries a"),
    ):
        with pytest.raises(ValueError, match=words):
            next(rollout(model, frames, memory=replace(good, **change)))
