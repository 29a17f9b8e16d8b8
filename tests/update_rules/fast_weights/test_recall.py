"""The recall task: exact recall where theory says so, and measured errors on the curves in closed form."""

import pytest
import torch

from ttt3r.update_rules.fast_weights import (
    FAST_WEIGHTS,
    DeltaRule,
    GatedDelta,
    LinearAttention,
    Longhorn,
    Mesa,
    RecallTask,
    Titans,
    delta_error,
    hebbian_error,
    least_squares_error,
    recall,
    store,
)


def orthonormal(count, size):
    return torch.linalg.qr(torch.randn(2, size, size, dtype=torch.float64)).Q[:, :count]


@pytest.mark.parametrize("rule", [DeltaRule(), LinearAttention(), GatedDelta(decay=1.0)], ids=repr)
@pytest.mark.parametrize("count", [1, 5, 8])
def test_orthonormal_keys_are_recalled_exactly(rule, count):
    keys, values = orthonormal(count, 8), torch.randn(2, count, 3, dtype=torch.float64)
    memory = store(rule, rule.init(2, 8, 3, torch.float64), keys, values)
    torch.testing.assert_close(rule.read(memory, keys), values)


def test_the_delta_rule_answers_the_last_pair_exactly_whatever_came_before():
    task = RecallTask(pairs=200, key=16, value=8)
    assert recall(DeltaRule(), task).error[:, -1].max() < 1e-9
    assert recall(DeltaRule(), task).error[:, 0].min() > 0.1


def test_the_delta_rule_replaces_a_value_and_linear_attention_adds_to_it():
    keys, values = orthonormal(4, 8), torch.randn(2, 8, 3, dtype=torch.float64)
    old, new = values.split(4, dim=1)
    for rule, expected in ((DeltaRule(), new), (LinearAttention(), old + new)):
        memory = store(rule, rule.init(2, 8, 3, torch.float64), torch.cat([keys, keys], dim=1), values)
        torch.testing.assert_close(rule.read(memory, keys), expected)


def measured(rule, task, batch=128):
    """Mean error of every pair over sequences, and how sure that is (five standard errors)."""
    error = recall(rule, task, batch=batch, seed=3).error
    return error.mean(dim=0), 5 * error.std(dim=0) / batch**0.5


def require_on_curve(rule, task, expected):
    error, slack = measured(rule, task)
    assert bool(((error - expected).abs() < slack + 1e-6).all())
    assert abs(float(error.mean() - expected.mean())) < 0.06 * float(expected.mean())


SMALL = {"key": 32, "value": 16}


@pytest.mark.parametrize("pairs", [2, 16, 64])
@pytest.mark.parametrize("decay", [1.0, 0.95])
def test_linear_attention_interferes_as_predicted(pairs, decay):
    expected = hebbian_error(pairs, 32, decay=decay)
    require_on_curve(LinearAttention(decay), RecallTask(pairs, **SMALL), expected)


def test_linear_attention_interferes_the_more_the_more_the_keys_agree():
    task = RecallTask(pairs=24, overlap=0.5, **SMALL)
    require_on_curve(LinearAttention(), task, hebbian_error(24, 32, overlap=0.5))
    assert hebbian_error(24, 32, overlap=0.5).mean() > 5 * hebbian_error(24, 32).mean()


def test_the_prediction_without_decay_is_the_number_of_others_over_the_channels():
    torch.testing.assert_close(hebbian_error(9, 16), torch.full((9,), 0.5))


@pytest.mark.parametrize("pairs", [2, 16, 64])
@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        (DeltaRule(), {}),
        (DeltaRule(0.5), {"step": 0.5}),
        (GatedDelta(0.95, 0.8), {"step": 0.8, "decay": 0.95}),
        (Longhorn(4.0), {"step": 0.8}),
    ],
    ids=repr,
)
def test_rules_of_the_delta_form_forget_as_predicted(pairs, rule, settings):
    require_on_curve(rule, RecallTask(pairs, **SMALL), delta_error(pairs, 32, **settings))


@pytest.mark.parametrize("pairs", [24, 48, 96])
def test_mesa_loses_only_what_no_matrix_can_hold(pairs):
    error = recall(Mesa(ridge=1e-5), RecallTask(pairs, **SMALL), batch=64).error.mean()
    assert abs(float(error) - least_squares_error(pairs, 32)) < 0.02


def test_no_rule_with_a_matrix_beats_mesa():
    for task in (RecallTask(48, **SMALL), RecallTask(48, overlap=0.3, **SMALL)):
        best = recall(Mesa(ridge=1e-5), task).error.mean()
        others = [recall(rule, task) for rule in (LinearAttention(), DeltaRule(), GatedDelta(), Longhorn())]
        assert all(other.error.mean() > best for other in [*others, recall(Titans(), task)])


def test_fading_costs_recall_of_what_is_long_ago_and_helps_that_of_the_newest():
    task = RecallTask(pairs=8, distractors=120, **SMALL)
    assert recall(GatedDelta(0.95), task).error.mean() > 0.95  # all but gone, and nothing else in its place
    assert recall(DeltaRule(), task).error.mean() > 1.1  # gone too, and the rest answers instead
    whole = recall(LinearAttention(), RecallTask(128, **SMALL)).error[:, -8:].mean()
    assert recall(LinearAttention(0.95), RecallTask(128, **SMALL)).error[:, -8:].mean() < 0.5 * whole


@pytest.mark.parametrize("name", FAST_WEIGHTS)
def test_every_rule_points_to_the_right_value_while_there_is_room(name):
    kind = FAST_WEIGHTS[name]
    assert recall(kind(), RecallTask(pairs=6, key=32, value=32)).right.mean() > 0.9


def test_the_task_draws_what_it_says():
    task = RecallTask(pairs=5, distractors=3, overlap=0.4, versions=2, key=33, value=4)
    keys, values = task.draw(batch=400, seed=1)
    assert keys.shape == (400, 13, 33)
    assert values.shape == (400, 13, 4)
    torch.testing.assert_close(keys.norm(dim=-1), torch.ones(400, 13))
    torch.testing.assert_close(keys[:, :5], keys[:, 5:10])
    assert task.asked == slice(5, 10)
    likeness = (keys @ keys.mT)[:, 9, 10]
    assert abs(float(likeness.mean()) - 0.4) < 0.02
    assert abs(float(likeness.square().mean()) - (0.4**2 + 0.6**2 / 32)) < 0.01
    assert abs(float(values.square().mean()) - 1) < 0.05
    assert torch.equal(keys, task.draw(batch=400, seed=1)[0])


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"pairs": 0}, "at least 1"),
        ({"distractors": -1}, "distractors"),
        ({"overlap": 1.0}, "overlap"),
        ({"overlap": 0.1, "key": 1}, "key at least 2"),
    ],
)
def test_an_impossible_task_is_refused(settings, word):
    with pytest.raises(ValueError, match=word):
        RecallTask(**{"pairs": 4, **settings})
