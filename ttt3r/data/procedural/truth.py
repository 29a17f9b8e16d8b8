"""The truth of clips as a recurrent network can know it: in the first camera's frame and in the first frame's unit."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ttt3r.data.procedural.clips import ClipBatch
from ttt3r.types import Frame


@dataclass(frozen=True)
class ClipTruth:
    """The truth of a clip, with lengths divided by the mean distance of the first frame's points.

    A recurrent network cannot know the absolute scale of a room from its images; it can know how large things are
    compared with what it saw first. So the unit is causal: nothing of later frames enters it.

    Args:
        image: colours in [-1, 1].
        camera_to_world: in the first camera's frame.
        points_camera: in each frame's own camera.
        points_world: in the first camera's frame.
        ray_map: origin and direction of every pixel, in the first camera's frame (`RayForm.DIRECTION`).
    """

    image: Float[Tensor, "frame batch rgb=3 height width"]
    camera_to_world: Float[Tensor, "frame batch 4 4"]
    points_camera: Float[Tensor, "frame batch height width xyz=3"]
    points_world: Float[Tensor, "frame batch height width xyz=3"]
    ray_map: Float[Tensor, "frame batch height width ray=6"]

    @classmethod
    def of(cls, clip: ClipBatch) -> "ClipTruth":
        """The truth of a clip."""
        points = clip.points_camera()
        unit = points[0].norm(dim=-1).mean(dim=(1, 2))
        camera = clip.camera_to_first.clone()
        camera[..., :3, 3] /= unit[:, None]
        rays = clip.ray_maps()
        origin = rays[..., :3] / unit[:, None, None, None]
        return cls(
            clip.image,
            camera,
            points / unit[:, None, None, None],
            clip.points_world() / unit[:, None, None, None],
            torch.cat([origin, rays[..., 3:]], dim=-1),
        )

    def __len__(self) -> int:
        return self.image.shape[0]

    def select(self, frames: Int[Tensor, " chosen"]) -> "ClipTruth":
        """The given frames, in the given order; the unit and the world stay those of the whole clip."""
        return ClipTruth(*(getattr(self, field.name)[frames] for field in fields(self)))

    def frame(self, index: int, *, ask: bool, known: bool = False) -> Frame:
        """Frame `index` as an image, or as a question: only its rays, for the memory to answer.

        With `known`, the image comes with its rays, so that its camera need not be found.
        """
        if ask:
            return Frame(ray_map=self.ray_map[index])
        return Frame(image=self.image[index], ray_map=self.ray_map[index] if known else None)
