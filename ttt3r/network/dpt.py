"""Dense prediction heads: tokens to maps at the resolution of the image."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ttt3r.network.blocks import MLP
from ttt3r.network.config import CUT3RConfig, DPTConfig
from ttt3r.types import Features


class ResidualUnit(nn.Module):
    """x + conv(relu(conv(relu x)))."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Float[Tensor, "batch feature row column"]) -> Float[Tensor, "batch feature row column"]:
        """Refine a map."""
        return x + self.conv2(functional.relu(self.conv1(functional.relu(x))))


def upsample(x: Float[Tensor, "batch feature row column"]) -> Float[Tensor, "batch feature row2 column2"]:
    """Twice the size, bilinear, corners aligned."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)


class Fusion(nn.Module):
    """Join a coarse map with the next finer level and double its size. The coarsest level has nothing to join."""

    def __init__(self, features: int, *, coarsest: bool) -> None:
        super().__init__()
        self.skip = None if coarsest else ResidualUnit(features)
        self.refine = ResidualUnit(features)
        self.out = nn.Conv2d(features, features, 1)

    def forward(
        self, x: Float[Tensor, "batch feature row column"], finer: Float[Tensor, "batch feature row column"] | None
    ) -> Float[Tensor, "batch feature row2 column2"]:
        """The fused map, at twice the size of `x`."""
        if self.skip is not None and finer is not None:
            x = x + self.skip(finer)
        return upsample(
            self.out(self.refine(x))
        )  # weights of upsampling sum to 1, so it may follow: a quarter of the cells


class Level(nn.Module):
    """Tokens of one depth of the network to a map of its own scale: 4, 2, 1 and 1/2 cells a patch."""

    def __init__(self, inputs: int, channels: int, features: int, resample: nn.Module) -> None:
        super().__init__()
        self.project = nn.Conv2d(inputs, channels, 1)
        self.resample = resample
        self.narrow = nn.Conv2d(channels, features, 3, padding=1, bias=False)

    def forward(self, tokens: Float[Tensor, "batch inputs row column"]) -> Float[Tensor, "batch feature row2 column2"]:
        """The level's map."""
        return self.narrow(self.resample(self.project(tokens)))


class DPT(nn.Module):
    """Four levels of tokens, fused from coarse to fine, to `channels` values per pixel."""

    def __init__(self, config: CUT3RConfig, head: DPTConfig, channels: int) -> None:
        super().__init__()
        features, widths = head.features, (config.encoder_width, config.width, config.width, config.width)
        c0, c1, _, c3 = head.levels
        resample = (
            nn.ConvTranspose2d(c0, c0, kernel_size=4, stride=4),
            nn.ConvTranspose2d(c1, c1, kernel_size=2, stride=2),
            nn.Identity(),
            nn.Conv2d(c3, c3, 3, stride=2, padding=1),
        )
        self.levels = nn.ModuleList(
            [Level(w, c, features, r) for w, c, r in zip(widths, head.levels, resample, strict=True)]
        )
        self.fusions = nn.ModuleList([Fusion(features, coarsest=index == 3) for index in range(4)])
        self.conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        self.conv2 = nn.Conv2d(features // 2, head.last, 3, padding=1)
        self.conv3 = nn.Conv2d(head.last, channels, 1)

    @property
    def last(self) -> nn.Conv2d:
        """The layer that makes the values."""
        return self.conv3

    def forward(self, features: Features) -> Float[Tensor, "batch channels height width"]:
        """Raw values per pixel; the heads turn them into points, confidences or colours."""
        levels, grid = features.levels, features.grid
        maps = [
            level(rearrange(tokens, "batch (row column) feature -> batch feature row column", row=grid[0]))
            for level, tokens in zip(self.levels, levels, strict=True)
        ]
        # An odd number of patches: halving rounds up, so the doubled map can be one cell too large.
        x = self.fusions[3](maps[3], None)[..., : maps[2].shape[-2], : maps[2].shape[-1]]
        for index in (2, 1, 0):
            x = self.fusions[index](x, maps[index])
        return self.conv3(functional.relu(self.conv2(upsample(self.conv1(x)))))


class PatchMLP(nn.Module):
    """Each token of the last level to its patch of pixels by an MLP."""

    def __init__(self, config: CUT3RConfig, channels: int) -> None:
        super().__init__()
        self.patch = config.patch
        self.mlp = MLP(config.width, config.mlp_ratio * config.width, channels * config.patch**2)

    @property
    def last(self) -> nn.Linear:
        """The layer that makes the values."""
        return self.mlp.fc2

    def forward(self, features: Features) -> Float[Tensor, "batch channels height width"]:
        """Raw values per pixel; only the last level is read."""
        values = self.mlp(features.levels[-1])
        raw = rearrange(values, "batch (row column) values -> batch values row column", row=features.grid[0])
        return functional.pixel_shuffle(raw, self.patch)
