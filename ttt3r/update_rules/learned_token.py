"""Learned, one gain for each state token: which of them the frame concerns."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from ttt3r.update_rules.learned import LearnedRule, MemoryFrameMLP


class LearnedToken(LearnedRule):
    """A learned gain for each state token, from the token and the mean frame token.

        S_t = S_{t-1} + g (candidate_t - S_{t-1}),     g_s = sigmoid( MLP[ n(S_s); mean_i n(E(X)_i) ] )

    n normalises a token; E(X) are the frame's tokens as they enter the decoder; the MLP has one hidden layer and is the same
    for all state tokens. The learned counterpart of TTT3R's gate, which has the same form and no weights.

    No published rule by itself: it is Mem3R's gate (`LearnedChannel`) with one number for each token.
    Reference: *Mem3R*, 2026, https://arxiv.org/abs/2604.07279.

    Args:
        channel, hidden, start, seed: see `LearnedRule`.

    Example:
        >>> rule = LearnedToken(channel=96)
        >>> sum(parameter.numel() for parameter in rule.parameters())
        12417
    """

    name: ClassVar[str] = "learned_token"
    equation: ClassVar[str] = "S + sigmoid(MLP[S_s; mean frame token]) (candidate - S)"
    reference: ClassVar[str] = "Mem3R's gate with one number per token, https://arxiv.org/abs/2604.07279"

    def make_gate(self, channel: int) -> nn.Module:
        """An MLP on each token beside the mean of the frame."""
        return _Gate(channel, self.hidden)


class _Gate(nn.Module):
    def __init__(self, channel: int, hidden: int) -> None:
        super().__init__()
        self.mlp = MemoryFrameMLP(channel, channel, hidden, outputs=1)

    def forward(
        self, memory: Float[Tensor, "batch state channel"], frame: Float[Tensor, "batch patch channel"]
    ) -> Float[Tensor, "batch state 1"]:
        return self.mlp(memory, frame.mean(dim=1, keepdim=True))
