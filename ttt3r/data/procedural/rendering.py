"""From houses and cameras to images, depth and masks, in chunks of rays that fit into the cache (or into the GPU)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ttt3r.data.procedural.cameras import RenderCameras
from ttt3r.data.procedural.casting import Rays, cast
from ttt3r.data.procedural.gathering import Stock, Views, gather_views, stock
from ttt3r.data.procedural.scenes import Scenes
from ttt3r.data.procedural.shading import hits_of, light
from ttt3r.threads import side_by_side

CPU_RAYS, GPU_RAYS = 48 * 1024, 4 * 1024 * 1024
"""Rays of one chunk."""


@dataclass(frozen=True)
class Rendering:
    """What cameras see.

    Args:
        image: colours in [-1, 1].
        depth: z-depth (along the optical axis), metres.
        moving: where a moving ball is seen.
    """

    image: Float[Tensor, "frame batch rgb=3 height width"]
    depth: Float[Tensor, "frame batch height width"]
    moving: Bool[Tensor, "frame batch height width"]


@dataclass(frozen=True)
class Canvas:
    """Some pixels of some views."""

    scenes: Scenes
    store: Stock
    views: Views
    column: Int[Tensor, " ray"]
    row: Int[Tensor, " ray"]

    def rays(self, right: float, down: float) -> Rays:
        """Through the pixels, shifted by parts of a pixel from their centres."""
        focal, center = self.views.intrinsics[:, 0, :1], self.views.intrinsics[:, :2, 2]
        x = (self.column + right - center[:, :1]) / focal
        y = (self.row + down - center[:, 1:]) / focal
        to_x, to_y, to_z = self.views.rotation.permute(2, 1, 0)[..., None]
        return Rays.guarded(self.views.origin, torch.addcmul(torch.addcmul(to_z, to_x, x), to_y, y))

    def look(self, right: float, down: float) -> tuple[Tensor, Tensor, Tensor]:
        """Colours in 0 ... 1, depth, and where moving balls are."""
        rays = self.rays(right, down)
        depth, solid = cast(rays, self.views.hull, self.views.bundle)
        hits = hits_of(self.scenes, self.views, rays, depth, solid)
        pixel = depth / self.views.intrinsics[:, 0, :1]
        return light(self.scenes, self.store, self.views, hits, pixel), depth, hits.moving


@dataclass(frozen=True)
class PixelBuffers:
    """Output of a rendering, view by view and pixel by pixel; chunks write into it."""

    image: Float[Tensor, "view rgb=3 pixel"]
    depth: Float[Tensor, "view pixel"]
    moving: Bool[Tensor, "view pixel"]


@dataclass(frozen=True)
class Job:
    """All that the chunks of one rendering share."""

    scenes: Scenes
    store: Stock
    cameras: RenderCameras
    size: tuple[int, int]
    supersample: int
    buffers: PixelBuffers

    def render_chunk(self, views: slice, pixels: slice) -> None:
        """Render some pixels of some views."""
        with torch.no_grad():
            chunk = gather_views(self.scenes, self.store, self.cameras, views.start, views.stop, self.size)
            number = torch.arange(pixels.start, pixels.stop, device=self.scenes.device)
            canvas = Canvas(self.scenes, self.store, chunk, number % self.size[1], number // self.size[1])
            color, depth, moving = canvas.look(0.0, 0.0)
            if self.supersample > 1:
                shifts = [(step + 0.5) / self.supersample - 0.5 for step in range(self.supersample)]
                color = torch.stack([canvas.look(a, b)[0] for a in shifts for b in shifts]).mean(0)
            self.buffers.image[views, :, pixels] = color.transpose(0, 1) * 2 - 1
            self.buffers.depth[views, pixels] = depth
            self.buffers.moving[views, pixels] = moving


def render(scenes: Scenes, cameras: RenderCameras, size: tuple[int, int], supersample: int = 1) -> Rendering:
    """What these cameras see in these houses.

    Args:
        scenes: the houses.
        cameras: in each house.
        size: (height, width) in pixels.
        supersample: rays for the colour of a pixel along each side of it; depth is always that of the pixel's centre.
    """
    frames, batch = cameras.camera_to_world.shape[:2]
    pixels, views, device = size[0] * size[1], frames * batch, scenes.device
    buffers = PixelBuffers(
        torch.empty(views, 3, pixels, device=device),
        torch.empty(views, pixels, device=device),
        torch.empty(views, pixels, device=device, dtype=torch.bool),
    )
    limit = CPU_RAYS if device.type == "cpu" else GPU_RAYS
    with torch.no_grad():
        job = Job(scenes, stock(scenes), cameras, size, supersample, buffers)
    spans = [
        (slice(view, min(view + step, views)), slice(first, min(first + limit, pixels)))
        for step in (max(1, limit // pixels),)
        for view in range(0, views, step)
        for first in range(0, pixels, limit)
    ]
    side_by_side(lambda span, _: job.render_chunk(*span), spans, alone=device.type != "cpu")
    image, depth, moving = (
        part.unflatten(-1, size).unflatten(0, (frames, batch))
        for part in (buffers.image, buffers.depth, buffers.moving)
    )
    return Rendering(image, depth, moving)
