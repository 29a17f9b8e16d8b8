"""One learning rate per frame: how far the camera has moved, times whether the picture is sharp."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import Needs, RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.vectors import motion, wide

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the grey image (ITU-R BT.601)."""


@dataclass(frozen=True)
class LastCamera(RuleState):
    """Predicted camera_to_world of the last frame; the origin of the world before the first."""

    camera_to_world: Float[Tensor, "batch 4 4"]


@dataclass(frozen=True)
class PAS3R(GatedUpdateRule[LastCamera]):
    """A gate over frames: a frame is written as far as the camera moved since the last one, and if it holds detail.

        S_t = S_{t-1} + g_t (candidate_t - S_{t-1}),     g_t = min(1, s_1 s_2),     s_1 = w_1 |dx| + w_2 dq
        s_2 = sigmoid(20 (R - 0.1)),     R = sum F 1[|f| > r] / (sum F + 1e-8),     F = |FFT(gray image)|

    dx (metres) and dq (angle, radians) are the motion between the cameras that the network predicts for the last frame and
    this one; R is the share of the amplitude spectrum above the spatial frequency r, so that a blurred picture counts less;
    gray is the luma in [0, 1]. The gain is one number for all tokens. It carries the last camera. Behind a network that
    hands no image on the gain is 0. A camera that stands still writes nothing, even if the scene moves; and the gain rests on
    the very camera that drifts.

    Reference: *PAS3R*, 2026, https://arxiv.org/abs/2603.21436, from detailed notes on the paper (its code was not at hand).
    UNVERIFIED: w_1, w_2 and r are not given in the paper, nor how dq is measured. Ours: dq is the angle; weights of 10 give
    hand-held video (1 to 2 cm and degrees a frame) a gain of 0.3 to 0.6; r is half the Nyquist frequency.

    Args:
        translation: w_1, per metre.
        rotation: w_2, per radian.
        radius: r, as a share of the Nyquist frequency (half a cycle per pixel).
        sharpness: slope of s_2 (20 in the paper).
        detail: R at which s_2 is one half (0.1 in the paper).

    Raises:
        ValueError: if a setting is negative or not finite, or the radius not above 0.
    """

    translation: float = 10.0
    rotation: float = 10.0
    radius: float = 0.5
    sharpness: float = 20.0
    detail: float = 0.1

    needs: ClassVar[Needs] = Needs.READOUT
    name: ClassVar[str] = "pas3r"
    equation: ClassVar[str] = "S + min(1, (w1 |dx| + w2 dq) sigmoid(20 (R - 0.1))) (candidate - S)"
    reference: ClassVar[str] = "PAS3R, 2026, https://arxiv.org/abs/2603.21436; w1, w2, r are ours"

    def __post_init__(self) -> None:
        settings = (self.translation, self.rotation, self.radius, self.sharpness, self.detail)
        if not (all(0 <= setting < float("inf") for setting in settings) and self.radius > 0):
            raise ValueError(f"weights must be at least 0 and the radius above 0, all finite, got {self}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> LastCamera:
        """The origin of the world, which is where the first camera stands."""
        like = wide(initial_state)
        eye = torch.eye(4, dtype=like.dtype, device=like.device)
        return LastCamera(eye.repeat(len(like), 1, 1))

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: LastCamera,
    ) -> LastCamera:
        """Where the camera stands."""
        return _seen(evidence, rule_state)

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: LastCamera,
    ) -> Gain[LastCamera]:
        """One number per sequence for every token; no gradient flows through it."""
        seen = _seen(evidence, rule_state)
        shift, angle = motion(seen.camera_to_world, rule_state.camera_to_world)
        moved = self.translation * shift + self.rotation * angle
        sharp = torch.zeros_like(moved)
        if evidence.image is not None:
            share = detail_share(evidence.image.detach(), self.radius)
            sharp = torch.sigmoid(self.sharpness * (share - self.detail)).to(moved.dtype)
        rate = (moved * sharp).clamp_max(1)
        return Gain(rate[:, None, None].expand_as(state[..., :1]), seen)


def _seen(evidence: Evidence, rule_state: LastCamera) -> LastCamera:
    return LastCamera(evidence.camera().detach().to(rule_state.camera_to_world.dtype))


def detail_share(image: Float[Tensor, "batch rgb=3 height width"], radius: float) -> Float[Tensor, " batch"]:
    """Share of an image's amplitude spectrum that lies above `radius` times the Nyquist frequency, from 0 to 1."""
    gray = torch.einsum("brhw,r->bhw", (wide(image) + 1) / 2, wide(image).new_tensor(LUMA))
    amplitude = torch.fft.fft2(gray).abs()
    rows, columns = (torch.fft.fftfreq(size, device=image.device) for size in gray.shape[1:])
    fine = rows[:, None].square() + columns.square() > (radius / 2) ** 2
    return (amplitude * fine).sum(dim=(1, 2)) / (amplitude.sum(dim=(1, 2)) + 1e-8)
