"""ReCal3R: closed forms, the recorded runs of the published code, and where ours differs from it on purpose."""

import math

import pytest
import rule_recordings as recordings
import torch

from ttt3r.types import AttentionLayer
from ttt3r.update_rules import AttentionEvidence, Evidence, Keys, ReCal3R, Update
from ttt3r.update_rules.evidence import normalised_entropy
from ttt3r.update_rules.rules.recal3r import Pressure

RULE = ReCal3R()
SOME = torch.ones(1, dtype=torch.long)


def logits_with(mean, entropy, patches=12):
    """(state, 1 + patches) logits with the given mean over all keys and normalised entropy over the patches.

    One patch stands out by x, found by bisection; the pose token's logit sets the mean.
    """
    mean, x = mean.double(), torch.zeros_like(entropy.double())
    low, high = x, x + 60
    for _ in range(100):
        x = (low + high) / 2
        p = torch.softmax(torch.nn.functional.pad(x[:, None], (0, patches - 1)), dim=-1)
        found = torch.special.entr(p).sum(dim=-1) / math.log(patches)
        low, high = torch.where(found > entropy, x, low), torch.where(found > entropy, high, x)
    return torch.cat([((1 + patches) * mean - x)[:, None], x[:, None], torch.zeros(len(x), patches - 1)], dim=1)


def signals(recorded):
    """Evidence from the recorded summaries: mean logit, entropy, and the decoder's relative error."""
    entered = torch.nn.functional.normalize(torch.ones(12, 48), dim=-1) * 1000

    def at(index, memory):
        age, missing = memory.age, recorded["entropy"][index].isnan().all()
        entropy = torch.full((30,), 0.5) if missing else recorded["entropy"][index]
        error = recorded["rel_err"][index].nan_to_num()
        return recordings.evidence(
            age,
            logits_with(recorded["logit_mean"][index].nan_to_num(), entropy),
            torch.zeros(12, 64),
            entered,
            entered * (1 + error),
            recorded["state_init"],
        )

    return at


@pytest.mark.shared
@pytest.mark.parametrize("case", ["plain16", "dup8", "reset16"])
def test_recorded_signals_give_the_recorded_gains_states_and_pressure(shared, case):
    recorded = recordings.recording("recal3r", case)
    worst = recordings.compare_recorded(RULE, recorded, signals(recorded))
    assert worst["gain"] < 1e-6
    assert worst["state"] < 3e-6
    taken = recordings.absorb_recorded(RULE, recorded, signals(recorded))
    pressure = torch.stack([recordings.carried(memory, Pressure).value[0] for memory, _ in taken])
    torch.testing.assert_close(pressure[recorded.kept], recorded["pressure"][recorded.kept], rtol=0, atol=1e-6)


@pytest.mark.shared
def test_entropy_and_surprise_are_the_recorded_ones(shared):
    recorded = recordings.recording("recal3r", "plain16")
    for index, logits in zip((1, 6, 12), recorded["logits_full"], strict=True):
        layers = AttentionEvidence(tuple(recordings.layer(layer) for layer in logits))
        entropy = normalised_entropy(layers.entropy(Keys.PATCHES), 12)[0, :, 0]
        torch.testing.assert_close(entropy, recorded["entropy"][index], rtol=0, atol=1e-6)
        assert torch.equal(entropy.argsort(), recorded["entropy"][index].argsort())
        mean = layers.mean_logit(Keys.ALL)[0, :, 0]
        torch.testing.assert_close(mean, recorded["logit_mean"][index], rtol=0, atol=1e-5)
    entered, left = recorded["embed_tokens"], recorded["final_tokens"]
    error = (entered - left).norm(dim=-1).mean(dim=-1) / (entered.norm(dim=-1).mean(dim=-1) + 1e-6)
    torch.testing.assert_close(error[1:], recorded["rel_err"][1:], rtol=0, atol=1e-6)


@pytest.mark.shared
@pytest.mark.parametrize("case", ["plain16", "reset16", "dup8"])
def test_end_to_end_as_recorded(shared, case, record_property):
    worst = recordings.compare_run(RULE, recordings.recording("recal3r", case))
    record_property("worst", worst)
    assert max(worst.values()) < 1e-5


@pytest.mark.shared
def test_the_published_pressure_also_grows_at_frames_that_may_not_write(shared):
    recorded = recordings.recording("recal3r", "skip8")

    def decide(index, memory, proposed, seen):
        shown = memory.state, proposed.candidate, seen, memory.rule
        first = bool((memory.age == 0).all())
        update = Update(proposed.candidate, RULE.see_first(*shown)) if first else RULE.update(*shown)
        return update.state if recorded.write[index] else memory.state, update.rule_state

    start = RULE.init(recorded["state_init"][None])
    theirs = recordings.run_by_hand(RULE.needs, recorded, start, decide, first_again=True)
    assert max(theirs.values()) < 1e-5
    taken = list(recordings.absorb_recorded(RULE, recorded, signals(recorded)))
    before, after = (recordings.carried(memory, Pressure).value for memory, _ in taken[3:5])
    assert torch.equal(before, after)
    assert (recorded["pressure"][4] > recorded["pressure"][3]).all()
    assert taken[4][1].eq(0).all()
    gains = torch.stack([gain for _, gain in taken])
    torch.testing.assert_close(gains[:5], recorded["gain"][:5], rtol=0, atol=1e-6)
    assert (gains[5:] - recorded["gain"][5:]).abs().max() > 1e-3


def gain(logits, state, initial, carried=0.0, rule=RULE, entered=None, left=None):
    seen = recordings.evidence(SOME, logits, torch.zeros(logits.shape[1] - 1, 6), entered, left, initial)
    pressure = rule.init(state[None])
    pressure = type(pressure)(pressure.value + carried)
    return rule.gain(state[None], state[None], seen, pressure).value[0, :, 0]


def test_a_token_at_its_initial_state_that_looks_at_one_place_is_reliable_and_the_opposite_one_is_not():
    """With two tokens: pi = (1/2, 0); h = (0, 1) gives gamma = (1, 0), hence R = (0, 1), and rates b and base."""
    logits = torch.tensor([[0.0, 9.0, -9.0], [0.0, 1.0, -1.0]])
    initial = torch.zeros(2, 3)
    state = torch.tensor([[0.1, 0, 0], [5.0, 0, 0]])
    tokens = torch.nn.functional.normalize(torch.randn(2, 4), dim=-1)
    answer = gain(logits, state, initial, carried=0.2, entered=tokens, left=1.2 * tokens)
    pressure = 0.95 * 0.2 + 0.05 * 0.5
    eager = 0.5 * 0.5 * math.exp(-pressure)  # agreement 1/2, surprise sigmoid(0.2 - 0.2)
    rates = torch.tensor([eager, 0.1])
    torch.testing.assert_close(answer, 0.5 * rates + 0.5 * rates.mean(), rtol=0, atol=1e-5)


def test_a_single_token_takes_the_safe_rate():
    """Nothing to rank: pi = 0, so R = 1."""
    answer = gain(torch.tensor([[0.0, 5.0, -4.0]]), torch.ones(1, 3), torch.zeros(1, 3), rule=ReCal3R(base=0.17))
    torch.testing.assert_close(answer, torch.tensor([0.17]))


def test_equal_tokens_are_ranked_by_place_and_stay_finite():
    first, again = (gain(torch.zeros(6, 5), torch.zeros(6, 3), torch.zeros(6, 3)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.isfinite().all()


def test_surprise_of_one_sequence_does_not_reach_another():
    """The published code averages it over the batch; the law suite would find that too."""
    state, tokens = torch.randn(2, 4, 3), torch.randn(2, 5, 3)
    left = torch.stack([tokens[0], 9 * tokens[1]])
    query, key = torch.randn(2, 1, 4, 2), torch.randn(2, 1, 6, 2)

    def rates(rows):
        layers = (AttentionLayer(query[rows], key[rows]),)
        count = len(query[rows])
        seen = Evidence(SOME.expand(count), tokens[rows], tokens[rows], left[rows], lambda: 0 * state[rows], layers)
        return RULE.gain(state[rows], state[rows], seen, RULE.init(state[rows])).value

    torch.testing.assert_close(rates(slice(0, 2)), torch.cat([rates(slice(0, 1)), rates(slice(1, 2))]))


@pytest.mark.parametrize("settings", [{"base": 1.5}, {"decay": -0.1}])
def test_settings_outside_their_range_are_refused(settings):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        ReCal3R(**settings)
