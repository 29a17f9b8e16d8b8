"""What is kept of a pass for pictures and for judging again: trajectories, gains, a thinned cloud."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.tasks.base import FrameResult, Observer

CLOUD = 20_000
"""Points that a cloud has at most."""


class Trace(Observer[FrameResult]):
    """Grows frame by frame by some hundred bytes, and by a few points each while there is room.

    Args:
        frames: how many are expected; the cloud's points are shared out among them.
    """

    def __init__(self, frames: int) -> None:
        self._per_frame = max(1, CLOUD // max(1, frames))
        self._predicted: list[Float[np.ndarray, "4 4"]] = []
        self._true: list[Float[np.ndarray, "4 4"]] = []
        self._gains: list[tuple[float, float]] = []
        self._points: list[Float[np.ndarray, "point 3"]] = []
        self._colors: list[Float[np.ndarray, "point 3"]] = []

    def observe(self, seen: FrameResult) -> None:
        """Take one frame."""
        step = seen.step
        gain = step.gain.double()
        self._gains.append((float(gain.mean()), float(gain.std(unbiased=False))))
        camera = step.reconstruction.camera_to_world
        if camera is None:
            return
        pose = camera[0].double().cpu().numpy()
        self._predicted.append(pose)
        self._true.append(seen.camera_to_world)
        points = step.reconstruction.points_camera
        if points is not None and len(self._points) * self._per_frame < CLOUD:
            flat = points[0].reshape(-1, 3)
            chosen = np.linspace(0, len(flat) - 1, min(len(flat), self._per_frame)).astype(np.int64)
            local = flat[chosen.tolist()].double().cpu().numpy()
            self._points.append(local @ pose[:3, :3].T + pose[:3, 3])
            pixels = seen.item.image[0].permute(1, 2, 0).reshape(-1, 3)[chosen.tolist()].float().cpu().numpy()
            self._colors.append((pixels + 1) / 2 * 255)

    def write(self, path: Path) -> None:
        """Write an NPZ file as `UnitResult.arrays` says; the cloud in float32, cameras and gains in float64."""
        gains = np.array(self._gains, dtype=np.float64).reshape(-1, 2)
        points = np.concatenate(self._points) if self._points else np.zeros((0, 3))
        colors = np.concatenate(self._colors) if self._colors else np.zeros((0, 3))
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                camera_to_world=np.array(self._predicted).reshape(-1, 4, 4),
                true_camera_to_world=np.array(self._true).reshape(-1, 4, 4),
                gain_mean=gains[:, 0],
                gain_std=gains[:, 1],
                points=points.astype(np.float32),
                colors=colors.round().clip(0, 255).astype(np.uint8),
            )
