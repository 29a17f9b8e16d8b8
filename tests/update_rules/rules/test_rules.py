"""The four rules: closed forms, and TTT3R against recorded signals of the published code."""

import ast
import inspect
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_house import RULES_MAY_IMPORT

from ttt3r.types import AttentionLayer, Features, Memory, Needs, Proposal
from ttt3r.update_rules import RULES, TTT3R, ConstantRate, Evidence, Frozen, FullOverwrite, Scale, absorb
from ttt3r.update_rules.wrappers.base import Wrapper


def evidence_with_mean_logit(logit, age):
    """Evidence whose mean logit is the given one: one layer, one head, queries that are the logits, keys with mean 1."""
    query = logit[None, None, :, None]
    key = torch.tensor([0.5, 2.0, 0.5]).reshape(1, 1, 3, 1)
    tokens = torch.zeros(1, 2, 4)
    return Evidence(age, tokens, tokens, tokens, lambda: tokens, (AttentionLayer(query, key),))


def run(rule, candidates, logits, initial, write=None):
    write = [True] * len(candidates) if write is None else write
    memory = Memory.start(initial[None], torch.zeros(1, 2, 6), rule.init(initial[None]))
    states, gains = [], []
    for candidate, logit, writes in zip(candidates, logits, write, strict=True):
        tokens = torch.zeros(1, 2, candidate.shape[-1])
        proposal = Proposal(candidate[None], torch.ones(1, 2, 6), Features((), tokens[:, 0], (1, 2)), tokens)
        evidence = evidence_with_mean_logit(logit, memory.age)
        taken = absorb(rule, memory, proposal, evidence, torch.tensor([writes]))
        memory = taken.memory
        states.append(memory.state[0])
        gains.append(taken.gain[0, :, 0])
    return torch.stack(states), torch.stack(gains)


@pytest.mark.shared
def test_ttt3r_equals_the_recorded_run_of_the_published_code(shared):
    recorded = load_file(shared / "golden_rules/ttt3r/plain16.safetensors")
    states, gains = run(TTT3R(), recorded["candidate"], recorded["logit_mean"], recorded["state_init"])
    torch.testing.assert_close(gains, recorded["gain"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(states, recorded["state_after"], rtol=0, atol=2e-6)


@pytest.mark.shared
@pytest.mark.parametrize("case", ["plain16", "dup8", "skip8"])
def test_half_of_ttt3r_equals_the_recorded_run_of_its_damped_variant(shared, case):
    folder = shared / "golden_rules/ddd3r_const"
    recorded, write = load_file(folder / f"{case}.safetensors"), json.loads((folder / "meta.json").read_text())
    inputs = recorded["candidate"], recorded["logit_mean"], recorded["state_init"], write["cases"][case]["update"]
    states, gains = run(Scale(TTT3R(), 0.5), *inputs)
    torch.testing.assert_close(gains, recorded["gain"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(states, recorded["state_after"], rtol=0, atol=2e-6)


@pytest.mark.shared
def test_cut3r_and_frozen_are_the_two_ends_of_the_recorded_run(shared):
    recorded = load_file(shared / "golden_rules/ttt3r/plain16.safetensors")
    inputs = recorded["candidate"], recorded["logit_mean"], recorded["state_init"]
    assert torch.equal(run(FullOverwrite(), *inputs)[0], recorded["candidate"])
    assert torch.equal(run(Frozen(), *inputs)[0], recorded["candidate"][:1].expand_as(recorded["candidate"]))


def test_no_agreement_between_state_and_image_means_a_gain_of_one_half():
    candidates, initial = torch.randn(3, 5, 4), torch.randn(5, 4)
    _, gains = run(TTT3R(), candidates, torch.zeros(3, 5), initial)
    assert torch.equal(gains, torch.tensor([1.0, 0.5, 0.5])[:, None].expand(3, 5))


def test_a_constant_rate_is_a_moving_average():
    candidates, initial = torch.randn(4, 5, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    states, _ = run(ConstantRate(0.25), candidates, torch.zeros(4, 5), initial)
    weights = torch.tensor([0.75**3, 0.25 * 0.75**2, 0.25 * 0.75, 0.25], dtype=torch.float64)
    torch.testing.assert_close(states[-1], torch.einsum("t,tsc->sc", weights, candidates))


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_its_range_is_refused(rate):
    with pytest.raises(ValueError, match="rate must lie in"):
        ConstantRate(rate)


@pytest.mark.parametrize("gradient", [False, True])
def test_gradient_flows_through_the_gate_only_if_asked_for(gradient):
    logit = torch.randn(5, requires_grad=True)
    state = torch.randn(1, 5, 4)
    rule = TTT3R(gradient=gradient)
    gain = rule.gain(state, state, evidence_with_mean_logit(logit, torch.ones(1, dtype=torch.long)), rule.init(state))
    assert gain.value.requires_grad is gradient


def test_the_table_holds_the_four_rules_and_only_ttt3r_asks_for_attention():
    assert {"cut3r", "ttt3r", "constant", "frozen"} <= set(RULES)
    assert RULES["ttt3r"].needs == Needs.STATE_ATTENTION
    assert RULES["cut3r"].needs == RULES["constant"].needs == RULES["frozen"].needs == Needs.NOTHING
    assert repr(ConstantRate()) == "ConstantRate(rate=0.3)"
    assert len({ConstantRate(0.1), ConstantRate(0.1), ConstantRate(0.2)}) == 2


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_a_rule_knows_the_contract_and_no_other_rule(rule):
    tree = ast.parse(Path(inspect.getfile(rule)).read_text())
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    ours = {name for name in named if name.startswith("ttt3r")}
    if issubclass(rule, Wrapper):  # it stands around another rule and has one by default
        ours -= {"ttt3r.update_rules.wrappers.base", "ttt3r.update_rules.rules.ttt3r"}
    assert ours <= RULES_MAY_IMPORT | {"ttt3r"}
    assert rule.__doc__
    assert "Reference" in rule.__doc__ or rule is Frozen
