"""What moves is learned slowly: tokens that look where the scene disagrees with a second look at it from memory alone."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ttt3r.types import Frame, Needs, Outputs, RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence, Keys
from ttt3r.update_rules.raymap3r_parts import (
    CameraPath,
    OfficialRays,
    PatchPooling,
    Pooling,
    RayForm,
    Regime,
    Routed,
    disagreement,
    record_turn,
    smooth,
    stand,
    start_path,
)
from ttt3r.update_rules.vectors import length, wide


@dataclass(frozen=True)
class Watched(RuleState):
    """Running mean of each token's trust, whether there is one yet, and the camera's path."""

    trust: Float[Tensor, "batch state 1"]
    trusted: Bool[Tensor, " batch"]
    path: CameraPath


@dataclass(frozen=True)
class StaticView(GatedUpdateRule[Watched]):
    """A base gain times a trust that is low for tokens which look at what moves.

        S_t = S_{t-1} + B G e (candidate_t - S_{t-1}),   G_s = max(0.15, 1 - l + l m_s),   m <- m + (alpha - m) / 5
        alpha_s = sigmoid( 3 (median(q) - q_s) / IQR(q) ),     q_s = sum_i P_{s,i} delta_i

    The memory is asked, read-only, what the predicted camera would see (a ray map without an image): that answer knows
    static things only. delta_i is the relative difference of the two depth maps in patch i (see `disagreement`), P the state's
    attention, softmax without the pose token, mean over layers and heads; median and interquartile range are over tokens.
    c = mean(1 - m), l = 0.9 (1 - c / 2) and e = clip(1 - c / 2, 0.5, 1) soften the gate where much moves. B is TTT3R's gate
    for a camera that turns slowly, else 1 (`regime`). The gate begins after `warmup` frames. It carries m, the camera's path
    and its turns.

    Reference: *RayMap3R*, ECCV 2026, https://arxiv.org/abs/2603.20588, read off a fork of its code (MIT; none of it is
    here), hence UNVERIFIED against the official one. Left out, since they are filters of the output: smoothed cameras and the
    alignment at resets; only the view that is asked for lies on the smoothed path, as there (`smoothing` 0: the predicted
    camera). Ours on purpose: a restart forgets everything, patches are squares (`StripPooling` is theirs), the focal length
    is made up (theirs estimates it first and falls back to this), and a frame that is not written leaves no trace.

    Args:
        regime: how B is chosen: `Routed()`, or `Always()` from the start.
        pooling: from pixels to patches: `PatchPooling()` or `StripPooling()`.
        rays: form of the ray map, that of the network: `OfficialRays()` or `DirectionRays()`.
        strength: the 0.9 of l.
        sharpness: the 3 of alpha.
        warmup: age up to which the gate stays open.
        smoothing: how strongly jerks of the camera are smoothed before it is asked from.

    Raises:
        ValueError: if a setting is negative or not finite.
    """

    regime: Regime = Routed()
    pooling: Pooling = PatchPooling()
    rays: RayForm = OfficialRays()
    strength: float = 0.9
    sharpness: float = 3.0
    warmup: int = 5
    smoothing: float = 2.0

    needs: ClassVar[Needs] = Needs.STATE_ATTENTION | Needs.READOUT | Needs.REREAD
    name: ClassVar[str] = "raymap3r"
    equation: ClassVar[str] = "S + base max(0.15, 1 - l + l trust) e (candidate - S)"
    reference: ClassVar[str] = "RayMap3R, ECCV 2026, https://arxiv.org/abs/2603.20588"

    def __post_init__(self) -> None:
        for name in ("strength", "sharpness", "warmup", "smoothing"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> Watched:
        """Nothing seen yet."""
        none = torch.zeros_like(wide(initial_state[..., :1]))
        return Watched(none, none[:, 0, 0] > 0, start_path(none, self.regime))

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Watched,
    ) -> Watched:
        """Where the camera stands."""
        path = rule_state.path
        camera = evidence.camera().detach().to(path.camera_to_world.dtype)
        return replace(rule_state, path=stand(path, camera))

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Watched,
    ) -> Gain[Watched]:
        """Base times gate; no gradient flows through it."""
        age, path = evidence.age, rule_state.path
        camera = evidence.camera().detach().to(path.camera_to_world.dtype)
        path = replace(path, turns=record_turn(path, camera, age, self.regime))
        gated = self.regime.gated(age, path.turns)
        step = length(wide(candidate) - wide(state)).mean(dim=(1, 2)).detach()
        path = smooth(path, camera, gated, self.smoothing * step)
        alpha = self._alpha(evidence, path)
        active = self.regime.decided(age) & (age > self.warmup)
        before = torch.where(rule_state.trusted[:, None, None], rule_state.trust, alpha)
        trust = torch.where(active[:, None, None], before + (alpha - before) / 5, rule_state.trust)
        confidence = torch.sigmoid(evidence.state_attention.mean_logit(Keys.ALL)).detach()
        base = torch.where(gated[:, None, None], confidence, 1.0)
        value = torch.where(active[:, None, None], base * self._gate(trust), base)
        return Gain(value, Watched(trust, rule_state.trusted | active, path))

    def _alpha(self, evidence: Evidence, path: CameraPath) -> Float[Tensor, "batch state 1"]:
        """Trust in each token from this frame alone: low for those that look at what the second look does not confirm."""
        main = evidence.reconstruction(Outputs.POINTS_CAMERA)
        like = evidence.encoder_tokens if evidence.image is None else evidence.image
        with torch.no_grad():
            _, height, width = main.depth.shape
            rays = self.rays.rays(path.smoothed, (height, width)).to(like.dtype)
            again = evidence.reread(Frame(ray_map=rays), Outputs.POINTS_CAMERA)
            delta = disagreement(main, again, self.pooling, evidence.encoder_tokens.shape[1])
            looks = evidence.state_attention.project(delta[..., None], Keys.PATCHES)
            low, middle, high = (looks.quantile(q, dim=1, keepdim=True) for q in (0.25, 0.5, 0.75))
            return torch.sigmoid(self.sharpness * (middle - looks) / (high - low).clamp_min(1e-6))

    def _gate(self, trust: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
        """Softer where much of the memory is not to be trusted, and lower as a whole."""
        cover = (1 - trust).mean(dim=1, keepdim=True)
        mix = (self.strength * (1 - cover / 2)).clamp(0, 1)
        return (1 - mix + mix * trust).clamp_min(0.15) * (1 - cover / 2).clamp(0.5, 1)
