"""The data types of the framework, in the order in which one frame passes through them.

    Frame -> Tokens -> Proposal -> Memory -> Reconstruction

All are frozen dataclasses: they are never changed in place. The batch is the first axis of every tensor,
so that `ttt3r.tree.select` can choose old or new row by row.

One word per axis, the same in signatures, documentation, tests and plots:

| axis | meaning |
|---|---|
| `batch` | sequences that are processed side by side |
| `height`, `width` | pixels; `rgb=3`, `xyz=3` |
| `patch` | image tokens, row by row |
| `feature` | width of the encoder's tokens |
| `state` | state tokens |
| `channel` | width of the state tokens and of the decoder |
| `slot`, `pair` | entries of the pose memory, and their width (key and value) |
| `layer`, `head`, `dim` | layers, attention heads, channels of a head |
| `key` | what the state attends to: the pose token first, then every patch |

Lengths are in the network's unit (`CUT3RConfig.unit`): metres as far as it was trained on metric data, or units of the first
view; where a docstring says metres of what a network predicts, this unit is meant. Angles are radians. Images lie in [-1, 1].
Cameras are 4x4 `camera_to_world` matrices with OpenCV axes (x right, y down, z forward); the world is the first camera's frame.
"""

import enum
import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.files import replacing
from ttt3r.geometry import transform_points
from ttt3r.saved_tree import describe, rebuild
from ttt3r.untrusted import parse_json, reading, shown

__all__ = [
    "AttentionBias",
    "AttentionLayer",
    "Features",
    "Frame",
    "LengthUnit",
    "Memory",
    "Needs",
    "Outputs",
    "Proposal",
    "Reconstruction",
    "RuleState",
    "STATELESS",
    "Step",
    "Stream",
    "Tokens",
]


class LengthUnit(enum.Enum):
    """What a length of 1 means in a network's answers."""

    METRES = "metres"
    """Metres, as far as the data of the training was metric."""
    FIRST_VIEW = "units of the first view"
    """The mean distance of the first view's points from its camera: a scale that images alone can give."""

    @property
    def short(self) -> str:
        """For axes and numbers."""
        return "m" if self is LengthUnit.METRES else self.value


class Needs(enum.Flag):
    """What a rule asks the network to keep for it, beyond what every frame has anyway. Nothing is the default."""

    NOTHING = 0
    STATE_ATTENTION = enum.auto()
    """Queries and keys of the state's cross-attention to the image (`evidence.state_attention`)."""
    IMAGE_ATTENTION = enum.auto()
    """Queries and keys of the image stream's self-attention in the decoder (`evidence.image_attention`)."""
    READOUT = enum.auto()
    """The prediction for this frame before the memory is written (`evidence.camera()`, `evidence.reconstruction()`)."""
    REREAD = enum.auto()
    """Further read-only passes over the old memory (`evidence.reread(frame)`)."""


class Outputs(enum.Flag):
    """Which heads run in the readout. What is not requested costs nothing and is `None` in the `Reconstruction`."""

    NOTHING = 0
    CAMERA = enum.auto()
    POINTS_CAMERA = enum.auto()
    POINTS_WORLD = enum.auto()
    COLOR = enum.auto()
    ALL = CAMERA | POINTS_CAMERA | POINTS_WORLD | COLOR


@tree.register
@dataclass(frozen=True)
class Frame:
    """What is fed at one time step: an image, a ray map (a view to be asked for), or both.

    Args:
        image: colours in [-1, 1]; height and width are multiples of the network's patch size.
        ray_map: ray origin and direction of every pixel, in the form that the network was trained with; after a reset, in the
            frame of the camera at which the running chunk began.
        write: whether the memory may absorb the frame, for all sequences or for each. A frame without an image is a
            question to the memory and never writes.
        reset: whether the memory is reset before this frame, for all sequences or for each.

    Raises:
        ValueError: if there is neither image nor ray map, or if their sizes differ.
    """

    image: Float[Tensor, "batch rgb=3 height width"] | None = None
    ray_map: Float[Tensor, "batch height width ray=6"] | None = None
    write: bool | Bool[Tensor, " batch"] = True
    reset: bool | Bool[Tensor, " batch"] = False

    def __post_init__(self) -> None:
        if self.image is None and self.ray_map is None:
            raise ValueError("a frame needs an image, a ray map, or both; got neither")
        if self.image is not None:
            if not self.image.is_floating_point():
                raise ValueError(
                    f"image must be float in [-1, 1], got {self.image.dtype}; bytes in [0, 255] need image / 127.5 - 1"
                )
            if self.image.ndim == 5:
                raise ValueError(
                    f"{tuple(self.image.shape)} is a batch of sequences, and a frame is one time (batch, 3, height, width); "
                    "give rollout images.transpose(0, 1), whose first axis is time"
                )
            if self.image.ndim != 4 or self.image.shape[1] != 3:
                raise ValueError(f"image must be (batch, 3, height, width), got {tuple(self.image.shape)}")
            if self.image.numel() == 0:
                raise ValueError(
                    f"an image of {tuple(self.image.shape)} holds nothing; give at least one sequence and pixel"
                )
            if self.ray_map is not None and self.ray_map.shape[:3] != (self.batch, *self.size):
                raise ValueError(
                    f"image {tuple(self.image.shape)} and ray map {tuple(self.ray_map.shape)} differ in batch or size"
                )

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self._any.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        if self.image is not None:
            return self.image.shape[2], self.image.shape[3]
        return self._any.shape[1], self._any.shape[2]

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self._any.device

    @property
    def _any(self) -> Tensor:
        tensor = self.image if self.image is not None else self.ray_map
        assert tensor is not None  # checked in __post_init__
        return tensor

    @property
    def write_mask(self) -> Bool[Tensor, " batch"]:
        """Which sequences absorb this frame."""
        return _mask(self.write if self.image is not None else False, self.batch, self.device)

    @property
    def reset_mask(self) -> Bool[Tensor, " batch"]:
        """Whose memory is reset before this frame, by sequence."""
        return _mask(self.reset, self.batch, self.device)


def _mask(flag: bool | Tensor, batch: int, device: torch.device) -> Bool[Tensor, " batch"]:
    if isinstance(flag, Tensor):
        if flag.shape != (batch,):
            raise ValueError(f"a mask per sequence must have shape ({batch},), got {tuple(flag.shape)}")
        return flag.to(device)
    return torch.full((batch,), flag, dtype=torch.bool, device=device)


@tree.register
@dataclass(frozen=True)
class Tokens:
    """A frame after the encoder: one token per patch, row by row. Needs no memory, so it may be made ahead of time.

    Args:
        patches: the tokens.
        grid: (rows, columns); patch = rows * columns.
        image: the frame's image as it was, for rules that look at it; `None` for a frame without one.
    """

    patches: Float[Tensor, "batch patch feature"]
    grid: tuple[int, int]
    image: Float[Tensor, "batch rgb=3 height width"] | None = None

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self.patches.shape[0]


@tree.register
@dataclass(frozen=True)
class RuleState:
    """Base of what a rule carries from frame to frame; the base itself is the state of a rule that carries nothing.

    A rule with a state makes a frozen dataclass of it whose fields are batch-first tensors, tuples of such or further
    `RuleState`s. The loop selects, resets, saves and loads it; the rule never does. Reset policies carry such states too.
    """

    def __init_subclass__(cls) -> None:
        tree.register(cls)


STATELESS = RuleState()
"""The rule state of a rule that carries nothing."""


@tree.register
@dataclass(frozen=True)
class Memory:
    """All that is carried from one frame to the next, of the same size at any length of the stream.

    Args:
        state: the fast weights: one row per state token.
        pose: the pose memory: a key and a value per slot.
        rule: what the update rule carries.
        age: frames absorbed since the start or the last reset; 0 means that the next frame is the first.
        seen: frames of the stream so far, written or not. The frame at which a chunk ends is counted once.
        chunk_to_world: camera of the frame at which the running chunk began, in the world of the whole stream; the
            identity until a reset policy ends a chunk (see `ttt3r.update_rules.resets`).
        policy: what the reset policy carries.
    """

    state: Float[Tensor, "batch state channel"]
    pose: Float[Tensor, "batch slot pair"]
    rule: RuleState
    age: Int[Tensor, " batch"]
    seen: Int[Tensor, " batch"]
    chunk_to_world: Float[Tensor, "batch 4 4"]
    policy: RuleState = STATELESS

    @classmethod
    def start(
        cls,
        state: Float[Tensor, "batch state channel"],
        pose: Float[Tensor, "batch slot pair"],
        rule: RuleState = STATELESS,
    ) -> "Memory":
        """The memory before any frame."""
        batch, device = state.shape[0], state.device
        count = torch.zeros(batch, dtype=torch.long, device=device)
        eye = torch.eye(4, device=device).expand(batch, 4, 4)
        return cls(state, pose, rule, age=count, seen=count, chunk_to_world=eye)

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self.state.shape[0]

    @property
    def core(self) -> "Memory":
        """All but what rule and reset policy carry: what the network sees. Memories of several rules then fit together."""
        return replace(self, rule=STATELESS, policy=STATELESS)

    @property
    def restarted(self) -> bool:
        """Whether a reset policy ended a chunk in any sequence, so that the memory lives in a frame of its own."""
        start = self.chunk_to_world
        return not torch.equal(start, torch.eye(4).to(start).expand_as(start))

    def save(self, path: str | Path) -> None:
        """Write the memory to a safetensors file: replaced as a whole, so that a kill leaves the old one or the new one."""
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tree.named_tensors(self)}
        # One entry: safetensors writes several in any order, and the same memory would be another file.
        with replacing(Path(path)) as partial:
            save_file(tensors, partial, metadata={"memory": json.dumps(self._described())})

    def _described(self) -> dict[str, Any]:
        """The structure as it is written. Without the state of a policy it is that of releases before there were any."""
        described = describe(self)
        if self.policy == STATELESS:
            del described["fields"]["policy"]
        return {"format": _FORMAT if "policy" in described["fields"] else 2, **described}

    @classmethod
    def load(cls, path: str | Path, device: torch.device | str = "cpu") -> "Memory":
        """Read a memory that `save` wrote. The file is data only: nothing in it is imported or run.

        Raises:
            ValueError: if the file is no saved memory, or if it holds the state of a rule whose class is not imported
                (import the module that defines the rule, then load again).
        """
        path = Path(path)
        with reading(path, "a saved memory", "give a file that Memory.save wrote"):
            with safe_open(path, framework="pt") as file:
                description = (file.metadata() or {}).get("memory")
                if description is None or len(description) > _MOST_DESCRIPTION:
                    raise ValueError("it holds no short description of a memory")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            described = parse_json(description)
            written = described.get("format", 1) if isinstance(described, dict) else 1
            if written not in range(1, _FORMAT + 1):
                raise ValueError(f"it is of format {shown(written)}, which a newer release wrote; update ttt3r")
            memory = rebuild(described, tensors, (cls, RuleState, *_descendants(RuleState)))
            if not isinstance(memory, cls):
                raise ValueError(f"it holds a {type(memory).__name__} and no memory")
            memory._require_sound()
        return tree.to(memory, device)

    def _require_sound(self) -> None:
        """Refuse parts of another type or shape, different batches, and counts that no stream has."""
        tree.require_types(self)
        parts = list(tree.named_tensors(self))
        wrong = [name for name, tensor in parts if tensor.ndim == 0 or len(tensor) != len(self.age)]
        if wrong or not len(self.age):
            raise ValueError(f"its parts hold different numbers of sequences ({', '.join(wrong[:3]) or 'none at all'})")
        counts = torch.stack([self.age.long(), self.seen.long()])
        if bool((counts < 0).any()) or bool((counts > 2**40).any()) or bool((self.age > self.seen).any()):
            raise ValueError(f"age {self.age.tolist()[:4]} and frames seen {self.seen.tolist()[:4]} cannot be")
        for name in ("state", "pose", "chunk_to_world"):
            if not bool(getattr(self, name).isfinite().all()):
                raise ValueError(f"{name} holds numbers that are not finite")


_MOST_DESCRIPTION = 2**20  # characters
_FORMAT = 3  # of saved memories; 1, which does not say so, named classes with their modules; 2 had no state of a policy


def _descendants(kind: type) -> list[type]:
    return [found for child in kind.__subclasses__() for found in (child, *_descendants(child))]


@tree.register
@dataclass(frozen=True)
class Features:
    """What the heads read for one frame; nothing of it enters the memory."""

    levels: tuple[Float[Tensor, "batch patch _"], ...]  # coarse order of depth: encoder first, last decoder level last
    pose_token: Float[Tensor, "batch channel"]
    grid: tuple[int, int]
    image: Float[Tensor, "batch rgb=3 height width"] | None = None  # only for heads that look at it


@tree.register
@dataclass(frozen=True)
class AttentionBias:
    """A rank-one bias on the logits of one attention, added before the softmax: z_ij <- z_ij + query_i * key_j.

    Rank one keeps fused attention: the bias travels as one more channel of the head.

    Args:
        stream: which attention of the decoder is biased.
        layers: first and one past the last decoder layer that is biased.
        query: factor per query of that attention (pose token first in the image stream).
        key: factor per key.
    """

    stream: "Stream"
    layers: tuple[int, int]
    query: Float[Tensor, "batch query"]
    key: Float[Tensor, "batch key"]


class Stream(enum.Enum):
    """The four attentions of a decoder layer; the stream that asks is named first."""

    STATE_SELF = enum.auto()
    STATE_FROM_IMAGE = enum.auto()
    IMAGE_SELF = enum.auto()
    IMAGE_FROM_STATE = enum.auto()


@tree.register
@dataclass(frozen=True)
class Reconstruction:
    """The network's answer for one frame. Fields that were not requested are `None`.

    Args:
        camera_to_world: pose of the camera in the world (the first camera's frame), metres.
        points_camera: a 3D point per pixel in the frame's own camera, metres; its z is the depth.
        confidence_camera: confidence of `points_camera`, at least 1.
        points_world: a 3D point per pixel in the world, metres.
        confidence_world: confidence of `points_world`, at least 1.
        color: predicted colours in (-1, 1).
    """

    camera_to_world: Float[Tensor, "batch 4 4"] | None = None
    points_camera: Float[Tensor, "batch height width xyz=3"] | None = None
    confidence_camera: Float[Tensor, "batch height width"] | None = None
    points_world: Float[Tensor, "batch height width xyz=3"] | None = None
    confidence_world: Float[Tensor, "batch height width"] | None = None
    color: Float[Tensor, "batch height width rgb=3"] | None = None

    @property
    def depth(self) -> Float[Tensor, "batch height width"]:
        """Depth along the optical axis, metres: the z of `points_camera`.

        Raises:
            ValueError: if the camera-frame points were not requested.
        """
        if self.points_camera is None:
            raise ValueError("no depth without camera-frame points; request Outputs.POINTS_CAMERA")
        return self.points_camera[..., 2]

    def only(self, outputs: Outputs) -> "Reconstruction":
        """These outputs, and no others."""
        near, far = Outputs.POINTS_CAMERA in outputs, Outputs.POINTS_WORLD in outputs
        return Reconstruction(
            camera_to_world=self.camera_to_world if Outputs.CAMERA in outputs else None,
            points_camera=self.points_camera if near else None,
            confidence_camera=self.confidence_camera if near else None,
            points_world=self.points_world if far else None,
            confidence_world=self.confidence_world if far else None,
            color=self.color if Outputs.COLOR in outputs else None,
        )

    def joined(self, other: "Reconstruction") -> "Reconstruction":
        """Both together: where this one holds nothing, what the other holds."""
        missing = [field.name for field in fields(self) if getattr(self, field.name) is None]
        return replace(self, **{name: getattr(other, name) for name in missing})

    def moved(self, motion: Float[Tensor, "batch 4 4"]) -> "Reconstruction":
        """Camera and world points after a rigid motion of the world: B camera, B points. A chunk's place in its stream."""
        camera, points = self.camera_to_world, self.points_world
        return replace(
            self,
            camera_to_world=None if camera is None else motion @ camera,
            points_world=None if points is None else transform_points(motion, points),
        )


@tree.register
@dataclass(frozen=True)
class Proposal:
    """What the decoder suggests for one frame, before any of it is taken.

    Args:
        candidate: the state as the network would overwrite it; candidate - state is the proposed step.
        pose: the pose memory after this frame.
        features: what the heads read.
        embedded: the encoder's tokens as they entered the decoder.
        state_attention: per layer, queries and keys of the state's cross-attention, if a rule needs them.
        image_attention: per layer, queries and keys of the image's self-attention, if a rule needs them.
    """

    candidate: Float[Tensor, "batch state channel"]
    pose: Float[Tensor, "batch slot pair"]
    features: Features
    embedded: Float[Tensor, "batch patch channel"]
    state_attention: tuple["AttentionLayer", ...] = ()
    image_attention: tuple["AttentionLayer", ...] = ()


@tree.register
@dataclass(frozen=True)
class AttentionLayer:
    """Queries (already scaled) and keys of one attention after the rotary embedding: logits are query @ key^T."""

    query: Float[Tensor, "batch head query dim"]
    key: Float[Tensor, "batch head key dim"]


@tree.register
@dataclass(frozen=True)
class Step:
    """One frame of a rollout, done.

    Args:
        index: number of the frame in the stream, from 0.
        reconstruction: the network's answer for the frame.
        memory: the memory *after* the frame.
        gain: the step that was really taken, per state token (1: candidate taken whole, 0: nothing written), or per token and
            channel where a rule decided so; the loop's own 1 and 0 have one number a token.
        candidate: the state that the network proposed, whatever was taken of it.
    """

    index: int
    reconstruction: Reconstruction
    memory: Memory
    gain: Float[Tensor, "batch state #channel"]
    candidate: Float[Tensor, "batch state channel"]
