"""What the loop takes off the rules: first frames, and frames that are not written, of any size."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from ttt3r import tree
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.types import Frame, Outputs, RuleState
from ttt3r.update_rules import (
    FILT3R,
    RULES,
    TTSA3R,
    Anneal,
    AttentionRecorded,
    Chain,
    EveryNth,
    Gain,
    GatedUpdateRule,
    MeMix,
    Momentum,
    NormRestored,
    Product,
    Recorded,
    Scale,
    Schedule,
    Suppress,
    check_rule,
)
from ttt3r.update_rules.conformance.streams import Sizes, make_stream
from ttt3r.update_rules.conformance.trial import Trial
from ttt3r.update_rules.wrappers.base import Wrapper

FRAMES = make_stream(Sizes(frames=6))
CARRIES = [
    AttentionRecorded(TTSA3R()),
    Recorded(Scale(Suppress(), 0.5)),
    Product((TTSA3R(), Suppress())),
    Chain((TTSA3R(), FILT3R(), Momentum())),
    Schedule((Suppress(), AttentionRecorded(MeMix(TTSA3R()))), starts=(2,)),
    EveryNth(NormRestored(TTSA3R()), 2),
]
EVERY = [*(rule() for rule in RULES.values()), *CARRIES]
every_rule = pytest.mark.parametrize("rule", EVERY, ids=[*RULES, *(repr(rule)[:50] for rule in CARRIES)])


@dataclass(frozen=True)
class Steps(RuleState):
    """The last step, and how often a rule was asked."""

    step: Tensor
    asked: Tensor


@dataclass(frozen=True)
class Watching(GatedUpdateRule[Steps]):
    """Notes the ages at which it was asked."""

    ages: tuple[list[list[int]], ...] = ()

    def init(self, initial_state):
        return Steps(torch.zeros_like(initial_state), torch.zeros(len(initial_state)))

    def gain(self, state, candidate, evidence, rule_state):
        self.ages[0].append(evidence.age.tolist())
        return Gain(torch.full_like(state[..., :1], 0.5), Steps(candidate - state, rule_state.asked + 1))


@dataclass(frozen=True)
class Leaving(Watching):
    """The same, and a first frame is none of its business."""

    def see_first(self, state, candidate, evidence, rule_state):
        return rule_state


def last(rule, write=None, frames=FRAMES):
    carried = Trial(rule, frames).run(write=write)[-1].memory.rule
    assert isinstance(carried, Steps)
    return carried


def test_a_rule_that_says_nothing_of_first_frames_carries_on_what_its_update_does():
    ages = []
    carried = last(Watching((ages,)))
    assert ages == [[age] * 3 for age in range(6)]
    assert carried.asked.tolist() == [6, 6, 6]


def test_a_rule_that_leaves_first_frames_out_is_never_asked_there():
    ages = []
    carried = last(Leaving((ages,)))
    assert ages == [[age] * 3 for age in range(1, 6)]
    assert carried.asked.tolist() == [5, 5, 5]


def test_sequences_that_begin_at_different_frames_have_each_their_first():
    write = torch.tensor([[True, False, False], [True, True, False], *[[True] * 3] * 4])
    for kind in (Watching, Leaving):
        carried = last(kind(([],)), write)
        for row in range(3):
            alone = last(kind(([],)), frames=tree.rows(FRAMES[row:], row, row + 1))
            assert torch.equal(carried.asked[row : row + 1], alone.asked)
            torch.testing.assert_close(carried.step[row : row + 1], alone.step)


def test_a_frame_that_nobody_writes_never_reaches_the_rule():
    ages = []
    write = torch.tensor([[False] * 3, [True] * 3, [False] * 3, [True, False, True], [False] * 3, [False] * 3])
    last(Watching((ages,)), write)
    assert ages == [[0, 0, 0], [1, 1, 1]]


@dataclass(frozen=True)
class Plain(GatedUpdateRule):
    """Carries nothing, and is undone by a first frame."""

    def gain(self, state, candidate, evidence, rule_state):
        assert bool((evidence.age > 0).all())
        return Gain(torch.ones_like(state[..., :1]))


def test_a_rule_that_carries_nothing_is_not_asked_at_a_first_frame():
    assert len(Trial(Plain(), FRAMES).run()) == 6
    assert len(Trial(Scale(Plain(), 0.5), FRAMES).run()) == 6


@dataclass(frozen=True)
class Older(Wrapper):
    """A wrapper of one's own that knows of no hook."""

    def update(self, state, candidate, evidence, rule_state):
        return self.rule.update(state, candidate, evidence, rule_state)


@dataclass(frozen=True)
class OlderWithAState(Wrapper):
    """Another one, that carries something itself."""

    def init(self, initial_state):
        return Steps(torch.zeros_like(initial_state), torch.zeros(len(initial_state)))

    def update(self, state, candidate, evidence, rule_state):
        update = self.rule.update(state, candidate, evidence, self.rule.init(state))
        return replace(update, rule_state=Steps(candidate, rule_state.asked + 1))


def test_a_wrapper_of_ones_own_leaves_first_frames_to_what_it_wraps():
    for inner in (Momentum(), FILT3R(), TTSA3R()):
        ours, theirs = Trial(Older(inner), FRAMES).run(), Trial(inner, FRAMES).run()
        assert torch.equal(ours[-1].memory.state, theirs[-1].memory.state)
    assert last(OlderWithAState(RULES["ttt3r"]())).asked.tolist() == [6, 6, 6]
    check_rule(Older(Momentum()))


def test_a_step_from_the_initial_state_leaves_no_momentum():
    """By hand: m_1 = 0, m_2 = 0.1 D_2, S_2 = S_1 + 0.33 m_2."""
    first, second = FRAMES[0].candidate, FRAMES[1].candidate
    taken = Trial(Momentum(rate=0.33, smoothing=0.9), FRAMES[:2]).run()
    torch.testing.assert_close(taken[1].memory.state, first + 0.33 * 0.1 * (second - first))
    annealed = Trial(Anneal(Momentum(rate=0.33, smoothing=0.9), 1.0), FRAMES[:2]).run()
    torch.testing.assert_close(annealed[1].memory.state, first + 0.5 * 0.33 * 0.1 * (second - first))


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


def pictures(count=3, batch=2, height=32, width=48):
    random = torch.Generator().manual_seed(4)
    return [Frame(torch.rand(batch, 3, height, width, generator=random) * 2 - 1) for _ in range(count)]


def asked():
    """Frames that nobody writes, each of another kind and size; the last has as many patches as the pictures."""
    image, nobody = torch.zeros(2, 3, 48, 64), torch.tensor([False, False])
    return [
        Frame(ray_map=torch.zeros(2, 16, 16, 6)),
        Frame(image, write=False),
        Frame(torch.zeros(2, 3, 48, 32), torch.zeros(2, 48, 32, 6), write=nobody),
    ]


@every_rule
def test_frames_of_any_size_that_nobody_writes_leave_no_trace(network, rule):
    seen = pictures()
    model = Reconstructor(network, rule)
    stream = [*asked(), seen[0], *asked(), *seen[1:], *asked()]
    mixed = [step.memory for step in rollout(model, stream, outputs=Outputs.CAMERA)]
    plain = [model.begin(2), *(step.memory for step in rollout(model, seen, outputs=Outputs.NOTHING))]
    written = [0, 0, 0, 1, 1, 1, 1, 2, 3, 3, 3, 3]  # pictures so far
    for memory, count in zip(mixed, written, strict=True):
        expected = dict(tree.named_tensors(replace(plain[count], seen=memory.seen)))
        for name, tensor in tree.named_tensors(memory):
            assert torch.equal(tensor, expected[name]), name  # shapes included


def test_a_frame_that_a_wrapper_does_not_write_never_reaches_the_inner_rule():
    ages = []
    last_of_inner = Trial(EveryNth(Watching((ages,)), 3), FRAMES).run()[-1].memory.rule
    assert isinstance(last_of_inner, Steps)
    assert last_of_inner.asked.tolist() == [2, 2, 2]
    assert ages == [[0] * 3, [1] * 3]


@every_rule
def test_a_mask_that_resets_all_sequences_allows_another_size(network, rule):
    small, large = pictures(2), pictures(2, height=48, width=32)
    model = Reconstructor(network, rule)
    restarted = replace(large[0], reset=torch.tensor([True, True]))
    steps = list(rollout(model, [*small, restarted, large[1]], outputs=Outputs.NOTHING))
    alone = list(rollout(model, large, outputs=Outputs.NOTHING))
    assert torch.equal(steps[-1].memory.state, alone[-1].memory.state)


def test_a_question_of_another_size_finds_a_rule_that_compares_patches():
    with pytest.raises(AssertionError, match="an_unwritten_memory_is_untouched: expected biases"):
        check_rule(ComparesPatches())


@dataclass(frozen=True)
class ComparesPatches(Suppress):
    """Biases that do not ask how many patches there are."""

    def attend(self, rule_state, tokens, memory):
        return super().attend(rule_state, replace(tokens, patches=tokens.patches[:, :5]), memory)
