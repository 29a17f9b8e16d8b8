"""Surface normals in closed form, as cameras see them."""

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.data.procedural.cameras import RenderCameras
from ttt3r.data.procedural.casting import cast
from ttt3r.data.procedural.gathering import gather_views, stock
from ttt3r.data.procedural.rendering import CPU_RAYS, Canvas
from ttt3r.data.procedural.scenes import Scenes
from ttt3r.data.procedural.shading import hits_of


@torch.no_grad()
def render_normals(
    scenes: Scenes, cameras: RenderCameras, size: tuple[int, int]
) -> Float[Tensor, "frame batch height width xyz=3"]:
    """Unit normals of what the centre of each pixel sees, in the camera's frame, towards the camera.

    Args:
        scenes: the houses.
        cameras: in each house.
        size: (height, width) in pixels.
    """
    frames, batch = cameras.camera_to_world.shape[:2]
    number = torch.arange(size[0] * size[1], device=scenes.device)
    store, step, found = stock(scenes), max(1, CPU_RAYS // len(number)), []
    for start in range(0, frames * batch, step):
        views = gather_views(scenes, store, cameras, start, min(start + step, frames * batch), size)
        rays = Canvas(scenes, store, views, number % size[1], number // size[1]).rays(0.0, 0.0)
        depth, solid = cast(rays, views.hull, views.bundle)
        normal = hits_of(scenes, views, rays, depth, solid).normal
        found.append(torch.einsum("vij,ivn->vnj", views.rotation, normal))  # the inverse of a rotation is its transpose
    found = torch.nn.functional.normalize(torch.cat(found), dim=-1)  # thin stems leave a rounding error
    return found.unflatten(1, size).unflatten(0, (frames, batch))
