"""Linear attention as a memory that only ever adds."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ttt3r.update_rules.fast_weights.base import FastWeights, MatrixRule, outer, require_share


@dataclass(frozen=True)
class LinearAttention(MatrixRule):
    """Every pair is added to the matrix, whatever is in it already.

        S_t = decay S_{t-1} + k_t v_t^T          a gradient step of size 1 on  L(S) = - <S^T k, v>  (Hebbian)

    A read returns the value asked for plus every other value times the inner product of its key with the query. With random
    keys of unit length the expected squared error, relative to the values', is (pairs - 1) / key channels (see `theory`).
    decay = 1 is linear attention; below 1 it is the retention of RetNet (GLA and Mamba-2 make it from the input).

    Reference: A. Katharopoulos et al., *Transformers are RNNs*, ICML 2020, https://arxiv.org/abs/2006.16236 (here without
    feature map and normaliser); decay: Y. Sun et al., *Retentive Network*, 2023, https://arxiv.org/abs/2307.08621. Written
    from the equation.

    Args:
        decay: share of the memory that is kept at every write, from 0 to 1.

    Raises:
        ValueError: if the decay is outside [0, 1].
    """

    decay: float = 1.0

    loss: ClassVar[str] = "- <S^T k, v>"
    equation: ClassVar[str] = "decay S + k v^T"
    reference: ClassVar[str] = (
        "Katharopoulos et al., Transformers are RNNs, ICML 2020, https://arxiv.org/abs/2006.16236"
    )

    def __post_init__(self) -> None:
        require_share("decay", self.decay)

    def update(
        self, memory: FastWeights, keys: Float[Tensor, "batch pair key"], values: Float[Tensor, "batch pair value"]
    ) -> FastWeights:
        """Add the chunk."""
        return FastWeights(self.decay * memory.matrix + outer(keys, values))
