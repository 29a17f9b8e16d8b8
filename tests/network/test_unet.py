"""Heads that see the image: what they look at, and that they fit into everything that heads do."""

from dataclasses import replace

import pytest
import torch

from ttt3r import Frame, Outputs, Reconstructor, rollout
from ttt3r.network import CUT3R, CUT3RConfig, LinearConfig, UNetConfig, load_network, save_network
from ttt3r.rollout import rollout_rules
from ttt3r.tree import named_tensors
from ttt3r.update_rules import TTT3R, FullOverwrite

CONFIG = replace(CUT3RConfig.tiny(), patch=8, head=UNetConfig((8, 12, 16)))
POINTS = Outputs.POINTS_CAMERA | Outputs.POINTS_WORLD


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CONFIG, seed=1)


@pytest.fixture(scope="module")
def frames():
    return torch.rand(5, 2, 3, 40, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1


def fields_of(answer):
    """The outputs by name."""
    return dict(named_tensors(answer))


@torch.no_grad()
def test_points_see_the_image_and_colours_do_not(network, frames):
    features = network.propose(network.encode(Frame(frames[0])), network.initial_memory(2)).features
    assert features.image is not None
    assert torch.equal(features.image, frames[0])
    other = replace(features, image=frames[1])
    before, after = (fields_of(network.readout(seen)) for seen in (features, other))
    assert before["points_camera"].shape == before["points_world"].shape == (2, 40, 24, 3)
    for name in ("points_camera", "points_world"):
        assert float((before[name] - after[name]).abs().max()) > 1e-3
    assert torch.equal(before["color"], after["color"])
    assert (before["points_camera"][..., 2] >= 0).all()


@torch.no_grad()
def test_a_pixel_of_the_image_moves_its_neighbourhood_only(network, frames):
    """The sharpest level has a small field of view; normalisation spreads a thousandth of the change over the map."""
    features = network.propose(network.encode(Frame(frames[0])), network.initial_memory(2)).features
    image = frames[0].clone()
    image[:, :, 20, 12] += 1.0
    moved = network.readout(replace(features, image=image), POINTS).points_camera
    change = (moved - network.readout(features, POINTS).points_camera).abs().amax(dim=(0, 3))
    assert change.argmax() in (change[18:23, 10:15].max() == change).flatten().nonzero()
    assert float(change[18:23, 10:15].max()) > 10 * float(change[0, 0])


@torch.no_grad()
def test_a_question_without_an_image_is_answered_from_the_tokens(network, frames):
    rays = torch.rand(2, 40, 24, 6)
    asked = network.propose(network.encode(Frame(ray_map=rays)), network.initial_memory(2)).features
    assert asked.image is None
    assert torch.isfinite(network.readout(asked).points_world).all()


@torch.no_grad()
def test_sequences_of_a_batch_chunks_and_rules_do_not_mix(network, frames):
    streamed = list(rollout(Reconstructor(network, TTT3R()), frames))
    alone = list(rollout(Reconstructor(network, TTT3R()), frames[:, 1:]))
    chunked = list(rollout(Reconstructor(network, TTT3R()), frames, chunk=3))
    together = list(rollout_rules(network, {"cut3r": FullOverwrite(), "ttt3r": TTT3R()}, frames))
    for one, single, many, both in zip(streamed, alone, chunked, together, strict=True):
        expected = one.reconstruction.points_world
        for found in (many.reconstruction.points_world, both["ttt3r"].reconstruction.points_world):
            torch.testing.assert_close(found, expected, atol=2e-5, rtol=2e-5)
        torch.testing.assert_close(single.reconstruction.points_world, expected[1:], atol=2e-5, rtol=2e-5)


def test_a_saved_network_is_the_same(network, frames, tmp_path):
    save_network(network, tmp_path / "network")
    again = load_network(tmp_path / "network")
    assert again.config == CONFIG
    with torch.no_grad():
        steps = [next(rollout(Reconstructor(one, FullOverwrite()), frames)) for one in (network, again)]
    first, second = (fields_of(step.reconstruction)["points_camera"] for step in steps)
    assert torch.equal(first, second)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="halve the image to patches of 8"):
        replace(CONFIG, patch=16)
    for widths in ((), (6,), (8, 0), (8192,)):
        with pytest.raises(ValueError, match="multiples of 4"):
            UNetConfig(widths)
    assert replace(CONFIG, head=LinearConfig()) != CONFIG
