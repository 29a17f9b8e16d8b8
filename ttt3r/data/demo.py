"""A small RGB-D sequence that the package makes by itself: a furnished room, ray-cast with exact depth and poses.

It needs nothing but numpy, so that the first run works on any machine, offline. The files are a true TUM layout.
World axes are x right, y down, z forward; lengths are metres.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from ttt3r.data.tum import camera_to_world

_RATE = 10.0  # frames per second
_PER_METRE = 5000
_MARK = "# a sequence made by ttt3r"
_LIGHT = np.array([0.4, -1.1, 0.3])
_ROOM = np.array([[-2.4, -1.3, -1.8], [2.4, 1.3, 3.2]])
_BOXES = np.array(  # low and high corner
    [-1.9, 0.35, 1.5, -0.7, 1.3, 2.3, -1.6, -0.15, 1.7, -1.1, 0.35, 2.15]
    + [1.0, -0.5, 2.3, 1.9, 1.3, 2.9, 0.1, 0.8, 1.0, 0.6, 1.3, 1.5]
).reshape(-1, 2, 3)
_BALLS = np.array([[0.35, 0.55, 1.25, 0.25], [1.35, -0.85, 2.6, 0.35], [-0.3, 1.05, 2.5, 0.25], [1.6, 1.0, 1.3, 0.3]])

_PALETTE = (  # dark and light of a pair: wood, plaster, brick, slate, moss, linen, sea, clay
    *(((120, 78, 48), (196, 148, 98)), ((196, 190, 176), (240, 236, 224)), ((146, 70, 54), (208, 178, 156))),
    *(((70, 84, 104), (150, 164, 180)), ((74, 98, 62), (164, 178, 110)), ((176, 150, 104), (236, 222, 188))),
    *(((32, 92, 112), (122, 186, 190)), ((178, 88, 42), (244, 190, 104))),
)

Points = Float[np.ndarray, "3 #point"]
Distances = Float[np.ndarray, " point"]
Numbers = Int[np.ndarray, " point"]


def write_demo_sequence(
    folder: str | Path, frames: int = 24, size: tuple[int, int] = (320, 240), seed: int = 0
) -> Path:
    """Write the sequence to `folder` (made if missing) and return it; `open_clip` reads it.

    A folder in use is left alone unless it holds such a sequence, which is replaced.
    Holds rgb/, depth/ (16 bit, z-depth, 5000 per metre), rgb.txt, depth.txt, groundtruth.txt (camera to world) and
    camera-intrinsics.txt. The same arguments give the same files; the motion is the same at any number of frames.

    Args:
        folder: where to write.
        frames: number of frames, 10 per second.
        size: (width, height) in pixels.
        seed: of the wandering of the camera and of the colours.

    Raises:
        ValueError: if there is no frame or no pixel to make.
        FileExistsError: if the folder holds anything else.
    """
    if frames < 1 or min(size) < 1:
        raise ValueError(f"frames={frames} and size={size} must be positive")
    folder = Path(folder)
    _clear(folder)
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    poses, K, paint = demo_path(frames, seed), demo_intrinsics(size), _Paint.mixed(seed)
    times = [f"{1000 + index / _RATE:.6f}" for index in range(frames)]
    for time, pose in zip(times, camera_to_world(poses), strict=True):
        color, depth = _render(pose, K, size, paint)
        Image.fromarray(color).save(folder / "rgb" / f"{time}.png", compress_level=1)
        Image.fromarray(np.round(depth * _PER_METRE).astype(np.uint16)).save(folder / "depth" / f"{time}.png")
    for name in ("rgb", "depth"):
        rows = "".join(f"{time} {name}/{time}.png\n" for time in times)
        (folder / f"{name}.txt").write_text(f"{_MARK}\n# timestamp filename\n{rows}")
    rows = [" ".join([time, *(f"{value:.12f}" for value in pose)]) for time, pose in zip(times, poses, strict=True)]
    (folder / "groundtruth.txt").write_text("# timestamp tx ty tz qx qy qz qw\n" + "\n".join(rows) + "\n")
    np.savetxt(folder / "camera-intrinsics.txt", K, fmt="%.6f")
    return folder


def _clear(folder: Path) -> None:
    """Remove the images of an older demo sequence; nobody else's recording is written over."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    listing = folder / "rgb.txt"
    if not (listing.is_file() and listing.read_text("utf-8", "replace").startswith(_MARK)):
        raise FileExistsError(f"{folder} is not empty and holds no demo sequence; give another folder")
    for image in [*folder.glob("rgb/*.png"), *folder.glob("depth/*.png")]:
        image.unlink()


def demo_intrinsics(size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """Camera matrix for images of (width, height): 58 degrees wide, the axis through the middle."""
    width, height = size
    focal = 0.9 * width
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def demo_path(frames: int, seed: int) -> Float[np.ndarray, "frame 7"]:
    """A hand-held wander as rows `tx ty tz qx qy qz qw`: slow sweeps with a small tremor, never leaving the free space."""
    random = np.random.default_rng([seed, 1])
    time = np.arange(frames)[:, None] / _RATE
    sweep = np.sin(time * random.uniform(0.5, 0.9, 6) + random.uniform(0, 2 * np.pi, 6))
    tremor = np.sin(time * random.uniform(5, 9, 6) + random.uniform(0, 2 * np.pi, 6))
    place = np.array([0.9, 0.3, 0.6]) * sweep[:, :3] + 0.006 * tremor[:, :3] + np.array([0, -0.1, -0.6])
    yaw, pitch, roll = (np.array([0.35, 0.12, 0.05]) * sweep[:, 3:] + 0.006 * tremor[:, 3:]).T / 2
    yaw = yaw - 0.15 * place[:, 0]  # look towards the middle of the room
    zero = np.zeros(frames)
    turned = _times(
        np.stack([zero, np.sin(yaw), zero, np.cos(yaw)]), np.stack([np.sin(pitch), zero, zero, np.cos(pitch)])
    )
    quaternion = _times(turned, np.stack([zero, zero, np.sin(roll), np.cos(roll)]))
    return np.concatenate([place, quaternion.T], axis=1)


def _times(p: Float[np.ndarray, "4 frame"], q: Float[np.ndarray, "4 frame"]) -> Float[np.ndarray, "4 frame"]:
    """Product of quaternions (x, y, z, w)."""
    vector = p[3] * q[:3] + q[3] * p[:3] + np.cross(p[:3], q[:3], axis=0)
    return np.concatenate([vector, p[3:] * q[3:] - (p[:3] * q[:3]).sum(axis=0, keepdims=True)])


def cast(origin: Points, directions: Points) -> tuple[Distances, Points, Numbers]:
    """Where rays first meet a surface: the factor of the direction, the normal, and the number of the surface.

    Surfaces are the six faces of the room (axis, then low or high), the boxes, the balls. `origin` may be a single point.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse, sign = 1 / directions, np.sign(directions)
        to_low, to_high = ((corner[:, None] - origin) * inverse for corner in _ROOM)
        times = np.fmax(to_low, to_high)
        axis, distance = times.argmin(axis=0), times.min(axis=0)
        normal = _axis_normal(axis, sign)
        surface = 2 * axis + (normal.sum(axis=0) < 0)
        for number, (low, high) in enumerate(_BOXES, start=6):
            to_low, to_high = (low[:, None] - origin) * inverse, (high[:, None] - origin) * inverse
            times = np.fmin(to_low, to_high)
            axis, enter = times.argmax(axis=0), times.max(axis=0)
            hit = (enter < np.fmax(to_low, to_high).min(axis=0)) & (enter > 1e-6) & (enter < distance)
            distance[hit], surface[hit] = enter[hit], number
            normal[:, hit] = _axis_normal(axis[hit], sign[:, hit])
        a = (directions**2).sum(axis=0)
        for number, (*center, radius) in enumerate(_BALLS, start=6 + len(_BOXES)):
            away = origin - np.array(center)[:, None]
            b = (directions * away).sum(axis=0)
            enter = (-b - np.sqrt(b * b - a * ((away**2).sum(axis=0) - radius**2))) / a
            hit = (enter > 1e-6) & (enter < distance)  # a miss is not a number, hence no hit
            distance[hit], surface[hit] = enter[hit], number
            normal[:, hit] = (away + enter * directions)[:, hit] / radius
    return distance, normal, surface


def _axis_normal(axis: Numbers, sign: Points) -> Points:
    return np.where(axis == np.arange(3)[:, None], -sign, 0.0)


@dataclass(frozen=True)
class _Paint:
    """Colours of all surfaces as functions of the place: two colours each, mixed by a pattern, with a fine grain."""

    colors: Float[np.ndarray, "surface 2 3"]
    grain: Float[np.ndarray, "wave 4"]

    @classmethod
    def mixed(cls, seed: int) -> "_Paint":
        random = np.random.default_rng([seed, 2])
        order = np.concatenate([random.permutation(len(_PALETTE)), random.permutation(len(_PALETTE))])
        waves = np.concatenate([random.normal(size=(6, 3)) * 9, random.uniform(0, 6, (6, 1))], axis=1)
        return cls(np.array(_PALETTE)[order[: len(_PATTERNS)]] / 255, waves)

    def shade(self, origin: Points, directions: Points) -> tuple[Points, Numbers, Distances]:
        """Colours that rays see, with the light and its shadows; the surfaces that they meet, and how far away."""
        distance, normal, surface = cast(origin, directions)
        points = origin + distance * directions
        to_light = _LIGHT[:, None] - points
        lit = cast(points + 1e-4 * normal, to_light)[0] >= 1
        cosine = np.clip((normal * to_light).sum(axis=0) / np.linalg.norm(to_light, axis=0), 0, 1)
        share = 0.3 * np.sin(self.grain[:, :3] @ points + self.grain[:, 3:]).mean(axis=0)
        for number, pattern in enumerate(_PATTERNS):
            share[surface == number] += pattern(points[:, surface == number])
        dark, light = self.colors[surface].transpose(1, 2, 0)
        return (dark + (light - dark) * np.clip(share, 0, 1)) * (0.55 + 0.45 * lit * cosine), surface, distance


def _checker(i: int, j: int, period: float) -> Callable[[np.ndarray], np.ndarray]:
    wave = 2 * np.pi / period
    return lambda p: 0.5 + 0.5 * np.tanh(8 * np.sin(wave * p[i]) * np.sin(wave * p[j]))  # soft edges: no aliasing


def _stripes(i: int, j: int, period: float, slant: float = 0.0) -> Callable[[np.ndarray], np.ndarray]:
    return lambda p: 0.5 + 0.5 * np.tanh(8 * np.sin(2 * np.pi / period * (p[i] + slant * p[j])))


_PATTERNS = (
    *(_stripes(2, 1, 0.6), _checker(1, 2, 0.9), _checker(0, 2, 1.2), _checker(0, 2, 0.8)),
    *(_stripes(0, 1, 0.5, 1.0), _checker(0, 1, 1.0)),
    *(_stripes(0, 2, 0.25, 1.0), _checker(0, 1, 0.25), _stripes(1, 0, 0.35), _checker(0, 2, 0.2)),
    *(_stripes(1, 0, 0.16), _stripes(0, 1, 0.3, 0.6), _stripes(2, 1, 0.2, 0.5), _checker(1, 2, 0.3)),
)


def _render(
    pose: Float[np.ndarray, "4 4"], K: Float[np.ndarray, "3 3"], size: tuple[int, int], paint: _Paint
) -> tuple[np.ndarray, Float[np.ndarray, "height width"]]:
    """Colours (8 bit) and z-depth of the pixels' centres; where two surfaces meet, colours average several rays."""
    origin = pose[:3, 3:]
    v, u = (grid.ravel() for grid in np.mgrid[: size[1], : size[0]])
    color, surface, depth = paint.shade(origin, _directions(pose, K, u, v))
    across = surface.reshape(size[1], size[0])
    rim = np.any([np.roll(across, step, axis) != across for step in (1, -1) for axis in (0, 1)], axis=0).ravel()
    rays = [_directions(pose, K, u[rim] + i / 3, v[rim] + j / 3) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    color[:, rim] = np.mean([paint.shade(origin, ray)[0] for ray in rays], axis=0)
    return np.round(255 * color.T.reshape(size[1], size[0], 3)).astype(np.uint8), depth.reshape(size[1], size[0])


def _directions(pose: np.ndarray, K: np.ndarray, u: np.ndarray, v: np.ndarray) -> Points:
    """World directions of pixels, of length 1 along the optical axis, so that the factor of a ray is its z-depth."""
    return pose[:3, :3] @ np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(u.shape)])
