"""Every reduction of the attention equals the plain form over a materialised map, in values and gradients."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ttt3r.types import AttentionLayer
from ttt3r.update_rules.evidence import AttentionEvidence, Evidence, Keys, UndeclaredNeedsError, normalised_entropy
from ttt3r.update_rules.rules.ttt3r import TTT3R

SIZES = [(1, 2, 3, 7, 5, 4), (2, 3, 1, 5, 13, 3), (3, 1, 2, 1, 2, 8)]  # batch, layers, heads, queries, keys, dim


def attention(batch, layers, heads, queries, keys, dim, dtype=torch.float64, scale=1.0):
    random = torch.Generator().manual_seed(batch + keys)

    def tokens(count):
        return (scale * torch.randn(batch, heads, count, dim, generator=random, dtype=torch.float64)).to(dtype)

    return AttentionEvidence(tuple(AttentionLayer(tokens(queries), tokens(keys)) for _ in range(layers)))


def plain_logits(attention, keys):
    """(batch, layer, head, query, key), the map that the code under test never makes."""
    maps = [layer.query @ layer.key.transpose(-1, -2) for layer in attention.layers]
    logits = torch.stack(maps, dim=1)
    return logits if keys is Keys.ALL else logits[..., 1:]


def values_for(attention, keys):
    count = attention.layers[0].key.shape[2] - (keys is Keys.PATCHES)
    random = torch.Generator().manual_seed(1)
    return torch.randn(attention.layers[0].key.shape[0], count, 5, generator=random, dtype=torch.float64)


def plain_entropy(z):
    p = torch.softmax(z, dim=-1)
    return -(p * torch.log_softmax(z, dim=-1)).sum(dim=-1).mean(dim=(1, 2))[..., None]


REDUCTIONS = {
    "mean_logit": (lambda a, k: a.mean_logit(k), lambda a, k: plain_logits(a, k).mean(dim=(1, 2, 4))[..., None]),
    "logit_map": (lambda a, k: a.logit_map(k), lambda a, k: plain_logits(a, k).mean(dim=(1, 2))),
    "entropy": (lambda a, k: a.entropy(k), lambda a, k: plain_entropy(plain_logits(a, k))),
    "project": (
        lambda a, k: a.project(values_for(a, k).to(a.layers[0].key.dtype), k),
        lambda a, k: (
            torch.einsum(
                "blhqk,bkv->bqv", torch.softmax(plain_logits(a, k), dim=-1), values_for(a, k).to(a.layers[0].key.dtype)
            )
            / (len(a.layers) * a.layers[0].key.shape[1])
        ),
    ),
    "key_mass": (
        lambda a, k: a.key_mass(k),
        lambda a, k: torch.softmax(plain_logits(a, k), dim=-1).mean(dim=(1, 2)).sum(dim=1),
    ),
    "logit_variance": (
        lambda a, k: a.logit_variance(k),
        lambda a, k: plain_logits(a, k).var(dim=-1, correction=0).mean(dim=(1, 2))[..., None],
    ),
}


@pytest.mark.parametrize("keys", Keys)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_equals_the_plain_form_in_values_and_gradients(name, sizes, keys):
    reduction, plain = REDUCTIONS[name]
    evidence = attention(*sizes)
    inputs = [tensor.requires_grad_() for layer in evidence.layers for tensor in (layer.query, layer.key)]
    ours, theirs = reduction(evidence, keys), plain(evidence, keys)
    assert ours.dtype == torch.float64
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    weights = torch.randn(ours.shape, dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad((ours * weights).sum(), inputs, materialize_grads=True),
        torch.autograd.grad((theirs * weights).sum(), inputs, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_half_precision_tokens_are_reduced_in_float32(name, dtype):
    reduction, plain = REDUCTIONS[name]
    half = attention(2, 2, 2, 5, 301, 4, dtype=dtype)
    single = AttentionEvidence(tuple(AttentionLayer(layer.query.float(), layer.key.float()) for layer in half.layers))
    ours = reduction(half, Keys.PATCHES)
    assert ours.dtype == torch.float32
    # The values of `project` themselves are rounded to half precision; everything else only sees rounded tokens.
    tolerance = 2e-2 if name == "project" else 1e-4
    torch.testing.assert_close(ours, plain(single, Keys.PATCHES), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_huge_logits_stay_finite(name):
    reduction, _ = REDUCTIONS[name]
    assert reduction(attention(1, 2, 2, 4, 9, 4, dtype=torch.float32, scale=100.0), Keys.PATCHES).isfinite().all()


def test_entropy_of_even_attention_is_the_logarithm_of_the_number_of_keys():
    layer = AttentionLayer(torch.zeros(1, 2, 3, 4), torch.randn(1, 2, 9, 4))
    even = AttentionEvidence((layer,))
    torch.testing.assert_close(even.entropy(Keys.ALL), torch.full((1, 3, 1), math.log(9)))
    torch.testing.assert_close(normalised_entropy(even.entropy(Keys.PATCHES), 8), torch.ones(1, 3, 1))
    assert normalised_entropy(torch.zeros(1, 3, 1), 1).eq(0).all()


def test_attention_mass_adds_up_to_the_number_of_queries():
    mass = attention(2, 2, 3, 7, 6, 4).key_mass()
    torch.testing.assert_close(mass.sum(dim=1), torch.full((2,), 7.0, dtype=torch.float64))


class LargestTensor(TorchDispatchMode):
    """Remembers how large the largest tensor is that any operation makes."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        self.numel = max([self.numel, *(leaf.numel() for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor))])
        return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gate_of_ttt3r_makes_no_map_of_state_times_keys(dtype):
    heads, states, keys, dim = 2, 64, 65, 4
    layers = attention(1, 3, heads, states, keys, dim, dtype=dtype)
    tokens = torch.zeros(1, keys - 1, 3)
    evidence = Evidence(torch.ones(1, dtype=torch.long), tokens, tokens, tokens, lambda: tokens, layers.layers)
    state = torch.zeros(1, states, 8)
    with LargestTensor() as largest:
        gain = TTT3R().gain(state, state, evidence, TTT3R().init(state)).value
    assert largest.numel <= heads * keys * dim  # the tokens of one layer; one map of one head would be states * keys
    plain = torch.sigmoid(
        plain_logits(AttentionEvidence(layers.layers), Keys.ALL).float().mean(dim=(1, 2, 4))[..., None]
    )
    torch.testing.assert_close(gain, plain, rtol=0, atol=1e-6 if dtype == torch.float32 else 2e-3)
    with LargestTensor() as largest:
        plain_logits(layers, Keys.ALL)
    assert largest.numel >= heads * states * keys  # the probe does see maps


@pytest.mark.parametrize("values", [1, 4, 6])
def test_projection_stays_on_fused_attention_at_any_width(values):
    layers = attention(1, 1, 1, 128, 257, 4, dtype=torch.float32)
    with torch.no_grad(), LargestTensor() as largest:
        layers.project(torch.ones(1, 256, values))
    assert largest.numel < 128 * 256


def test_what_was_not_declared_is_refused_with_the_cure():
    tokens = torch.zeros(1, 4, 3)
    evidence = Evidence(torch.ones(1, dtype=torch.long), tokens, tokens, tokens, lambda: tokens)
    with pytest.raises(UndeclaredNeedsError, match="Needs.STATE_ATTENTION"):
        _ = evidence.state_attention
    with pytest.raises(UndeclaredNeedsError, match="Needs.IMAGE_ATTENTION"):
        _ = evidence.image_attention
    with pytest.raises(UndeclaredNeedsError, match="Needs.READOUT"):
        evidence.camera()


def test_the_initial_state_is_made_once_and_only_when_asked_for():
    tokens, made = torch.zeros(1, 4, 3), []
    evidence = Evidence(torch.ones(1, dtype=torch.long), tokens, tokens, tokens, lambda: made.append(1) or tokens)
    assert not made
    assert evidence.initial_state is evidence.initial_state
    assert made == [1]
