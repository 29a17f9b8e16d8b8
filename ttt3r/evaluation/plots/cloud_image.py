"""A picture of a point cloud without a graphics library: perspective, nearest point wins, depth-shaded."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

SUPERSAMPLING = 2
"""Pixels drawn for a pixel of the picture, along each side."""
BACKGROUND = 250
"""Grey of the background, 0 to 255."""


@dataclass(frozen=True)
class View:
    """A virtual camera that looks at a cloud.

    Args:
        world_to_view: rigid motion to the axes of the view (x right, y down, z forward), metres.
        focal: pixels.
        center: (column, row) of the optical axis, pixels.
        width: pixels.
        height: pixels.
        radius: of the cloud without its outliers, metres.
    """

    world_to_view: Float[np.ndarray, "4 4"]
    focal: float
    center: tuple[float, float]
    width: int
    height: int
    radius: float

    @classmethod
    def fit(
        cls,
        points: Float[np.ndarray, "point xyz=3"],
        camera_to_world: Float[np.ndarray, "frame 4 4"] | None,
        size: tuple[int, int] = (960, 720),
    ) -> "View":
        """Look from behind and above the cameras, so that all but outliers of cloud and cameras fill the picture.

        Args:
            points: metres, world.
            camera_to_world: metres; without them the view is from behind and above the world's origin.
            size: (width, height) in pixels.

        Raises:
            ValueError: if no point is finite.
        """
        cameras = np.eye(4)[None] if camera_to_world is None else camera_to_world.astype(np.float64)
        seen = points[np.isfinite(points).all(axis=1)].astype(np.float64)
        if len(seen) == 0:
            raise ValueError(f"none of {len(points)} points is finite, so there is nothing to draw")
        low, high = np.percentile(seen, [3, 97], axis=0)
        middle = (low + high) / 2
        radius = float(max(np.linalg.norm(high - low) / 2, 1e-6))
        up = -cameras[:, :3, 1].mean(axis=0)
        up /= max(float(np.linalg.norm(up)), 1e-9)
        rotation = _look(_viewing_direction(middle - cameras[:, :3, 3].mean(axis=0), cameras, up), up)
        eye = middle - 3.2 * radius * rotation[2]
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation, -rotation @ eye
        inside = seen[((seen >= low) & (seen <= high)).all(axis=1)]
        shown = np.concatenate([inside if len(inside) else seen, cameras[:, :3, 3]])
        start = cls(matrix, 1.0, (0.0, 0.0), *size, radius)
        flat, depth = start.project(shown)
        flat = flat[depth > 0.1 * radius]
        corner, opposite = np.percentile(flat, [0.1, 99.9], axis=0)
        span = np.maximum(opposite - corner, 1e-9)
        focal = float((0.88 * np.array(size) / span).min())
        shift = np.array(size) / 2 - focal * (corner + opposite) / 2
        return cls(matrix, focal, (float(shift[0]), float(shift[1])), *size, radius)

    def project(
        self, points: Float[np.ndarray, "point xyz=3"]
    ) -> tuple[Float[np.ndarray, "point 2"], Float[np.ndarray, " point"]]:
        """(column, row) in pixels and depth in metres; points behind the view have a depth that is not positive."""
        local = points.astype(np.float64) @ self.world_to_view[:3, :3].T + self.world_to_view[:3, 3]
        depth = local[:, 2]
        return self.focal * local[:, :2] / np.maximum(depth, 1e-9)[:, None] + np.array(self.center), depth


def _viewing_direction(
    to_middle: Float[np.ndarray, " xyz=3"], cameras: Float[np.ndarray, "frame 4 4"], up: Float[np.ndarray, " xyz=3"]
) -> Float[np.ndarray, " xyz=3"]:
    """Level direction in which the cameras look (or from them to the cloud), turned 25 degrees and tilted down by 30."""
    candidates = (cameras[:, :3, 2].mean(axis=0), to_middle, cameras[0, :3, 2], cameras[0, :3, 0])
    level = next((c for c in (v - v @ up * up for v in candidates) if np.linalg.norm(c) > 0.1), np.array([0.0, 0, 1]))
    level /= np.linalg.norm(level)
    turn, tilt = np.radians(25), np.radians(30)
    turned = np.cos(turn) * level + np.sin(turn) * np.cross(up, level)
    return np.cos(tilt) * turned - np.sin(tilt) * up


def _look(forward: Float[np.ndarray, " xyz=3"], up: Float[np.ndarray, " xyz=3"]) -> Float[np.ndarray, "3 3"]:
    """World-to-view rotation with the rows right, down, forward."""
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, up)
    right /= max(float(np.linalg.norm(right)), 1e-9)
    return np.stack([right, np.cross(forward, right), forward])


def shaded_image(
    view: View, points: Float[np.ndarray, "point xyz=3"], colors: UInt8[np.ndarray, "point rgb=3"]
) -> UInt8[np.ndarray, "height width rgb=3"]:
    """Draw every point as a small square, the nearest on top, and darken what lies behind its neighbours.

    The shade of a pixel is exp(-k sum_j max(0, log z - log z_j)) over neighbours j (eye-dome lighting: Boucheny 2009), so
    edges and folds stand out without normals.
    """
    width, height = view.width * SUPERSAMPLING, view.height * SUPERSAMPLING
    finite = np.isfinite(points).all(axis=1)
    flat, depth = view.project(points[finite])
    tint = colors[finite]
    pixel = np.floor((flat + 0.5) * SUPERSAMPLING).astype(np.int64)
    ok = (depth > 0.1 * view.radius) & (pixel >= 0).all(axis=1) & (pixel < [width, height]).all(axis=1)
    order = np.flatnonzero(ok)[np.argsort(-depth[ok], kind="stable")]  # far to near: the last one written wins
    side = _splat(len(order), width * height)
    reach = np.arange(side) - side // 2
    rows = np.clip(pixel[order, 1][:, None, None] + reach[:, None], 0, height - 1)
    columns = np.clip(pixel[order, 0][:, None, None] + reach, 0, width - 1)
    place = (rows * width + columns).reshape(len(order), -1)
    winner = np.full(width * height, -1, np.int64)
    winner[place.ravel()] = np.repeat(order, place.shape[1])
    drawn = winner >= 0
    image = np.full((width * height, 3), float(BACKGROUND))
    image[drawn] = tint[winner[drawn]]
    distance = np.full(width * height, np.inf)
    distance[drawn] = np.log(depth[winner[drawn]])
    shade = _eye_dome(distance.reshape(height, width), reach=side)
    image = image.reshape(height, width, 3) * np.where(drawn.reshape(height, width), shade, 1)[..., None]
    image = image.reshape(view.height, SUPERSAMPLING, view.width, SUPERSAMPLING, 3).mean(axis=(1, 3))
    return image.round().clip(0, 255).astype(np.uint8)


def _splat(count: int, pixels: int) -> int:
    """Side of a point's square: larger for sparse clouds."""
    return int(np.clip(round(np.sqrt(3.5 * pixels / max(count, 1))), 3, 15)) | 1


def _eye_dome(
    log_depth: Float[np.ndarray, "height width"], reach: int, strength: float = 2.5
) -> Float[np.ndarray, "height width"]:
    occlusion = np.zeros_like(log_depth)
    padded = np.pad(log_depth, reach, constant_values=np.inf)
    height, width = log_depth.shape
    for row, column in ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
        top, left = reach + row * reach, reach + column * reach
        neighbour = padded[top : top + height, left : left + width]
        with np.errstate(invalid="ignore"):
            nearer = np.nan_to_num(log_depth - neighbour, nan=0.0, neginf=0.0, posinf=0.0)
        occlusion += nearer.clip(0, 0.15)
    return np.exp(-strength * occlusion)
