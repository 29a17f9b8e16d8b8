"""Suppression of dynamic patches: the score by hand, the biases on plain attention, and what they do in the decoder."""

from dataclasses import replace

import pytest
import torch

from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import begin
from ttt3r.rollout import rollout_rules
from ttt3r.types import Frame, Memory, Needs, Outputs, Stream, Tokens
from ttt3r.update_rules import TTT3R, FullOverwrite, Product, check_rule
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial
from ttt3r.update_rules.rules.suppress import DynamicScore, Suppress

SCORE = torch.tensor([[0.0, 0.25, 1.0], [1.0, 0.0, 0.5]])


def biases(rule, score=SCORE, state=4):
    tokens = Tokens(torch.zeros(len(score), score.shape[1], 6), (1, score.shape[1]))
    memory = Memory.start(torch.zeros(len(score), state, 8), torch.zeros(len(score), 2, 4))
    return rule.attend(DynamicScore(score), tokens, memory)


def test_the_score_is_the_missing_attention_between_its_extremes():
    frames = make_stream()
    carried = Trial(Suppress(), frames).run()[2].memory.rule
    assert isinstance(carried, DynamicScore)
    maps = [
        torch.softmax((layer.query @ layer.key.mT)[..., 1:], dim=-1).sum(dim=2).mean(dim=1)
        for layer in frames[2].image_layers
    ]
    received = torch.stack(maps).mean(dim=0)
    least, most = received.amin(dim=1, keepdim=True), received.amax(dim=1, keepdim=True)
    torch.testing.assert_close(carried.patches, (most - received) / (most - least))
    assert torch.equal(carried.patches.amin(dim=1), torch.zeros(3))
    assert torch.equal(carried.patches.amax(dim=1), torch.ones(3))


def test_the_biases_are_those_of_the_equation_and_spare_the_pose_token():
    state, image = biases(Suppress(strength=3.0, layers=5))
    assert (state.stream, image.stream) == (Stream.STATE_FROM_IMAGE, Stream.IMAGE_SELF)
    assert state.layers == image.layers == (0, 5)
    d = torch.cat([torch.zeros(2, 1), SCORE], dim=1)
    torch.testing.assert_close(state.query[:, :, None] * state.key[:, None], -3 * d[:, None].expand(2, 4, 4))
    torch.testing.assert_close(image.query[:, :, None] * image.key[:, None], -3 * (1 - d[:, :, None]) * d[:, None])
    assert not bool(state.key[:, 0].any())


def test_before_the_first_frame_nothing_is_suppressed():
    rule = Suppress()
    tokens = Tokens(torch.zeros(2, 5, 6), (1, 5))
    memory = Memory.start(torch.zeros(2, 4, 8), torch.zeros(2, 2, 4))
    for bias in rule.attend(rule.init(memory.state), tokens, memory):
        assert bias.key.shape == (2, 6)
        assert not bool((bias.query[:, :, None] * bias.key[:, None]).any())


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1).eval()


@torch.no_grad()
def candidate(network, tokens, rule, score):
    memory = replace(begin(network, rule, 1), rule=DynamicScore(score))
    return network.propose(tokens, memory, Needs.NOTHING, rule.attend(memory.rule, tokens, memory)).candidate


def test_a_patch_that_is_suppressed_wholly_has_no_say_in_the_candidate(network):
    torch.manual_seed(0)
    with torch.no_grad():
        tokens = network.encode(Frame(torch.rand(1, 3, 32, 48) * 2 - 1))
    altered = replace(tokens, patches=tokens.patches.clone())
    altered.patches[:, 3] += 5
    score = torch.zeros(1, tokens.patches.shape[1])
    score[:, 3] = 1
    effect = {}
    for strength in (0.0, 2.0, 1e4):
        rule = Suppress(strength, layers=99)
        effect[strength] = float(
            (candidate(network, altered, rule, score) - candidate(network, tokens, rule, score)).norm()
        )
    assert effect[1e4] < 1e-4 * effect[0.0]
    assert effect[2.0] < effect[0.0]


def clips(frames=4, batch=2):
    return [Frame(image) for image in torch.rand(frames, batch, 3, 32, 48) * 2 - 1]


def states(network, rules, frames):
    steps = rollout_rules(network, rules, frames, outputs=Outputs.NOTHING)
    return [{name: step.memory.state for name, step in all_rules.items()} for all_rules in steps]


def test_strength_zero_is_cut3r_and_more_is_not(network):
    rules = {"cut3r": FullOverwrite(), "zero": Suppress(0.0), "two": Suppress(), "no layer": Suppress(layers=0)}
    for index, found in enumerate(states(network, rules, clips())):
        torch.testing.assert_close(found["zero"], found["cut3r"], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found["no layer"], found["cut3r"], rtol=1e-4, atol=1e-4)
        assert torch.allclose(found["two"], found["cut3r"], rtol=1e-4, atol=1e-4) is (index == 0)


def test_a_batch_gives_what_its_sequences_give_alone_and_resets_clear_the_score(network):
    frames = clips()
    frames[2] = replace(frames[2], reset=torch.tensor([False, True]))
    whole = states(network, {"it": Suppress()}, frames)[-1]["it"]
    first = states(network, {"it": Suppress()}, [Frame(frame.image[:1]) for frame in frames])[-1]["it"]
    second = states(network, {"it": Suppress()}, [Frame(frame.image[1:]) for frame in frames[2:]])[-1]["it"]
    torch.testing.assert_close(whole, torch.cat([first, second]), rtol=1e-4, atol=1e-4)


def test_it_combines_with_a_gate(network):
    rule = Product((TTT3R(), Suppress()))
    check_rule(rule)
    assert len(biases(Suppress())) == 2
    found = states(network, {"both": rule, "gate": TTT3R()}, clips())[-1]
    assert not torch.allclose(found["both"], found["gate"], atol=1e-3)


def test_a_single_patch_is_never_dynamic(network):
    frame = Frame(torch.rand(1, 3, 16, 16))
    found = states(network, {"it": Suppress(), "cut3r": FullOverwrite()}, [frame] * 3)[-1]
    torch.testing.assert_close(found["it"], found["cut3r"], rtol=1e-4, atol=1e-4)


def test_frames_that_change_their_size_are_refused_with_the_cure(network):
    small, large = torch.zeros(1, 3, 32, 48), torch.zeros(1, 3, 48, 64)
    with pytest.raises(ValueError, match="12 patches after one with 6.*reset=True"):
        states(network, {"it": Suppress()}, [Frame(small), Frame(large)])
    assert states(network, {"it": Suppress()}, [Frame(small), Frame(large, reset=True), Frame(large)])


def test_a_frame_of_another_size_that_is_not_written_is_read_without_a_bias():
    memory = Memory.start(torch.zeros(2, 4, 8), torch.zeros(2, 2, 4))
    assert Suppress().attend(DynamicScore(SCORE), Tokens(torch.zeros(2, 5, 6), (1, 5)), memory) == ()
    assert len(Suppress().attend(DynamicScore(SCORE), Tokens(torch.zeros(2, 3, 6), (1, 3)), memory)) == 2


@pytest.mark.parametrize("settings", [{"strength": -1.0}, {"strength": float("nan")}, {"layers": -1}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match="at least 0"):
        Suppress(**settings)
