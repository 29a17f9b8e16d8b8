"""The laws of the fast-weight family; a new rule in `FAST_WEIGHTS` is picked up by itself."""

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from typing import Any

import pytest
import torch

from ttt3r import tree
from ttt3r.types import Memory
from ttt3r.update_rules.fast_weights import (
    FAST_WEIGHTS,
    DeltaRule,
    GatedDelta,
    LargeChunk,
    LinearAttention,
    Longhorn,
    Mesa,
    Titans,
    TTTLinear,
    store,
)

EVERY: list[Any] = [kind() for kind in FAST_WEIGHTS.values()]
every_rule = pytest.mark.parametrize("rule", EVERY, ids=list(FAST_WEIGHTS))


def pairs(batch=3, count=9, size=6, dtype=torch.float32):
    keys = torch.nn.functional.normalize(torch.randn(batch, count, size), dim=-1)
    return keys.to(dtype), torch.randn(batch, count, size).to(dtype)


def stored(rule, keys, values, chunk=1):
    return store(rule, rule.init(len(keys), keys.shape[-1], values.shape[-1], keys.dtype), keys, values, chunk)


@every_rule
def test_settings_print_compare_and_hash(rule):
    kind = type(rule)
    assert is_dataclass(kind)
    assert rule == replace(rule)
    assert hash(rule) == hash(replace(rule))
    assert kind.__name__ in repr(rule)
    with pytest.raises(FrozenInstanceError):
        setattr(rule, fields(rule)[0].name, 0.5)
    assert kind.loss
    assert kind.equation
    assert kind.reference
    assert "Reference" in (kind.__doc__ or "")


@every_rule
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_memory_and_answers_keep_shape_dtype_and_size(rule, dtype):
    keys, values = pairs(dtype=dtype)
    begin = rule.init(3, 6, 6, dtype)
    after = store(rule, begin, keys, values)
    before, now = ({name: tree.form(t) for name, t in tree.named_tensors(memory)} for memory in (begin, after))
    assert before == now
    answer = rule.read(after, keys)
    assert (answer.shape, answer.dtype) == (values.shape, dtype)
    assert bool(answer.isfinite().all())


@every_rule
@pytest.mark.parametrize("chunk", [1, 4])
def test_a_batch_gives_what_its_sequences_give_alone(rule, chunk):
    keys, values = pairs()
    whole = stored(rule, keys, values, chunk)
    for row in range(3):
        alone = stored(rule, keys[row : row + 1], values[row : row + 1], chunk)
        for (_, one), (_, other) in zip(
            tree.named_tensors(tree.rows(whole, row, row + 1)), tree.named_tensors(alone), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@every_rule
def test_the_same_pairs_give_the_same_memory_bit_for_bit(rule):
    keys, values = pairs()
    torch.manual_seed(1)
    one = stored(rule, keys, values)
    torch.manual_seed(2)
    other = stored(replace(rule), keys, values)
    assert all(
        torch.equal(a, b) for (_, a), (_, b) in zip(tree.named_tensors(one), tree.named_tensors(other), strict=True)
    )


@every_rule
def test_nothing_that_was_given_is_changed(rule):
    keys, values = pairs()
    memory = stored(rule, keys, values)
    given = (memory, keys, values)
    copies = [tensor.clone() for _, tensor in tree.named_tensors(given)]
    rule.read(rule.update(memory, keys, values), keys)
    assert all(torch.equal(tensor, copy) for (_, tensor), copy in zip(tree.named_tensors(given), copies, strict=True))


@every_rule
def test_odd_pairs_stay_finite(rule):
    zero, (keys, values) = torch.zeros(2, 3, 6), pairs(batch=2, count=3)
    same = keys[:, :1].expand(-1, 3, -1)
    for k, v in ((zero, values), (keys, zero), (zero, zero), (same, values), (same, same)):
        for chunk in (1, 3):
            memory = stored(rule, k, v, chunk)
            tensors = [tensor for _, tensor in tree.named_tensors(memory)] + [rule.read(memory, keys)]
            assert all(bool(tensor.isfinite().all()) for tensor in tensors)


@every_rule
def test_ten_thousand_pairs_stay_finite(rule):
    keys, values = pairs(batch=1, count=10_000, size=4)
    with torch.no_grad():
        memory = stored(rule, keys, values, chunk=4)
    assert bool(rule.read(memory, keys[:, -5:]).isfinite().all())
    assert bool(memory.matrix.isfinite().all())


@every_rule
def test_gradients_flow_from_answers_to_pairs(rule):
    keys, values = (tensor.requires_grad_() for tensor in pairs())
    loss = rule.read(stored(rule, keys, values), keys[:, :2].detach()).square().sum()
    for gradient in torch.autograd.grad(loss, [keys, values]):
        assert bool(gradient.isfinite().all())
        if not isinstance(rule, LargeChunk):  # its answers have a length of their own, so this loss is flat
            assert bool(gradient.any())


@every_rule
def test_a_memory_goes_through_a_file_and_selects_row_by_row(rule, tmp_path):
    keys, values = pairs()
    empty, full = rule.init(3, 6, 6), stored(rule, keys, values)
    mixed = tree.select(torch.tensor([True, False, True]), full, empty)
    assert torch.equal(mixed.matrix[1], empty.matrix[1])
    assert torch.equal(mixed.matrix[2], full.matrix[2])
    Memory.start(torch.zeros(3, 2, 4), torch.zeros(3, 2, 4), full).save(tmp_path / "memory.safetensors")
    again = Memory.load(tmp_path / "memory.safetensors").rule
    assert type(again) is type(full)
    assert torch.equal(rule.read(again, keys), rule.read(full, keys))


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: LinearAttention(1.1), "decay"),
        (lambda: DeltaRule(-0.1), "rate"),
        (lambda: GatedDelta(decay=2), "decay"),
        (lambda: Longhorn(0), "weight"),
        (lambda: Mesa(ridge=0), "ridge"),
        (lambda: Titans(momentum=1.5), "momentum"),
        (lambda: TTTLinear(spread=0), "spread"),
        (lambda: LargeChunk(rate=float("nan")), "rate"),
        (lambda: TTTLinear().init(1, 4, 3), "value channels must be 4"),
        (lambda: store(DeltaRule(), DeltaRule().init(1, 4, 4), torch.zeros(1, 2, 4), torch.zeros(1, 2, 4), 0), "chunk"),
    ],
)
def test_settings_out_of_range_are_refused(make, word):
    with pytest.raises(ValueError, match=word):
        make()
