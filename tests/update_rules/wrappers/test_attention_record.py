"""A recorded attention is the plain one, and recording it changes nothing."""

import pytest
import torch

import ttt3r
from ttt3r.types import Needs
from ttt3r.update_rules import TTT3R, AttentionRecord, AttentionRecorded, FullOverwrite, check_rule
from ttt3r.update_rules.conformance.streams import Sizes, make_stream
from ttt3r.update_rules.conformance.trial import Trial

FRAMES = make_stream(Sizes(frames=4))


@pytest.mark.parametrize("rule", [FullOverwrite(), TTT3R()], ids=repr)
def test_nothing_else_changes(rule):
    plain, recorded = Trial(rule, FRAMES).run(), Trial(AttentionRecorded(rule), FRAMES).run()
    for one, other in zip(plain, recorded, strict=True):
        assert torch.equal(one.memory.state, other.memory.state)
        assert torch.equal(one.gain, other.gain)


@pytest.mark.parametrize("rule", [AttentionRecorded(FullOverwrite()), AttentionRecorded(TTT3R())], ids=repr)
def test_it_keeps_the_laws(rule):
    assert Needs.STATE_ATTENTION in rule.needs
    check_rule(rule)


def test_it_is_the_mean_of_the_maps_without_the_pose_token():
    network = ttt3r.load_network("tiny-random")
    rule = AttentionRecorded(FullOverwrite())
    model = ttt3r.Reconstructor(network, rule)
    memory = model.begin()
    frame = ttt3r.Frame(torch.rand(1, 3, 48, 64) * 2 - 1)
    with torch.no_grad():
        tokens = network.encode(frame)
        layers = network.propose(tokens, memory, Needs.STATE_ATTENTION, ()).state_attention
        record = model.step(frame, memory).memory.rule
    maps = torch.stack([torch.softmax(layer.query @ layer.key.mT, dim=-1) for layer in layers])  # layer batch head q k
    expected = maps.mean(dim=(0, 2))[..., 1:]
    assert isinstance(record, AttentionRecord)
    torch.testing.assert_close(record.attention, expected, rtol=0, atol=1e-6)
    assert record.attention.shape == (1, memory.state.shape[1], tokens.patches.shape[1])
    assert bool((record.attention.sum(-1) < 1).all())  # the pose token has its share


def test_a_rollout_with_resets_records_every_frame():
    model = ttt3r.Reconstructor(ttt3r.load_network("tiny-random"), AttentionRecorded(TTT3R()))
    frames = torch.rand(5, 1, 3, 48, 64) * 2 - 1
    for step in ttt3r.rollout(model, frames, reset_every=2, outputs=ttt3r.Outputs.CAMERA):
        assert isinstance(step.memory.rule, AttentionRecord)
        assert float(step.memory.rule.attention.sum()) > 0
