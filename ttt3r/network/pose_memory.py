"""The second memory of CUT3R: key-value slots from which the camera token of the next frame is guessed."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ttt3r.network.blocks import DecoderBlock, WriteBlock
from ttt3r.network.config import CUT3RConfig
from ttt3r.network.linear import Linear

BLOCKS = 2  # for reading and for writing, in every published network


class PoseMemory(nn.Module):
    """Slots of (key | value): keys are global image features, values are camera tokens."""

    def __init__(self, config: CUT3RConfig) -> None:
        super().__init__()
        width, pair, ratio = config.width, 2 * config.width, config.mlp_ratio
        self.initial = nn.Parameter(0.2 * torch.randn(1, config.slots, pair))
        self.masked_value = nn.Parameter(0.2 * torch.randn(1, 1, width))
        self.query = Linear(config.encoder_width, width)
        self.read_blocks = nn.ModuleList([DecoderBlock(pair, config.heads, ratio) for _ in range(BLOCKS)])
        self.write_blocks = nn.ModuleList([WriteBlock(pair, config.heads, ratio) for _ in range(BLOCKS)])

    def read(
        self, summary: Float[Tensor, "batch 1 feature"], memory: Float[Tensor, "batch slot pair"]
    ) -> Float[Tensor, "batch 1 channel"]:
        """The camera token that the slots suggest for an image with this global feature."""
        key = self.query(summary)
        token = torch.cat([key, self.masked_value.expand_as(key)], dim=-1)
        for block in self.read_blocks:
            token = block(token, memory, None).tokens
        return token[..., key.shape[-1] :]

    def write(
        self,
        summary: Float[Tensor, "batch 1 feature"],
        camera_token: Float[Tensor, "batch 1 channel"],
        memory: Float[Tensor, "batch slot pair"],
    ) -> Float[Tensor, "batch slot pair"]:
        """The slots after they have taken in (global feature, camera token)."""
        entry = torch.cat([self.query(summary), camera_token], dim=-1)
        for block in self.write_blocks:
            memory = block(memory, entry)
        return memory
