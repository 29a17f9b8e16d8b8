"""From houses and cameras to images, depth and masks, in chunks of rays that fit into the cache (or into the GPU)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ttt3r.data.procedural.cameras import Cameras
from ttt3r.data.procedural.casting import Rays, cast
from ttt3r.data.procedural.gathering import Stock, Views, gather_views, stock
from ttt3r.data.procedural.scenes import Scenes
from ttt3r.data.procedural.shading import hits_of, light

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


def render(scenes: Scenes, cameras: Cameras, size: tuple[int, int], supersample: int = 1) -> Rendering:
    """What these cameras see in these houses.

    Args:
        scenes: the houses.
        cameras: in each house.
        size: (height, width) in pixels.
        supersample: rays for the colour of a pixel along each side of it; depth is always that of the pixel's centre.
    """
    with torch.no_grad():
        return _render(scenes, cameras, size, supersample)


def _render(scenes: Scenes, cameras: Cameras, size: tuple[int, int], supersample: int) -> Rendering:
    frames, batch = cameras.camera_to_world.shape[:2]
    (height, width), device, views = size, scenes.device, frames * batch
    image = torch.empty(views, 3, height * width, device=device)
    depth = torch.empty(views, height * width, device=device)
    moving = torch.empty(views, height * width, device=device, dtype=torch.bool)
    store = stock(scenes)
    limit = CPU_RAYS if device.type == "cpu" else GPU_RAYS
    step = max(1, limit // (height * width))
    for start in range(0, views, step):
        stop = min(views, start + step)
        chunk = gather_views(scenes, store, cameras, start, stop, size)
        for first in range(0, height * width, limit):
            pixels = torch.arange(first, min(first + limit, height * width), device=device)
            place = slice(start, stop), slice(first, first + limit)
            canvas = Canvas(scenes, store, chunk, pixels % width, pixels // width)
            color, depth[place], moving[place] = canvas.look(0.0, 0.0)
            if supersample > 1:
                shifts = [(step + 0.5) / supersample - 0.5 for step in range(supersample)]
                color = torch.stack([canvas.look(a, b)[0] for a in shifts for b in shifts]).mean(0)
            image[place[0], :, place[1]] = color.transpose(0, 1) * 2 - 1
    return Rendering(
        image.unflatten(2, size).unflatten(0, (frames, batch)),
        depth.unflatten(1, size).unflatten(0, (frames, batch)),
        moving.unflatten(1, size).unflatten(0, (frames, batch)),
    )


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
