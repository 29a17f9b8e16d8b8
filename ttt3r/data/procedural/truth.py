"""The truth of procedural clips as a recurrent network can know it: in the first camera's frame and the first frame's unit."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from ttt3r.data.procedural.world import ClipBatch

from ttt3r import geometry
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
        frames, batch, height, width = clip.depth.shape
        matrix = clip.intrinsics[None].expand(frames, -1, -1, -1)
        points = geometry.unproject(clip.depth.flatten(0, 1), matrix.flatten(0, 1)).unflatten(0, (frames, batch))
        unit = points[0].norm(dim=-1).mean(dim=(1, 2))
        camera = geometry.invert_rigid(clip.camera_to_world[:1]) @ clip.camera_to_world
        camera = geometry.rigid(camera[..., :3, :3], camera[..., :3, 3] / unit[:, None])
        points = points / unit[:, None, None, None]
        flat = camera.flatten(0, 1)
        rays = geometry.ray_map_direction(flat, matrix.flatten(0, 1), (height, width))
        world = geometry.transform_points(flat, points.flatten(0, 1))
        return cls(clip.image, camera, points, world.unflatten(0, (frames, batch)), rays.unflatten(0, (frames, batch)))

    def __len__(self) -> int:
        return self.image.shape[0]

    def select(self, frames: Tensor) -> "ClipTruth":
        """The given frames, in the given order."""
        return ClipTruth(*(getattr(self, name)[frames] for name in self.__dataclass_fields__))

    def frame(self, index: int, *, ask: bool) -> Frame:
        """Frame `index` as an image, or as a question: only its rays, for the memory to answer."""
        if ask:
            return Frame(ray_map=self.ray_map[index])
        return Frame(image=self.image[index])
