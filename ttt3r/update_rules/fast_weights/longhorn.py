"""Longhorn: the step that is solved for instead of taken along the gradient."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.update_rules.fast_weights.base import FastWeights, MatrixRule, outer, require_positive


@dataclass(frozen=True)
class Longhorn(MatrixRule):
    """An implicit (proximal) step on the squared error: it never overshoots, however large its weight.

        S_t = argmin_S |S - S_{t-1}|^2 + weight |S^T k_t - v_t|^2 = S_{t-1} + e k_t (v_t - S_{t-1}^T k_t)^T
        e = weight / (1 + weight k_t^T k_t)

    weight -> 0 is the delta rule with that rate; weight -> infinity projects onto the memories that answer k_t exactly (for
    keys of unit length the delta rule with rate 1). A chunk K, V is solved for jointly:
    S + K^T (1 / weight + K K^T)^{-1} (V - K S).

    Reference: B. Liu et al., *Longhorn: State Space Models are Amortized Online Learners*, 2024,
    https://arxiv.org/abs/2407.14207. From the literature, not from code: the paper makes the weight from the input and
    replaces k k^T by its diagonal, to run in parallel; here the matrix is whole.

    Args:
        weight: of the error against the change of the memory, above 0. Our choice; the paper trains it.

    Raises:
        ValueError: if the weight is not a positive number.
    """

    weight: float = 4.0

    loss: ClassVar[str] = "|S - S_old|^2 + weight |S^T k - v|^2, minimised"
    equation: ClassVar[str] = "S + e k (v - S^T k)^T,  e = weight / (1 + weight k^T k)"
    reference: ClassVar[str] = "Liu et al., Longhorn, 2024, https://arxiv.org/abs/2407.14207"

    def __post_init__(self) -> None:
        require_positive("weight", self.weight)

    def update(
        self, memory: FastWeights, keys: Float[Tensor, "batch pair key"], values: Float[Tensor, "batch pair value"]
    ) -> FastWeights:
        """The minimiser, for all pairs of the chunk together."""
        old = memory.matrix
        wide = torch.promote_types(old.dtype, torch.float32)  # there is no solver in half precision
        keys, missing = keys.to(wide), values.to(wide) - keys.to(wide) @ old.to(wide)
        system = keys @ keys.transpose(-1, -2) + torch.eye(keys.shape[1], dtype=wide, device=old.device) / self.weight
        return FastWeights((old + outer(keys, torch.linalg.solve(system, missing))).to(old.dtype))
