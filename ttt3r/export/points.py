"""A coloured point cloud of a whole stream in constant memory.

Every point gets a pseudo-random priority from (seed, frame, pixel), and the points with the smallest priorities stay, as
many as the budget allows. So the cloud is a fair sample of all points seen so far; it depends neither on the order of the
frames nor on where a run was interrupted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Shaped, UInt8, UInt64
from torch import Tensor

from ttt3r.files import replacing


@dataclass(frozen=True)
class PointSelection:
    """Which points of a stream enter the cloud.

    Args:
        min_confidence: least confidence of a point; the network's confidences start at 1.
        min_quantile: share of each frame's points that is dropped besides, those of least confidence, in [0, 1).
        budget: most points that are kept.
        voxel_size: at most one point per cube of this side (metres); `None` for no such limit.
        seed: of the sampling.

    Raises:
        ValueError: for a setting out of its range.
    """

    min_confidence: float = 1.5
    min_quantile: float = 0.0
    budget: int = 1_000_000
    voxel_size: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.min_quantile < 1:
            raise ValueError(f"min_quantile must be in [0, 1), got {self.min_quantile}; 0 drops nothing")
        if self.budget < 1:
            raise ValueError(f"a point budget must be at least 1, got {self.budget}")
        if self.voxel_size is not None and not self.voxel_size > 0:
            raise ValueError(f"voxel_size must be positive (metres), got {self.voxel_size}; None switches it off")


@dataclass(frozen=True)
class PointCloud:
    """Points kept so far, in the order of (frame, pixel). `add` makes a new cloud.

    Args:
        selection: which points are kept.
        xyz: metres, in the world (the first camera's frame, OpenCV axes).
        rgb: colour.
        confidence: of each point.
        frame: number of the frame it comes from.
        pixel: row * width + column in that frame.
    """

    selection: PointSelection
    xyz: Float32[np.ndarray, "point xyz=3"]
    rgb: UInt8[np.ndarray, "point rgb=3"]
    confidence: Float32[np.ndarray, " point"]
    frame: Int32[np.ndarray, " point"]
    pixel: Int32[np.ndarray, " point"]

    @classmethod
    def empty(cls, selection: PointSelection = PointSelection()) -> "PointCloud":
        """The cloud before any frame."""
        none = np.zeros(0, np.int32)
        return cls(
            selection, np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), none.astype(np.float32), none, none
        )

    def __len__(self) -> int:
        return len(self.frame)

    def add(
        self,
        frame: int,
        points: Float[Tensor, "height width xyz=3"],
        confidence: Float[Tensor, "height width"] | None,
        image: Float[Tensor, "rgb=3 height width"],
    ) -> "PointCloud":
        """The cloud with the points of one more frame; see `fresh` for the arguments."""
        return self.joined([self.fresh(frame, points, confidence, image)])

    def fresh(
        self,
        frame: int,
        points: Float[Tensor, "height width xyz=3"],
        confidence: Float[Tensor, "height width"] | None,
        image: Float[Tensor, "rgb=3 height width"],
    ) -> "PointCloud":
        """The points of one more frame that may enter this cloud, for `joined`.

        Args:
            frame: its number; each number is added once.
            points: a world point per pixel, metres; points that are not finite are dropped.
            confidence: of each point; `None` keeps all with confidence 1, whatever the selection says.
            image: colours in [-1, 1].
        """
        xyz = points.detach().cpu().float().numpy().reshape(-1, 3)
        keep = np.isfinite(xyz).all(axis=1)
        trust = np.ones(len(xyz), np.float32)
        if confidence is not None:
            trust = confidence.detach().cpu().float().numpy().reshape(-1)
            keep &= trust >= self.selection.min_confidence
            if self.selection.min_quantile > 0 and keep.any():
                keep &= trust >= np.quantile(trust[keep], self.selection.min_quantile)
        pixel = np.flatnonzero(keep).astype(np.int32)
        number = np.full(len(pixel), frame, np.int32)
        if self._worst is not None:  # full: only what beats the worst kept point can enter
            better = priority(number, pixel, self.selection.seed) < self._worst
            pixel, number = pixel[better], number[better]
        colors = ((image.detach().cpu().float() + 1) * 127.5).round().clamp(0, 255).byte().numpy().reshape(3, -1)
        return PointCloud(self.selection, xyz[pixel], colors[:, pixel].T, trust[pixel], number, pixel)

    def joined(self, others: Sequence["PointCloud"]) -> "PointCloud":
        """The cloud with the points of later frames, within its limits.

        Many frames may wait and be joined together: the points that stay do not depend on it.
        """
        clouds = [self, *(cloud for cloud in others if len(cloud))]
        if len(clouds) == 1:
            return self
        names = ("xyz", "rgb", "confidence", "frame", "pixel")
        arrays = [np.concatenate([getattr(cloud, name) for cloud in clouds]) for name in names]
        return PointCloud(self.selection, *arrays)._within_limits()

    @cached_property
    def _worst(self) -> np.uint64 | None:
        """The largest priority of a full cloud."""
        return self._priority().max() if len(self) >= self.selection.budget else None

    def _priority(self) -> UInt64[np.ndarray, " point"]:
        return priority(self.frame, self.pixel, self.selection.seed)

    def _within_limits(self) -> "PointCloud":
        cloud = self
        if self.selection.voxel_size is not None:
            cloud = cloud.take(first_per_voxel(cloud.xyz, cloud._priority(), self.selection.voxel_size))
        if len(cloud) > self.selection.budget:
            order = cloud._priority()  # no two points have the same
            cloud = cloud.take(order < np.partition(order, self.selection.budget)[self.selection.budget])
        return cloud

    def take(self, which: Shaped[np.ndarray, " kept"]) -> "PointCloud":
        """The points of the given indices (or mask), in their order."""
        return PointCloud(
            *(self.selection, self.xyz[which], self.rgb[which], self.confidence[which]),
            *(self.frame[which], self.pixel[which]),
        )

    def sample(self, count: int) -> "PointCloud":
        """At most `count` points: those of the smallest priorities, so a fair sample of this cloud."""
        if len(self) <= count:
            return self
        return self.take(np.sort(np.argpartition(self._priority(), count)[:count]))

    def save(self, path: str | Path) -> None:
        """Write the cloud and its selection to an NPZ, replaced as a whole, so that `load` can go on from it."""
        arrays = {name: getattr(self, name) for name in ("xyz", "rgb", "confidence", "frame", "pixel")}
        settings = {
            f"selection_{name}": np.array(np.nan if v is None else v) for name, v in asdict(self.selection).items()
        }
        with replacing(Path(path)) as partial, partial.open("wb") as file:
            np.savez(file, **arrays, **settings)  # pyright: ignore[reportArgumentType]

    @classmethod
    def load(cls, path: str | Path) -> "PointCloud":
        """Read a cloud that `save` wrote; the file is data only."""
        with np.load(path, allow_pickle=False) as file:
            voxel = float(file["selection_voxel_size"])
            selection = PointSelection(
                min_confidence=float(file["selection_min_confidence"]),
                min_quantile=float(file["selection_min_quantile"]),
                budget=int(file["selection_budget"]),
                voxel_size=None if np.isnan(voxel) else voxel,
                seed=int(file["selection_seed"]),
            )
            return cls(selection, *(file[name] for name in ("xyz", "rgb", "confidence", "frame", "pixel")))


class GrowingCloud:
    """A cloud to which frames are added one by one: they wait, and are joined when there are enough to be worth it.

    Args:
        cloud: what there is so far.
    """

    def __init__(self, cloud: PointCloud) -> None:
        self._joined = cloud
        self._waiting: list[PointCloud] = []

    def add(
        self,
        frame: int,
        points: Float[Tensor, "height width xyz=3"],
        confidence: Float[Tensor, "height width"] | None,
        image: Float[Tensor, "rgb=3 height width"],
    ) -> None:
        """Add a frame; see `PointCloud.fresh` for the arguments."""
        self._waiting.append(self._joined.fresh(frame, points, confidence, image))
        if sum(map(len, self._waiting)) > self._joined.selection.budget // 2:
            self.cloud()

    def cloud(self) -> PointCloud:
        """All that was added, within the limits of the selection."""
        self._joined, self._waiting = self._joined.joined(self._waiting), []
        return self._joined


def priority(
    frame: Int32[np.ndarray, " point"], pixel: Int32[np.ndarray, " point"], seed: int
) -> UInt64[np.ndarray, " point"]:
    """A pseudo-random number per point: splitmix64 of (frame, pixel), turned by the seed."""
    place = (frame.astype(np.uint64) << np.uint64(32)) | pixel.astype(np.uint64)
    return _mix(place ^ _mix(np.array([seed % 2**64], np.uint64)))


def _mix(value: UInt64[np.ndarray, " point"]) -> UInt64[np.ndarray, " point"]:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014); wraps around at 2^64 by design."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def first_per_voxel(
    xyz: Float32[np.ndarray, "point xyz=3"], order: UInt64[np.ndarray, " point"], voxel_size: float
) -> Bool[np.ndarray, " point"]:
    """Mask of one point per cube of side `voxel_size`: the one that comes first in `order`."""
    cell = (
        np.clip(np.floor(xyz.astype(np.float64) / voxel_size), -(2.0**40), 2.0**40).astype(np.int64).astype(np.uint64)
    )
    name = _mix(_mix(_mix(cell[:, 0]) + cell[:, 1]) + cell[:, 2])
    ranked = np.argsort(order)
    _, first = np.unique(name[ranked], return_index=True)
    mask = np.zeros(len(xyz), bool)
    mask[ranked[first]] = True
    return mask
