"""The direct measure of forgetting: after N frames, ask the memory for frame k by its rays, and compare with the truth.

A trajectory error mixes what a memory holds with what the frames themselves say. A question does not: it shows the network
nothing but the rays of a view, so that all that is right in the answer comes out of the memory.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.data.procedural import ClipTruth
from ttt3r.evaluation.results.knowing_nothing import ANOTHER_SCENE, NOTHING_SEEN, SCENE_AVERAGE
from ttt3r.geometry import invert_rigid, transform_points
from ttt3r.reconstructor import RecurrentNetwork, look
from ttt3r.types import Frame, Memory, Outputs

SEEN_AGAIN = 0.5
"""A view counts as seen by a later frame that shows this share of its points."""


@dataclass(frozen=True)
class RecallScores:
    """How well memories answer when they are asked for an earlier frame.

    Args:
        asked_after: N, the frames fed before the questions are put.
        frames: k, the frames asked for, counted from 0.
        unseen: frames since half of that view was last seen: 0 if the last frame shows it.
        variance: mean square of the view's colours about their mean in that view.
        color_error: by memory, mean square error of the colours (which lie in [-1, 1]).
        points: by memory, mean of |p - p*| / (1 + |p*|) over the predicted world points; NaN for `SCENE_AVERAGE`.
    """

    asked_after: int
    frames: tuple[int, ...]
    unseen: Int[np.ndarray, "question world"]
    variance: Float[np.ndarray, "question world"]
    color_error: Mapping[str, Float[np.ndarray, "question world"]]
    points: Mapping[str, Float[np.ndarray, "question world"]]

    @classmethod
    def joined(cls, parts: Sequence["RecallScores"]) -> "RecallScores":
        """The same questions in the worlds of all parts."""
        first = parts[0]
        unseen = np.concatenate([part.unseen for part in parts], axis=1)
        variance = np.concatenate([part.variance for part in parts], axis=1)
        names = first.color_error
        error = {name: np.concatenate([part.color_error[name] for part in parts], axis=1) for name in names}
        points = {name: np.concatenate([part.points[name] for part in parts], axis=1) for name in names}
        return cls(first.asked_after, first.frames, unseen, variance, error, points)

    def with_memories(self, other: "RecallScores") -> "RecallScores":
        """The same questions with the answers of further memories."""
        error = {**self.color_error, **other.color_error}
        return replace(self, color_error=error, points={**self.points, **other.points})

    def including(self, names: Iterable[str]) -> "RecallScores":
        """The same with memories that could not be asked: their numbers are NaN."""
        lost = {name: np.full_like(self.variance, np.nan) for name in names if name not in self.color_error}
        return replace(self, color_error={**lost, **self.color_error}, points={**lost, **self.points})

    def explained(
        self, name: str, where: Bool[np.ndarray, "question world"] | None = None
    ) -> Float[np.ndarray, " world"]:
        """Explained variance of the colours, 1 - sum of errors / sum of variances over the questions (of `where`) of a world.

        1 is perfect; 0 is as good as each view's mean colour, which none is given; NaN where a world has no such question. Sums
        are taken before the division, so that a view of a plain wall, of no variance, counts for what it is.
        """
        chosen = np.ones_like(self.variance, dtype=bool) if where is None else where
        error, variance = (np.where(chosen, part, 0).sum(axis=0) for part in (self.color_error[name], self.variance))
        return np.where(chosen.any(axis=0), 1 - error / np.maximum(variance, 1e-6), np.nan)


def questions_after(frames: int) -> tuple[int, ...]:
    """Frames to ask for after so many: the newest, and then ever farther back, by powers of two, to the first."""
    back = [0, *(2**power for power in range(frames.bit_length()))]
    return tuple(sorted({max(0, frames - 1 - steps) for steps in back}))


def ask_recall(
    network: RecurrentNetwork, memories: Mapping[str, Memory], truth: ClipTruth, asked_after: int, frames: Sequence[int]
) -> RecallScores:
    """Ask each memory for earlier frames and compare with the truth. Nothing is written.

    A memory that was restarted within the stream lives in the world of the frame at which its chunk began, and in that frame's
    unit. It is asked there, by the true place of that frame, and its points are brought back; so the numbers of all memories
    are in the unit of the first view.

    Args:
        network: that made the memories.
        memories: by name; each has absorbed every one of the frames so far, in its running chunk or before. May hold the
            controls `ANOTHER_SCENE` and `NOTHING_SEEN` (see `with_controls`); `SCENE_AVERAGE` is added.
        truth: of the worlds.
        asked_after: frames fed so far.
        frames: to ask for.
    """
    names = [*memories, SCENE_AVERAGE]
    error: dict[str, list[Tensor]] = {name: [] for name in names}
    variance: list[Tensor] = []
    points: dict[str, list[Tensor]] = {name: [] for name in names}
    average = truth.image[:asked_after].mean(dim=(0, 3, 4))[:, None, None, :]  # one colour for each world
    everyone = tree.concatenate([memory.core for memory in memories.values()])
    places = {name: _Place.of(memory, truth) for name, memory in memories.items()}
    with torch.no_grad():
        for index in frames:
            image, where = truth.image[index].permute(0, 2, 3, 1), truth.points_world[index]
            variance.append((image - image.mean(dim=(1, 2), keepdim=True)).square().mean(dim=(1, 2, 3)))
            rays = torch.cat([place.rays(truth.ray_map[index]) for place in places.values()])
            answer = look(network, Frame(ray_map=rays), everyone, Outputs.COLOR | Outputs.POINTS_WORLD)
            assert answer.color is not None
            assert answer.points_world is not None  # both were asked for
            colors, answered = (part.chunk(len(memories)) for part in (answer.color, answer.points_world))
            for name, seen, there in zip(memories, colors, answered, strict=True):
                error[name].append((seen - image).square().mean(dim=(1, 2, 3)))
                distance = (places[name].points(there) - where).norm(dim=-1) / (1 + where.norm(dim=-1))
                points[name].append(distance.mean(dim=(1, 2)))
            error[SCENE_AVERAGE].append((average - image).square().mean(dim=(1, 2, 3)))
            points[SCENE_AVERAGE].append(torch.full_like(variance[-1], torch.nan))
    unseen = torch.stack([frames_since_seen(truth, index, asked_after) for index in frames])
    return RecallScores(
        asked_after,
        tuple(frames),
        unseen.cpu().numpy(),
        _table(variance),
        {name: _table(values) for name, values in error.items()},
        {name: _table(values) for name, values in points.items()},
    )


@dataclass(frozen=True)
class _Place:
    """Where memories live: the true camera at which the running chunk of each began, and the unit of that view.

    Args:
        camera: `camera_to_world`, in the world and unit of the first view.
        unit: mean distance of that view's points, in units of the first view.
    """

    camera: Float[Tensor, "batch 4 4"]
    unit: Float[Tensor, " batch"]

    @classmethod
    def of(cls, memory: Memory, truth: ClipTruth) -> "_Place":
        """Of a memory that absorbed every frame: its age counts the frame at the boundary once more."""
        began = memory.seen - memory.age
        worlds = torch.arange(memory.batch, device=began.device)
        unit = truth.points_camera[began, worlds].norm(dim=-1).mean(dim=(1, 2))
        return cls(truth.camera_to_world[began, worlds], unit)

    def rays(self, ray_map: Float[Tensor, "batch height width ray=6"]) -> Float[Tensor, "batch height width ray=6"]:
        """Rays of the first view's world as the memory knows them."""
        to_chunk = invert_rigid(self.camera)
        origin = transform_points(to_chunk, ray_map[..., :3]) / self.unit[:, None, None, None]
        direction = torch.einsum("bij,bhwj->bhwi", to_chunk[:, :3, :3], ray_map[..., 3:])
        return torch.cat([origin, direction], dim=-1)

    def points(self, points: Float[Tensor, "batch height width xyz=3"]) -> Float[Tensor, "batch height width xyz=3"]:
        """Points that the memory answers, in the world and unit of the first view."""
        return transform_points(self.camera, points * self.unit[:, None, None, None])


def _table(rows: Sequence[Tensor]) -> Float[np.ndarray, "question world"]:
    return torch.stack(list(rows)).double().cpu().numpy()


def with_controls(network: RecurrentNetwork, memories: Mapping[str, Memory]) -> dict[str, Memory]:
    """The memories with two controls: that of the first rule in another world, and one that has seen nothing."""
    first = next(iter(memories.values()))
    moved = tree.map_tensors(lambda tensor: tensor.roll(1, dims=0), first)
    nothing = network.initial_memory(first.batch)
    return {**memories, ANOTHER_SCENE: moved, NOTHING_SEEN: nothing}


def frames_since_seen(truth: ClipTruth, index: int, after: int) -> Int[Tensor, " batch"]:
    """How long ago, `after` frames into the stream, at least `SEEN_AGAIN` of the points of frame `index` were in sight.

    A point is in sight of a camera if it falls into its image and lies no more than a tenth behind what is seen there.
    """
    later = slice(index, after)
    point = truth.points_world[index, :, ::4, ::4]  # enough points for the mean
    world_to_camera = invert_rigid(truth.camera_to_world[later])
    seen = transform_points(world_to_camera, point.expand(after - index, -1, -1, -1, -1)).flatten(2, 3)
    depth_map = truth.points_camera[later, ..., 2]
    height, width = depth_map.shape[-2:]
    focal = _focal(truth)[None, :, None]
    depth = seen[..., 2]
    column = (seen[..., 0] / depth * focal + width // 2).round()
    row = (seen[..., 1] / depth * focal + height // 2).round()
    inside = (depth > 1e-3) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).nan_to_num().long()
    surface = depth_map.flatten(2).gather(2, place)
    share = (inside & (depth < 1.1 * surface)).float().mean(dim=-1)
    when = torch.arange(after - index, device=share.device)[:, None].expand_as(share)
    last = torch.where(share >= SEEN_AGAIN, when, 0).amax(dim=0)
    return after - 1 - index - last


def _focal(truth: ClipTruth) -> Float[Tensor, " batch"]:
    """Focal lengths in pixels, from the ray of the leftmost pixel: x / z = -(width // 2) / focal."""
    corner = truth.points_camera[0, :, 0, 0]
    return -(truth.points_camera.shape[3] // 2) * corner[:, 2] / corner[:, 0]
