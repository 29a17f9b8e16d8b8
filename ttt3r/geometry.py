"""Rotations, rigid motions, pinhole cameras and ray maps as pure functions.

OpenCV axes (x right, y down, z forward), lengths in metres, quaternions (w, x, y, z). A pixel is named by its integer
(column, row), which stands for the pixel's centre; the principal point is in the same coordinates, by default
(width // 2, height // 2), as the network's points were trained. Functions that use another convention say so.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "EPSILON",
    "camera_to_pose_encoding",
    "default_principal_point",
    "estimate_focal",
    "estimate_focal_median",
    "intrinsics_matrix",
    "invert_rigid",
    "matrix_to_quaternion",
    "pixel_grid",
    "pose_encoding_to_camera",
    "quaternion_to_matrix",
    "ray_map_direction",
    "ray_map_official",
    "rigid",
    "rotation_angle",
    "rotation_chord",
    "rotation_degrees",
    "transform_points",
    "unproject",
]

EPSILON = 1e-8
"""Smallest residual, pixels, by which `estimate_focal` divides."""


def quaternion_to_matrix(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation of a quaternion (w, x, y, z) of any length but 0.

    R = I + s (w [v] + [v]^2) with v = (x, y, z), [v] its cross-product matrix and s = 2 / |q|^2.
    """
    w, x, y, z = quaternion.unbind(-1)
    s = 2 / quaternion.square().sum(-1)
    rows = [
        *(1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)),
        *(s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)),
        *(s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)),
    ]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def matrix_to_quaternion(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion (w, x, y, z) of a rotation, with w >= 0.

    The entries of R give the matrix 4 q q^T. Each of its rows is a multiple of q; the one with the largest diagonal is
    far from 0 at any angle, 180 degrees included.
    """
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in matrix.unbind(-2))
    outer = [
        *(1 + a + e + i, h - f, c - g, d - b),
        *(h - f, 1 + a - e - i, b + d, c + g),
        *(c - g, b + d, 1 - a + e - i, f + h),
        *(d - b, c + g, f + h, 1 - a - e + i),
    ]
    outer = torch.stack(outer, dim=-1).unflatten(-1, (4, 4))
    largest = outer.diagonal(dim1=-2, dim2=-1).argmax(dim=-1)
    row = outer.take_along_dim(largest[..., None, None], dim=-2).squeeze(-2)
    quaternion = torch.nn.functional.normalize(row, dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def rigid(
    rotation: Float[Tensor, "*batch 3 3"], translation: Float[Tensor, "*batch xyz=3"]
) -> Float[Tensor, "*batch 4 4"]:
    """The motion x -> R x + t as a 4x4 matrix."""
    top = torch.cat([rotation, translation[..., None]], dim=-1)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], dim=-2)


def invert_rigid(matrix: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """The inverse of a rigid motion: x -> R^T (x - t). No matrix is inverted, so that the rotation stays one."""
    rotation, translation = matrix[..., :3, :3], matrix[..., :3, 3:]
    back = rotation.transpose(-1, -2)
    return rigid(back, -(back @ translation).squeeze(-1))


def rotation_chord(a: Float[Tensor, "*batch 4 4"], b: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch"]:
    """|R_a - R_b|_F / sqrt 8 = sin(angle / 2): 0 for equal rotations, 1 for opposite ones, smooth in between."""
    return (a - b)[..., :3, :3].flatten(-2).norm(dim=-1) / 8**0.5


def rotation_angle(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """Angle in [0, pi], radians: atan2(|R - R^T|_F / sqrt 8, (tr R - 1) / 2), accurate near 0 and near pi alike."""
    sine = (rotation - rotation.mT).flatten(-2).norm(dim=-1) / 8**0.5
    return torch.atan2(sine, (rotation.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2)


def rotation_degrees(a: Float[Tensor, "*batch 4 4"], b: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch"]:
    """Angle between two rotations, degrees."""
    return torch.rad2deg(rotation_angle(a[..., :3, :3].mT @ b[..., :3, :3]))


def transform_points(
    matrix: Float[Tensor, "*batch 4 4"], points: Float[Tensor, "*batch height width xyz=3"]
) -> Float[Tensor, "*batch height width xyz=3"]:
    """Move a map of points: R x + t at every pixel; `camera_to_world` takes camera points to the world."""
    rotation, translation = matrix[..., None, :3, :3], matrix[..., None, None, :3, 3]
    return points @ rotation.transpose(-1, -2) + translation


def pose_encoding_to_camera(encoding: Float[Tensor, "*batch 7"]) -> Float[Tensor, "*batch 4 4"]:
    """`camera_to_world` from the network's seven numbers: translation (metres), then quaternion (w, x, y, z) of any length."""
    return rigid(quaternion_to_matrix(encoding[..., 3:]), encoding[..., :3])


def camera_to_pose_encoding(camera_to_world: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 7"]:
    """Translation (metres) and unit quaternion (w, x, y, z) with w >= 0: the inverse of `pose_encoding_to_camera`."""
    return torch.cat([camera_to_world[..., :3, 3], matrix_to_quaternion(camera_to_world[..., :3, :3])], dim=-1)


def default_principal_point(height: int, width: int) -> tuple[float, float]:
    """(column, row) of the optical axis when nothing better is known: (width // 2, height // 2)."""
    return float(width // 2), float(height // 2)


def intrinsics_matrix(
    focal: Float[Tensor, "*batch"], principal_point: tuple[float, float] | Float[Tensor, "*batch 2"]
) -> Float[Tensor, "*batch 3 3"]:
    """K = [[f, 0, c_x], [0, f, c_y], [0, 0, 1]] of a pinhole with square pixels; all in pixels."""
    center = torch.as_tensor(principal_point, dtype=focal.dtype, device=focal.device)
    matrix = torch.eye(3, dtype=focal.dtype, device=focal.device).repeat(*focal.shape, 1, 1)
    matrix[..., 0, 0] = focal
    matrix[..., 1, 1] = focal
    matrix[..., :2, 2] = center
    return matrix


def pixel_grid(height: int, width: int, like: Float[Tensor, "..."]) -> Float[Tensor, "height width 2"]:
    """(column, row) of every pixel, with the dtype and on the device of `like`."""
    rows = torch.arange(height, dtype=like.dtype, device=like.device)
    columns = torch.arange(width, dtype=like.dtype, device=like.device)
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)


def unproject(
    depth: Float[Tensor, "*batch height width"], intrinsics: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch height width xyz=3"]:
    """Camera-frame points of a depth map: depth * K^-1 (column, row, 1); metres in, metres out."""
    height, width = depth.shape[-2:]
    return _camera_rays(intrinsics, pixel_grid(height, width, depth)) * depth[..., None]


def _camera_rays(
    intrinsics: Float[Tensor, "*batch 3 3"], pixels: Float[Tensor, "height width 2"]
) -> Float[Tensor, "*batch height width xyz=3"]:
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
    return homogeneous @ torch.linalg.inv(intrinsics)[..., None, :, :].transpose(-1, -2)


def estimate_focal(
    points_camera: Float[Tensor, "batch height width xyz=3"],
    principal_point: tuple[float, float] | Float[Tensor, "batch 2"] | None = None,
    bounds: tuple[float, float] = (0.0, math.inf),
    steps: int = 10,
) -> Float[Tensor, " batch"]:
    """Focal length in pixels that best explains where the points stand in the image, robust to outliers.

    With u = (x / z, y / z) and p = pixel - principal point it minimises the sum of |p - f u| by Weiszfeld's iteration:
    f <- sum(w u.p) / sum(w u.u) with w = 1 / |p - f u|, from the least-squares start w = 1.

    Args:
        points_camera: a point per pixel in the camera's frame.
        principal_point: (column, row) in pixels, one for all or one each; by default (width // 2, height // 2).
        bounds: smallest and largest focal length, in units of the focal length at which the longer side spans 60 degrees.
        steps: number of reweightings.
    """
    pixels = _centred_pixels(points_camera, principal_point)
    slopes = points_camera[..., :2] / points_camera[..., 2:]
    slopes = slopes.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).flatten(1, 2)
    along, energy = (slopes * pixels).sum(-1), slopes.square().sum(-1)
    focal = along.mean(1) / energy.mean(1)
    for _ in range(steps):
        weight = 1 / (pixels - focal[:, None, None] * slopes).norm(dim=-1).clamp_min(EPSILON)
        focal = (weight * along).mean(1) / (weight * energy).mean(1)
    unit = max(points_camera.shape[1:3]) / (2 * math.tan(math.radians(30)))
    return focal.clamp(bounds[0] * unit, bounds[1] * unit)


def estimate_focal_median(
    points_camera: Float[Tensor, "batch height width xyz=3"],
    principal_point: tuple[float, float] | Float[Tensor, "batch 2"] | None = None,
) -> Float[Tensor, " batch"]:
    """Focal length in pixels as the median of every pixel's own two votes, p_x z / x and p_y z / y; NaN does not vote."""
    pixels = _centred_pixels(points_camera, principal_point)
    votes = pixels * points_camera[..., 2:].flatten(1, 2) / points_camera[..., :2].flatten(1, 2)
    return votes.flatten(1).nanmedian(dim=1).values


def _centred_pixels(
    points: Float[Tensor, "batch height width xyz=3"],
    principal_point: tuple[float, float] | Float[Tensor, "batch 2"] | None,
) -> Float[Tensor, "#batch pixel 2"]:
    height, width = points.shape[1:3]
    center = default_principal_point(height, width) if principal_point is None else principal_point
    center = torch.as_tensor(center, dtype=points.dtype, device=points.device).reshape(-1, 1, 2)
    return pixel_grid(height, width, points).flatten(0, 1) - center


def ray_map_official(
    camera_to_first: Float[Tensor, "batch 4 4"], intrinsics: Float[Tensor, "batch 3 3"], size: tuple[int, int]
) -> Float[Tensor, "batch height width ray=6"]:
    """Ray map as the official weights saw it: (t, normalise(R K^-1 (column, row, 1) + t)).

    The translation inside the second part is a quirk of how they were trained (a point at depth 1, normalised, and no
    direction); it must stay for them. For a network trained here use `ray_map_direction`.

    Args:
        camera_to_first: (R, t) = inverse(camera_to_world of the first view) @ camera_to_world, metres.
        intrinsics: pinhole matrix in pixels.
        size: (height, width).
    """
    return _ray_map(camera_to_first, intrinsics, pixel_shift=0.0, size=size, add_origin=True)


def ray_map_direction(
    camera_to_first: Float[Tensor, "batch 4 4"], intrinsics: Float[Tensor, "batch 3 3"], size: tuple[int, int]
) -> Float[Tensor, "batch height width ray=6"]:
    """Ray map of origin and unit direction: (t, normalise(R K^-1 (column + 0.5, row + 0.5, 1))).

    Args:
        camera_to_first: (R, t) = inverse(camera_to_world of the first view) @ camera_to_world, metres.
        intrinsics: pinhole matrix in pixels, for coordinates in which the centre of the first pixel is (0.5, 0.5).
        size: (height, width).
    """
    return _ray_map(camera_to_first, intrinsics, pixel_shift=0.5, size=size, add_origin=False)


def _ray_map(
    camera_to_first: Float[Tensor, "batch 4 4"],
    intrinsics: Float[Tensor, "batch 3 3"],
    pixel_shift: float,
    size: tuple[int, int],
    add_origin: bool,
) -> Float[Tensor, "batch height width ray=6"]:
    rays = _camera_rays(intrinsics, pixel_grid(*size, like=camera_to_first) + pixel_shift)
    origin = camera_to_first[:, None, None, :3, 3].expand_as(rays)
    direction = rays @ camera_to_first[:, None, :3, :3].transpose(-1, -2)
    if add_origin:
        direction = direction + origin
    return torch.cat([origin, torch.nn.functional.normalize(direction, dim=-1)], dim=-1)
