"""The reference's way of working, written plainly, with the same weights: the baseline of `benchmarks/speed.py`.

Attention maps are made and multiplied, rotary tables looked up for every call, every head runs for every frame, the gate
averages a map of all layers, several rules are several passes. What the reference computes and never uses in the pose memory
is left out, since these weights are not loaded; so the baseline is a little faster than the reference is.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

import ttt3r
from ttt3r.network import attention
from ttt3r.network import linear as linear_module
from ttt3r.network.rope import RotaryTable
from ttt3r.types import Needs, RuleState
from ttt3r.update_rules import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence


@dataclass(frozen=True)
class MapGate(GatedUpdateRule):
    """TTT3R's gate from explicit maps: sigmoid(mean over layers, heads and keys), all maps stacked first."""

    needs: ClassVar[Needs] = Needs.STATE_ATTENTION

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        """The gain."""
        maps = torch.stack([layer.query @ layer.key.transpose(-1, -2) for layer in evidence.state_attention.layers])
        return Gain(torch.sigmoid(maps.mean(dim=(0, 2, 4)))[..., None])


class Maps:
    """Attention that makes its maps, and keeps those of the decoder until the next frame is through, as the reference does.

    Args:
        patches: tokens of the encoder, whose maps are let go.
    """

    def __init__(self, patches: int) -> None:
        self.patches = patches
        self.frames: deque[list[Tensor]] = deque([[]], maxlen=2)

    def attend(self, layer: ttt3r.types.AttentionLayer, value: Tensor, bias: object) -> Tensor:
        """As `ttt3r.network.attention.attend`."""
        weights = (layer.query @ layer.key.transpose(-1, -2)).softmax(dim=-1)
        if layer.query.shape[2] != self.patches:
            self.frames[-1].append(weights)
        return (weights @ value).transpose(1, 2).flatten(2)

    def next_frame(self) -> None:
        """Forget the frame before the last."""
        self.frames.append([])


def _turned(x: Tensor, table: RotaryTable) -> Tensor:
    """Row half and column half apart, cosine and sine looked up by position for every call, as it is usually written."""
    position = torch.arange(x.shape[2], device=x.device).expand(x.shape[0], -1)
    halves = []
    for part, cos, sin in zip(
        x.float().chunk(2, dim=-1), table.cos.chunk(2, dim=-1), table.sin.chunk(2, dim=-1), strict=True
    ):
        cos, sin = functional.embedding(position, cos)[:, None], functional.embedding(position, sin)[:, None]
        a, b = part.chunk(2, dim=-1)
        halves.append(part * cos + torch.cat([b, a], dim=-1) * sin)
    return torch.cat(halves, dim=-1).to(x.dtype)


@contextmanager
def plain_linear() -> Iterator[None]:
    """Within: linear layers as PyTorch has them, which the counter of FLOPs knows."""
    operator, linear_module._ONEDNN = linear_module._ONEDNN, None
    try:
        yield
    finally:
        linear_module._ONEDNN = operator


@contextmanager
def plain_way(maps: Maps) -> Iterator[None]:
    """Within: maps instead of fused attention, rotary tables looked up, plain linear layers."""
    fused, rotate = attention.attend, attention.rotate
    attention.attend, attention.rotate = maps.attend, _turned
    try:
        with plain_linear():
            yield
    finally:
        attention.attend, attention.rotate = fused, rotate
