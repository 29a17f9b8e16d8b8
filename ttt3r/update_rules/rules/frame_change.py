"""One learning rate per frame: large where the picture changes more than it usually does."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ttt3r.types import RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.vectors import length, wide

REGIONS = 16
"""Number of runs of patches over which features are averaged."""


@dataclass(frozen=True)
class LastPicture(RuleState):
    """Features of the last frame's regions, and the running mean of their change; the mean is 0 while there was none."""

    regions: Float[Tensor, "batch region channel"]
    change: Float[Tensor, " batch"]


@dataclass(frozen=True)
class FrameChange(GatedUpdateRule[LastPicture]):
    """A gate over frames: a soft choice of key frames from how much the features change.

        S_t = S_{t-1} + g_t (candidate_t - S_{t-1}),     g_t = 1 - exp(-c_t / m_{t-1}),     m_t = b m_{t-1} + (1 - b) c_t

    c_t is the change of the picture: the mean distance, over 16 regions, of the features in this frame and in the last (the
    regions are equal runs of patches, row by row; the features are the tokens as they enter the decoder, averaged over the
    run). m is the running mean of c with forgetting factor b; only the ratio counts, so c needs no unit. A frame that
    repeats gives 0, a usual one 1 - 1/e = 0.63. The first change is compared with itself. It carries the 16 features and m.

    It is one number for all tokens; `Product((TTT3R(), FrameChange()))` puts it on another gate.

    Reference: in the spirit of AFG, *Rethinking the State Update Gate*, 2026, https://arxiv.org/abs/2605.16981, of which
    only the abstract was at hand: a scalar gate in (0, 1], in closed form, from the change of internal features between
    frames, that multiplies gates per token. The formula here is ours (UNVERIFIED as AFG), hence the name.

    Args:
        smoothing: b, from 0 up to but not including 1.

    Raises:
        ValueError: if the smoothing is outside its range.
    """

    smoothing: float = 0.9

    name: ClassVar[str] = "frame_change"
    equation: ClassVar[str] = "S + (1 - exp(-change / mean change)) (candidate - S)"
    reference: ClassVar[str] = "in the spirit of AFG, 2026, https://arxiv.org/abs/2605.16981; the formula is ours"

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing must lie in [0, 1), got {self.smoothing}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> LastPicture:
        """No picture yet."""
        none = torch.zeros_like(wide(initial_state[:, :1])).repeat(1, REGIONS, 1)
        return LastPicture(none, none[:, 0, 0])

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: LastPicture,
    ) -> LastPicture:
        """The picture, with which the next one is compared."""
        return replace(rule_state, regions=_regions(evidence))

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: LastPicture,
    ) -> Gain[LastPicture]:
        """One number per sequence for every token; no gradient flows through it."""
        regions = _regions(evidence)
        change = length(regions - rule_state.regions).mean(dim=(1, 2))
        usual = torch.where(rule_state.change > 0, rule_state.change, change)
        rate = -torch.expm1(-change / torch.where(usual > 0, usual, 1.0))
        mean = self.smoothing * usual + (1 - self.smoothing) * change
        return Gain(rate[:, None, None].expand_as(state[..., :1]), LastPicture(regions, mean))


def _regions(evidence: Evidence) -> Float[Tensor, "batch region channel"]:
    """The features of this frame, averaged over equal runs of patches."""
    tokens = wide(evidence.decoder_first).detach()
    return functional.adaptive_avg_pool1d(tokens.transpose(1, 2), REGIONS).transpose(1, 2)
