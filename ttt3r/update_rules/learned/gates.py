"""The four learned gates, from one number a frame to one for each channel of each state token."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ttt3r.update_rules.learned.base import LearnedRule, MemoryFrameMLP


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
        return _ScalarGate(channel, self.hidden)


class _ScalarGate(nn.Module):
    def __init__(self, channel: int, hidden: int) -> None:
        super().__init__()
        self.mlp = MemoryFrameMLP(channel, channel, hidden, outputs=1)

    def forward(
        self, memory: Float[Tensor, "batch state channel"], frame: Float[Tensor, "batch patch channel"]
    ) -> Float[Tensor, "batch 1 1"]:
        return self.mlp(memory.mean(dim=1, keepdim=True), frame.mean(dim=1, keepdim=True))


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
        return _TokenGate(channel, self.hidden)


class _TokenGate(nn.Module):
    def __init__(self, channel: int, hidden: int) -> None:
        super().__init__()
        self.mlp = MemoryFrameMLP(channel, channel, hidden, outputs=1)

    def forward(
        self, memory: Float[Tensor, "batch state channel"], frame: Float[Tensor, "batch patch channel"]
    ) -> Float[Tensor, "batch state 1"]:
        return self.mlp(memory, frame.mean(dim=1, keepdim=True))


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
        return _ChannelGate(channel, self.hidden)


class _ChannelGate(nn.Module):
    def __init__(self, channel: int, hidden: int) -> None:
        super().__init__()
        self.mlp = MemoryFrameMLP(channel, channel, hidden, outputs=channel)

    def forward(
        self, memory: Float[Tensor, "batch state channel"], frame: Float[Tensor, "batch patch channel"]
    ) -> Float[Tensor, "batch state channel"]:
        return self.mlp(memory, frame.mean(dim=1, keepdim=True))


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
        return _GRUGate(channel, self.hidden)


class _GRUGate(nn.Module):
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
