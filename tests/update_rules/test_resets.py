"""Reset policies, against the flags that the published demo sets."""

import json
from dataclasses import replace

import pytest
import torch

from ttt3r.types import Memory
from ttt3r.update_rules import Every, Never, WhenFar, as_policy


def memory_at(age, seen):
    memory = Memory.start(torch.zeros(len(age), 2, 3), torch.zeros(len(age), 1, 2))
    return replace(memory, age=torch.tensor(age), seen=torch.tensor(seen))


def cameras(*distances):
    camera = torch.eye(4).repeat(len(distances), 1, 1)
    camera[:, 2, 3] = torch.tensor(distances)
    return camera


def fed_frames(policy, images):
    """(image, ends its chunk) as the loop feeds them: a boundary frame comes twice, and is counted once."""
    fed, age = [], 0
    for seen, image in enumerate(range(images), start=1):
        age += 1
        ends = bool(policy.ends_chunk(memory_at([age], [seen]), cameras(0.0)))
        fed.append((image, ends))
        if ends:
            fed.append((image, False))
            age = 1
    return fed


@pytest.mark.shared
def test_restarts_fall_on_the_frames_that_the_published_demo_marks(shared):
    cases = json.loads((shared / "golden/helpers/prepare_input_flags.json").read_text())
    compared = 0
    for case in cases:
        if case["revisit"] > 1:  # the demo counts anew in every round: each is a stream of its own
            case["views"] = case["views"][: len(case["views"]) // case["revisit"]]
        expected = [(view["image"], view["reset"]) for view in case["views"]]
        assert fed_frames(Every(case["reset_interval"]), case["n_images"]) == expected
        compared += 1
    assert compared == 8


def test_every_is_asked_by_frames_seen_sequence_by_sequence():
    ends = Every(3).ends_chunk(memory_at([0, 1, 3, 2], [0, 2, 3, 6]), cameras(0, 0, 0, 0))
    assert ends.tolist() == [False, False, True, True]


def test_never_never_ends_a_chunk():
    assert not Never().ends_chunk(memory_at([100, 1], [100, 1]), cameras(1e6, 0)).any()
    assert fed_frames(Never(), 3) == [(0, False), (1, False), (2, False)]


def test_when_far_asks_for_distance_and_age():
    policy = WhenFar(distance=2.0, minimum=4)
    ends = policy.ends_chunk(memory_at([4, 3, 9, 9], [4, 3, 9, 9]), cameras(2.1, 9.0, 2.0, float("nan")))
    assert ends.tolist() == [True, False, False, False]


def test_policies_are_settings():
    assert WhenFar(1.0) == WhenFar(1.0, minimum=8)
    assert len({Every(3), Every(3), Every(4), Never()}) == 3
    assert repr(WhenFar(1.5)) == "WhenFar(distance=1.5, minimum=8)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Every(0), r"got n = 0; use Never\(\)"),
        (lambda: WhenFar(0.0), "distance must be more than 0 metres"),
        (lambda: WhenFar(float("nan")), "distance must be more than 0 metres"),
        (lambda: WhenFar(1.0, minimum=0), "minimum = 0"),
        (lambda: as_policy(-1), "got n = -1"),
    ],
)
def test_settings_without_meaning_are_refused_when_they_are_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_numbers_and_nothing_stand_for_policies():
    assert as_policy(None) == Never()
    assert as_policy(100) == Every(100)
    assert as_policy(WhenFar(1.0)) == WhenFar(1.0)
    with pytest.raises(TypeError):
        as_policy(True)
    with pytest.raises(TypeError):
        as_policy("100")  # pyright: ignore[reportArgumentType]
