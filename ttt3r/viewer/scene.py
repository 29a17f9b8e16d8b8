"""What there is to see of one run, as arrays: points, cameras and pictures by step. No browser, no viewer library."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8

import ttt3r.geometry as geometry
from ttt3r.export import PointCloud, SavedRun, TokenGains
from ttt3r.viewer.colors import painted_over, ramp
from ttt3r.viewer.settings import Coloring, ViewSettings


@dataclass(frozen=True)
class ShownPoints:
    """The points of one step of one run, in the world of that run, metres."""

    xyz: Float32[np.ndarray, "point xyz=3"]
    rgb: UInt8[np.ndarray, "point rgb=3"]


@dataclass(frozen=True)
class RunScene:
    """One run, thinned for the screen.

    Args:
        label: what it is called.
        color: of its cameras.
        saved: the run folder.
        steps: the frame of each step, rising.
        cloud: the points that are shown.
    """

    label: str
    color: tuple[int, int, int]
    saved: SavedRun
    steps: tuple[int, ...]
    cloud: PointCloud

    @cached_property
    def step_of_point(self) -> Int[np.ndarray, " point"]:
        """The step at which each point appears: that of its frame, or the next one."""
        return np.searchsorted(np.array(self.steps), self.cloud.frame)

    def last(self, step: int) -> int:
        """The step that a run shows at a step of the common timeline: a short run stays at its end."""
        return min(step, len(self.steps) - 1)

    def camera(self, step: int) -> Float[np.ndarray, "4 4"]:
        """Camera to world at a step, metres."""
        return self.saved.camera_to_world[self.steps[self.last(step)]]

    def placement(self, step: int) -> tuple[Float[np.ndarray, " wxyz=4"], Float[np.ndarray, " xyz=3"]]:
        """Unit quaternion (w, x, y, z) and position (metres) of the camera at a step, in the world of the run."""
        pose = geometry.camera_to_pose_encoding(torch.from_numpy(self.camera(step)).double()).numpy()
        return pose[3:], pose[:3]

    @cached_property
    def fov(self) -> tuple[float, float]:
        """(vertical angle of view in radians, kept within 0.1 and 2.1; width / height).

        60 degrees and 4:3 where no intrinsics were written.
        """
        pinhole = self.saved.pinholes.get(0)
        if pinhole is None or pinhole.focal[1] <= 0:
            return np.pi / 3, 4 / 3
        angle = 2 * float(np.arctan(pinhole.height / 2 / pinhole.focal[1]))
        return min(max(angle, 0.1), 2.1), pinhole.width / pinhole.height

    def points(self, step: int, settings: ViewSettings, scale: tuple[float, float]) -> ShownPoints:
        """The points that appear at a step, coloured; `scale` is the range of gains (see `SceneStage.gain_range`)."""
        start, end = np.searchsorted(self.step_of_point, (step, step + 1))  # the cloud is in the order of its frames
        chosen = start + np.flatnonzero(self.cloud.confidence[start:end] >= settings.min_confidence)
        return ShownPoints(self.cloud.xyz[chosen], self._colors(chosen, settings, scale))

    def token_gains(self, step: int) -> TokenGains | None:
        """What every token took at a step, if it was recorded."""
        return self.saved.token_gains(self.steps[self.last(step)])

    def painting(self, frame: int, token: int | None) -> Float32[np.ndarray, "row column"] | None:
        """Gain by image patch of a frame; `None` if it was not recorded, or has no such token."""
        gains = self.saved.token_gains(frame)
        if gains is None or (token is not None and token >= len(gains.gain)):
            return None
        return gains.painted() if token is None else gains.of_token(token)

    def picture(
        self, step: int, settings: ViewSettings, scale: tuple[float, float]
    ) -> UInt8[np.ndarray, "height width rgb=3"] | None:
        """The image of a step, with the gains over its patches if these are what is coloured."""
        frame = self.steps[self.last(step)]
        image = self.saved.image(frame)
        if image is None or settings.coloring is not Coloring.GAIN:
            return image
        heat = self.painting(frame, settings.token)
        return image if heat is None else painted_over(image, ramp(heat, *scale))

    def _colors(
        self, chosen: Int[np.ndarray, " shown"], settings: ViewSettings, scale: tuple[float, float]
    ) -> UInt8[np.ndarray, "shown rgb=3"]:
        if settings.coloring is Coloring.RUN:
            return np.tile(np.array(self.color, np.uint8), (len(chosen), 1))
        if settings.coloring is Coloring.CONFIDENCE:
            return ramp(np.log(self.cloud.confidence[chosen]), *self._confidences)
        colors = self.cloud.rgb[chosen].copy()
        if settings.coloring is Coloring.GAIN:
            frames = self.cloud.frame[chosen]
            for frame in np.unique(frames).tolist():
                heat, size = self.painting(frame, settings.token), self._size
                if heat is None or size is None:
                    return np.full_like(colors, 150)
                here = frames == frame
                row, column = np.divmod(self.cloud.pixel[chosen][here], size[1])
                patch = row * heat.shape[0] // size[0], column * heat.shape[1] // size[1]
                colors[here] = ramp(heat[patch], *scale)
        return colors

    @cached_property
    def _size(self) -> tuple[int, int] | None:
        """(height, width) of the prepared images."""
        pinhole = self.saved.pinholes.get(0)
        if pinhole is not None:
            return pinhole.height, pinhole.width
        image = self.saved.image(0)
        return None if image is None else (image.shape[0], image.shape[1])

    @cached_property
    def _confidences(self) -> tuple[float, float]:
        if len(self.cloud) == 0:
            return 0.0, 1.0
        low, high = np.log(np.percentile(self.cloud.confidence, (2, 98))).tolist()
        return low, high
