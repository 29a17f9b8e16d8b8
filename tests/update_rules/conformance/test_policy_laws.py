"""Every reset policy keeps every law, and deliberately broken policies are found out by the right one."""

from dataclasses import dataclass, field

import pytest
import torch

from ttt3r.types import Outputs, RuleState
from ttt3r.update_rules import (
    POLICY_LAWS,
    AfterUpdates,
    BrokenLaw,
    Every,
    Never,
    ResetPolicy,
    WhenFar,
    WhenUnsure,
    check_policy,
)
from ttt3r.update_rules.conformance.policies import PolicyTrial
from ttt3r.update_rules.conformance.streams import Sizes, make_stream
from ttt3r.update_rules.resets import Decision

POLICIES = [Every(3), WhenFar(0.1, 2), WhenUnsure(1.0, 0.0, 1, 2, 1, 1, 6), WhenUnsure(longest=4), AfterUpdates(1.5, 2)]


@pytest.mark.parametrize("policy", [Never(), *POLICIES], ids=repr)
def test_every_built_in_policy_keeps_the_laws(policy):
    report = check_policy(policy)
    assert [name for name, _ in report.laws] == [law.__name__ for law in POLICY_LAWS]


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_these_settings_reset_within_the_stream(policy):
    seen = PolicyTrial(policy, make_stream(Sizes(frames=16))).run()
    assert torch.stack([one.decision.ends for one in seen]).any(dim=0).all()


@dataclass(frozen=True)
class Count(RuleState):
    frames: torch.Tensor


@dataclass(frozen=True)
class Counting(ResetPolicy):
    """A sound policy, which the broken ones below are made of: every third frame that it was asked about."""

    outputs = Outputs.NOTHING

    def init(self, memory):
        return Count(torch.zeros_like(memory.age))

    def decide(self, evidence, state):
        assert isinstance(state, Count)
        return Decision(state.frames >= 2, Count(state.frames + 1))


class Peeking(Counting):
    def decide(self, evidence, state):
        evidence.reading(Outputs.CAMERA)
        return super().decide(evidence, state)


class OneForAll(Counting):
    def init(self, memory):
        return Count(torch.zeros(1))


class Stretching(Counting):
    def decide(self, evidence, state):
        return Decision(torch.zeros_like(evidence.memory.age, dtype=torch.bool), Count(evidence.memory.state[..., 0]))


class AnyOfThem(Counting):
    def decide(self, evidence, state):
        decision = super().decide(evidence, state)
        return Decision(decision.ends.any().expand_as(decision.ends), decision.state)


class Tossing(Counting):
    def decide(self, evidence, state):
        return Decision(torch.rand(evidence.memory.batch) < 0.5, state)


@dataclass(frozen=True)
class Remembering(ResetPolicy):
    outputs = Outputs.NOTHING
    asked: list[int] = field(default_factory=list)

    def decide(self, evidence, state):
        self.asked.append(1)
        ends = len(self.asked) % 4 == 0
        return Decision(torch.full_like(evidence.memory.age, ends, dtype=torch.bool), state)


class WritingInPlace(Counting):
    def decide(self, evidence, state):
        assert isinstance(state, Count)
        state.frames.add_(1)
        return Decision(state.frames >= 2, state)


class BeginningLate(Counting):
    def init(self, memory):
        return Count(memory.seen.clone())


class OfOneSize(Counting):
    outputs = Outputs.POINTS_WORLD

    def decide(self, evidence, state):
        confidence = evidence.reading(Outputs.POINTS_WORLD).confidence_world
        assert confidence is not None
        assert confidence.shape[1:] == (48, 64)
        return super().decide(evidence, state)


def test_a_sound_policy_of_ones_own_keeps_the_laws():
    check_policy(Counting())


@pytest.mark.parametrize(
    ("policy", "law"),
    [
        (Peeking(), "answers_fit_and_needs_are_declared"),
        (OneForAll(), "answers_fit_and_needs_are_declared"),
        (Stretching(), "answers_fit_and_needs_are_declared"),
        (AnyOfThem(), "sequences_are_independent"),
        (Tossing(), "results_repeat"),
        (Remembering(), "nothing_is_kept_in_the_policy"),
        (Remembering(), "resumed_equals_uninterrupted"),
        (WritingInPlace(), "inputs_are_never_changed"),
        (BeginningLate(), "a_chunk_begins_anew"),
        (OfOneSize(), "unwritten_frames_leave_no_trace"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_broken_policy_is_found_out(policy, law):
    with pytest.raises(BrokenLaw, match=f"of {len(POLICY_LAWS)} laws") as caught:
        check_policy(policy)
    assert law in caught.value.laws


def test_only_policies_are_tried():
    with pytest.raises(TypeError):
        check_policy(3)  # pyright: ignore[reportArgumentType]
