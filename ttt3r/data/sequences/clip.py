"""A sequence with ground truth, whatever benchmark it comes from."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding
from ttt3r.data.frames.images import ResizePolicy
from ttt3r.data.frames.source import FrameSource
from ttt3r.data.sequences.depth import DepthFiles as DepthFiles
from ttt3r.data.sequences.depth import DepthSource as DepthSource
from ttt3r.data.sequences.depth import demand_shape


@dataclass(frozen=True)
class FrameCamera:
    """What of the camera belongs to one frame: the matrix of its original image, pixels, and (width, height) of that image."""

    intrinsics: Float[np.ndarray, "3 3"] | None
    image_size: tuple[int, int] | None


@dataclass(frozen=True)
class Clip:
    """A sequence with ground truth. Row i of everything belongs to the frame of `source` whose `index` is i.

    Args:
        name: of the sequence, for tables.
        source: the prepared frames.
        timestamps: seconds.
        camera_to_world: poses of the cameras in the world of the benchmark, metres, OpenCV axes; `None` if not known. All
            NaN where that of one frame is missing or was lost, which `open_clip` leaves out and a protocol may not.
        intrinsics: camera matrix of the original images in pixels; `None` if not known, or none holds for all. See `matrix`
            and `ResizePolicy.intrinsics`.
        depth_files: measured depth; `None` if there is none.
        policy: how the frames were prepared, so that depth can be cut to what they show; `None` if nothing was cut off.
        scene: what the sequence shows; several sequences may show one scene. Empty where nothing is known.
        depth_intrinsics: camera matrix of the depth maps, where they are of another camera or size than the images.
        findings: what is not as it should be with the files.
        image_size: (width, height) of the original images, pixels; that of the depth maps where it is not known.
        cameras: matrix and image size of each frame, where they differ; empty where those above hold for all.

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
    scene: str = ""
    depth_intrinsics: Float[np.ndarray, "3 3"] | None = None
    findings: tuple[Finding, ...] = ()
    image_size: tuple[int, int] | None = None
    cameras: tuple[FrameCamera, ...] = ()

    def __post_init__(self) -> None:
        lengths = {"source": self.source.length, "timestamps": len(self.timestamps)}
        if self.camera_to_world is not None:
            lengths["camera_to_world"] = len(self.camera_to_world)
        if self.depth_files is not None:
            lengths["depth_files"] = self.depth_files.length
        if self.cameras:
            lengths["cameras"] = len(self.cameras)
        if len(set(lengths.values())) != 1:
            raise ValueError(f"the parts of clip {self.name} differ in length: {lengths}; give one row per frame")

    def matrix(self, index: int) -> Float[np.ndarray, "3 3"] | None:
        """Camera matrix of the original image of frame `index`, pixels; `None` if not known."""
        return self.cameras[index].intrinsics if self.cameras else self.intrinsics

    def size_of(self, index: int) -> tuple[int, int] | None:
        """(width, height) of the original image of frame `index`, pixels; `None` if not known."""
        return self.cameras[index].image_size if self.cameras else self.image_size

    def depth(self, index: int) -> Float[np.ndarray, "height width"] | None:
        """Measured depth of frame `index` in metres, at its own resolution; 0 where not measured, `None` where none exists.

        Raises:
            BrokenImage: if the file cannot be decoded.
            ValueError: if it cannot be of the image, by its size.
        """
        depth = None if self.depth_files is None else self.depth_files.read(index)
        if depth is not None and (size := self.size_of(index)) is not None:
            demand_shape(depth.shape, size, f"the depth map of frame {index} of {self.name}")
        return depth

    def depth_camera(self, size: tuple[int, int], index: int = 0) -> Float[np.ndarray, "3 3"] | None:
        """Camera matrix of a frame's depth map of (width, height): its own, else that of the image, scaled to its size."""
        K, image_size = self.matrix(index), self.size_of(index)
        if self.depth_intrinsics is not None or K is None or image_size is None:
            return K if self.depth_intrinsics is None else self.depth_intrinsics
        across, down = (new / old for new, old in zip(size, image_size, strict=True))
        scale = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
        return scale @ K

    def visible_depth(self, index: int) -> Float[np.ndarray, "height width"] | None:
        """The part of `depth(index)` that the prepared frame shows: a policy may have cut margins off, to the nearest pixel.

        Raises:
            BrokenImage: if the file cannot be decoded.
        """
        depth = self.depth(index)
        if depth is None or self.policy is None:
            return depth
        height, width = depth.shape
        plan = self.policy.plan(*self.size_of(index) or (width, height))
        left, top, right, bottom = plan.box
        column, row = np.divide((width, height), plan.resized)
        return depth[round(top * row) : round(bottom * row), round(left * column) : round(right * column)]

    def prepared_depth(self, index: int) -> Float[np.ndarray, "height width"] | None:
        """`visible_depth(index)` at the size of the prepared frame: at (row, column) the value at floor(scale (row, column)).

        Nothing is interpolated, so that 0 stays "not measured". The published evaluations of point clouds use this.

        Raises:
            BrokenImage: if the file cannot be decoded.
        """
        depth = self.visible_depth(index)
        if depth is None or self.policy is None:
            return depth
        width, height = self.policy.plan(*self.size_of(index) or self._depth_size(index)).prepared
        rows, columns = (
            np.floor(np.arange(side) * (old / side)).astype(np.int64)
            for side, old in zip((height, width), depth.shape, strict=True)
        )
        return depth[rows[:, None], columns]

    def _depth_size(self, index: int) -> tuple[int, int]:
        depth = self.depth(index)
        assert depth is not None  # the caller has seen it
        return depth.shape[1], depth.shape[0]
