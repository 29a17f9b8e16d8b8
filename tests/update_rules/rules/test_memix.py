"""MeMix: which part is written, over any rule, and the recorded runs of the published code."""

from dataclasses import dataclass, replace

import pytest
import rule_recordings as recordings
import torch

from ttt3r.types import Needs
from ttt3r.update_rules import (
    TTSA3R,
    TTT3R,
    FullOverwrite,
    GatedUpdateRule,
    MeMix,
    Scale,
    StateUpdateRule,
    Update,
    check_rule,
)
from ttt3r.update_rules.base import Gain

PARTS = {
    "memix_ttt": MeMix(TTT3R(), chunks=30, share=28 / 30),
    "memix_ttt_p8": MeMix(TTT3R(), chunks=8, share=5 / 8),
    "memix_ttsa": MeMix(TTSA3R(), chunks=30, share=28 / 30),
}
CASES = [("memix_ttt", case) for case in ("plain16", "reset16", "dup8", "skip8")]
CASES += [("memix_ttt_p8", "plain16"), ("memix_ttsa", "plain16")]
every_case = pytest.mark.parametrize(("name", "case"), CASES)
SOME = torch.ones(1, dtype=torch.long)


@dataclass(frozen=True)
class Given(GatedUpdateRule):
    """The gain that the evidence's first image token holds; a stand-in for what was recorded."""

    def gain(self, state, candidate, evidence, rule_state):
        return Gain(evidence.encoder_tokens[:, 0, :, None])


def base_gain(name, recorded, index):
    if index == 0:
        return torch.ones(30)
    if name == "memix_ttsa":
        return recorded["temporal"][index] * recorded["spatial"][index]
    return torch.sigmoid(recorded["logit_mean"][index])


def seen(recorded, index, gain):
    image = recorded["embed_mean"][index][None]
    return recordings.evidence(SOME, encoder=gain[None], entered=image, left=image)


@pytest.mark.shared
@every_case
def test_recorded_signals_give_the_recorded_choice_gains_and_states(shared, name, case):
    """The rule alone, without the loop, which takes first frames whole (theirs masks them too)."""
    recorded, rule = recordings.recording(name, case), replace(PARTS[name], rule=Given())
    initial = state = recorded["state_init"][None]
    for index, candidate in enumerate(recorded["candidate"]):
        evidence = seen(recorded, index, base_gain(name, recorded, index))
        torch.testing.assert_close(
            rule.scores(candidate[None], evidence)[0], recorded["scores"][index], rtol=1e-5, atol=1e-5
        )
        chosen = rule.chosen(candidate[None], evidence)[0, :, 0]
        assert torch.equal(chosen, recorded["patch_gate"][index].bool())
        update = rule.update(state, candidate[None], evidence, rule.init(initial))
        if recorded.write[index]:
            assert update.gain is not None
            torch.testing.assert_close(update.gain[0, :, 0], recorded["gain"][index], rtol=0, atol=1e-6)
            state = update.state
        if recorded.reset[index]:
            state = initial
        torch.testing.assert_close(state[0], recorded["state_after"][index], rtol=0, atol=3e-6)


@pytest.mark.shared
@every_case
def test_the_published_loop_end_to_end(shared, name, case, record_property):
    """Theirs masks the first frame, then treats no frame as a first one, not even after a reset."""
    recorded, rule = recordings.recording(name, case), PARTS[name]

    def decide(index, memory, proposed, evidence):
        used = rule if index else replace(rule, rule=FullOverwrite())
        update = used.update(memory.state, proposed.candidate, evidence, memory.rule)
        carried = rule.update(memory.state, proposed.candidate, evidence, memory.rule).rule_state
        return update.state if recorded.write[index] else memory.state, carried

    start = rule.init(recorded["state_init"][None])
    worst = recordings.run_by_hand(rule.needs, recorded, start, decide, first_again=False)
    record_property("worst", worst)
    assert max(worst.values()) < 1e-5


@pytest.mark.shared
def test_first_frames_are_taken_whole_although_the_published_code_masks_them(shared):
    recorded = recordings.recording("memix_ttt", "plain16")
    assert not recorded["patch_gate"][0].all()

    def signals(index, memory):
        return replace(seen(recorded, index, base_gain("memix_ttt", recorded, index)), age=memory.age)

    rule = replace(PARTS["memix_ttt"], rule=Given())
    taken = list(recordings.absorb_recorded(rule, recorded, signals))
    assert torch.equal(taken[0][0].state[0], recorded["candidate"][0])
    torch.testing.assert_close(taken[1][1], recorded["gain"][1], rtol=0, atol=1e-6)


def evidence_with(image):
    """One image token, and attention for any inner rule."""
    return recordings.evidence(SOME, torch.randn(7, 4), torch.randn(3, 5), image.expand(3, -1), image.expand(3, -1))


def test_those_that_agree_most_with_the_image_stay_bit_for_bit():
    state, candidate = torch.randn(1, 7, 4), torch.zeros(1, 7, 4)
    candidate[0, :, 0] = torch.tensor([0.3, -5, 2, 9, 0, -1, 4])
    rule = MeMix(FullOverwrite(), share=4 / 7)
    update = rule.update(state, candidate, evidence_with(torch.tensor([1.0, 0, 0, 0])), rule.init(state))
    written = torch.tensor([True, True, False, False, True, True, False])
    assert torch.equal(update.state[0, written], candidate[0, written])
    assert torch.equal(update.state[0, ~written], state[0, ~written])
    assert update.gain is not None
    assert torch.equal(update.gain[0, :, 0], written.float())


@pytest.mark.parametrize(
    ("chunks", "sizes"), [(1, [7]), (2, [4, 3]), (3, [3, 3, 1]), (5, [2, 2, 2, 1]), (900, [1] * 7)]
)
def test_chunks_are_those_of_torch_chunk(chunks, sizes):
    candidate, image = torch.randn(1, 7, 4), torch.randn(4)
    rule = MeMix(chunks=chunks, share=0.5)
    expected = torch.stack([part.mean() for part in (candidate[0] @ image).chunk(chunks)])
    scores = rule.scores(candidate, evidence_with(image))[0]
    torch.testing.assert_close(scores, expected)
    assert [len(part) for part in torch.arange(7).chunk(chunks)] == sizes
    order = expected.argsort()[: round(0.5 * len(sizes))].tolist()
    written = [index in order for index, size in enumerate(sizes) for _ in range(size)]
    assert rule.chosen(candidate, evidence_with(image))[0, :, 0].tolist() == written


def test_a_share_of_one_is_the_inner_rule_and_a_share_of_zero_writes_nothing():
    state, candidate, evidence = torch.randn(1, 7, 4), torch.randn(1, 7, 4), evidence_with(torch.randn(4))
    inner = TTT3R()
    whole = MeMix(inner, share=1.0).update(state, candidate, evidence, inner.init(state))
    assert torch.equal(whole.state, inner.update(state, candidate, evidence, inner.init(state)).state)
    nothing = MeMix(inner, share=0.0).update(state, candidate, evidence, inner.init(state))
    assert torch.equal(nothing.state, state)


def test_the_published_numbers_at_the_published_size():
    rule = MeMix(FullOverwrite())
    candidate = torch.randn(1, 768, 2)
    image = torch.randn(1, 1, 2)
    evidence = recordings.evidence(SOME, entered=image[0], left=image[0])
    assert int(rule.chosen(candidate, evidence).sum()) == 708


def test_equal_scores_are_broken_by_place():
    rule = MeMix(FullOverwrite(), share=3 / 7)
    chosen = rule.chosen(torch.ones(1, 7, 4), evidence_with(torch.ones(4)))
    assert chosen[0, :, 0].tolist() == [True] * 3 + [False] * 4


@dataclass(frozen=True)
class Nameless(StateUpdateRule):
    """Names no gain."""

    needs = Needs.IMAGE_ATTENTION

    def update(self, state, candidate, evidence, rule_state):
        return Update(0.5 * state + 0.5 * torch.tanh(candidate))


@pytest.mark.parametrize("rule", [TTSA3R(), Nameless(), Scale(TTT3R(), 0.5)], ids=lambda r: f"{r}")
def test_any_rule_may_be_inside(rule):
    outer = MeMix(rule, chunks=4, share=0.5)
    assert outer.needs == rule.needs
    check_rule(outer)
    check_rule(MeMix(outer))


@pytest.mark.parametrize(("settings", "message"), [({"chunks": 0}, "at least 1"), ({"share": 1.2}, r"\[0, 1\]")])
def test_settings_outside_their_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MeMix(**settings)


def test_what_is_no_rule_is_refused():
    with pytest.raises(TypeError):
        MeMix(TTT3R)  # pyright: ignore[reportArgumentType]
