"""The delta rule: what the memory already answers is taken off before the new value is written."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ttt3r.update_rules.fast_weights.base import FastWeights, MatrixRule, outer, require_share


@dataclass(frozen=True)
class DeltaRule(MatrixRule):
    """A gradient step on the squared error of the answer.

        S_t = S_{t-1} + rate k_t (v_t - S_{t-1}^T k_t)^T         L(S) = 1/2 |S^T k - v|^2

    With rate 1 and a key of unit length the pair just written is answered exactly, and pairs with orthogonal keys are left
    alone: orthonormal keys are recalled exactly, up to as many as there are key channels. The step is explicit: for
    rate |k|^2 > 2 it overshoots (`Longhorn` does not).

    Reference: I. Schlag, K. Irie, J. Schmidhuber, *Linear Transformers Are Secretly Fast Weight Programmers*, ICML 2021,
    https://arxiv.org/abs/2102.11174; S. Yang et al. (DeltaNet), 2024, https://arxiv.org/abs/2406.06484. There the rate is
    made from the input. Written from the equation.

    Args:
        rate: size of the step, from 0 to 1.

    Raises:
        ValueError: if the rate is outside [0, 1].
    """

    rate: float = 1.0

    loss: ClassVar[str] = "1/2 |S^T k - v|^2"
    equation: ClassVar[str] = "S + rate k (v - S^T k)^T"
    reference: ClassVar[str] = "Schlag et al., ICML 2021, https://arxiv.org/abs/2102.11174"

    def __post_init__(self) -> None:
        require_share("rate", self.rate)

    def update(
        self, memory: FastWeights, keys: Float[Tensor, "batch pair key"], values: Float[Tensor, "batch pair value"]
    ) -> FastWeights:
        """One step on the summed error of the chunk."""
        missing = values - keys @ memory.matrix
        return FastWeights(memory.matrix + self.rate * outer(keys, missing))


@dataclass(frozen=True)
class GatedDelta(MatrixRule):
    """The delta rule on a memory that fades.

        S' = decay S_{t-1},     S_t = S' + rate k_t (v_t - S'^T k_t)^T          L(S) = 1/2 |S^T k - v|^2

    The decay bounds the memory and clears what is no longer asked for; it costs recall of what still is.

    Reference: S. Yang, J. Kautz, A. Hatamizadeh, *Gated Delta Networks*, ICLR 2025, https://arxiv.org/abs/2412.06464. There
    decay and rate are made from the input. Written from the equation.

    Args:
        decay: share of the memory that is kept at every write, from 0 to 1. Our choice; the paper trains it.
        rate: size of the step, from 0 to 1.

    Raises:
        ValueError: if decay or rate is outside [0, 1].
    """

    decay: float = 0.99
    rate: float = 1.0

    loss: ClassVar[str] = "1/2 |S^T k - v|^2, after decay"
    equation: ClassVar[str] = "S' = decay S;  S' + rate k (v - S'^T k)^T"
    reference: ClassVar[str] = "Yang et al., Gated Delta Networks, ICLR 2025, https://arxiv.org/abs/2412.06464"

    def __post_init__(self) -> None:
        require_share("decay", self.decay)
        require_share("rate", self.rate)

    def update(
        self, memory: FastWeights, keys: Float[Tensor, "batch pair key"], values: Float[Tensor, "batch pair value"]
    ) -> FastWeights:
        """Fade, then one step on the summed error of the chunk."""
        faded = self.decay * memory.matrix
        return FastWeights(faded + self.rate * outer(keys, values - keys @ faded))
