"""What a reader finds in a folder before any image is opened: lists of images, poses and depths, and how they belong together.

Files, Poses  ->  Recording  ->  records (one a frame)  ->  Clip
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding
from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.frames.images import ResizePolicy, image_size
from ttt3r.data.frames.prepared import PreparedFrames
from ttt3r.data.frames.source import Sampling
from ttt3r.data.sequences.clip import Clip, FrameCamera
from ttt3r.data.sequences.depth import DepthSource
from ttt3r.data.sequences.pairing import ByNumber, Pairing


def _no_stamps() -> Float[np.ndarray, " file"]:
    return np.zeros(0)


@dataclass(frozen=True)
class Files:
    """Files of one kind, in order. `stamps` are their times in seconds or their frame numbers, as the layout has it."""

    paths: tuple[Path, ...] = ()
    stamps: Float[np.ndarray, " file"] = field(default_factory=_no_stamps)

    def __len__(self) -> int:
        return len(self.paths)

    def ordered_by_name(self) -> "Files":
        """The same files in the order of their names as text: 10.jpg stands before 2.jpg."""
        order = sorted(range(len(self.paths)), key=lambda i: self.paths[i].name)
        return Files(tuple(self.paths[i] for i in order), self.stamps[order])


@dataclass(frozen=True)
class Poses:
    """camera_to_world (metres, OpenCV axes; not finite where the tracking was lost) with times or numbers as in `Files`."""

    camera_to_world: Float[np.ndarray, "pose 4 4"] = field(default_factory=lambda: np.zeros((0, 4, 4)))
    stamps: Float[np.ndarray, " pose"] = field(default_factory=_no_stamps)

    def __len__(self) -> int:
        return len(self.stamps)


@dataclass(frozen=True)
class Record:
    """One frame: its files, its time in seconds and its camera_to_world (metres, OpenCV axes); `None` where it has none."""

    image: Path
    timestamp: float
    camera_to_world: Float[np.ndarray, "4 4"] | None
    depth: Path | None

    @property
    def tracked(self) -> bool:
        """Whether the camera is known: a pose is there and finite."""
        return self.camera_to_world is not None and bool(np.isfinite(self.camera_to_world).all())


@dataclass(frozen=True)
class Recording:
    """A sequence as its files give it, nothing left out.

    Args:
        name: of the sequence within its dataset.
        scene: what it shows; several sequences may show one scene.
        images: colour images.
        poses: of the cameras; empty where there are none.
        depths: depth maps; empty where there are none.
        depth_source: reads depth maps, one or none for each frame.
        pairing: by which a pose and a depth belong to an image in this layout.
        rate: stamps per second: 1 where they are seconds, 30 where they are frames of a 30 Hz camera.
        intrinsics: camera matrix of the images as they are on disk, pixels; `None` if none holds for all.
        depth_intrinsics: camera matrix of the depth maps, where it is another.
        plausible_depth: between these two lie the medians of depth maps of such scenes, metres.
        findings: what the reader noticed.
        own_intrinsics: camera matrix of each image, where they differ; an image that has none is not in it.
        upright: whether images are turned as their EXIF data says; poses, intrinsics and depth maps are hardly ever of those.
    """

    name: str
    scene: str
    images: Files
    depth_source: Callable[[tuple[Path | None, ...]], DepthSource]
    poses: Poses = Poses()
    depths: Files = Files()
    pairing: Pairing = ByNumber()
    rate: float = 1.0
    intrinsics: Float[np.ndarray, "3 3"] | None = None
    depth_intrinsics: Float[np.ndarray, "3 3"] | None = None
    plausible_depth: tuple[float, float] = (0.2, 20.0)
    findings: tuple[Finding, ...] = ()
    own_intrinsics: Mapping[Path, Float[np.ndarray, "3 3"]] = field(
        default_factory=dict[Path, Float[np.ndarray, "3 3"]]
    )
    upright: bool = False

    def records(self, pairing: Pairing | None = None, by_name: bool = False) -> tuple[Record, ...]:
        """One record for each image, in order; `by_name` takes the files in the order of their names as text.

        Args:
            pairing: another one than that of the layout.
            by_name: see `Files.ordered_by_name`.
        """
        pairing = self.pairing if pairing is None else pairing
        images, depths = (files.ordered_by_name() if by_name else files for files in (self.images, self.depths))
        pose_of = dict(pairing.pairs(images.stamps, self.poses.stamps).tolist())
        depth_of = dict(pairing.pairs(images.stamps, depths.stamps).tolist())
        return tuple(
            Record(
                path,
                float(stamp) / self.rate,
                self.poses.camera_to_world[pose_of[i]] if i in pose_of else None,
                depths.paths[depth_of[i]] if i in depth_of else None,
            )
            for i, (path, stamp) in enumerate(zip(images.paths, images.stamps, strict=True))
        )

    def with_truth(self) -> tuple[Record, ...]:
        """The records with a known camera; where the recording has no poses at all, those with depth."""
        return tuple(
            record for record in self.records() if (record.tracked if len(self.poses) else record.depth is not None)
        )

    def clip(self, policy: ResizePolicy, sampling: Sampling = Sampling(), skip_broken: bool = False) -> Clip:
        """Those of `with_truth` that the sampling takes, as a clip.

        Raises:
            ValueError: if the sampling takes none.
        """
        records = self.with_truth()
        taken = [records[index] for index in sampling.of(len(records))]
        if not taken:
            raise ValueError(f"{sampling} takes none of the {len(records)} frames of {self.name}; lower start")
        return self.clip_of(taken, policy, skip_broken)

    def clip_of(self, records: Sequence[Record], policy: ResizePolicy, skip_broken: bool = False) -> Clip:
        """These frames as a clip; cameras that are not known become NaN.

        Raises:
            ValueError: if there is no frame.
        """
        times = [record.timestamp for record in records]
        images = ImageFiles(self.name, [record.image for record in records], times, self.upright)
        depth = self.depth_source(tuple(record.depth for record in records))
        cameras = [record.camera_to_world if record.tracked else None for record in records]
        known = np.stack([np.full((4, 4), np.nan) if camera is None else camera for camera in cameras])
        return Clip(
            self.name,
            PreparedFrames(images, policy, skip_broken=skip_broken),
            np.array(times),
            known if len(self.poses) else None,
            self.intrinsics,
            depth if depth.measured else None,
            policy,
            self.scene,
            self.depth_intrinsics,
            self.findings,
            self.size_of(records[0]) if depth.measured else None,
            tuple(FrameCamera(self.own_intrinsics.get(record.image), self.size_of(record)) for record in records)
            if self.own_intrinsics
            else (),
        )

    def size_of(self, record: Record) -> tuple[int, int] | None:
        """Width and height of the image as it is read, pixels; `None` if it cannot be."""
        return image_size(record.image, self.upright)

    def with_findings(self, findings: Sequence[Finding]) -> "Recording":
        """The same with more findings."""
        return replace(self, findings=(*self.findings, *findings))
