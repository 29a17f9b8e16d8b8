"""The encoders: pixels to tokens, without any memory."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ttt3r.network.blocks import EncoderBlock, layer_norm
from ttt3r.network.config import CUT3RConfig
from ttt3r.network.rope import Grid, rotary_table


class PatchEncoder(nn.Module):
    """A vision transformer: a patch embedding, blocks with rotary positions, a norm."""

    def __init__(self, config: CUT3RConfig, inputs: int, depth: int, heads: int) -> None:
        super().__init__()
        width, patch = config.encoder_width, config.patch
        self.dim, self.base = width // heads, config.rope_base
        self.embed = nn.Conv2d(inputs, width, kernel_size=patch, stride=patch)
        self.blocks = nn.ModuleList([EncoderBlock(width, heads, config.mlp_ratio) for _ in range(depth)])
        self.norm = layer_norm(width)

    def forward(self, pixels: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch patch feature"]:
        """One token per patch, row by row."""
        embedded = self.embed(pixels)
        table = rotary_table(Grid.of_patches(tuple(embedded.shape[2:])), self.dim, self.base, pixels.device)
        tokens = rearrange(embedded, "batch feature row column -> batch (row column) feature")
        for block in self.blocks:
            tokens = block(tokens, table)
        return self.norm(tokens)
