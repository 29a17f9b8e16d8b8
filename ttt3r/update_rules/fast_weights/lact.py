"""Large chunks in the manner of LaCT: one orthogonalised step for many pairs, on a memory of fixed length."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.update_rules.fast_weights.base import (
    FastWeightRule,
    FastWeights,
    outer,
    require_positive,
    require_share,
    seeded,
)

EPS = 1e-6
"""Added to lengths and mean squares before a division."""
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # K. Jordan et al., Muon, https://kellerjordan.github.io/posts/muon


@dataclass(frozen=True)
class LargeChunkWeights(FastWeights):
    """The matrix, the momentum of its steps and the lengths that it keeps.

    Args:
        momentum: running sum of the chunks' gradients.
        length: of every column of the first matrix (of every output channel's weights).
    """

    momentum: Float[Tensor, "batch key value"]
    length: Float[Tensor, "batch 1 value"]


@dataclass(frozen=True)
class LargeChunk(FastWeightRule[LargeChunkWeights]):
    """In the manner of LaCT, on a linear memory: Hebbian gradient, orthogonalised, then the weights' lengths restored.

        g = sum_i k_i v_i^T  (the chunk's descent on - <S^T k, v>),     m = momentum m + g
        S' = S + rate orthogonal(m),     S_t = S' column by column at the length that it had in the beginning
        read: S^T q at root mean square 1

    orthogonal() replaces the singular values by about 1 (five Newton-Schulz steps, as in the Muon optimiser), so a chunk
    writes all its directions with equal strength. There is no decay: the fixed length makes old content fade as new content
    comes. Answers carry no length of their own, so values should have about unit variance.

    Reference: T. Zhang et al., *Test-Time Training Done Right* (LaCT), 2025, https://arxiv.org/abs/2505.23884. There the
    memory is a SwiGLU network (three matrices), rates come from the input, chunks hold thousands of tokens and momentum is an
    option. This is its update on a single matrix, hence "in the manner of". Written from the equation.

    Args:
        rate: size of the orthogonalised step, above 0. Our choice.
        momentum: share of the earlier chunks' gradients, from 0 to 1.
        seed: of the first matrix (its lengths could not be kept from zero).

    Raises:
        ValueError: if the rate is not positive or the momentum is outside [0, 1].
    """

    rate: float = 1.0
    momentum: float = 0.0
    seed: int = 0

    loss: ClassVar[str] = "- <S^T k, v>"
    equation: ClassVar[str] = "restore length(S + rate orthogonal(momentum m + k v^T))"
    reference: ClassVar[str] = "Zhang et al., Test-Time Training Done Right, 2025, https://arxiv.org/abs/2505.23884"

    def __post_init__(self) -> None:
        require_positive("rate", self.rate)
        require_share("momentum", self.momentum)

    def init(
        self,
        batch: int,
        key: int,
        value: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> LargeChunkWeights:
        """A random matrix with columns of unit length, the same for every sequence."""
        matrix = torch.nn.functional.normalize(seeded(key, value, self.seed), dim=0).to(device, dtype)
        matrix = matrix.repeat(batch, 1, 1)
        return LargeChunkWeights(matrix, torch.zeros_like(matrix), matrix.norm(dim=1, keepdim=True))

    def update(
        self,
        memory: LargeChunkWeights,
        keys: Float[Tensor, "batch pair key"],
        values: Float[Tensor, "batch pair value"],
    ) -> LargeChunkWeights:
        """One step for the chunk."""
        momentum = self.momentum * memory.momentum + outer(keys, values)
        stepped = memory.matrix + self.rate * orthogonalised(momentum)
        matrix = stepped * memory.length / (stepped.norm(dim=1, keepdim=True) + EPS)
        return LargeChunkWeights(matrix, momentum, memory.length)

    def read(
        self, memory: LargeChunkWeights, queries: Float[Tensor, "batch query key"]
    ) -> Float[Tensor, "batch query value"]:
        """S^T q at root mean square 1."""
        answer = queries @ memory.matrix
        return answer / (answer.square().mean(dim=-1, keepdim=True) + EPS).sqrt()


def orthogonalised(matrix: Float[Tensor, "batch key value"], steps: int = 5) -> Float[Tensor, "batch key value"]:
    """The matrix with its singular values brought to about 1 (0.7 to 1.2), by Newton-Schulz steps; 0 stays 0."""
    a, b, c = NEWTON_SCHULZ
    x = matrix / (matrix.norm(dim=(-2, -1), keepdim=True) + EPS)
    for _ in range(steps):
        gram = x @ x.transpose(-1, -2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x
