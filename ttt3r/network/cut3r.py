"""CUT3R: the network of this package. Read `encode`, `propose`, `readout` in this order: the steps of one frame.

Wang et al., Continuous 3D Perception Model with Persistent State, CVPR 2025, https://arxiv.org/abs/2501.12387
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ttt3r.network.config import CUT3RConfig, DPTConfig, UNetConfig
from ttt3r.network.decoder import Decoder
from ttt3r.network.encoder import PatchEncoder
from ttt3r.network.heads import Heads
from ttt3r.network.linear import Linear
from ttt3r.network.pose_memory import PoseMemory
from ttt3r.types import AttentionBias, Features, Frame, Memory, Needs, Outputs, Proposal, Reconstruction, Tokens


class InitialState(nn.Module):
    """The learned state before any frame. It is projected like an image token but not normalised."""

    def __init__(self, config: CUT3RConfig) -> None:
        super().__init__()
        self.registers = nn.Embedding(config.state_tokens, config.encoder_width)
        self.embed = Linear(config.encoder_width, config.width)

    def forward(self) -> Float[Tensor, "state channel"]:
        """S_0."""
        return self.embed(self.registers.weight)


class CUT3R(nn.Module):
    """Image and ray-map encoders, two interleaved decoders, pose memory, heads."""

    def __init__(self, config: CUT3RConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = PatchEncoder(config, 3, config.encoder_depth, config.encoder_heads)
        self.ray_encoder = PatchEncoder(config, 6, config.ray_depth, config.ray_heads)
        self.initial_state = InitialState(config)
        self.decoder = Decoder(config)
        self.pose_memory = PoseMemory(config)
        self.heads = Heads(config)

    @classmethod
    def random(cls, config: CUT3RConfig, seed: int = 0) -> "CUT3R":
        """An untrained network: image backbone Xavier-uniform, the parts that CUT3R adds as PyTorch makes them."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = cls(config)
            for module in (*network.image_encoder.modules(), *network.decoder.modules()):
                if isinstance(module, nn.Linear):
                    nn.init.xavier_uniform_(module.weight)
                    nn.init.zeros_(module.bias)
            nn.init.xavier_uniform_(network.image_encoder.embed.weight.flatten(1))
        network.heads.face_forward()
        return network.eval()

    def initial_memory(self, batch: int) -> Memory:
        """The memory before any frame, the same for each of `batch` sequences."""
        state = self.initial_state().to(self.pose_memory.initial.dtype).expand(batch, -1, -1)  # also under autocast
        return Memory.start(state, self.pose_memory.initial.expand(batch, -1, -1))

    def encode(self, frame: Frame) -> Tokens:
        """Tokens of a frame. Needs no memory: many frames can be encoded together, ahead of the recurrence.

        A frame with an image and a ray map is the sum of both.

        Raises:
            ValueError: if the size is not a multiple of the patch size.
        """
        patch, (height, width) = self.config.patch, frame.size
        if height % patch or width % patch or not height or not width:
            raise ValueError(
                f"frames must be multiples of {patch} pixels high and wide, got {height} x {width}; "
                "prepare images with ttt3r.data.CropToPatches"
            )
        parts = []
        if frame.image is not None:
            parts.append(self.image_encoder(frame.image))
        if frame.ray_map is not None:
            parts.append(self.ray_encoder(rearrange(frame.ray_map, "batch height width ray -> batch ray height width")))
        patches = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return Tokens(patches, (height // patch, width // patch), frame.image)

    # --8<-- [start:propose]
    def propose(
        self, tokens: Tokens, memory: Memory, needs: Needs = Needs.NOTHING, biases: Sequence[AttentionBias] = ()
    ) -> Proposal:
        """What the decoder suggests: a candidate state and pose memory, and what the heads will read. Changes nothing."""
        summary = tokens.patches.mean(dim=1, keepdim=True)
        pose_token = self._pose_token(summary, memory)
        embedded = self.decoder.embed(tokens.patches)
        image = torch.cat([pose_token, embedded], dim=1)
        decoded = self.decoder(image, memory.state, tokens.grid, needs, biases)
        camera_token = decoded.image[:, :1]
        levels = (tokens.patches, *(level[:, 1:] for level in decoded.middle), decoded.image[:, 1:])
        return Proposal(
            # Under autocast products are made in half precision; what is kept from frame to frame stays as the memory is.
            candidate=decoded.candidate.to(memory.state.dtype),
            pose=self.pose_memory.write(summary, camera_token, memory.pose).to(memory.pose.dtype),
            features=Features(
                levels if self._reads_all_levels else levels[-1:],
                camera_token[:, 0],
                tokens.grid,
                tokens.image if self._heads_see_image else None,
            ),
            embedded=embedded,
            state_attention=decoded.state_attention,
            image_attention=decoded.image_attention,
        )

    # --8<-- [end:propose]
    def readout(self, features: Features, outputs: Outputs = Outputs.ALL) -> Reconstruction:
        """Run the heads that were asked for. May come later, for many frames together, or not at all."""
        return self.heads(features, outputs)

    def _pose_token(self, summary: Tensor, memory: Memory) -> Float[Tensor, "batch 1 channel"]:
        """The learned token for a sequence that has absorbed nothing yet, else what the pose memory suggests."""
        recalled = self.pose_memory.read(summary, memory.pose)
        first = (memory.age == 0)[:, None, None]
        return torch.where(first, self.decoder.pose_token.expand_as(recalled), recalled)

    @property
    def _reads_all_levels(self) -> bool:
        return isinstance(self.config.head, DPTConfig | UNetConfig)

    @property
    def _heads_see_image(self) -> bool:
        return isinstance(self.config.head, UNetConfig)
