"""Reset policies that look at the reading and the step and carry a state, against recordings and sums by hand."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ttt3r import Frame, Memory, Outputs, Reconstructor, rollout, rollout_rules, tree
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.types import STATELESS, Reconstruction
from ttt3r.update_rules import RULES, AfterUpdates, Every, ResetPolicy, StepEvidence, UndeclaredNeedsError, WhenUnsure
from ttt3r.update_rules.policies.drought import Confidences
from ttt3r.update_rules.resets import Decision

HEIGHT, WIDTH = 32, 48
POLICIES = [WhenUnsure(1.0, 0.0, 1, 2, 1, 1, 5), AfterUpdates(1.5, 2)]
"""With settings under which they end several chunks of twelve frames."""


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


def images(count, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return list(torch.rand(count, batch, 3, HEIGHT, WIDTH, generator=generator) * 2 - 1)


def run(network, frames, policy, **options):
    return list(rollout(Reconstructor(network, RULES["ttt3r"]()), frames, reset_every=policy, **options))


def ends_of(steps):
    """Frames after which the memory holds one frame, row by row: there a chunk ended and the next began."""
    return [[step.index for step in steps if step.index and int(step.memory.age[row]) == 1] for row in range(2)]


def carried(step, name):
    """A number that the policy carries, of the first sequence."""
    return float(dict(tree.named_tensors(step.memory.policy))[name][0])


def same(left, right, rows=slice(None)):
    for a, b in zip(left, right, strict=True):
        values = dict(tree.named_tensors(b))
        for name, value in tree.named_tensors(a):
            assert torch.allclose(value, values[name][rows], atol=2e-5, rtol=2e-5), (a.index, name)


def decided(policy, scores):
    """(frames that end a chunk, thresholds) for a stream of these scores, as the loop feeds it."""
    empty = torch.zeros(1, 1, 1)
    state = fresh = policy.init(Memory.start(empty, empty))
    state, begins, fired = replace(state, rest=torch.zeros_like(state.rest)), True, []
    for index, score in enumerate(scores):
        decision = policy.judge(state, torch.tensor([float(score)]), torch.tensor([begins]))
        state, begins = decision.state, False
        if bool(decision.ends):
            fired.append(index)
            state = fresh  # its first frame is the boundary frame, which the policy does not see again
    return fired


@pytest.mark.shared
@pytest.mark.parametrize(
    ("case", "policy"),
    [
        ("drought_default", WhenUnsure(0.5, 1.0, longest=10**6)),
        ("drought_parallax", WhenUnsure(0.5, 1.0, longest=10**6)),
        ("drought_still", WhenUnsure(0.5, 1.0, longest=10**6)),
        ("drought_demo_long", WhenUnsure(0.45, 0.0, cooldown=13, minimum=16, longest=30)),
    ],
)
def test_decisions_equal_the_recorded_ones(shared, case, policy):
    recorded = np.load(Path(shared) / "golden_banks/r3" / f"{case}.npz")
    assert decided(policy, recorded["c"]) == np.flatnonzero(recorded["fired"]).tolist()


@pytest.mark.shared
def test_the_detector_alone_equals_the_recorded_one(shared):
    recorded = np.load(Path(shared) / "golden_banks/r3/detector.npz")
    scores = [9.0, *recorded["c"]]  # the recorded detector has no first frame of a chunk to leave out
    fired = decided(WhenUnsure(0.0, 1.0, longest=10**6), scores)
    assert [index - 1 for index in fired] == np.flatnonzero(recorded["fired"]).tolist()


@pytest.mark.parametrize(
    ("policy", "scores", "fired"),
    [
        (WhenUnsure(), [0.1, 2, 2, 2, 2, 2, 0.9, 0.9, 0.9, 0.9], [8]),  # the first score counts for nothing
        (WhenUnsure(), [0.1, 2, 2, 2, 2, 2, 0.9, 1.1, 0.9, 0.9], []),
        (WhenUnsure(), [9, 2, 2, 2, 2, 2, 2.0, 1.0, 1.0, 1.0], []),  # as low as the threshold is not below it
        (WhenUnsure(warmup=2), [9, 2, 2, 9, 9, 0.9, 0.9, 0.9], [7]),
        (WhenUnsure(floor=1.5, frames=2), [0, 2, 1.4, 1.4, *[1.0] * 10, 1.0], [3, 13]),  # 8 scores rest, 2 are low
        (WhenUnsure(longest=4), [1.0] * 12, [3, 7, 11]),
        (WhenUnsure(minimum=7), [9, 2, 2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], [8]),  # looked at from the 7th frame on
    ],
)
def test_a_drought_by_hand(policy, scores, fired):
    assert decided(policy, scores) == fired


def evidence(policy, before, after, confidence=None):
    memory = Memory.start(after, torch.zeros(len(after), 1, 2))
    memory = replace(memory, age=torch.full((len(after),), 2), seen=torch.full((len(after),), 2))
    reading = Reconstruction(confidence_world=confidence)
    start = replace(memory, state=before, age=memory.age - 1)
    return StepEvidence(start, memory, after[..., :1], after, policy.outputs, lambda outputs: reading.only(outputs))


def test_the_score_is_the_mean_softplus_of_the_raw_confidence():
    policy = WhenUnsure(frames=1, cooldown=0, warmup=1)
    raw = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    state = torch.zeros(2, 3, 4)
    seen = evidence(policy, state, state, 1 + raw.exp())
    carried = policy.decide(seen, policy.init(seen.memory)).state
    assert isinstance(carried, Confidences)
    assert torch.allclose(carried.recent[:, 0], torch.nn.functional.softplus(raw).mean(dim=(1, 2)), atol=1e-6)


def test_updates_add_up_by_norms_of_the_whole_state():
    policy, old = AfterUpdates(1.0, minimum=1), torch.tensor([[[3.0, 4.0]], [[0.0, 1.0]]])
    seen = evidence(policy, old, torch.tensor([[[3.0, 0.0]], [[0.0, 0.5]]]))
    decision = policy.decide(seen, policy.init(seen.memory))
    assert dict(tree.named_tensors(decision.state))["total"].tolist() == pytest.approx([0.8, 0.5])
    assert decision.ends.tolist() == [False, False]
    assert policy.decide(seen, decision.state).ends.tolist() == [True, False]  # 1.6 and 1, which is not above 1


def test_what_was_not_declared_is_refused():
    seen = evidence(AfterUpdates(1.0), torch.zeros(1, 1, 2), torch.zeros(1, 1, 2))
    with pytest.raises(UndeclaredNeedsError, match="set outputs = .*CAMERA in its class"):
        seen.reading(Outputs.CAMERA)


def test_a_policy_that_says_nothing_names_the_cure(network):
    with pytest.raises(NotImplementedError, match="ResetPolicy says nothing; define ends_chunk, or decide"):
        run(network, images(2), ResetPolicy())


@pytest.mark.parametrize("policy", POLICIES)
def test_a_batch_equals_its_single_sequences(network, policy):
    frames = [torch.cat(pair) for pair in zip(images(12, seed=1), images(12, seed=2), strict=True)]
    write = [torch.tensor([index != 4, index % 3 != 2]) for index in range(12)]
    reset = [torch.tensor([False, index == 6]) for index in range(12)]
    fed = [Frame(image, write=w, reset=r) for image, w, r in zip(frames, write, reset, strict=True)]
    both = run(network, fed, policy)
    assert all(ends_of(both))
    for row in (0, 1):
        rows = slice(row, row + 1)
        alone = [Frame(f.image[rows], write=w[rows], reset=r[rows]) for f, w, r in zip(fed, write, reset, strict=True)]
        same(run(network, alone, policy), both, rows)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("at", [1, 4, 7])
def test_resumed_equals_uninterrupted(network, tmp_path, policy, at):
    frames = images(12, batch=2)
    whole = run(network, frames, policy)
    assert all(ends_of(whole))
    whole[at].memory.save(tmp_path / "memory")
    memory = Memory.load(tmp_path / "memory")
    assert type(memory.policy) is type(policy.init(memory))
    same(run(network, frames[at + 1 :], policy, memory=memory), whole[at + 1 :])


def test_several_in_one_pass_equal_separate_passes(network):
    frames = images(12, batch=2)
    policies = {"a": POLICIES[0], "b": POLICIES[1], "c": Every(3), "d": None}
    rules = {name: RULES["ttt3r"]() for name in policies}
    together = list(rollout_rules(network, rules, frames, reset_every=policies, chunk=3))
    for name, policy in policies.items():
        same(run(network, frames, policy), [steps[name] for steps in together])


def test_a_reset_from_outside_begins_the_state_anew(network):
    policy = WhenUnsure()
    frames = [Frame(image, reset=index == 4) for index, image in enumerate(images(6))]
    steps = run(network, frames, policy)
    assert [carried(step, "length") for step in steps] == [1, 2, 3, 4, 1, 2]


def test_questions_and_masked_frames_leave_no_trace_in_the_policy(network):
    frames = images(5)
    rays = torch.randn(1, HEIGHT, WIDTH, 6, generator=torch.Generator().manual_seed(1))
    asked = [*frames[:3], Frame(ray_map=rays), Frame(frames[0], write=False), *frames[3:]]
    plain, steps = run(network, frames, AfterUpdates(50.0)), run(network, asked, AfterUpdates(50.0))
    sums = [carried(step, "total") for step in plain]
    assert sums[0] == 0 < sums[1] < sums[2] < sums[3]
    assert [carried(step, "total") for step in steps] == [*sums[:3], sums[2], sums[2], *sums[3:]]


def test_nothing_is_read_out_for_a_policy_that_reads_nothing(network, monkeypatch):
    asked, readout = [], CUT3R.readout

    def recorded(self, features, outputs):
        asked.append(outputs)
        return readout(self, features, outputs)

    monkeypatch.setattr(CUT3R, "readout", recorded)
    run(network, images(4), AfterUpdates(1e6), outputs=Outputs.NOTHING)
    assert not any(asked)
    run(network, images(4), WhenUnsure(), outputs=Outputs.NOTHING)
    assert [outputs for outputs in asked if outputs] == [Outputs.POINTS_WORLD] * 4


def test_a_memory_without_a_policy_is_written_as_before(network, tmp_path):
    *_, last = run(network, images(3), Every(2))
    last.memory.save(tmp_path / "plain")
    assert b"policy" not in (tmp_path / "plain").read_bytes()
    memory = Memory.load(tmp_path / "plain")
    assert memory.policy == STATELESS
    steps = run(network, images(3), WhenUnsure(), memory=memory)  # another policy begins its own state
    assert carried(steps[-1], "length") == 3
    back = run(network, images(2), Every(100), memory=steps[-1].memory)
    assert back[-1].memory.policy == STATELESS
    own = Reconstructor(network, RULES["ttt3r"]()).step(Frame(images(1)[0]), steps[-1].memory)
    assert own.memory.policy == STATELESS


@dataclass(frozen=True)
class Wrong(ResetPolicy):
    """Answers in a form that does not fit."""

    carries: bool

    def decide(self, evidence, state):
        one = torch.tensor([True])
        if not self.carries:
            return Decision(torch.cat([one, one]), state)
        return Decision(one, AfterUpdates(1.0).init(evidence.memory))


def test_answers_that_do_not_fit_are_refused(network):
    with pytest.raises(ValueError, match="Wrong answered with bool.*one truth value for each of 1 sequences"):
        run(network, images(1), Wrong(carries=False))
    with pytest.raises(ValueError, match="Wrong carried on another form of state"):
        run(network, images(1), Wrong(carries=True))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WhenUnsure(share=1.5), "share must lie in 0 to 1, got 1.5"),
        (lambda: WhenUnsure(floor=-1.0), "floor must be at least 0"),
        (lambda: WhenUnsure(frames=0), "frames must be at least 1, got 0"),
        (lambda: WhenUnsure(cooldown=-1), "cooldown must be at least 0, got -1"),
        (lambda: WhenUnsure(longest=0), "longest must be at least 1, got 0"),
        (lambda: AfterUpdates(0.0), "total must be more than 0"),
        (lambda: AfterUpdates(1.0, minimum=0), "minimum = 0"),
    ],
)
def test_settings_without_meaning_are_refused_when_they_are_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_gradients_do_not_reach_what_a_policy_carries(network):
    model = Reconstructor(network, RULES["cut3r"]())
    for step in rollout(model, images(4), reset_every=WhenUnsure(), detach_every=2):
        assert not any(tensor.requires_grad for _, tensor in tree.named_tensors(step.memory.policy))
