"""Self- and cross-attention, always fused; queries and keys are returned so that a rule can reduce them without a map."""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ttt3r.network.linear import Linear
from ttt3r.network.rope import RotaryTable, rotate
from ttt3r.types import AttentionLayer


@dataclass(frozen=True)
class LowRank:
    """A bias sum_r query_ir * key_jr on the logits, the same in every head."""

    query: Float[Tensor, "batch query rank"]
    key: Float[Tensor, "batch key rank"]


@dataclass(frozen=True)
class Attended:
    """Output of an attention, with the queries and keys that led to it."""

    tokens: Float[Tensor, "batch query width"]
    layer: AttentionLayer


def attend(
    layer: AttentionLayer, value: Float[Tensor, "batch head key dim"], bias: LowRank | None
) -> Float[Tensor, "batch query width"]:
    """softmax(query key^T + bias) value by fused attention, heads joined.

    A low-rank bias travels as further channels: [q; a] . [k; b] = q . k + a b. Zeros fill up to a multiple of 8, which
    the fused kernels want.
    """
    query, key = layer.query, layer.key
    dim = query.shape[-1]
    if bias is not None:
        rank = bias.query.shape[-1]
        pad = rank + -(dim + rank) % 8
        query = torch.cat([query, _channels(bias.query, query, pad)], dim=-1)
        key = torch.cat([key, _channels(bias.key, key, pad)], dim=-1)
        value = functional.pad(value, (0, pad))
    out = functional.scaled_dot_product_attention(query, key, value, scale=1.0)[..., :dim]
    return rearrange(out, "batch head query dim -> batch query (head dim)")


def _channels(factor: Tensor, like: Tensor, width: int) -> Tensor:
    """The factors as channels of every head, filled up with zeros to `width`."""
    channels = factor.to(like.dtype)[:, None].expand(-1, like.shape[1], -1, -1)
    return functional.pad(channels, (0, width - factor.shape[-1]))


class SelfAttention(nn.Module):
    """Attention of tokens to each other; one matrix makes queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.proj = Linear(width, width)

    def forward(
        self, x: Float[Tensor, "batch token width"], table: RotaryTable | None, bias: LowRank | None = None
    ) -> Attended:
        """Attend, with rotary embedding if there is a table."""
        query, key, value = rearrange(
            self.qkv(x), "batch token (n head dim) -> n batch head token dim", n=3, head=self.heads
        )
        layer = _scaled(query, key, table, table)
        return Attended(self.proj(attend(layer, value, bias)), layer)


class CrossAttention(nn.Module):
    """Attention of tokens `x` to tokens `y`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(width, width)
        self.key = Linear(width, width)
        self.value = Linear(width, width)
        self.proj = Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "batch query width"],
        y: Float[Tensor, "batch key width"],
        tables: tuple[RotaryTable, RotaryTable] | None,
        bias: LowRank | None = None,
    ) -> Attended:
        """Attend, with rotary embedding of queries and keys if there are tables."""
        query, key, value = (
            rearrange(part, "batch token (head dim) -> batch head token dim", head=self.heads)
            for part in (self.query(x), self.key(y), self.value(y))
        )
        layer = _scaled(query, key, *(tables or (None, None)))
        return Attended(self.proj(attend(layer, value, bias)), layer)


def _scaled(query: Tensor, key: Tensor, table_q: RotaryTable | None, table_k: RotaryTable | None) -> AttentionLayer:
    if table_q is not None and table_k is not None:
        query, key = rotate(query, table_q), rotate(key, table_k)
    return AttentionLayer(query * query.shape[-1] ** -0.5, key)
