"""The readout: camera, points in two frames of reference, confidences and colours. Nothing here feeds back into the memory."""

from dataclasses import replace

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ttt3r.geometry import pose_encoding_to_camera
from ttt3r.network.blocks import MLP, ModulatedBlock
from ttt3r.network.config import CUT3RConfig, DPTConfig, UNetConfig
from ttt3r.network.dpt import DPT, PatchMLP
from ttt3r.network.rope import Grid, rotary_table
from ttt3r.network.unet import UNet
from ttt3r.types import Features, Outputs, Reconstruction

TRANSFORM_BLOCKS = 2  # from the camera's frame to the world, in every published network


class Heads(nn.Module):
    """All heads of the network. Each runs only if its output is asked for."""

    def __init__(self, config: CUT3RConfig) -> None:
        super().__init__()
        self.config = config
        width, ratio = config.width, config.mlp_ratio
        self.camera = MLP(width, ratio * width, 7)
        self.points_camera = _point_head(config)
        self.points_world = _point_head(config)
        self.color = _token_head(config, channels=3)
        self.world_transform = nn.ModuleList(
            [ModulatedBlock(width, config.heads, ratio) for _ in range(TRANSFORM_BLOCKS)]
        )

    def forward(self, features: Features, outputs: Outputs) -> Reconstruction:
        """Read out what was asked for, in float32."""
        # At least float32 under autocast; a network that was converted as a whole keeps its own precision.
        dtype = self.camera.fc1.weight.dtype
        z = features.pose_token.to(dtype)
        features = replace(features, levels=tuple(level.to(dtype) for level in features.levels))
        camera = points_camera = confidence_camera = points_world = confidence_world = color = None
        if Outputs.CAMERA in outputs:
            with torch.autocast(z.device.type, enabled=False):  # three digits would be half a degree
                camera = pose_encoding_to_camera(pose_activation(self.camera(z)))
        if Outputs.POINTS_CAMERA in outputs:
            points_camera, confidence_camera = self._points(self.points_camera(features).to(dtype), camera_frame=True)
        if Outputs.POINTS_WORLD in outputs:
            moved = self._to_world(features, z)
            points_world, confidence_world = self._points(self.points_world(moved).to(dtype), camera_frame=False)
        if Outputs.COLOR in outputs:
            color = color_activation(self.color(features).to(dtype))
        return Reconstruction(camera, points_camera, confidence_camera, points_world, confidence_world, color)

    @torch.no_grad()
    def face_forward(self) -> None:
        """For a start from random weights: put points before the camera, about a unit away, instead of around it."""
        for dense in (self.points_camera, self.points_world):
            bias = dense.last.bias
            assert bias is not None
            per_value = bias.shape[0] // 4  # values of a pixel, or of a patch of pixels, value by value
            bias[2 * per_value : 3 * per_value] += 0.7

    def _to_world(self, features: Features, z: Tensor) -> Features:
        """The features, the last level moved from the camera's frame to the world as the camera token says."""
        dim = self.config.width // self.config.heads
        table = rotary_table(Grid.of_patches(features.grid), dim, self.config.rope_base, z.device)
        last = features.levels[-1]
        for block in self.world_transform:
            last = block(last, z, table)
        return replace(features, levels=(*features.levels[:-1], last))

    def _points(self, raw: Tensor, *, camera_frame: bool) -> tuple[Tensor, Tensor]:
        raw = rearrange(raw, "batch value height width -> batch height width value")
        xyz, confidence = raw[..., :3], raw[..., 3]
        if camera_frame and not isinstance(self.config.head, DPTConfig):
            # The linear heads of the published network keep points before the camera by a change of sign.
            xyz = xyz * xyz[..., 2:].sign()
        return point_activation(xyz), 1 + confidence.exp()


def _point_head(config: CUT3RConfig) -> DPT | PatchMLP | UNet:
    """Three coordinates and a confidence for each pixel."""
    if isinstance(config.head, UNetConfig):
        return UNet(config, config.head, channels=4)
    return _token_head(config, channels=4)


def _token_head(config: CUT3RConfig, channels: int) -> DPT | PatchMLP:
    """A head that reads tokens only: colours must come from the tokens, and exist for a question too."""
    if isinstance(config.head, DPTConfig):
        return DPT(config, config.head, channels)
    return PatchMLP(config, channels)


def point_activation(xyz: Float[Tensor, "*batch xyz=3"]) -> Float[Tensor, "*batch xyz=3"]:
    """Xyz / |xyz| * expm1(|xyz|): near points finely, far points coarsely."""
    length = xyz.norm(dim=-1, keepdim=True)
    return xyz / length.clamp_min(1e-8) * torch.expm1(length)


def pose_activation(raw: Float[Tensor, "*batch 7"]) -> Float[Tensor, "*batch 7"]:
    """Translation as points; quaternion to unit length with w >= 0. Layout (x, y, z, qw, qx, qy, qz)."""
    translation, quaternion = raw[..., :3], functional.normalize(raw[..., 3:], dim=-1, eps=1e-12)
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    return torch.cat([point_activation(translation), quaternion], dim=-1)


def color_activation(raw: Float[Tensor, "batch rgb=3 height width"]) -> Float[Tensor, "batch height width rgb=3"]:
    """2 (sigmoid(raw) (1 - 2e-6) + 1e-6 - 1/2), in (-1, 1)."""
    color = 2 * ((raw.sigmoid() * (1 - 2e-6) + 1e-6) - 0.5)
    return rearrange(color, "batch rgb height width -> batch height width rgb")
