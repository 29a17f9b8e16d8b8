"""Dense heads of small networks: convolutions over the image, which take the tokens in where they are as coarse as patches.

Ronneberger et al., U-Net, MICCAI 2015, https://arxiv.org/abs/1505.04597
"""

from itertools import pairwise

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ttt3r.network.config import CUT3RConfig, UNetConfig
from ttt3r.types import Features


class NormalisedUnit(nn.Module):
    """x + conv(gelu(conv(gelu(norm x))))."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(UNetConfig.GROUPS, features)
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Float[Tensor, "batch feature row column"]) -> Float[Tensor, "batch feature row column"]:
        """Refine a map."""
        return x + self.conv2(functional.gelu(self.conv1(functional.gelu(self.norm(x)))))


class UNet(nn.Module):
    """Image, halved down to the grid of patches; tokens of all levels added there; doubled again beside the image's own maps.

    A question without an image is answered from the tokens alone.
    """

    def __init__(self, config: CUT3RConfig, head: UNetConfig, channels: int) -> None:
        super().__init__()
        widths, inputs = head.widths, (config.encoder_width, *3 * (config.width,))
        self.stem = nn.Conv2d(3, widths[0], 2, stride=2)
        self.down = nn.ModuleList(
            [nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in pairwise(widths)]
        )
        self.see = nn.ModuleList([NormalisedUnit(width) for width in widths])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for width in inputs])
        self.join = nn.Conv2d(sum(inputs), widths[-1], 1)
        self.up = nn.ModuleList([nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths)])
        self.draw = nn.ModuleList([NormalisedUnit(width) for width in widths])
        self.last = nn.Conv2d(widths[0], 4 * channels, 3, padding=1)

    def forward(self, features: Features) -> Float[Tensor, "batch channels height width"]:
        """Raw values per pixel."""
        tokens = torch.cat([norm(level) for norm, level in zip(self.norms, features.levels, strict=True)], dim=-1)
        x = self.join(rearrange(tokens, "batch (row column) feature -> batch feature row column", row=features.grid[0]))
        seen = [] if features.image is None else self._look(features.image)
        if seen:
            x = x + seen[-1]
        x = self.draw[-1](x)
        for index in reversed(range(len(self.up))):
            x = functional.interpolate(self.up[index](x), scale_factor=2.0, mode="bilinear")
            if seen:
                x = x + seen[index]
            x = self.draw[index](x)
        return functional.pixel_shuffle(self.last(functional.gelu(x)), 2)

    def _look(self, image: Float[Tensor, "batch rgb=3 height width"]) -> list[Tensor]:
        """Maps of the image, from half its size to the grid of patches."""
        maps = [self.see[0](self.stem(image))]
        for down, unit in zip(self.down, list(self.see)[1:], strict=True):
            maps.append(unit(down(maps[-1])))
        return maps
