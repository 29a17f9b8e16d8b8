"""Learned, the update gate of a recurrent unit whose state tokens each read the frame, as in GRS-SLAM3R."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ttt3r.update_rules.learned import LearnedRule, MemoryFrameMLP


class LearnedGRU(LearnedRule):
    """The update gate of a GRU: each state token reads the frame by attention and decides, channel by channel.

        S_t = S_{t-1} + U (candidate_t - S_{t-1}),     U_s = sigmoid( MLP[ n(S_s); r_s ] )
        r_s = sum_i softmax_i( (W_q n(S_s)) . (W_k n(E(X)_i)) / sqrt(h) ) W_v n(E(X)_i)

    n normalises a token; E(X) are the frame's tokens as they enter the decoder; h is the hidden width; one head. What
    sets it apart from `LearnedChannel`: a token can decide by the part of the image that it has to do with.

    Reference: *GRS-SLAM3R*, 2025, https://arxiv.org/abs/2509.23737: R = G_r(M, F), U = G_u(M, F) with transformer gates,
    candidate = Decoder(R * M, F), M <- U * candidate + (1 - U) * M. No code is public; the last line is inferred from the
    name "update gate". **Only the update gate is here.** The reset gate R acts before the decoder reads the memory, and a
    rule is asked after the decoder: this half would be a change of the network. The transformer gate is one attention and
    an MLP here; its size in the paper is not known to us.

    Args:
        channel, hidden, start, seed: see `LearnedRule`.

    Example:
        >>> rule = LearnedGRU(channel=96)
        >>> sum(parameter.numel() for parameter in rule.parameters())
        34976
    """

    name: ClassVar[str] = "learned_gru"
    equation: ClassVar[str] = "S + sigmoid(MLP[S_s; attention of S_s to the frame])_c (candidate - S)"
    reference: ClassVar[str] = "GRS-SLAM3R (its update gate), 2025, https://arxiv.org/abs/2509.23737"

    def make_gate(self, channel: int) -> nn.Module:
        """One attention from memory to frame, then an MLP with an output for each channel."""
        return _Gate(channel, self.hidden)


class _Gate(nn.Module):
    def __init__(self, channel: int, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(channel, hidden, bias=False)
        self.key = nn.Linear(channel, hidden, bias=False)
        self.value = nn.Linear(channel, hidden, bias=False)
        self.mlp = MemoryFrameMLP(channel, hidden, hidden, outputs=channel)

    def forward(
        self, memory: Float[Tensor, "batch state channel"], frame: Float[Tensor, "batch patch channel"]
    ) -> Float[Tensor, "batch state channel"]:
        read = functional.scaled_dot_product_attention(self.query(memory), self.key(frame), self.value(frame))
        return self.mlp(memory, read)
