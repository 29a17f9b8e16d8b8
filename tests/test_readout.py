"""The heads of a frame: each output once for each gradient mode, and no other output than was asked for."""

from collections import Counter
from dataclasses import dataclass, replace

import pytest
import torch

import ttt3r
from ttt3r import tree
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reading, Reconstructor
from ttt3r.rollout import rollout
from ttt3r.types import Frame, Needs, Outputs, Reconstruction
from ttt3r.update_rules import PAS3R, Gain, GatedUpdateRule, RayMap3R, Scale

FIELDS = {
    Outputs.CAMERA: {"camera_to_world"},
    Outputs.POINTS_CAMERA: {"points_camera", "confidence_camera"},
    Outputs.POINTS_WORLD: {"points_world", "confidence_world"},
    Outputs.COLOR: {"color"},
}
SOME = [Outputs.NOTHING, *FIELDS, Outputs.CAMERA | Outputs.COLOR, Outputs.ALL]


@dataclass(frozen=True)
class Looking(GatedUpdateRule):
    """Looks at some outputs, with or without a gradient."""

    needs = Needs.READOUT
    outputs: Outputs = Outputs.ALL
    gradient: bool = False

    def gain(self, state, candidate, evidence, rule_state):
        with torch.set_grad_enabled(self.gradient and torch.is_grad_enabled()):
            shown = evidence.reconstruction(self.outputs)
        assert names(shown) == wanted(self.outputs)
        return Gain(torch.full_like(state[..., :1], 0.5))


def names(reconstruction):
    return {name for name, _ in tree.named_tensors(reconstruction)}


def wanted(outputs):
    return set().union(*(fields for output, fields in FIELDS.items() if output in outputs))


@pytest.fixture
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


@pytest.fixture
def heads(network):
    """How often each head has run."""
    calls = Counter()
    for name in ("camera", "points_camera", "points_world", "color"):
        head = getattr(network.heads, name)
        head.register_forward_hook(lambda *_, name=name: calls.update([name]))
    return calls


def images(count=4):
    return torch.rand(count, 1, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1


def gradients(network, rule):
    """Gradients of the heads and of the encoder for a loss on the last reconstruction."""
    network.zero_grad()
    *_, last = rollout(Reconstructor(network, rule), images(3), detach_every=3)
    shown = last.reconstruction
    (shown.points_world.sum() + shown.points_camera.sum() + shown.camera_to_world.sum() + shown.color.sum()).backward()
    return [None if p.grad is None else p.grad.clone() for p in network.parameters()]


@pytest.mark.parametrize("outputs", [Outputs.CAMERA, Outputs.POINTS_WORLD | Outputs.CAMERA, Outputs.ALL])
def test_a_rule_that_looks_without_gradient_leaves_the_gradient_to_who_asks_after_it(network, outputs):
    expected = gradients(network, ttt3r.update_rules.ConstantRate(0.5))
    assert any(grad is not None and bool(grad.any()) for grad in expected)
    for gradient in (False, True):
        for ours, theirs in zip(gradients(network, Looking(outputs, gradient)), expected, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_the_order_of_looks_does_not_matter(network):
    with torch.no_grad():
        proposal = network.propose(network.encode(Frame(images()[0])), network.initial_memory(1))
    reading = Reading(network, proposal.features)
    with torch.inference_mode():
        inferred = reading(Outputs.ALL)
    with torch.no_grad():
        plain = reading(Outputs.CAMERA)
    recorded = reading(Outputs.ALL)
    with torch.no_grad():
        again = reading(Outputs.ALL)
    assert inferred.camera_to_world.is_inference()
    assert recorded.camera_to_world.requires_grad
    assert not any(tensor.requires_grad or tensor.is_inference() for _, tensor in tree.named_tensors((plain, again)))
    for (_, one), (_, other) in zip(tree.named_tensors(recorded), tree.named_tensors(again), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("asked", SOME, ids=str)
@pytest.mark.parametrize("chunk", [1, 2])
def test_what_comes_back_is_what_was_asked_for(network, asked, chunk):
    rules = [Looking(looked) for looked in SOME] if chunk == 1 else [ttt3r.update_rules.FullOverwrite()]
    for rule in rules:
        model = Reconstructor(network, rule)
        steps = list(rollout(model, images(3), outputs=asked, chunk=chunk))
        with torch.no_grad():
            steps.append(model.step(Frame(images()[0]), steps[-1].memory, asked))
        assert all(names(step.reconstruction) == wanted(asked) for step in steps)


def test_a_reset_policy_that_looks_at_the_camera_adds_no_output(network):
    model = Reconstructor(network, ttt3r.update_rules.FullOverwrite())
    for chunk in (1, 2):
        steps = list(rollout(model, images(4), outputs=Outputs.COLOR, reset_every=2, chunk=chunk))
        assert all(names(step.reconstruction) == {"color"} for step in steps)


def test_each_head_runs_once_for_a_rule_and_the_readout_after_it(network, heads):
    for looked in SOME:
        for asked in SOME:
            heads.clear()
            list(rollout(Reconstructor(network, Looking(looked)), images(2), outputs=asked))
            for output, head in zip(FIELDS, ("camera", "points_camera", "points_world", "color"), strict=True):
                assert heads[head] == (output in asked) + (output in looked or output in asked)  # frame 0, frame 1


def test_a_second_look_runs_the_point_head_twice_a_frame_and_not_a_third_time(network, heads):
    rule = RayMap3R()
    list(rollout(Reconstructor(network, rule), images(4), outputs=Outputs.ALL))
    assert heads["points_camera"] == 1 + 3 * 2  # nothing is compared at a first frame
    assert heads["camera"] == heads["points_world"] == heads["color"] == 4


def test_a_wrapped_rule_shares_the_readout(network, heads):
    list(rollout(Reconstructor(network, Scale(PAS3R(), 0.5)), images(3), outputs=Outputs.CAMERA))
    assert heads == {"camera": 3}


def test_a_network_that_gives_more_than_was_asked_for_is_cut_to_it(network, monkeypatch):
    readout = network.readout
    monkeypatch.setattr(network, "readout", lambda features, outputs: readout(features, Outputs.ALL))
    model = Reconstructor(network, ttt3r.update_rules.FullOverwrite())
    for chunk in (1, 2):
        (*_, step) = rollout(model, images(2), outputs=Outputs.CAMERA, chunk=chunk)
        assert names(step.reconstruction) == {"camera_to_world"}
    with torch.no_grad():
        assert names(model.query(step.memory, torch.zeros(1, 32, 48, 6), Outputs.COLOR)) == {"color"}


def test_parts_of_a_reconstruction_are_taken_and_joined():
    points, confidence = torch.ones(1, 2, 3, 3), torch.ones(1, 2, 3)
    whole = Reconstruction(torch.eye(4)[None], points, confidence, points, confidence, color=0 * points)
    for asked in SOME:
        assert names(whole.only(asked)) == wanted(asked)
        again = whole.only(asked).joined(whole.only(Outputs.ALL & ~asked))
        assert names(again) == wanted(Outputs.ALL)
    other = replace(whole, color=None)
    assert other.only(Outputs.COLOR) == Reconstruction()
