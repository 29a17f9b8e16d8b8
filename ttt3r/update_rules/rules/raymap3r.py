"""Tokens learn slowly if they look where the scene disagrees with what the memory alone predicts."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from ttt3r.geometry import intrinsics_matrix, ray_map_direction, ray_map_official, rigid
from ttt3r.types import Frame, Needs, Outputs, Reconstruction, RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence, Keys
from ttt3r.update_rules.vectors import length, motion, wide


class QueryRays(ABC):
    """How a network is asked for a view; must be the form that it was trained with (`network.config.ray_form`)."""

    @abstractmethod
    def rays(
        self, camera_to_world: Float[Tensor, "batch 4 4"], size: tuple[int, int]
    ) -> Float[Tensor, "batch height width ray=6"]:
        """The ray map of a camera with an assumed focal length, sqrt(height^2 + width^2) pixels, and a centred axis."""


@dataclass(frozen=True)
class OfficialRays(QueryRays):
    """`ttt3r.geometry.ray_map_official`: the official weights."""

    def rays(
        self, camera_to_world: Float[Tensor, "batch 4 4"], size: tuple[int, int]
    ) -> Float[Tensor, "batch height width ray=6"]:
        """The axis goes through ((width - 1) / 2, (height - 1) / 2)."""
        return ray_map_official(camera_to_world, _made_up_intrinsics(camera_to_world, size, shift=0.5), size)


@dataclass(frozen=True)
class DirectionRays(QueryRays):
    """`ttt3r.geometry.ray_map_direction`: networks that were trained here."""

    def rays(
        self, camera_to_world: Float[Tensor, "batch 4 4"], size: tuple[int, int]
    ) -> Float[Tensor, "batch height width ray=6"]:
        """The same rays; this form counts pixels from their corner, so the axis goes through (width / 2, height / 2)."""
        return ray_map_direction(camera_to_world, _made_up_intrinsics(camera_to_world, size, shift=0.0), size)


def _made_up_intrinsics(like: Tensor, size: tuple[int, int], shift: float) -> Float[Tensor, "batch 3 3"]:
    height, width = size
    focal = like.new_full((len(like),), math.hypot(height, width))
    return intrinsics_matrix(focal, (width / 2 - shift, height / 2 - shift))


class Pooling(ABC):
    """How values of pixels become one value per image token."""

    @abstractmethod
    def pool(self, values: Float[Tensor, "batch height width"], patches: int) -> Float[Tensor, "batch patch"]:
        """Means over the pixels of each token, row by row."""


@dataclass(frozen=True)
class PatchPooling(Pooling):
    """Over the square of pixels that each token was made from."""

    def pool(self, values: Float[Tensor, "batch height width"], patches: int) -> Float[Tensor, "batch patch"]:
        """Means over squares.

        Raises:
            ValueError: if the image is not made of that number of square patches.
        """
        height, width = values.shape[1:]
        side = math.isqrt(height * width // patches)
        if side * side * patches != height * width or height % side or width % side:
            raise ValueError(f"an image of {height} x {width} pixels is not made of {patches} square patches")
        return functional.avg_pool2d(values, side).flatten(1)


@dataclass(frozen=True)
class StripPooling(Pooling):
    """Over equal runs of the flattened image: what the published code does, and probably not what it means to do."""

    def pool(self, values: Float[Tensor, "batch height width"], patches: int) -> Float[Tensor, "batch patch"]:
        """Means over runs of pixels, row by row."""
        return functional.adaptive_avg_pool1d(values.flatten(1), patches)


def disagreement(
    main: Reconstruction, again: Reconstruction, pooling: Pooling, patches: int
) -> Float[Tensor, "batch patch"]:
    """Relative difference of two depth maps of one view, per image token, weighted by where both are confident.

    delta = |z - z'| / |z|;  w = log min(confidences), stretched to [0, 1];  pooled as mean(w delta) / mean(w).

    Raises:
        ValueError: if the network reads out no points in the camera's frame.
    """
    if main.confidence_camera is None or again.confidence_camera is None:
        raise ValueError(
            "this network reads out no camera-frame points; a rule that compares them cannot be used with it"
        )
    delta = (main.depth - again.depth).abs() / main.depth.abs().clamp_min(1e-6)
    confidence = torch.minimum(main.confidence_camera, again.confidence_camera).clamp_min(1e-6).log()
    low, high = confidence.amin(dim=(1, 2), keepdim=True), confidence.amax(dim=(1, 2), keepdim=True)
    weight = (confidence - low) / (high - low + 1e-6)
    return pooling.pool(weight * delta, patches) / pooling.pool(weight, patches).clamp_min(1e-6)


class Regime(ABC):
    """Whether TTT3R's gate is the base, or full overwrite, and from which frame on that is known."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many of the camera's turns are to be kept, at least 1."""

    @abstractmethod
    def slot(self, age: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Where the turn at this age is kept; a number that is no slot if it is not."""

    @abstractmethod
    def decided(self, age: Int[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
        """Whether the regime is known at this age."""

    @abstractmethod
    def gated(self, age: Int[Tensor, " batch"], turns: Float[Tensor, "batch slot"]) -> Bool[Tensor, " batch"]:
        """Whether TTT3R's gate is the base, given the turns in radians."""


@dataclass(frozen=True)
class Always(Regime):
    """One regime from the start: TTT3R's gate, or full overwrite."""

    ttt3r: bool = True

    @property
    def slots(self) -> int:
        """None is needed, and one the least."""
        return 1

    def slot(self, age: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Nowhere."""
        return torch.full_like(age, -1)

    def decided(self, age: Int[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
        """Always."""
        return torch.ones_like(age, dtype=torch.bool)

    def gated(self, age: Int[Tensor, " batch"], turns: Float[Tensor, "batch slot"]) -> Bool[Tensor, " batch"]:
        """As was set."""
        return torch.full_like(age, self.ttt3r, dtype=torch.bool)


@dataclass(frozen=True)
class Routed(Regime):
    """Decided once, at age `last`: TTT3R's gate if the camera turned less than `degrees` a frame (median), else overwrite.

    The turns are those of the frames from age `first` to `last`, the first of which counts as 0. Until then: overwrite.

    Raises:
        ValueError: if `last` does not come after `first`, or the angle is negative or not finite.
    """

    degrees: float = 2.0
    first: int = 5
    last: int = 20

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.last:
            raise ValueError(f"first must lie between 0 and last, got {self}")
        if not 0 <= self.degrees < float("inf"):
            raise ValueError(f"degrees must be at least 0 and finite, got {self.degrees}")

    @property
    def slots(self) -> int:
        """One for each frame from `first` to `last`."""
        return self.last - self.first + 1

    def slot(self, age: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """One after the other; the first keeps its 0."""
        return torch.where(age > self.first, age - self.first, -1)

    def decided(self, age: Int[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
        """From age `last` on."""
        return age >= self.last

    def gated(self, age: Int[Tensor, " batch"], turns: Float[Tensor, "batch slot"]) -> Bool[Tensor, " batch"]:
        """Whether the decision was for the gate."""
        return self.decided(age) & (turns.quantile(0.5, dim=1) < math.radians(self.degrees))


@dataclass(frozen=True)
class CameraPath(RuleState):
    """The last predicted camera, its smoothed place with the velocity and shift that led to it, and its turns (radians)."""

    camera_to_world: Float[Tensor, "batch 4 4"]
    place: Float[Tensor, "batch xyz=3"]
    velocity: Float[Tensor, "batch xyz=3"]
    shift: Float[Tensor, "batch xyz=3"]
    turns: Float[Tensor, "batch slot"]

    @property
    def smoothed(self) -> Float[Tensor, "batch 4 4"]:
        """The last camera, at its smoothed place."""
        return rigid(self.camera_to_world[:, :3, :3], self.place)


def start_path(like: Float[Tensor, "batch _ _"], regime: Regime) -> CameraPath:
    """At the world's origin, at rest, with no turns yet."""
    camera = torch.eye(4, dtype=like.dtype, device=like.device).repeat(len(like), 1, 1)
    still = torch.zeros_like(camera[:, :3, 3])
    return CameraPath(camera, still, still, still, like.new_zeros(len(like), regime.slots))


def record_turn(
    path: CameraPath, camera: Float[Tensor, "batch 4 4"], age: Int[Tensor, " batch"], regime: Regime
) -> Float[Tensor, "batch slot"]:
    """The turns with that from the last camera to this one, where the regime needs it."""
    slots = torch.arange(regime.slots, device=age.device)
    return torch.where(slots == regime.slot(age)[:, None], motion(camera, path.camera_to_world)[1][:, None], path.turns)


def rest_at(path: CameraPath, camera: Float[Tensor, "batch 4 4"]) -> CameraPath:
    """At the camera, at rest."""
    still = torch.zeros_like(path.place)
    return replace(path, camera_to_world=camera, place=camera[:, :3, 3], velocity=still, shift=still)


def smooth(
    path: CameraPath,
    camera: Float[Tensor, "batch 4 4"],
    moving: Bool[Tensor, " batch"],
    damping: Float[Tensor, " batch"],
) -> CameraPath:
    """Let the place follow the camera: v <- b dx + (1 - b) v, place <- place + v, b = 1 / (1 + damping |dx - last dx|).

    Where it does not move, it stands at the camera, at rest.
    """
    here, mask = camera[:, :3, 3], moving[:, None]
    shift = torch.where(mask, here - path.camera_to_world[:, :3, 3], 0.0)
    share = 1 / (1 + damping[:, None] * length(shift - path.shift))
    velocity = torch.where(mask, share * shift + (1 - share) * path.velocity, 0.0)
    return CameraPath(camera, torch.where(mask, path.place + velocity, here), velocity, shift, path.turns)


@dataclass(frozen=True)
class Watched(RuleState):
    """Running mean of each token's trust, whether there is one yet, and the camera's path."""

    trust: Float[Tensor, "batch state 1"]
    trusted: Bool[Tensor, " batch"]
    path: CameraPath


@dataclass(frozen=True)
class RayMap3R(GatedUpdateRule[Watched]):
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
    camera). Ours on purpose: a reset clears everything, patches are squares (`StripPooling` is theirs), the focal length is
    assumed (theirs estimates it first and falls back to this), and a frame that is not written leaves no trace.

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
    rays: QueryRays = OfficialRays()
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
        return replace(rule_state, path=rest_at(path, camera))

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
