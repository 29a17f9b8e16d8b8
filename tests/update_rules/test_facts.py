"""The table of needs, sizes and costs, and that the documentation shows it as it is."""

import re
from pathlib import Path

import pytest
import torch

from ttt3r.types import AttentionBias, Needs, Stream
from ttt3r.update_rules import (
    RULES,
    TTT3R,
    Chain,
    ConstantRate,
    GatedUpdateRule,
    LearnedToken,
    Recorded,
    Scale,
    rule_facts,
)

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "rules" / "index.md"


def test_facts_of_known_rules():
    plain = rule_facts(ConstantRate(0.5))
    assert (plain.settings, plain.needs, plain.carried, plain.weights) == (("rate=0.3",), Needs.NOTHING, 0, 0)
    assert plain.cost == "arithmetic on the state"
    assert rule_facts(RULES["ttt3r"]()).cost == "queries and keys kept, and their reduction"
    assert rule_facts(RULES["momentum"]()).carried == 768 * 768 * 4
    assert rule_facts(RULES["momentum"](), state=10, channel=8).carried == 10 * 8 * 4


def test_wrapped_rules_count_with_what_is_inside():
    rule = Recorded(Scale(LearnedToken(), 0.5))
    facts = rule_facts(rule)
    assert facts.carried == 4 * 768 * 4 + 8
    assert facts.weights == 768 * 64 + 64 + 768 * 64 + 64 + 1
    assert not rule_facts(Chain((TTT3R(), ConstantRate()))).biases


def test_asking_does_not_size_a_learned_rule():
    rule = LearnedToken()
    rule_facts(rule)
    assert rule.channel is None


class Suppress(GatedUpdateRule):
    needs = Needs.READOUT | Needs.REREAD

    def attend(self, rule_state, tokens, memory):
        ones = torch.ones(tokens.batch, tokens.patches.shape[1] + 1)
        return (AttentionBias(Stream.IMAGE_SELF, (0, 1), ones, ones),)

    def gain(self, state, candidate, evidence, rule_state):
        raise NotImplementedError


@pytest.mark.parametrize("rule", [Suppress(), Scale(Suppress(), 0.5)], ids=["itself", "wrapped"])
def test_costs_add_up(rule):
    expected = "a further pass of the network, heads before the write (no chunks), a bias on attention"
    assert rule_facts(rule).cost == expected


def row(name):
    facts = rule_facts(RULES[name]())
    needs = str(facts.needs).removeprefix("Needs.").lower().replace("|", ", ").replace("_", " ")
    carried = f"{facts.carried:,} B" if facts.carried else ""
    weights = f"{facts.weights:,} weights" if facts.weights else ""
    return f"| `{name}` | {needs} | {', '.join(filter(None, (carried, weights))) or 'nothing'} | {facts.cost} |"


@pytest.mark.parametrize("name", RULES)
def test_the_page_of_rules_shows_the_facts(name):
    lines = re.findall(r"^\| `\w+` \|.*$", PAGE.read_text(), flags=re.MULTILINE)
    assert row(name) in lines, f"docs/rules/index.md: the row of {name} should be\n{row(name)}"


if __name__ == "__main__":
    print("\n".join(row(name) for name in RULES))
