"""The recurrent part: an image stream and a state stream that read each other, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ttt3r.network.attention import LowRank
from ttt3r.network.blocks import DecoderBlock, Positions, layer_norm
from ttt3r.network.config import CUT3RConfig
from ttt3r.network.linear import Linear
from ttt3r.network.rope import Grid, rotary_table
from ttt3r.types import AttentionBias, AttentionLayer, Needs, Stream


@dataclass(frozen=True)
class DecoderOutput:
    """Both streams after the last layer, the levels on the way that the heads read, and the attention that was kept.

    Args:
        image: the image stream after its norm, the pose token first.
        candidate: the state stream after its norm.
        middle: the image stream after 1/2 and 3/4 of the layers.
    """

    image: Float[Tensor, "batch key channel"]
    candidate: Float[Tensor, "batch state channel"]
    middle: tuple[Float[Tensor, "batch key channel"], ...]
    state_attention: tuple[AttentionLayer, ...]
    image_attention: tuple[AttentionLayer, ...]


class Decoder(nn.Module):
    """Two interleaved transformers. In layer l both streams read the *other's* layer l - 1."""

    def __init__(self, config: CUT3RConfig) -> None:
        super().__init__()
        self.config = config
        width, ratio = config.width, config.mlp_ratio
        self.embed = Linear(config.encoder_width, width)
        self.pose_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.image_blocks = nn.ModuleList([DecoderBlock(width, config.heads, ratio) for _ in range(config.depth)])
        self.state_blocks = nn.ModuleList([DecoderBlock(width, config.state_heads, ratio) for _ in range(config.depth)])
        codes = nn.Parameter(torch.randn(config.depth, config.state_tokens, width)) if config.state_codes else None
        self.state_codes = codes
        self.image_norm = layer_norm(width)
        self.state_norm = layer_norm(width)

    def forward(
        self,
        image: Float[Tensor, "batch key channel"],
        state: Float[Tensor, "batch state channel"],
        grid: tuple[int, int],
        needs: Needs,
        biases: Sequence[AttentionBias],
    ) -> DecoderOutput:
        """Decode a frame (its pose token first) against the state."""
        image_positions, state_positions = self._positions(grid, image.device)
        depth, levels, from_image, to_self = self.config.depth, [], [], []
        for layer, (image_block, state_block) in enumerate(zip(self.image_blocks, self.state_blocks, strict=True)):
            bias = _Biases(layer, biases)
            if self.state_codes is not None:
                state = state + self.state_codes[layer]
            new_state = state_block(
                state, image, state_positions, bias[Stream.STATE_SELF], bias[Stream.STATE_FROM_IMAGE]
            )
            new_image = image_block(
                image, state, image_positions, bias[Stream.IMAGE_SELF], bias[Stream.IMAGE_FROM_STATE]
            )
            state, image = new_state.tokens, new_image.tokens
            if layer + 1 in (depth // 2, depth * 3 // 4):
                levels.append(image)
            if Needs.STATE_ATTENTION in needs:
                from_image.append(new_state.cross_attention)
            if Needs.IMAGE_ATTENTION in needs:
                to_self.append(new_image.self_attention)
        return DecoderOutput(
            self.image_norm(image), self.state_norm(state), tuple(levels), tuple(from_image), tuple(to_self)
        )

    def _positions(self, grid: tuple[int, int], device: torch.device) -> tuple[Positions, Positions]:
        """Rotary tables of the image stream and of the state stream, each at its own head width."""
        config = self.config
        patches, state = Grid.of_patches(grid, lead=True), Grid.of_state(config.state_tokens)

        def table(of: Grid, heads: int) -> Positions:
            other = state if of is patches else patches
            dim = config.width // heads
            return Positions(
                rotary_table(of, dim, config.rope_base, device), rotary_table(other, dim, config.rope_base, device)
            )

        return table(patches, config.heads), table(state, config.state_heads)


class _Biases:
    """The biases that act in one layer, by stream; several on one stream add up."""

    def __init__(self, layer: int, biases: Sequence[AttentionBias]) -> None:
        self.here = [bias for bias in biases if bias.layers[0] <= layer < bias.layers[1]]

    def __getitem__(self, stream: Stream) -> LowRank | None:
        found = [bias for bias in self.here if bias.stream is stream]
        if not found:
            return None
        return LowRank(torch.stack([b.query for b in found], dim=-1), torch.stack([b.key for b in found], dim=-1))
