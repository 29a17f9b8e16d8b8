"""Titans: surprise with momentum, on a memory that fades."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.update_rules.fast_weights.base import FastWeightRule, FastWeights, outer, require_positive, require_share


@dataclass(frozen=True)
class TitansWeights(FastWeights):
    """The matrix and the momentum of its steps.

    Args:
        momentum: running sum of the steps, each faded by its age.
    """

    momentum: Float[Tensor, "batch key value"]


@dataclass(frozen=True)
class Titans(FastWeightRule[TitansWeights]):
    """Heavy-ball steps on the squared error, with weight decay.

        m_t = momentum m_{t-1} - rate grad L(S_{t-1}),     S_t = (1 - decay) S_{t-1} + m_t,     L(S) = 1/2 |S^T k - v|^2

    A surprising pair goes on being written for about 1 / (1 - momentum) steps: rate / (1 - momentum) of what was missing in
    the end. Those late writes do not look at what has been written in between, which costs recall where pairs are unrelated
    and pays where neighbours in time belong together.

    Reference: A. Behrouz, P. Zhong, V. Mirrokni, *Titans: Learning to Memorize at Test Time*, 2025,
    https://arxiv.org/abs/2501.00663. There the memory is an MLP in general, all three numbers are made from the input, and
    the loss has no 1/2 (their rate is half of ours). Written from the equation.

    Args:
        rate: of the gradient, above 0. Our choice, as are the others; the paper trains them.
        momentum: share of the last step that is taken again, from 0 to 1.
        decay: share of the memory that is lost at every write, from 0 to 1.

    Raises:
        ValueError: if a setting is outside its range.
    """

    rate: float = 0.5
    momentum: float = 0.5
    decay: float = 0.01

    loss: ClassVar[str] = "1/2 |S^T k - v|^2"
    equation: ClassVar[str] = "m = momentum m + rate k (v - S^T k)^T;  (1 - decay) S + m"
    reference: ClassVar[str] = "Behrouz et al., Titans, 2025, https://arxiv.org/abs/2501.00663"

    def __post_init__(self) -> None:
        require_positive("rate", self.rate)
        require_share("momentum", self.momentum)
        require_share("decay", self.decay)

    def init(
        self,
        batch: int,
        key: int,
        value: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> TitansWeights:
        """Zero, at rest."""
        zero = torch.zeros(batch, key, value, dtype=dtype, device=device)
        return TitansWeights(zero, zero)

    def update(
        self, memory: TitansWeights, keys: Float[Tensor, "batch pair key"], values: Float[Tensor, "batch pair value"]
    ) -> TitansWeights:
        """One step with momentum on the summed error of the chunk."""
        surprise = outer(keys, values - keys @ memory.matrix)
        step = self.momentum * memory.momentum + self.rate * surprise
        return TitansWeights((1 - self.decay) * memory.matrix + step, step)

    def read(
        self, memory: TitansWeights, queries: Float[Tensor, "batch query key"]
    ) -> Float[Tensor, "batch query value"]:
        """S^T q."""
        return queries @ memory.matrix
