"""Transformer blocks: pre-norm, exact GELU, biases everywhere, LayerNorm with epsilon 1e-6."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ttt3r.network.attention import CrossAttention, LowRank, SelfAttention
from ttt3r.network.linear import Linear
from ttt3r.network.rope import RotaryTable
from ttt3r.types import AttentionLayer


def layer_norm(width: int) -> nn.LayerNorm:
    """The norm of this network."""
    return nn.LayerNorm(width, eps=1e-6)


class MLP(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, width: int, hidden: int, out: int | None = None) -> None:
        super().__init__()
        self.fc1 = Linear(width, hidden)
        self.fc2 = Linear(hidden, width if out is None else out)

    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch out"]:
        """Apply to each token."""
        return self.fc2(functional.gelu(self.fc1(x)))


class EncoderBlock(nn.Module):
    """x += attention(norm x); x += mlp(norm x)."""

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm_attention = layer_norm(width)
        self.attention = SelfAttention(width, heads)
        self.norm_mlp = layer_norm(width)
        self.mlp = MLP(width, mlp_ratio * width)

    def forward(self, x: Float[Tensor, "batch token width"], table: RotaryTable) -> Float[Tensor, "batch token width"]:
        """One layer of the encoder."""
        x = x + self.attention(self.norm_attention(x), table).tokens
        return x + self.mlp(self.norm_mlp(x))


@dataclass(frozen=True)
class Positions:
    """Rotary tables of one stream: its own tokens at its head width, and those of the stream that it reads."""

    own: RotaryTable
    other: RotaryTable


@dataclass(frozen=True)
class Decoded:
    """Output of a decoder block, with queries and keys of both its attentions."""

    tokens: Float[Tensor, "batch token width"]
    self_attention: AttentionLayer
    cross_attention: AttentionLayer


class DecoderBlock(nn.Module):
    """x attends to itself, then to y: x += self(norm x); x += cross(norm x, norm y); x += mlp(norm x)."""

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm_self = layer_norm(width)
        self.self_attention = SelfAttention(width, heads)
        self.norm_cross = layer_norm(width)
        self.norm_other = layer_norm(width)
        self.cross_attention = CrossAttention(width, heads)
        self.norm_mlp = layer_norm(width)
        self.mlp = MLP(width, mlp_ratio * width)

    def forward(
        self,
        x: Float[Tensor, "batch token width"],
        y: Float[Tensor, "batch other width"],
        positions: Positions | None,
        self_bias: LowRank | None = None,
        cross_bias: LowRank | None = None,
    ) -> Decoded:
        """One layer of a stream of the decoder, or of the reading of the pose memory (without positions)."""
        own = positions.own if positions else None
        tables = (positions.own, positions.other) if positions else None
        to_self = self.self_attention(self.norm_self(x), own, self_bias)
        x = x + to_self.tokens
        to_other = self.cross_attention(self.norm_cross(x), self.norm_other(y), tables, cross_bias)
        x = x + to_other.tokens
        return Decoded(x + self.mlp(self.norm_mlp(x)), to_self.layer, to_other.layer)


class WriteBlock(nn.Module):
    """A decoder block that reads ONE token y: softmax over one key is 1, so its cross-attention is a projection of y.

    The official weights hold queries, keys and a norm for that attention too; they cannot influence anything.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm_self = layer_norm(width)
        self.self_attention = SelfAttention(width, heads)
        self.norm_other = layer_norm(width)
        self.value = Linear(width, width)
        self.proj = Linear(width, width)
        self.norm_mlp = layer_norm(width)
        self.mlp = MLP(width, mlp_ratio * width)

    def forward(
        self, x: Float[Tensor, "batch slot width"], y: Float[Tensor, "batch 1 width"]
    ) -> Float[Tensor, "batch slot width"]:
        """Let every slot take in the token y."""
        x = x + self.self_attention(self.norm_self(x), None).tokens
        x = x + self.proj(self.value(self.norm_other(y)))
        return x + self.mlp(self.norm_mlp(x))


class ModulatedNorm(nn.Module):
    """norm(x) * (1 + scale) + shift, where (shift, scale) is a linear map of SiLU(z)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = layer_norm(width)
        self.modulation = Linear(width, 2 * width)

    def forward(
        self, x: Float[Tensor, "batch token width"], z: Float[Tensor, "batch width"]
    ) -> Float[Tensor, "batch token width"]:
        """Normalise x as z says."""
        shift, scale = self.modulation(functional.silu(z))[:, None].chunk(2, dim=-1)
        return torch.addcmul(shift, self.norm(x), 1 + scale)


class ModulatedBlock(nn.Module):
    """An encoder block whose norms are modulated by the camera token z: it moves tokens from camera to world."""

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm_attention = ModulatedNorm(width)
        self.attention = SelfAttention(width, heads)
        self.norm_mlp = ModulatedNorm(width)
        self.mlp = MLP(width, mlp_ratio * width)

    def forward(
        self, x: Float[Tensor, "batch token width"], z: Float[Tensor, "batch width"], table: RotaryTable
    ) -> Float[Tensor, "batch token width"]:
        """One layer of the transform to the world frame."""
        x = x + self.attention(self.norm_attention(x, z), table).tokens
        return x + self.mlp(self.norm_mlp(x, z))
