"""Linear layers, by oneDNN where that is faster: on a CPU, in float32, without gradients.

PyTorch hands float32 products on a CPU to MKL, which leaves the widest registers of some processors unused; the operator that
its compiler calls for linear layers does not, and takes half the time there.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

ONEDNN_FROM = 2**21
"""Multiplications of a call from which on oneDNN's start-up pays."""


def _operator() -> Callable[..., Tensor] | None:
    """What the compiler calls for a linear layer on a CPU; none where PyTorch was built without oneDNN."""
    try:
        found: Any = torch.ops.mkldnn._linear_pointwise.default
    except (AttributeError, RuntimeError):
        return None
    return found


_ONEDNN = _operator()


class Linear(nn.Linear):
    """`torch.nn.Linear`, with the same parameters and, but for the last bits, the same numbers."""

    def forward(self, input: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows outputs"]:
        """Apply to each row."""
        return linear(input, self.weight, self.bias)


def linear(
    x: Float[Tensor, "*rows inputs"], weight: Float[Tensor, "outputs inputs"], bias: Float[Tensor, " outputs"] | None
) -> Float[Tensor, "*rows outputs"]:
    """The product x weight^T, and bias added."""
    if _ONEDNN is None or not _fits(x, weight):
        return functional.linear(x, weight, bias)
    return _ONEDNN(x, weight, bias, "none", [], "")


def _fits(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN may do it, and is worth while."""
    return (
        x.device.type == "cpu"
        and x.dtype is torch.float32
        and weight.dtype is torch.float32
        and x.numel() * weight.shape[0] >= ONEDNN_FROM
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and torch.backends.mkldnn.is_available()
    )
