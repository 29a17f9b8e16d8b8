"""Learned rules: untrained they are a constant, their equations by hand, sizes, saving, and that they do learn."""

import itertools
import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from ttt3r.network import CUT3R, CUT3RConfig, LinearConfig
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout, rollout_rules
from ttt3r.types import Frame, Outputs
from ttt3r.update_rules import (
    RULES,
    Chain,
    ConstantRate,
    EveryNth,
    LearnedChannel,
    LearnedGRU,
    LearnedRule,
    LearnedScalar,
    LearnedToken,
    Product,
    Recorded,
    Scale,
    Schedule,
    Sizes,
    check_rule,
)
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial

KINDS = [LearnedScalar, LearnedToken, LearnedChannel, LearnedGRU]
SMALL = CUT3RConfig(
    image_size=32,
    encoder_width=32,
    encoder_depth=1,
    encoder_heads=2,
    ray_depth=1,
    ray_heads=2,
    width=32,
    depth=4,
    heads=2,
    state_heads=2,
    state_tokens=12,
    slots=4,
    head=LinearConfig(),
)
every_kind = pytest.mark.parametrize("kind", KINDS)
LAST = {LearnedScalar: 1, LearnedToken: 1, LearnedChannel: 8, LearnedGRU: 8}


def stir(rule: LearnedRule, scale: float = 0.5) -> LearnedRule:
    """Weights as after some training."""
    with torch.no_grad():
        for parameter in rule.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return rule


def answer(rule, frame):
    age = torch.ones(len(frame.candidate), dtype=torch.long)
    state = rule.init(frame.initial_state)
    return rule.gain(frame.initial_state, frame.candidate, frame.evidence(rule.needs, age), state).value


def images(count, seed=0, batch=1):
    return 2 * torch.rand(count, batch, 3, 48, 64, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


@every_kind
@pytest.mark.parametrize("start", [0.3, 0.9])
def test_untrained_it_is_the_constant_rate(kind, start):
    trials = [Trial(rule, make_stream()) for rule in (kind(start=start), ConstantRate(start))]
    for learned, constant in zip(*(trial.run() for trial in trials), strict=True):
        torch.testing.assert_close(learned.memory.state, constant.memory.state, rtol=1e-6, atol=1e-6)


@every_kind
def test_trained_it_keeps_the_laws_alone_and_wrapped(kind):
    rule = stir(kind(channel=8))
    check_rule(rule)
    check_rule(Scale(EveryNth(Recorded(rule), 2), 0.5))
    check_rule(Schedule((Chain((rule, ConstantRate(0.5))), Product((rule, ConstantRate(0.5)))), starts=(2,)))


@every_kind
def test_the_shape_of_its_gain_and_what_it_depends_on(kind):
    frame = make_stream(Sizes(batch=2))[0]
    rule = stir(kind(channel=8))
    gain = answer(rule, frame).detach()
    assert gain.shape == (2, 10, LAST[kind])
    assert float(gain.std(dim=1).max()) > 1e-3 or kind is LearnedScalar
    if kind is LearnedScalar:
        assert torch.equal(gain, gain[:, :1].expand_as(gain))
    for field in ("initial_state", "decoder_first"):  # both the memory and the frame
        other = replace(frame, **{field: torch.randn_like(getattr(frame, field))})
        assert not torch.allclose(answer(rule, other), gain, atol=1e-3)
    assert torch.equal(answer(rule, replace(frame, candidate=torch.randn_like(frame.candidate))), gain)


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def norm(x):
    return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + 1e-5)


@every_kind
def test_the_equation_by_hand(kind):
    """One sequence, written token by token as the docstring has it: an MLP over the concatenation [S; x]."""
    frame = make_stream(Sizes(batch=1))[0]
    rule = stir(kind(channel=8, hidden=5))
    w = {name.removeprefix("gate."): tensor for name, tensor in rule.state_dict().items()}
    first = torch.cat([w["mlp.from_memory.weight"], w["mlp.from_frame.weight"]], dim=1)
    memory, patches = norm(frame.initial_state[0]), norm(frame.decoder_first[0])
    if kind is LearnedScalar:
        memory = memory.mean(dim=0).expand_as(memory)
    for token, gain in zip(memory, answer(rule, frame)[0], strict=True):
        seen = patches.mean(dim=0)
        if kind is LearnedGRU:
            scores = torch.stack([(w["query.weight"] @ token) @ (w["key.weight"] @ p) for p in patches])
            shares = torch.softmax(scores / math.sqrt(5), dim=0)
            seen = torch.stack([share * (w["value.weight"] @ p) for share, p in zip(shares, patches, strict=True)])
            seen = seen.sum(dim=0)
        hidden = gelu(first @ torch.cat([token, seen]) + w["mlp.from_memory.bias"])
        expected = 1 / (1 + torch.exp(-(w["mlp.output.weight"] @ hidden + w["mlp.output.bias"])))
        torch.testing.assert_close(gain, expected, rtol=1e-5, atol=1e-6)


@every_kind
def test_it_is_sized_when_it_meets_a_network_and_not_by_a_trial(kind, network):
    rule = kind()
    check_rule(rule)
    with pytest.raises(ValueError, match=r"no weights yet.*for_network"):
        torch.optim.SGD(rule.parameters())
    before = torch.random.get_rng_state()
    model = Reconstructor(network, rule)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert rule.channel == 48
    own, all_of_it = list(rule.parameters()), {id(p) for p in model.parameters()}
    assert own
    assert all(id(parameter) in all_of_it for parameter in own)
    same = kind.for_network(network.config)
    for one, other in zip(own, same.parameters(), strict=True):
        assert torch.equal(one, other)


def test_another_width_is_refused_with_the_cure(network):
    with pytest.raises(ValueError, match=r"width 7, the network's has 48; make one with LearnedToken.for_network"):
        Reconstructor(network, Scale(LearnedToken(channel=7), 0.5))
    with pytest.raises(ValueError, match="width 7"):
        next(rollout_rules(network, {"a": LearnedToken(channel=7)}, images(2)))
    with pytest.raises(AssertionError, match=r"sizes=Sizes\(channel=7\)"):
        check_rule(LearnedToken(channel=7))
    check_rule(LearnedToken(channel=7), sizes=Sizes(channel=7))


@pytest.mark.parametrize("wrong", [{"start": 0.0}, {"start": 1.0}, {"start": math.nan}, {"channel": 0}, {"hidden": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        LearnedToken(**wrong)


def test_it_prints_its_settings():
    assert "channel=8, hidden=64, start=0.3, seed=0" in repr(LearnedToken(channel=8))


@pytest.mark.parametrize("wrap", [lambda rule: rule, lambda rule: Scale(rule, 0.5), lambda rule: Chain((rule, rule))])
@every_kind
def test_it_is_saved_and_loaded_with_the_model(kind, wrap, network, tmp_path):
    model = Reconstructor(network, wrap(stir(kind.for_network(network.config))))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = Reconstructor(network, wrap(kind()))  # sized by the network, so that the weights fit
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    here, there = list(rollout(model, images(3))), list(rollout(other, images(3)))
    for one, again in zip(here, there, strict=True):
        assert torch.equal(one.memory.state, again.memory.state)
    assert not torch.equal(here[-1].gain, torch.full_like(here[-1].gain, 0.3))


@every_kind
def test_it_follows_the_model_to_another_precision(kind, network):
    rule = kind()
    model = Reconstructor(network, rule).double()
    assert {parameter.dtype for parameter in rule.parameters()} == {torch.float64}
    frame = make_stream(Sizes(channel=48))[0]
    assert answer(rule, frame).dtype == torch.float64
    model.float()


def mask_error(model, frames, mask, detach_every=8):
    """How far the memory is from that of a stream in which only the frames of the mask were ever written."""
    wanted = rollout(
        Reconstructor(model.network, ConstantRate(1.0)),
        [Frame(frame, write=bool(write)) for frame, write in zip(frames, mask, strict=True)],
        outputs=Outputs.NOTHING,
    )
    have = rollout(model, frames, outputs=Outputs.NOTHING, detach_every=detach_every)
    errors = [(a.memory.state - b.memory.state).square().mean() for a, b in zip(have, wanted, strict=True)]
    return torch.stack(errors).sum()


@every_kind
def test_it_learns_to_remember_an_earlier_frame(kind):
    """A frozen network sees noise, then blank frames; the memory shall be as if the blank ones had never come.

    The teacher is the same network under a write mask; the student must find out by itself what to write whole and what
    not at all. It learns through `rollout`, by back-propagation through time.
    """
    network = CUT3R.random(SMALL, seed=3).requires_grad_(False)
    frames, mask = images(4, seed=1)[..., :32, :32].contiguous(), [True, True, False, False]
    frames[2:] = 0
    model = Reconstructor(network, Scale(kind(), 1.0))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.03)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = mask_error(model, frames, mask)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 0.01
    assert losses[-1] < losses[0] / 20


@pytest.mark.parametrize("kind", [LearnedToken, LearnedChannel, LearnedGRU])
def test_it_overfits_any_gains(kind):
    """Gains per token that were drawn at random, to be told from memory and frame alone."""
    frames = make_stream(Sizes(batch=1, frames=4))
    targets = torch.rand(4, 1, 10, 1, generator=torch.Generator().manual_seed(5)) * 0.9 + 0.05
    rule = kind(channel=8)
    optimizer = torch.optim.Adam(rule.parameters(), lr=0.02)

    def loss():
        memory, total = frames[0].initial_state, torch.zeros(())
        for frame, target in zip(frames, targets, strict=True):
            gain = answer(rule, replace(frame, initial_state=memory))
            total = total + (gain - target).square().mean()
            memory = memory + target * (frame.candidate - memory)
        return total

    first = float(loss().detach())
    for _ in range(200):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert float(loss().detach()) < first / 100


@every_kind
def test_gradients_reach_frames_through_time_and_are_cut_on_request(kind, network):
    model = Reconstructor(network, stir(kind.for_network(network.config)))
    frames = images(3).requires_grad_()
    last = list(rollout(model, list(frames), outputs=Outputs.NOTHING, detach_every=5))[-1]
    (through,) = torch.autograd.grad(last.memory.state.sum(), frames)
    assert all(bool(through[index].any()) for index in range(3))
    last = list(rollout(model, list(frames), outputs=Outputs.NOTHING, detach_every=1))[-1]
    (cut,) = torch.autograd.grad(last.memory.state.sum(), frames)
    assert [bool(cut[index].any()) for index in range(3)] == [False, False, True]


@every_kind
@pytest.mark.parametrize(
    "case",
    ["same frame again", "blank frames", "first frame masked", "all frames masked", "reset on every frame"],
)
def test_edge_cases_are_finite(kind, case, network):
    frames = [Frame(frame) for frame in images(4)]
    if case == "same frame again":
        frames = [frames[0]] * 4
    if case == "blank frames":
        frames = [Frame(torch.zeros(1, 3, 48, 64))] * 4
    if case == "first frame masked":
        frames[0] = replace(frames[0], write=False)
    if case == "all frames masked":
        frames = [replace(frame, write=False) for frame in frames]
    if case == "reset on every frame":
        frames = [replace(frame, reset=True) for frame in frames]
    model = Reconstructor(network, stir(kind.for_network(network.config)))
    steps = list(rollout(model, frames, outputs=Outputs.NOTHING))
    gains = [step.gain for step in steps]
    assert all(bool(gain.isfinite().all()) for gain in gains)
    if case == "all frames masked":
        assert not any(bool(gain.any()) for gain in gains)
        assert torch.equal(steps[-1].memory.state, model.begin().state)
    if case == "first frame masked":
        assert [float(gain.mean()) for gain in gains[:2]] == [0.0, 1.0]
    if case == "reset on every frame":
        assert all(bool((gain == 1).all()) for gain in gains)


@every_kind
@pytest.mark.parametrize("sizes", [Sizes(state=1), Sizes(grid=(1, 1)), Sizes(state=1, grid=(1, 1))])
def test_one_token_and_one_patch(kind, sizes):
    check_rule(stir(kind(channel=8)), sizes=sizes)


@every_kind
@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_frames(kind, count):
    """The memory stays an average of candidates, so it can neither grow nor die."""
    frames = make_stream(Sizes(batch=1, frames=5))
    trial = Trial(stir(kind(channel=8)), frames)
    memory, largest = trial.begin(), max(float(frame.candidate.abs().max()) for frame in frames)
    with torch.no_grad():
        for frame in itertools.islice(itertools.cycle(frames), count):
            memory = trial.absorb(memory, frame).memory
    assert memory.state.isfinite().all()
    assert float(memory.state.abs().max()) <= largest + 1e-4


def test_all_rules_run_in_one_pass_over_one_network(network):
    rules = {name: rule() for name, rule in RULES.items()}
    last = list(rollout_rules(network, rules, images(3), outputs=Outputs.NOTHING))[-1]
    for name in ("learned_scalar", "learned_token", "learned_channel", "learned_gru"):
        torch.testing.assert_close(last[name].memory.state, last["constant"].memory.state, rtol=1e-5, atol=1e-5)
        assert isinstance(rules[name], nn.Module)


@every_kind
def test_saved_weights_make_the_rule_again(kind, tmp_path):
    rule = kind(channel=24, hidden=8, start=0.6)
    with torch.no_grad():
        for parameter in rule.parameters():
            parameter.add_(torch.randn_like(parameter))
    rule.save(tmp_path / "gate.safetensors")
    again = kind(weights=tmp_path / "gate.safetensors")
    assert (again.channel, again.hidden) == (24, 8)
    for name, tensor in rule.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    other = next(one for one in KINDS if one is not kind)
    with pytest.raises(ValueError, match=f"holds a {kind.name}, not a {other.name}"):
        other(weights=tmp_path / "gate.safetensors")


@every_kind
def test_weights_that_an_older_release_saved_make_the_rule_again(kind, tmp_path):
    rule = kind(channel=8, hidden=4, seed=3)
    rule.save(tmp_path / "gate.safetensors")
    with safe_open(tmp_path / "gate.safetensors", "pt") as file:
        facts = json.loads(file.metadata()["ttt3r.rule"])
    assert facts == {"format": 2, "rule": kind.name, "channel": 8, "hidden": 4}
    tensors = {name: tensor.clone() for name, tensor in rule.state_dict().items()}
    older = {"ttt3r.rule": json.dumps({"rule": kind.__name__, "channel": 8, "hidden": 4})}
    save_file(tensors, tmp_path / "older.safetensors", metadata=older)
    again = kind(weights=tmp_path / "older.safetensors")
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in tensors.items())
    other = next(one for one in KINDS if one is not kind)
    with pytest.raises(ValueError, match=f"holds a {kind.__name__}, not a {other.name}"):
        other(weights=tmp_path / "older.safetensors")
    newer = {"ttt3r.rule": json.dumps(facts | {"format": 3})}
    save_file(tensors, tmp_path / "newer.safetensors", metadata=newer)
    with pytest.raises(ValueError, match=r"of format 3, which a newer release wrote; update ttt3r"):
        kind(weights=tmp_path / "newer.safetensors")


def test_a_learned_rule_of_ones_own_is_saved_by_its_class(tmp_path):
    class LearnedToken(RULES["learned_token"]):  # pyright: ignore
        """Of the same name as the class that it comes from."""

    kind: Any = LearnedToken
    kind(channel=8).save(tmp_path / "gate.safetensors")
    assert kind(weights=tmp_path / "gate.safetensors").channel == 8
    with pytest.raises(ValueError, match="holds a LearnedToken, not a learned_token"):
        RULES["learned_token"](weights=tmp_path / "gate.safetensors")  # pyright: ignore


def test_files_that_hold_no_learned_rule_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no weights at .*train a rule"):
        LearnedToken(weights=tmp_path / "none.safetensors")
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(ValueError, match="is not a file of learned weights"):
        LearnedToken(weights=tmp_path / "text")
    torch.save(LearnedToken(channel=8).state_dict(), tmp_path / "pickle.pt")
    with pytest.raises(ValueError, match="is not a file of learned weights"):
        LearnedToken(weights=tmp_path / "pickle.pt")
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="is not a file of learned weights"):
        LearnedToken(weights=tmp_path / "other.safetensors")
    facts = {"ttt3r.rule": '{"rule": "LearnedToken", "channel": 8, "hidden": 4}'}
    save_file({"gate.a": torch.zeros(2)}, tmp_path / "torn.safetensors", metadata=facts)
    with pytest.raises(ValueError, match=r"torn\.safetensors does not fit a learned_token"):
        LearnedToken(weights=tmp_path / "torn.safetensors")
    with pytest.raises(ValueError, match="no weights yet"):
        LearnedToken().save(tmp_path / "early.safetensors")
