"""A sequence with ground truth, whatever benchmark it comes from."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from ttt3r.data.files import ImageFiles
from ttt3r.data.images import BrokenImage, ResizePolicy
from ttt3r.data.source import FrameSource, PreparedFrames, Sampling


class DepthSource(ABC):
    """Measured depth of a sequence, frame by frame."""

    @property
    @abstractmethod
    def length(self) -> int:
        """Number of frames."""

    @property
    @abstractmethod
    def measured(self) -> int:
        """How many of them have depth."""

    @abstractmethod
    def read(self, index: int) -> Float[np.ndarray, "height width"] | None:
        """Depth along the optical axis in metres, float64; 0 where it was not measured, `None` where a frame has none.

        Raises:
            BrokenImage: if a file cannot be decoded.
        """


@dataclass(frozen=True)
class DepthFiles(DepthSource):
    """16-bit depth images, one per frame or none, read when asked for.

    Args:
        paths: file of each frame; `None` where a frame has no depth.
        per_metre: value of one metre.
        invalid: values that mean "not measured", besides 0.
    """

    paths: tuple[Path | None, ...]
    per_metre: float
    invalid: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.paths)

    @property
    def measured(self) -> int:
        """How many of them have a file."""
        return sum(path is not None for path in self.paths)

    def read(self, index: int) -> Float[np.ndarray, "height width"] | None:
        """Depth along the optical axis in metres, float64; 0 where it was not measured.

        Raises:
            BrokenImage: if the file cannot be decoded.
            ValueError: if it is no 16-bit grey image.
        """
        path = self.paths[index]
        if path is None:
            return None
        try:
            with Image.open(path) as file:
                mode, raw = file.mode, np.asarray(file)
        except (OSError, SyntaxError) as error:
            raise BrokenImage(f"cannot read depth {path} ({error}); copy it again") from error
        if not mode.startswith("I"):
            raise ValueError(f"depth {path} has mode {mode}; expected 16-bit grey, {self.per_metre:g} per metre")
        return np.where(np.isin(raw, self.invalid), 0, raw).astype(np.float64) / self.per_metre


@dataclass(frozen=True)
class Clip:
    """A sequence with ground truth. Row i of everything belongs to the frame of `source` whose `index` is i.

    Args:
        name: of the sequence, for tables.
        source: the prepared frames.
        timestamps: seconds.
        camera_to_world: poses of the cameras in the world of the benchmark, metres, OpenCV axes; `None` if not known.
        intrinsics: camera matrix of the original images in pixels; `None` if not known. See `ResizePolicy.intrinsics`.
        depth_files: measured depth; `None` if there is none.
        policy: how the frames were prepared, so that depth can be cut to what they show; `None` if nothing was cut off.

    Raises:
        ValueError: if the parts are of different lengths.
    """

    name: str
    source: FrameSource
    timestamps: Float[np.ndarray, " frame"]
    camera_to_world: Float[np.ndarray, "frame 4 4"] | None = None
    intrinsics: Float[np.ndarray, "3 3"] | None = None
    depth_files: DepthSource | None = None
    policy: ResizePolicy | None = None

    def __post_init__(self) -> None:
        lengths = {"source": self.source.length, "timestamps": len(self.timestamps)}
        if self.camera_to_world is not None:
            lengths["camera_to_world"] = len(self.camera_to_world)
        if self.depth_files is not None:
            lengths["depth_files"] = self.depth_files.length
        if len(set(lengths.values())) != 1:
            raise ValueError(f"the parts of clip {self.name} differ in length: {lengths}; give one row per frame")

    def depth(self, index: int) -> Float[np.ndarray, "height width"] | None:
        """Measured depth of frame `index` in metres, at its own resolution; 0 where not measured, `None` where none exists.

        Raises:
            BrokenImage: if the file cannot be decoded.
        """
        return None if self.depth_files is None else self.depth_files.read(index)

    def visible_depth(self, index: int) -> Float[np.ndarray, "height width"] | None:
        """The part of `depth(index)` that the prepared frame shows: a policy may have cut margins off, to the nearest pixel.

        Raises:
            BrokenImage: if the file cannot be decoded.
        """
        depth = self.depth(index)
        if depth is None or self.policy is None:
            return depth
        height, width = depth.shape
        plan = self.policy.plan(width, height)
        left, top, right, bottom = plan.box
        column, row = np.divide(plan.original, plan.resized)
        return depth[round(top * row) : round(bottom * row), round(left * column) : round(right * column)]


@dataclass(frozen=True)
class Record:
    """One frame of a recording: where its files lie, and where its camera stood (camera_to_world, metres, OpenCV axes)."""

    image: Path
    timestamp: float
    camera_to_world: Float[np.ndarray, "4 4"]
    depth: Path | None


@dataclass(frozen=True)
class Recording:
    """What a reader finds in a folder, before any image is opened: the frames with a valid camera, in order of time.

    `depth_per_metre` and `depth_invalid` are as in `DepthFiles`, `intrinsics` as in `Clip`.
    """

    name: str
    records: tuple[Record, ...]
    depth_per_metre: float
    depth_invalid: tuple[int, ...] = ()
    intrinsics: Float[np.ndarray, "3 3"] | None = None

    def clip(self, policy: ResizePolicy, sampling: Sampling = Sampling(), skip_broken: bool = False) -> Clip:
        """The frames that the sampling takes, as a clip.

        Raises:
            ValueError: if the sampling takes none.
        """
        taken = [self.records[index] for index in sampling.of(len(self.records))]
        if not taken:
            raise ValueError(f"{sampling} takes none of the {len(self.records)} frames of {self.name}; lower start")
        timestamps = [record.timestamp for record in taken]
        images = ImageFiles(self.name, [record.image for record in taken], timestamps)
        depth = DepthFiles(tuple(record.depth for record in taken), self.depth_per_metre, self.depth_invalid)
        return Clip(
            self.name,
            PreparedFrames(images, policy, skip_broken=skip_broken),
            np.array(timestamps),
            np.stack([record.camera_to_world for record in taken]),
            self.intrinsics,
            depth if depth.measured else None,
            policy,
        )


@dataclass(frozen=True)
class Layout:
    """How a benchmark lays a sequence out on disk: how it is recognised and read. `needs` is shown to the user.

    `images` lists all colour images, with a pose or without, for a run that asks for no ground truth.
    """

    name: str
    needs: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Recording]
    images: Callable[[Path], ImageFiles]


def read_numbers(path: Path) -> Float[np.ndarray, "row column"]:
    """The numbers of a text file, row by row; lines that begin with # are comments.

    Raises:
        ValueError: if the file holds anything else, rows of different lengths, or nothing.
    """
    lines = [
        line.split()
        for line in path.read_text("utf-8", "replace").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    try:
        numbers = np.array(lines, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{path} must hold rows of numbers ({error}); copy it again") from error
    if numbers.ndim != 2:
        raise ValueError(f"{path} holds no numbers; copy it again")
    return numbers


def read_intrinsics(folder: Path) -> Float[np.ndarray, "3 3"] | None:
    """The camera matrix in `camera-intrinsics.txt` of a sequence, if there is such a file.

    Raises:
        ValueError: if it is not 3x3.
    """
    path = folder / "camera-intrinsics.txt"
    if not path.is_file():
        return None
    matrix = read_numbers(path)
    if matrix.shape != (3, 3):
        raise ValueError(f"{path} must hold a 3x3 camera matrix, got {matrix.shape[0]}x{matrix.shape[1]} numbers")
    return matrix
