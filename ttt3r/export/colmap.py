"""COLMAP text models (cameras.txt, images.txt, points3D.txt), as Gaussian splatting and other programs read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

import ttt3r.geometry as geometry
from ttt3r.export.intrinsics import Pinhole
from ttt3r.export.points import PointCloud
from ttt3r.files import replacing

MAX_POINTS = 100_000
"""Points that a model has at most."""
FILES = ("cameras.txt", "images.txt", "points3D.txt")
"""Files of a COLMAP text model."""


@dataclass(frozen=True)
class ColmapView:
    """One posed image of a model.

    Args:
        name: file name of the prepared image, relative to the model's image folder.
        camera: intrinsics of the prepared image.
        camera_to_world: pose, metres, OpenCV axes.
    """

    name: str
    camera: Pinhole
    camera_to_world: Float[np.ndarray, "4 4"]


def write_colmap(
    folder: str | Path, views: Sequence[ColmapView], cloud: PointCloud, max_points: int = MAX_POINTS
) -> None:
    """Write a model: one PINHOLE camera per different intrinsics, every view, and a sample of the cloud without tracks.

    COLMAP stores world-to-camera and puts the centre of the first pixel at (0.5, 0.5); both are converted here.

    Raises:
        ValueError: for a name with a space or line break, which the format cannot hold.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    cameras = list(dict.fromkeys(view.camera for view in views))
    numbers = {camera: number for number, camera in enumerate(cameras, start=1)}
    _write(
        folder / "cameras.txt",
        ["CAMERA_ID MODEL WIDTH HEIGHT fx fy cx cy", "of the prepared images (resized and cropped), not of the source"],
        [_camera_line(number, camera) for camera, number in numbers.items()],
    )
    _write(
        folder / "images.txt",
        ["IMAGE_ID qw qx qy qz tx ty tz CAMERA_ID NAME (world to camera); then a line of 2D points, here empty"],
        [_image_line(index, view, numbers[view.camera]) for index, view in enumerate(views, start=1)],
    )
    chosen = cloud.sample(max_points)
    lines = [
        f"{number} {x:.7g} {y:.7g} {z:.7g} {r} {g} {b} 0"
        for number, ((x, y, z), (r, g, b)) in enumerate(
            zip(chosen.xyz.tolist(), chosen.rgb.tolist(), strict=True), start=1
        )
    ]
    _write(folder / "points3D.txt", ["POINT3D_ID x y z red green blue error; tracks are empty"], lines)


def _camera_line(number: int, camera: Pinhole) -> str:
    (fx, fy), (cx, cy) = camera.focal, camera.principal_point
    numbers = " ".join(f"{value:.9g}" for value in (fx, fy, cx + 0.5, cy + 0.5))
    return f"{number} PINHOLE {camera.width} {camera.height} {numbers}"


def _image_line(number: int, view: ColmapView, camera: int) -> str:
    if len(view.name.split()) != 1:
        raise ValueError(f"COLMAP text cannot hold the image name {view.name!r}; use a name without spaces")
    world_to_camera = geometry.invert_rigid(torch.from_numpy(view.camera_to_world).double())
    tx, ty, tz, qw, qx, qy, qz = geometry.camera_to_pose_encoding(world_to_camera).tolist()
    numbers = " ".join(f"{value:.12g}" for value in (qw, qx, qy, qz, tx, ty, tz))
    return f"{number} {numbers} {camera} {view.name}\n"  # the second line of each image: no 2D points


def _write(path: Path, comments: Sequence[str], lines: Sequence[str]) -> None:
    text = "".join(f"{line}\n" for line in (*(f"# {comment}" for comment in comments), *lines))
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
