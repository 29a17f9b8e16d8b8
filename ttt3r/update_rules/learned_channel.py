"""Learned, one gain for each channel of each state token, in the form of Mem3R."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from ttt3r.update_rules.learned import LearnedRule, MemoryFrameMLP


class LearnedChannel(LearnedRule):
    """A learned gain for each state token and channel, from the token and the mean frame token.

        S_t = S_{t-1} + g (candidate_t - S_{t-1}),     g_{s,c} = sigmoid( MLP[ n(S_s); mean_i n(E(X)_i) ] )_c

    n normalises a token; E(X) are the frame's tokens as they enter the decoder; the MLP has one hidden layer and as many
    outputs as the memory has channels. Part of a token can be kept while another part is rewritten.

    Reference: *Mem3R*, 2026, https://arxiv.org/abs/2604.07279, whose state update is g = sigmoid(MLP[S_{t-1}; mean X]).
    Neither code nor weights of it are public: the form is known from its abstract and an unofficial implementation, the
    MLP's depth and the normalisation are not. Differences on purpose: the frame is seen after the embedding with which it
    enters the decoder, E(X) instead of the encoder's X, so that one width fits all; tokens are normalised. Its other half, a
    fast-weight memory for the pose, is no state update and not part of this rule.

    Args:
        channel, hidden, start, seed: see `LearnedRule`.

    Example:
        >>> rule = LearnedChannel(channel=96)
        >>> sum(parameter.numel() for parameter in rule.parameters())
        18592
    """

    name: ClassVar[str] = "learned_channel"
    equation: ClassVar[str] = "S + sigmoid(MLP[S_s; mean frame token])_c (candidate - S)"
    reference: ClassVar[str] = "Mem3R, 2026, https://arxiv.org/abs/2604.07279"

    def make_gate(self, channel: int) -> nn.Module:
        """An MLP on each token beside the mean of the frame, with an output for each channel."""
        return _Gate(channel, self.hidden)


class _Gate(nn.Module):
    def __init__(self, channel: int, hidden: int) -> None:
        super().__init__()
        self.mlp = MemoryFrameMLP(channel, channel, hidden, outputs=channel)

    def forward(
        self, memory: Float[Tensor, "batch state channel"], frame: Float[Tensor, "batch patch channel"]
    ) -> Float[Tensor, "batch state channel"]:
        return self.mlp(memory, frame.mean(dim=1, keepdim=True))
