"""The fast linear layer against PyTorch's own, and when it steps aside."""

import pytest
import torch
from torch.nn import functional

from ttt3r.network import linear as module
from ttt3r.network.blocks import MLP
from ttt3r.network.dpt import Fusion, upsample
from ttt3r.network.linear import ONEDNN_FROM, Linear

WIDE = (400, 96, 160)  # rows, inputs, outputs: large enough for oneDNN


@pytest.fixture
def calls(monkeypatch):
    """How often oneDNN was asked."""
    if module._ONEDNN is None:
        pytest.skip("this PyTorch has no oneDNN")
    seen, operator = [], module._ONEDNN
    monkeypatch.setattr(module, "_ONEDNN", lambda *words: seen.append(1) or operator(*words))
    return seen


@pytest.mark.parametrize("shape", [(400,), (2, 200), (1, 4, 100)])
@pytest.mark.parametrize("bias", [True, False])
def test_the_same_numbers_as_the_plain_layer(calls, shape, bias):
    rows, inputs, outputs = WIDE
    assert rows * inputs * outputs >= ONEDNN_FROM
    layer, x = Linear(inputs, outputs, bias=bias), torch.randn(*shape, inputs)
    with torch.no_grad():
        found = layer(x)
    assert calls
    expected = functional.linear(x.double(), layer.weight.double(), layer.bias.double() if bias else None)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 3e-6 * expected.abs().max()


def test_rows_that_lie_apart_in_memory_are_taken_as_they_are(calls):
    layer, wide = Linear(96, 160), torch.randn(2, 96, 200)
    with torch.no_grad():
        found = layer(wide.transpose(1, 2))
    assert calls
    torch.testing.assert_close(found, functional.linear(wide.transpose(1, 2).contiguous(), layer.weight, layer.bias))


def test_it_steps_aside_for_gradients_small_calls_and_other_precisions(calls):
    layer, x = Linear(96, 160), torch.randn(400, 96)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    with torch.no_grad():
        layer(x[:10])
        layer.double()(x.double())
        layer.bfloat16()(x.bfloat16())
        layer.float()
        with torch.autocast("cpu", torch.bfloat16):
            assert layer(x).dtype is torch.bfloat16
    assert not calls


def test_upsampling_after_the_last_convolution_is_the_same_as_before():
    fusion, x = Fusion(16, coarsest=True), torch.randn(2, 16, 5, 7)
    with torch.no_grad():
        plain = fusion.out(upsample(fusion.refine(x)))
        assert (fusion(x, None) - plain).abs().max() < 1e-5 * plain.abs().max()


def test_a_build_without_onednn_works(monkeypatch):
    monkeypatch.setattr(module, "_ONEDNN", None)
    mlp, x = MLP(96, 160), torch.randn(400, 96)
    with torch.no_grad():
        plain = functional.linear(
            functional.gelu(functional.linear(x, mlp.fc1.weight, mlp.fc1.bias)), mlp.fc2.weight, mlp.fc2.bias
        )
        torch.testing.assert_close(mlp(x), plain, rtol=0, atol=0)


def test_the_private_operator_is_still_there():
    """It is no public name of PyTorch. If this fails after an upgrade of torch, every network on a CPU runs at half its speed:
    find the operator that `torch.compile` calls now for a linear layer, or delete `ttt3r/network/linear.py`.
    """
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch was built without oneDNN")
    assert module._ONEDNN is not None, f"torch {torch.__version__} has no torch.ops.mkldnn._linear_pointwise any more"
    schema = getattr(module._ONEDNN, "_schema", None)
    assert "Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm" in str(schema)
