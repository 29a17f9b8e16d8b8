"""What a rule may look at when it decides how much of a proposed step to take.

Everything here is lazy: what no rule asks for is never computed. Attention is kept *factored*, as queries and keys of each
layer, so that no reduction below stores an attention map over layers and heads. `keys` says over what is reduced:
`Keys.ALL` (the pose token and every patch, as TTT3R does) or `Keys.PATCHES` (without the pose token).
"""

import enum
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from ttt3r.types import AttentionLayer, Frame, Outputs, Reconstruction


class UndeclaredNeedsError(ValueError):
    """A rule looked at evidence that it did not declare in its `needs`, so that it was not kept."""


class Keys(enum.Enum):
    """Over which keys an attention is reduced."""

    ALL = slice(None)
    PATCHES = slice(1, None)


@dataclass(frozen=True)
class AttentionEvidence:
    """Reductions of one attention over layers and heads. Logits are z = query @ key^T, scaled, before the softmax.

    With L layers and H heads, q_l,h the queries and k_l,h the keys; identities as in section 6 of the rule survey, each
    tested against the materialised map. Sums run in float32 at least, whatever precision the network ran in.

    Some layers only: `AttentionEvidence(attention.layers[4:8])`.
    """

    layers: tuple[AttentionLayer, ...]

    def mean_logit(self, keys: Keys = Keys.ALL) -> Float[Tensor, "batch query 1"]:
        """Mean logit per query: (1 / L H K) sum_l,h,i z_i = (1 / L H) sum_l,h q . mean_i(k_i). O(tokens), no map."""
        sums = [
            torch.einsum("bhqd,bhd->bq", query, key.mean(dim=2)) / query.shape[1] for query, key in self._over(keys)
        ]
        return torch.stack(sums).mean(dim=0)[..., None]

    def logit_map(self, keys: Keys = Keys.PATCHES) -> Float[Tensor, "batch query key"]:
        """Mean logit per query and key over layers and heads: one matrix product per layer into a single map."""
        products = (torch.einsum("bhqd,bhkd->bqk", query, key) / query.shape[1] for query, key in self._over(keys))
        return reduce(torch.add, products) / len(self.layers)

    def entropy(self, keys: Keys = Keys.PATCHES) -> Float[Tensor, "batch query 1"]:
        """Mean entropy of the softmax in nats: H = logsumexp(z) - q . sum_i(P_i k_i), one fused attention with value k."""
        total = []
        for query, key in self._over(keys):
            expected = functional.scaled_dot_product_attention(query, key, key, scale=1.0)
            total.append((self._logsumexp(query, key) - (query * expected).sum(dim=-1)).mean(dim=1))
        return torch.stack(total).mean(dim=0)[..., None]

    def project(
        self, values: Float[Tensor, "batch key value"], keys: Keys = Keys.PATCHES
    ) -> Float[Tensor, "batch query value"]:
        """Mean over layers and heads of softmax(z) @ values, by fused attention; one value for each of `keys`."""
        width = values.shape[-1]
        total = []
        for query, key in self._over(keys):
            # Fused attention needs values as wide as the heads; a narrower or wider one falls back to a stored map.
            pieces = functional.pad(_wide(values), (0, -width % key.shape[-1])).split(key.shape[-1], dim=-1)
            heads = [piece[:, None].expand(-1, query.shape[1], -1, -1) for piece in pieces]
            seen = [functional.scaled_dot_product_attention(query, key, piece, scale=1.0) for piece in heads]
            total.append(torch.cat(seen, dim=-1)[..., :width].mean(dim=1))
        return torch.stack(total).mean(dim=0)

    def key_mass(self, keys: Keys = Keys.PATCHES) -> Float[Tensor, "batch key"]:
        """Attention that each key receives, summed over queries: sum_s exp(z_si - logsumexp_s), mean over layers, heads.

        One map of a layer at a time is alive (the sum over queries of a softmax over keys has no shorter form).
        """
        total = []
        for query, key in self._over(keys):
            weights = torch.softmax(query @ key.transpose(-1, -2), dim=-1)
            total.append(weights.sum(dim=2).mean(dim=1))
        return torch.stack(total).mean(dim=0)

    def logit_variance(self, keys: Keys = Keys.PATCHES) -> Float[Tensor, "batch query 1"]:
        """Mean over layers and heads of the variance of the logits over keys: Var z = q^T Cov(k) q."""
        total = []
        for query, key in self._over(keys):
            centred = key - key.mean(dim=2, keepdim=True)
            covariance = centred.transpose(-1, -2) @ centred / key.shape[2]
            total.append(((query @ covariance) * query).sum(dim=-1).mean(dim=1))
        return torch.stack(total).mean(dim=0)[..., None]

    def _over(self, keys: Keys) -> Iterator[tuple[Tensor, Tensor]]:
        for layer in self.layers:
            yield _wide(layer.query), _wide(layer.key[:, :, keys.value])

    @staticmethod
    def _logsumexp(query: Tensor, key: Tensor) -> Float[Tensor, "batch head query"]:
        """Logsumexp over keys, one head at a time, so that the largest map alive is (batch, query, key)."""
        heads = [(query[:, h] @ key[:, h].transpose(-1, -2)).logsumexp(dim=-1) for h in range(query.shape[1])]
        return torch.stack(heads, dim=1)


@dataclass(frozen=True)
class Evidence:
    """All that a rule may look at for one frame, besides the state and its candidate.

    Args:
        age: frames absorbed so far; 0 on the first frame, where the loop takes the candidate whole.
        encoder_tokens: the encoder's tokens of this frame.
        decoder_first: the same tokens as they entered the decoder.
        decoder_last: the image stream after the decoder's last layer and norm, without the pose token.
        make_initial_state: makes the state before any frame.
        state_layers: queries and keys behind `state_attention` (only with `Needs.STATE_ATTENTION`).
        image_layers: queries and keys behind `image_attention` (only with `Needs.IMAGE_ATTENTION`).
        make_reconstruction: runs the heads asked for and remembers what they gave (only with `Needs.READOUT`).
        make_reread: asks the old memory for another view, read-only (only with `Needs.REREAD`).
        image: the frame's image in [-1, 1]; `None` if the network does not hand it on in its `Tokens`.
    """

    age: Int[Tensor, " batch"]
    encoder_tokens: Float[Tensor, "batch patch feature"]
    decoder_first: Float[Tensor, "batch patch channel"]
    decoder_last: Float[Tensor, "batch patch channel"]
    make_initial_state: Callable[[], Tensor]
    state_layers: tuple[AttentionLayer, ...] = ()
    image_layers: tuple[AttentionLayer, ...] = ()
    make_reconstruction: Callable[[Outputs], Reconstruction] | None = None
    make_reread: Callable[[Frame, Outputs], Reconstruction] | None = None
    image: Float[Tensor, "batch rgb=3 height width"] | None = None

    @cached_property
    def initial_state(self) -> Float[Tensor, "batch state channel"]:
        """The state before any frame (the same for every sequence)."""
        return self.make_initial_state()

    @property
    def state_attention(self) -> AttentionEvidence:
        """Cross-attention of the state to the image. Needs `Needs.STATE_ATTENTION`."""
        if not self.state_layers:
            raise UndeclaredNeedsError(
                "no state attention was kept; declare `needs = Needs.STATE_ATTENTION` in the rule"
            )
        return AttentionEvidence(self.state_layers)

    @property
    def image_attention(self) -> AttentionEvidence:
        """Self-attention of the image stream. Needs `Needs.IMAGE_ATTENTION`."""
        if not self.image_layers:
            raise UndeclaredNeedsError(
                "no image attention was kept; declare `needs = Needs.IMAGE_ATTENTION` in the rule"
            )
        return AttentionEvidence(self.image_layers)

    def camera(self) -> Float[Tensor, "batch 4 4"]:
        """Predicted camera_to_world of this frame. Needs `Needs.READOUT`."""
        camera = self.reconstruction(Outputs.CAMERA).camera_to_world
        if camera is None:
            raise ValueError("this network reads out no camera; a rule that needs one cannot be used with it")
        return camera

    def reconstruction(self, outputs: Outputs = Outputs.ALL) -> Reconstruction:
        """The prediction for this frame, of the outputs asked for. Needs `Needs.READOUT`.

        Each output is made once, for the rule and for the readout after it; once more under another gradient mode.
        """
        if self.make_reconstruction is None:
            raise UndeclaredNeedsError(
                "the readout is not open to this rule; declare `needs = Needs.READOUT` in the rule"
            )
        return self.make_reconstruction(outputs)

    def reread(self, frame: Frame, outputs: Outputs = Outputs.ALL) -> Reconstruction:
        """What the old memory answers to another view; nothing is written. Needs `Needs.REREAD`."""
        if self.make_reread is None:
            raise UndeclaredNeedsError(
                "further passes are not open to this rule; declare `needs = Needs.REREAD` in the rule"
            )
        return self.make_reread(frame, outputs)


def _wide(tensor: Tensor) -> Tensor:
    """At least float32: half precision would lose the mean over hundreds of keys."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def normalised_entropy(entropy: Float[Tensor, "*any"], keys: int) -> Float[Tensor, "*any"]:
    """Entropy as a share of its largest value, log(keys); 0 where there is a single key."""
    if keys == 1:
        return torch.zeros_like(entropy)
    return entropy / math.log(keys)
