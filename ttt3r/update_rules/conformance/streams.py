"""Synthetic streams for the law suite: what a rule would get behind a real network, made from random numbers.

Candidates are normalised tokens that wander from frame to frame, mean logits lie around -0.8 (a gate of 0.3), the camera
moves a little, points lie a few metres away. No network is needed, and every sequence of the batch is another one.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

import ttt3r.tree as tree
from ttt3r.types import AttentionLayer, Features, Needs, Proposal, Reconstruction, Tokens
from ttt3r.update_rules.evidence import Evidence

PATCH = 16
"""Side of a patch of the synthetic images, pixels."""


@dataclass(frozen=True)
class Sizes:
    """How large the synthetic streams are. Set `channel` and the like if a learned rule only fits one network."""

    batch: int = 3
    frames: int = 5
    state: int = 10
    channel: int = 8
    feature: int = 12
    grid: tuple[int, int] = (3, 4)
    layers: int = 2
    heads: int = 2
    dim: int = 4
    slots: int = 5


@dataclass(frozen=True)
class SyntheticFrame:
    """All that reaches a rule in one frame, rows of the batch throughout."""

    initial_state: Float[Tensor, "batch state channel"]
    candidate: Float[Tensor, "batch state channel"]
    pose: Float[Tensor, "batch slot pair"]
    encoder_tokens: Float[Tensor, "batch patch feature"]
    decoder_first: Float[Tensor, "batch patch channel"]
    decoder_last: Float[Tensor, "batch patch channel"]
    state_layers: tuple[AttentionLayer, ...]
    image_layers: tuple[AttentionLayer, ...]
    reconstruction: Reconstruction
    grid: tuple[int, int]

    def evidence(self, needs: Needs, age: Int[Tensor, " batch"]) -> Evidence:
        """Evidence that holds what the needs name, and nothing else."""
        shown = self.reconstruction
        assert shown.points_camera is not None
        assert shown.color is not None
        seen_again = replace(shown, points_camera=1.1 * shown.points_camera)
        return Evidence(
            age=age,
            encoder_tokens=self.encoder_tokens,
            decoder_first=self.decoder_first,
            decoder_last=self.decoder_last,
            make_initial_state=lambda: self.initial_state,
            state_layers=self.state_layers if Needs.STATE_ATTENTION in needs else (),
            image_layers=self.image_layers if Needs.IMAGE_ATTENTION in needs else (),
            make_reconstruction=shown.only if Needs.READOUT in needs else None,
            make_reread=(lambda frame, outputs: seen_again.only(outputs)) if Needs.REREAD in needs else None,
            image=shown.color.permute(0, 3, 1, 2),
        )

    def question(self) -> Tokens:
        """What the encoder would give for a ray map of this size."""
        return Tokens(self.encoder_tokens, self.grid)

    def taller(self) -> "SyntheticFrame":
        """The same memory before a frame of twice as many rows of patches."""

        def both(tokens: Tensor, axis: int = 1, apart: int = 0) -> Tensor:
            again = tokens.narrow(axis, apart, tokens.shape[axis] - apart)  # the pose token stands there once
            return torch.cat([tokens, again], dim=axis)

        pixels = tree.map_tensors(both, replace(self.reconstruction, camera_to_world=None))
        return replace(
            self,
            encoder_tokens=both(self.encoder_tokens),
            decoder_first=both(self.decoder_first),
            decoder_last=both(self.decoder_last),
            state_layers=tuple(AttentionLayer(x.query, both(x.key, 2, 1)) for x in self.state_layers),
            image_layers=tuple(AttentionLayer(both(x.query, 2, 1), both(x.key, 2, 1)) for x in self.image_layers),
            reconstruction=replace(pixels, camera_to_world=self.reconstruction.camera_to_world),
            grid=(2 * self.grid[0], self.grid[1]),
        )

    def proposal(self) -> Proposal:
        """The candidate as the decoder would hand it over."""
        features = Features((self.encoder_tokens, self.decoder_last), self.decoder_last[:, 0], self.grid)
        return Proposal(self.candidate, self.pose, features, self.decoder_first, self.state_layers, self.image_layers)


SyntheticStream = tuple[SyntheticFrame, ...]


def make_stream(sizes: Sizes = Sizes(), device: torch.device | str = "cpu", seed: int = 0) -> SyntheticStream:
    """A stream of synthetic frames; the same for the same arguments, on every device."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(sizes.batch, *shape, generator=random)

    patches = sizes.grid[0] * sizes.grid[1]
    initial, scene = normal(sizes.state, sizes.channel), normal(sizes.state, sizes.channel)
    image, camera = normal(patches, sizes.feature), torch.eye(4).expand(sizes.batch, 4, 4)
    stretch = torch.linspace(0.95, 1.05, sizes.channel)  # learned in a network: channels are not all of one size
    frames: list[SyntheticFrame] = []
    for _ in range(sizes.frames):
        scene = 0.8 * scene + 0.6 * normal(sizes.state, sizes.channel)
        image = 0.8 * image + 0.6 * normal(patches, sizes.feature)
        camera = camera @ _small_motion(0.1 * normal(6))
        frame = SyntheticFrame(
            initial_state=initial,
            candidate=functional.layer_norm(scene, (sizes.channel,), weight=stretch),
            pose=normal(sizes.slots, 2 * sizes.channel),
            encoder_tokens=image,
            decoder_first=normal(patches, sizes.channel),
            decoder_last=normal(patches, sizes.channel),
            state_layers=_attention(sizes, random, sizes.state),
            image_layers=_attention(sizes, random, 1 + patches),
            reconstruction=_reconstruction(sizes, random, camera),
            grid=sizes.grid,
        )
        frames.append(tree.to(frame, device))
    return tuple(frames)


def _attention(sizes: Sizes, random: torch.Generator, queries: int) -> tuple[AttentionLayer, ...]:
    def tokens(count: int, along: float) -> Tensor:
        shape = sizes.batch, sizes.heads, count, sizes.dim
        return along / sizes.dim**0.5 + 0.5 * torch.randn(shape, generator=random)

    keys = 1 + sizes.grid[0] * sizes.grid[1]
    return tuple(AttentionLayer(tokens(queries, 1.0), tokens(keys, -0.8)) for _ in range(sizes.layers))


def _small_motion(twist: Float[Tensor, "batch 6"]) -> Float[Tensor, "batch 4 4"]:
    x, y, z, *shift = twist.unbind(dim=-1)
    zero = torch.zeros_like(x)
    rows = [[zero, -z, y, shift[0]], [z, zero, -x, shift[1]], [-y, x, zero, shift[2]], [zero] * 4]
    return torch.linalg.matrix_exp(torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2))


def _reconstruction(sizes: Sizes, random: torch.Generator, camera: Float[Tensor, "batch 4 4"]) -> Reconstruction:
    shape = sizes.batch, sizes.grid[0] * PATCH, sizes.grid[1] * PATCH
    points = torch.randn(*shape, 3, generator=random)
    points = torch.cat([points[..., :2], 2 + points[..., 2:].abs()], dim=-1)
    rotated = torch.einsum("bij,bhwj->bhwi", camera[:, :3, :3], points)
    return Reconstruction(
        camera_to_world=camera,
        points_camera=points,
        confidence_camera=1 + torch.rand(shape, generator=random),
        points_world=rotated + camera[:, None, None, :3, 3],
        confidence_world=1 + torch.rand(shape, generator=random),
        color=torch.rand(*shape, 3, generator=random) * 2 - 1,
    )
