"""Cameras: where they stand in each house at each frame, and how they map to pixels."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Float64
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.data.procedural.config import WorldConfig
from ttt3r.data.procedural.motion import Motion, onwards, pace
from ttt3r.data.procedural.scenes import Scenes
from ttt3r.geometry import default_principal_point, intrinsics_matrix, rigid


@dataclass(frozen=True)
class RenderCameras:
    """Views to be rendered.

    Args:
        camera_to_world: in the frame of each house, metres, OpenCV axes.
        intrinsics: pixels; the centre of the first pixel is (0, 0), as in `ttt3r.geometry`.
        movers: centres of the moving balls at each frame, metres.
    """

    camera_to_world: Float[Tensor, "frame batch 4 4"]
    intrinsics: Float[Tensor, "batch 3 3"]
    movers: Float[Tensor, "frame batch mover 3"]

    def to(self, device: torch.device | str) -> "RenderCameras":
        """On another device."""
        return tree.to(self, device)

    def select(self, frames: slice) -> "RenderCameras":
        """Some of the frames."""
        return replace(self, camera_to_world=self.camera_to_world[frames], movers=self.movers[frames])


def sample_cameras(scenes: Scenes, config: WorldConfig, frames: int) -> RenderCameras:
    """The cameras of the path in the configuration. The first frames are the same at any number of frames.

    Raises:
        ValueError: if there is no frame.
    """
    if frames < 1:
        raise ValueError(f"frames={frames} must be at least 1")
    draws = scenes.draws("camera")
    motion = Motion(*(torch.zeros(frames, scenes.batch, 3, dtype=torch.float64) for _ in range(2)))
    for number, (path, _) in enumerate(config.path.parts()):
        items = (scenes.part == number).nonzero().squeeze(1)
        if len(items):
            part = path.move(
                tree.map_tensors(lambda rows, items=items: rows[items], scenes.ways), draws.at(items), frames
            )
            motion.position[:, items], motion.angles[:, items] = part.position, part.angles
    view = draws("field of view").uniform(*config.field_of_view)
    focal = config.width / 2 / torch.tan(torch.deg2rad(view) / 2)
    intrinsics = intrinsics_matrix(focal, default_principal_point(config.height, config.width))
    poses = rigid(_rotation(motion.angles), motion.position)
    cameras = RenderCameras(poses.float(), intrinsics.float(), _movers(scenes, frames).float())
    return cameras.to(scenes.device)


def _rotation(angles: Float64[Tensor, "frame batch 3"]) -> Float64[Tensor, "frame batch 3 3"]:
    """Yaw about y, then pitch about the turned x, then roll about the optical axis."""
    turned = []
    for angle, (first, second) in zip(angles.unbind(-1), ((2, 0), (1, 2), (0, 1)), strict=True):
        matrix = torch.eye(3, dtype=torch.float64).repeat(*angle.shape, 1, 1)
        matrix[..., first, first] = matrix[..., second, second] = angle.cos()
        matrix[..., second, first] = angle.sin()
        matrix[..., first, second] = -angle.sin()
        turned.append(matrix)
    yaw, pitch, roll = turned
    return yaw @ pitch @ roll


def _movers(scenes: Scenes, frames: int) -> Float64[Tensor, "frame batch mover 3"]:
    """Balls roll along the way on the floor, or float along it above the camera, so that they never meet it."""
    places = []
    ways, radii = scenes.ways, scenes.movers.double().cpu()
    for number in range(radii.shape[1]):
        draws = scenes.draws(f"mover {number}")
        side = draws("side").integer(0, 1).mul(2).sub(1).double()
        start = draws("start").uniform() * ways.route.length
        travel = onwards(start, pace(draws("speed"), (0.05, 0.25), frames), side)
        x, z = ways.route.at(travel.travelled).unbind(-1)
        radius = radii[:, number]
        floating = draws("floating").uniform() < 0.5
        time = torch.arange(frames, dtype=torch.float64)[:, None]
        bob = 0.08 * (2 * math.pi * (time / draws("bob").uniform(15, 40) + draws("bob phase").uniform())).sin()
        up = torch.where(floating, ways.eye * 1.06 + radius + 0.25 + bob, radius.expand_as(bob))
        places.append(torch.stack([x, -up, z], dim=-1))
    if not places:
        return torch.zeros(frames, scenes.batch, 0, 3, dtype=torch.float64)
    return torch.stack(places, dim=2)
