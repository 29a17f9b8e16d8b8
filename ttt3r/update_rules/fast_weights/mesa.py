"""Mesa: the best matrix for all pairs so far, solved for at every read."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.update_rules.fast_weights.base import FastWeightRule, FastWeights, outer, require_positive, require_share


@dataclass(frozen=True)
class MesaWeights(FastWeights):
    """Second moments of all pairs; `matrix` is the sum of k v^T.

    Args:
        gram: the sum of k k^T.
    """

    gram: Float[Tensor, "batch key other_key"]


@dataclass(frozen=True)
class Mesa(FastWeightRule[MesaWeights]):
    """Regularised least squares over the whole past.

        H_t = decay H_{t-1} + k_t k_t^T,    B_t = decay B_{t-1} + k_t v_t^T
        read: B^T (H + ridge)^{-1} q = S*^T q,    S* = argmin_S sum_i decay^{t-i} |S^T k_i - v_i|^2 + ridge |S|^2

    No matrix does better in the mean square, so this is the bound for all others: with random keys nothing is lost up to as
    many pairs as there are key channels, and 1 - key channels / pairs from there on. The price is a second matrix and a
    linear system at every read.

    Reference: J. von Oswald et al., *MesaNet*, 2025, https://arxiv.org/abs/2506.05233. There decay, weights and ridge are
    made from the input or trained, and the system is solved by at most 30 steps of conjugate gradients; here by Cholesky.
    Written from the equation.

    Args:
        ridge: of the regulariser, above 0; small against the squared length of a key. Our choice; the paper trains it.
        decay: share of the past that is kept at every write, from 0 to 1.

    Raises:
        ValueError: if the ridge is not positive or the decay is outside [0, 1].
    """

    ridge: float = 1e-2
    decay: float = 1.0

    loss: ClassVar[str] = "sum_i |S^T k_i - v_i|^2 + ridge |S|^2, minimised"
    equation: ClassVar[str] = "H + k k^T, B + k v^T;  read B^T (H + ridge)^-1 q"
    reference: ClassVar[str] = "von Oswald et al., MesaNet, 2025, https://arxiv.org/abs/2506.05233"

    def __post_init__(self) -> None:
        require_positive("ridge", self.ridge)
        require_share("decay", self.decay)

    def init(
        self,
        batch: int,
        key: int,
        value: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> MesaWeights:
        """No pair yet."""
        matrix = torch.zeros(batch, key, value, dtype=dtype, device=device)
        return MesaWeights(matrix, matrix.new_zeros(batch, key, key))

    def update(
        self, memory: MesaWeights, keys: Float[Tensor, "batch pair key"], values: Float[Tensor, "batch pair value"]
    ) -> MesaWeights:
        """Add the chunk to both sums."""
        return MesaWeights(
            self.decay * memory.matrix + outer(keys, values), self.decay * memory.gram + outer(keys, keys)
        )

    def read(
        self, memory: MesaWeights, queries: Float[Tensor, "batch query key"]
    ) -> Float[Tensor, "batch query value"]:
        """The answer of the best matrix."""
        wide = torch.promote_types(queries.dtype, torch.float32)  # there is no solver in half precision
        system = memory.gram.to(wide)
        system = system + self.ridge * torch.eye(system.shape[-1], dtype=wide, device=system.device)
        best = torch.cholesky_solve(memory.matrix.to(wide), torch.linalg.cholesky(system))
        return (queries.to(wide) @ best).to(queries.dtype)
