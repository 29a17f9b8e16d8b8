"""TTT-Linear: a linear layer behind a layer norm, trained while it is used."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.update_rules.fast_weights.base import FastWeightRule, FastWeights, outer, require_positive, seeded

EPS = 1e-6
"""Added to the variance in the layer norm."""


@dataclass(frozen=True)
class TTTLinearWeights(FastWeights):
    """Weight and bias of the layer.

    Args:
        bias: b.
    """

    bias: Float[Tensor, "batch value"]


@dataclass(frozen=True)
class TTTLinear(FastWeightRule[TTTLinearWeights]):
    """Gradient steps on the error of a layer with norm and residual.

        f(k) = LN(S^T k + b) + k,     L(S, b) = 1/2 |f(k) - v|^2,     S <- S - rate dL/dS,     b <- b - (rate / d) dL/db

    d is the number of key channels. The paper has one rate and keys of length about sqrt(d), so that a step moves an answer d
    times as far through S as through b; for keys of length 1 the smaller rate of b does the same (with equal rates b, which
    every pair shares, drowns the rest). The residual asks for as many value as key channels. The norm fixes the length of
    what is added to k, so values should have about unit variance over their channels and zero mean; what they deviate from
    that cannot be stored.

    Reference: Y. Sun et al., *Learning to (Learn at Test Time): RNNs with Expressive Hidden States*, 2024,
    https://arxiv.org/abs/2407.04620. There the rate is base / d . sigmoid(input), for keys that are not normalised, the norm
    has a trained scale and offset (here 1 and 0), the first weights are trained (here random), and 16 pairs form a chunk
    (`store(..., chunk=16)`). Written from the equation.

    Args:
        rate: size of the step for keys of unit length, above 0. Our choice.
        spread: standard deviation of the first weights, above 0: from zero, the norm would have no direction.
        seed: of the first weights.

    Raises:
        ValueError: if rate or spread is not positive.
    """

    rate: float = 0.3
    spread: float = 0.2
    seed: int = 0

    loss: ClassVar[str] = "1/2 |LN(S^T k + b) + k - v|^2"
    equation: ClassVar[str] = "S - rate dL/dS,  b - rate / d dL/db"
    reference: ClassVar[str] = "Sun et al., Learning to (Learn at Test Time), 2024, https://arxiv.org/abs/2407.04620"

    def __post_init__(self) -> None:
        require_positive("rate", self.rate)
        require_positive("spread", self.spread)

    def init(
        self,
        batch: int,
        key: int,
        value: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> TTTLinearWeights:
        """Small random weights, the same for every sequence.

        Raises:
            ValueError: if there are not as many value as key channels.
        """
        if key != value:
            raise ValueError(
                f"TTT-Linear adds the key to its answer: value channels must be {key} like the key's, got {value}"
            )
        matrix = self.spread * seeded(key, value, self.seed)
        return TTTLinearWeights(
            matrix.to(device, dtype).repeat(batch, 1, 1), torch.zeros(batch, value, dtype=dtype, device=device)
        )

    def update(
        self, memory: TTTLinearWeights, keys: Float[Tensor, "batch pair key"], values: Float[Tensor, "batch pair value"]
    ) -> TTTLinearWeights:
        """One step on the summed error of the chunk."""
        normed, spread = _normalised(keys @ memory.matrix + memory.bias[:, None])
        error = normed + keys - values
        along = normed * (error * normed).mean(dim=-1, keepdim=True)
        gradient = (error - error.mean(dim=-1, keepdim=True) - along) / spread
        return TTTLinearWeights(
            memory.matrix - self.rate * outer(keys, gradient),
            memory.bias - self.rate / keys.shape[-1] * gradient.sum(dim=1),
        )

    def read(
        self, memory: TTTLinearWeights, queries: Float[Tensor, "batch query key"]
    ) -> Float[Tensor, "batch query value"]:
        """LN(S^T q + b) + q."""
        return _normalised(queries @ memory.matrix + memory.bias[:, None])[0] + queries


def _normalised(x: Tensor) -> tuple[Tensor, Tensor]:
    """Layer norm without scale and offset, and the standard deviation that it divided by."""
    spread = (x.var(dim=-1, keepdim=True, correction=0) + EPS).sqrt()
    return (x - x.mean(dim=-1, keepdim=True)) / spread, spread
