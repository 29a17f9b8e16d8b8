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

from ttt3r.export.point_selection import PointSelection
from ttt3r.files import replacing
from ttt3r.untrusted import ArrayForm, read_arrays, reading


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
        """Read a cloud that `save` wrote; the file is data only, and checked before it is read.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it holds something else.
        """
        path = Path(path)
        with reading(path, "a saved cloud", "run again with --overwrite"):
            arrays = read_arrays(path, _ARRAYS | {f"selection_{name}": form for name, form in _SELECTION.items()})
            facts = {name: arrays[f"selection_{name}"].item() for name in _SELECTION}
            facts["voxel_size"] = None if np.isnan(facts["voxel_size"]) else facts["voxel_size"]
            cloud = cls(PointSelection.from_facts(facts), *(arrays[name] for name in _ARRAYS))
            cloud._require_sound()
        return cloud

    def _require_sound(self) -> None:
        """Refuse what `add` never makes: points without a place, and frames or pixels that are not."""
        for name in ("xyz", "confidence"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} holds numbers that are not finite")
        if len(self) and min(self.frame.min(), self.pixel.min()) < 0:
            raise ValueError("a frame or a pixel has a number below 0")
        if (np.diff(self.frame) < 0).any():
            raise ValueError("its points are not in the order of their frames")


_NUMBER, _COUNT = ArrayForm("number"), ArrayForm("int64")
_SELECTION = {
    "min_confidence": _NUMBER,
    "min_quantile": _NUMBER,
    "budget": _COUNT,
    "voxel_size": _NUMBER,
    "seed": _COUNT,
}
_ARRAYS = {
    "xyz": ArrayForm("float32", ("point", 3)),
    "rgb": ArrayForm("uint8", ("point", 3)),
    "confidence": ArrayForm("float32", ("point",)),
    "frame": ArrayForm("int32", ("point",)),
    "pixel": ArrayForm("int32", ("point",)),
}


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
