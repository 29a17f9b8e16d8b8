"""Suppression of dynamic patches in the attention, in the spirit of MUT3R and Easi3R."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ttt3r.types import AttentionBias, Memory, Needs, RuleState, Stream, Tokens
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence, Keys
from ttt3r.update_rules.vectors import wide


@dataclass(frozen=True)
class DynamicScore(RuleState):
    """What `Suppress` carries.

    Args:
        patches: score of every patch of the last absorbed frame, from 0 (static) to 1 (dynamic); 0 before any.
    """

    patches: Float[Tensor, "batch patch"]


@dataclass(frozen=True)
class Suppress(GatedUpdateRule[DynamicScore]):
    """Patches that the last frame's image attended to least get less attention in this one. The blend is CUT3R's (gain 1).

        d_i = (max_j a_j - a_i) / (max_j a_j - min_j a_j),     a_i = attention that patch i received in the last frame
        state <- image:  z_si - strength d_i                   image <- image:  z_ij - strength (1 - d_i) d_j

    a is summed over queries and averaged over heads and decoder layers of the image's self-attention, the softmax taken
    without the pose key; z are logits before the softmax in the first `layers` decoder layers, i asks and j (or i) is asked.
    The pose token counts as static and is never suppressed. Both biases are of rank one, so that attention stays fused. d
    has no unit and is carried; a first frame has none before it and is left alone; equal patches (or a single one) have d = 0.

    To suppress under another rule, multiply: `Product((TTT3R(), Suppress()))`.

    What is not known: MUT3R's score and its biases have not been seen as formulas, only described: scores from image
    self-attention over layers (dynamic patches receive little), an additive bias in early layers (0 to 6 work best), three
    gates. So the min-max scale (Easi3R's), the strength, and the last frame's score instead of a second pass are ours. The
    third gate, on dynamic patches as *queries* of the state, is left out: a bias on a query alone cancels in the softmax.
    Easi3R zeroes static-to-dynamic pairs after the softmax in a second pass; here they are lowered before it.

    Reference: *MUT3R*, 2025, https://arxiv.org/abs/2512.03939; X. Chen et al., *Easi3R*, 2025,
    https://arxiv.org/abs/2503.24391 (CC BY-NC-SA 4.0; none of its code is here).

    Args:
        strength: how far the logits of the most dynamic patch are lowered, at least 0; 0 is CUT3R.
        layers: how many decoder layers are biased, counted from the first.

    Raises:
        ValueError: if a setting is negative or not finite, or in a stream whose written frames change their size without a
            reset.

    Example:
        >>> Suppress()
        Suppress(strength=2.0, layers=6)
    """

    strength: float = 2.0
    layers: int = 6

    needs: ClassVar[Needs] = Needs.IMAGE_ATTENTION
    name: ClassVar[str] = "suppress"
    equation: ClassVar[str] = "candidate, with logits lowered by strength d for patches that were attended to little"
    reference: ClassVar[str] = "after MUT3R, 2025, https://arxiv.org/abs/2512.03939 (formula not known)"

    def __post_init__(self) -> None:
        if not 0 <= self.strength < float("inf"):
            raise ValueError(f"strength must be a finite number of at least 0, got {self.strength}")
        if self.layers < 0:
            raise ValueError(f"layers must be at least 0, got {self.layers}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> DynamicScore:
        """Nothing is dynamic; the patches take their number with the first frame."""
        return DynamicScore(torch.zeros_like(wide(initial_state[:, :1, 0])))

    def attend(self, rule_state: DynamicScore, tokens: Tokens, memory: Memory) -> tuple[AttentionBias, ...]:
        """A bias on the state's reading of the image and one on the image's reading of itself.

        None for a frame of another size: its patches are others than those that were scored.
        """
        count = tokens.patches.shape[1]
        if rule_state.patches.shape[1] not in (1, count):
            return ()
        dynamic = functional.pad(rule_state.patches.expand(-1, count), (1, 0))  # the pose token stands first
        everyone = torch.ones_like(memory.state[..., 0], dtype=dynamic.dtype)
        key, here = -self.strength * dynamic, (0, self.layers)
        return (
            AttentionBias(Stream.STATE_FROM_IMAGE, here, query=everyone, key=key),
            AttentionBias(Stream.IMAGE_SELF, here, query=1 - dynamic, key=key),
        )

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: DynamicScore,
    ) -> DynamicScore:
        """The scores, by which the next frame is suppressed."""
        return _scores(evidence, rule_state)

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: DynamicScore,
    ) -> Gain[DynamicScore]:
        """The whole candidate; this frame's scores are kept for the next."""
        count = evidence.encoder_tokens.shape[1]
        if rule_state.patches.shape[1] not in (1, count):
            raise ValueError(
                f"suppress compares patch with patch, but a frame has {count} patches after one with "
                f"{rule_state.patches.shape[1]}; give frames of one size, or reset=True where the size changes"
            )
        return Gain(torch.ones_like(state[..., :1]), _scores(evidence, rule_state))


def _scores(evidence: Evidence, rule_state: DynamicScore) -> DynamicScore:
    """How little each patch was attended to."""
    attention = evidence.image_attention.key_mass(Keys.PATCHES).detach()
    low, high = attention.amin(dim=1, keepdim=True), attention.amax(dim=1, keepdim=True)
    width = torch.where(high > low, high - low, 1.0)
    return DynamicScore(((high - attention) / width).to(rule_state.patches))
