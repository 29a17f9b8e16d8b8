"""Learned, one gain for each frame: how much of it should be written at all."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from ttt3r.update_rules.learned import LearnedRule, MemoryFrameMLP


class LearnedScalar(LearnedRule):
    """A learned gain for the frame as a whole, from the mean state token and the mean frame token.

        S_t = S_{t-1} + g (candidate_t - S_{t-1}),     g = sigmoid( MLP[ mean_s n(S_s); mean_i n(E(X)_i) ] )

    n normalises a token; E(X) are the frame's tokens as they enter the decoder; the MLP has one hidden layer. A gate of this
    kind can leave out frames that add nothing or that are blurred; it cannot treat one part of the memory differently from
    another.

    The simplest member of the learned family, for comparison with `LearnedToken` and `LearnedChannel`; no published rule.
    Reference for the family: *Mem3R*, 2026, https://arxiv.org/abs/2604.07279.

    Args:
        channel, hidden, start, seed: see `LearnedRule`.

    Example:
        >>> rule = LearnedScalar(channel=96)
        >>> sum(parameter.numel() for parameter in rule.parameters())
        12417
    """

    name: ClassVar[str] = "learned_scalar"
    equation: ClassVar[str] = "S + sigmoid(MLP[mean S; mean frame token]) (candidate - S)"
    reference: ClassVar[str] = "this package; the learned family of Mem3R, https://arxiv.org/abs/2604.07279"

    def make_gate(self, channel: int) -> nn.Module:
        """An MLP on the means of memory and frame."""
        return _Gate(channel, self.hidden)


class _Gate(nn.Module):
    def __init__(self, channel: int, hidden: int) -> None:
        super().__init__()
        self.mlp = MemoryFrameMLP(channel, channel, hidden, outputs=1)

    def forward(
        self, memory: Float[Tensor, "batch state channel"], frame: Float[Tensor, "batch patch channel"]
    ) -> Float[Tensor, "batch 1 1"]:
        return self.mlp(memory.mean(dim=1, keepdim=True), frame.mean(dim=1, keepdim=True))
