"""Clips: what training and evaluation take, images with depth and cameras."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ttt3r.data.procedural.cameras import RenderCameras, sample_cameras
from ttt3r.data.procedural.config import WorldConfig
from ttt3r.data.procedural.rendering import render
from ttt3r.data.procedural.scenes import Scenes, sample_scenes
from ttt3r.geometry import invert_rigid, ray_map_direction, transform_points, unproject


@dataclass(frozen=True)
class ClipBatch:
    """Clips of the same length in different worlds.

    Args:
        image: colours in [-1, 1].
        depth: z-depth (along the optical axis), metres.
        camera_to_world: in the frame of each house, metres, OpenCV axes; see `camera_to_first`.
        intrinsics: pixels; the centre of the first pixel is (0, 0), as in `ttt3r.geometry`, and the principal point is
            (width // 2, height // 2).
        moving: where a moving object is seen; `None` if the world has none.
    """

    image: Float[Tensor, "frame batch rgb=3 height width"]
    depth: Float[Tensor, "frame batch height width"]
    camera_to_world: Float[Tensor, "frame batch 4 4"]
    intrinsics: Float[Tensor, "batch 3 3"]
    moving: Bool[Tensor, "frame batch height width"] | None = None

    @property
    def frames(self) -> int:
        """Length of each clip."""
        return self.image.shape[0]

    @property
    def batch(self) -> int:
        """Number of clips."""
        return self.image.shape[1]

    @property
    def camera_to_first(self) -> Float[Tensor, "frame batch 4 4"]:
        """Cameras in the frame of the first one: the world of the network's answers."""
        return invert_rigid(self.camera_to_world[0]) @ self.camera_to_world

    def points_camera(self) -> Float[Tensor, "frame batch height width xyz=3"]:
        """A point per pixel in the frame's own camera, metres."""
        return unproject(self.depth, self.intrinsics.expand(self.frames, -1, -1, -1))

    def points_world(self) -> Float[Tensor, "frame batch height width xyz=3"]:
        """A point per pixel in the first camera's frame, metres."""
        return transform_points(self.camera_to_first, self.points_camera())

    def ray_maps(self) -> Float[Tensor, "frame batch height width ray=6"]:
        """Origin and unit direction of every pixel's ray in the first camera's frame, as `ray_map_direction` gives them."""
        shifted = self.intrinsics.clone()
        shifted[:, :2, 2] += 0.5  # that function counts from the corner of the first pixel
        return torch.stack([ray_map_direction(pose, shifted, self.size) for pose in self.camera_to_first])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[3], self.image.shape[4]

    def item(self, number: int) -> "ClipBatch":
        """One of the clips, as a batch of one."""
        return replace(
            self,
            image=self.image[:, number, None],
            depth=self.depth[:, number, None],
            camera_to_world=self.camera_to_world[:, number, None],
            intrinsics=self.intrinsics[number, None],
            moving=None if self.moving is None else self.moving[:, number, None],
        )

    def select(self, frames: slice) -> "ClipBatch":
        """Some of the frames, in order. The first of them becomes the first camera."""
        return replace(
            self,
            image=self.image[frames],
            depth=self.depth[frames],
            camera_to_world=self.camera_to_world[frames],
            moving=None if self.moving is None else self.moving[frames],
        )


def sample_clips(
    config: WorldConfig, *, batch: int, frames: int, seed: int, first: int = 0, device: torch.device | str = "cpu"
) -> ClipBatch:
    """The clips number `first`, `first + 1`, ... of a seed: always the same, whatever the batch they are made in.

    Their first frames are the same at any number of frames.

    Raises:
        ValueError: if there is no clip or no frame to make.
    """
    scenes = sample_scenes(config, batch=batch, seed=seed, first=first, device=device)
    return _film(config, scenes, sample_cameras(scenes, config, frames))


def stream_clips(
    config: WorldConfig, *, batch: int, frames: int, seed: int, chunk: int = 64, device: torch.device | str = "cpu"
) -> Iterator[ClipBatch]:
    """The same clips piece by piece, so that they can be of any length: `chunk` frames each, the last may be shorter.

    Raises:
        ValueError: if there is no clip or no frame to make.
    """
    scenes = sample_scenes(config, batch=batch, seed=seed, device=device)
    cameras = sample_cameras(scenes, config, frames)
    for start in range(0, frames, chunk):
        yield _film(config, scenes, cameras.select(slice(start, start + chunk)))


def _film(config: WorldConfig, scenes: Scenes, cameras: RenderCameras) -> ClipBatch:
    seen = render(scenes, cameras, (config.height, config.width), config.supersample)
    moving = seen.moving if config.moving else None
    return ClipBatch(seen.image, seen.depth, cameras.camera_to_world, cameras.intrinsics, moving)
