"""Each fast-weight rule against its own mathematics: autograd, minimisers, closed forms, hand computation."""

import pytest
import torch
from torch.nn import functional

from ttt3r.update_rules.fast_weights import (
    DeltaRule,
    FastWeights,
    GatedDelta,
    LargeChunk,
    LinearAttention,
    Longhorn,
    Mesa,
    Titans,
    TTTLinear,
    store,
)
from ttt3r.update_rules.fast_weights.lact import orthogonalised
from ttt3r.update_rules.fast_weights.titans import TitansWeights
from ttt3r.update_rules.fast_weights.ttt_linear import TTTLinearWeights


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.fixture(params=[1, 3], ids=["one pair", "a chunk"])
def pairs(request):
    """A memory that is in use, and what is to be written: keys of any length."""
    return normal(2, 5, 5), normal(2, request.param, 5), normal(2, request.param, 5)


def gradient(loss, *tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    return torch.autograd.grad(loss(*leaves).sum(), leaves)


def squared(keys, values):
    return lambda matrix: 0.5 * (keys @ matrix - values).square()


def test_linear_attention_is_a_step_on_the_hebbian_loss(pairs):
    matrix, keys, values = pairs
    (slope,) = gradient(lambda matrix: -((keys @ matrix) * values), matrix)
    got = LinearAttention().update(FastWeights(matrix), keys, values)
    torch.testing.assert_close(got.matrix, matrix - slope)
    got = LinearAttention(decay=0.7).update(FastWeights(matrix), keys, values)
    torch.testing.assert_close(got.matrix, 0.7 * matrix - slope)


def test_delta_rule_is_a_step_on_the_squared_error(pairs):
    matrix, keys, values = pairs
    (slope,) = gradient(squared(keys, values), matrix)
    got = DeltaRule(rate=0.3).update(FastWeights(matrix), keys, values)
    torch.testing.assert_close(got.matrix, matrix - 0.3 * slope)


def test_gated_delta_is_a_step_on_the_squared_error_after_decay(pairs):
    matrix, keys, values = pairs
    (slope,) = gradient(squared(keys, values), 0.8 * matrix)
    got = GatedDelta(decay=0.8, rate=0.3).update(FastWeights(matrix), keys, values)
    torch.testing.assert_close(got.matrix, 0.8 * matrix - 0.3 * slope)


def test_ttt_linear_is_a_step_through_the_layer_norm(pairs):
    matrix, keys, values = pairs
    bias = normal(2, 5)

    def loss(matrix, bias):
        answer = functional.layer_norm(keys @ matrix + bias[:, None], (5,), eps=1e-6) + keys
        return 0.5 * (answer - values).square()

    by_matrix, by_bias = gradient(loss, matrix, bias)
    got = TTTLinear(rate=0.3).update(TTTLinearWeights(matrix, bias), keys, values)
    torch.testing.assert_close(got.matrix, matrix - 0.3 * by_matrix)
    torch.testing.assert_close(got.bias, bias - 0.3 / 5 * by_bias)


def test_titans_is_momentum_and_decay_by_hand(pairs):
    matrix, keys, values = pairs
    rule, momentum = Titans(rate=0.3, momentum=0.6, decay=0.1), normal(2, 5, 5)
    got = rule.update(TitansWeights(matrix, momentum), keys, values)
    (slope,) = gradient(squared(keys, values), matrix)
    step = 0.6 * momentum - 0.3 * slope
    torch.testing.assert_close(got.matrix, 0.9 * matrix + step)
    torch.testing.assert_close(got.momentum, step)
    (slope,) = gradient(squared(keys, values), got.matrix)
    torch.testing.assert_close(rule.update(got, keys, values).momentum, 0.6 * step - 0.3 * slope)


def test_titans_without_momentum_and_decay_is_the_delta_rule(pairs):
    matrix, keys, values = pairs
    got = Titans(rate=0.3, momentum=0.0, decay=0.0).update(TitansWeights(matrix, 0 * matrix), keys, values)
    torch.testing.assert_close(got.matrix, DeltaRule(0.3).update(FastWeights(matrix), keys, values).matrix)


@pytest.mark.parametrize("weight", [0.1, 1.0, 30.0])
def test_longhorn_is_the_minimiser_of_the_proximal_problem(pairs, weight):
    matrix, keys, values = pairs
    got = Longhorn(weight).update(FastWeights(matrix), keys, values).matrix
    # Stationary, and the problem is strictly convex: the one minimiser.
    (slope,) = gradient(
        lambda new: ((new - matrix).square().sum() + weight * (keys @ new - values).square().sum())[None], got
    )
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-10)
    # The same as ordinary least squares on stacked equations, by another solver.
    left = torch.cat([torch.eye(5, dtype=torch.float64).expand(2, 5, 5), weight**0.5 * keys], dim=1)
    right = torch.cat([matrix, weight**0.5 * values], dim=1)
    torch.testing.assert_close(got, torch.linalg.lstsq(left, right).solution)


def test_longhorn_for_one_pair_is_the_published_step():
    matrix, key, value = normal(2, 5, 4), normal(2, 1, 5), normal(2, 1, 4)
    got = Longhorn(3.0).update(FastWeights(matrix), key, value).matrix
    step = 3.0 / (1 + 3.0 * key.square().sum(dim=-1, keepdim=True))
    torch.testing.assert_close(got, matrix + step * key.mT @ (value - key @ matrix))


def test_longhorn_never_overshoots_and_the_delta_rule_does():
    matrix, key, value = normal(1, 5, 4), 3 * functional.normalize(normal(1, 1, 5), dim=-1), normal(1, 1, 4)
    before = (key @ matrix - value).norm()
    after = (key @ Longhorn(1e6).update(FastWeights(matrix), key, value).matrix - value).norm()
    assert after < 1e-4 * before
    assert (key @ DeltaRule(1.0).update(FastWeights(matrix), key, value).matrix - value).norm() > 7 * before


@pytest.mark.parametrize("count", [3, 5, 20])
def test_mesa_is_regularised_least_squares(count):
    keys, values, queries = normal(2, count, 5), normal(2, count, 4), normal(2, 7, 5)
    rule = Mesa(ridge=0.3)
    answer = rule.read(store(rule, rule.init(2, 5, 4, torch.float64), keys, values), queries)
    left = torch.cat([keys, 0.3**0.5 * torch.eye(5, dtype=torch.float64).expand(2, 5, 5)], dim=1)
    right = torch.cat([values, torch.zeros(2, 5, 4, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(answer, queries @ torch.linalg.lstsq(left, right).solution)


def test_mesa_with_decay_weighs_the_past_less():
    keys, values, queries = normal(1, 6, 5), normal(1, 6, 4), normal(1, 3, 5)
    rule = Mesa(ridge=0.3, decay=0.7)
    answer = rule.read(store(rule, rule.init(1, 5, 4, torch.float64), keys, values), queries)
    share = 0.7 ** torch.arange(5, -1, -1, dtype=torch.float64)[:, None]
    best = torch.linalg.solve(
        keys.mT @ (share * keys) + 0.3 * torch.eye(5, dtype=torch.float64), keys.mT @ (share * values)
    )
    torch.testing.assert_close(answer, queries @ best)


def test_mesa_reads_the_same_from_chunks_of_any_size():
    keys, values = normal(2, 7, 5), normal(2, 7, 4)
    rule = Mesa()
    one, all_at_once = (store(rule, rule.init(2, 5, 4, torch.float64), keys, values, chunk) for chunk in (1, 7))
    torch.testing.assert_close(rule.read(one, keys), rule.read(all_at_once, keys))


def test_lact_orthogonalises_the_step_and_keeps_the_lengths():
    rule = LargeChunk(rate=0.5)
    memory = rule.init(2, 6, 4, torch.float64)
    after = store(rule, memory, normal(2, 9, 6), normal(2, 9, 4), chunk=3)
    torch.testing.assert_close(after.matrix.norm(dim=1), memory.matrix.norm(dim=1), rtol=1e-5, atol=0)
    assert not torch.allclose(after.matrix, memory.matrix, atol=0.1)


def test_newton_schulz_brings_singular_values_to_about_one_and_keeps_directions():
    matrix = normal(3, 6, 4)
    left, values, right = torch.linalg.svd(orthogonalised(matrix), full_matrices=False)
    assert values.min() > 0.6
    assert values.max() < 1.3
    basis, _, other = torch.linalg.svd(matrix, full_matrices=False)
    torch.testing.assert_close(left @ right, basis @ other, rtol=0, atol=1e-6)
    assert torch.equal(orthogonalised(torch.zeros(1, 3, 2)), torch.zeros(1, 3, 2))


def test_lact_carries_momentum_of_raw_gradients():
    rule, keys, values = LargeChunk(momentum=0.9), normal(1, 2, 5), normal(1, 2, 4)
    memory = rule.init(1, 5, 4, torch.float64)
    twice = rule.update(rule.update(memory, keys, values), keys, values)
    torch.testing.assert_close(twice.momentum, 1.9 * keys.mT @ values)
