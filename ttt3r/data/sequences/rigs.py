"""Cameras on a body: calibration files, and the poses of a body as those of a camera that is fixed to it.

Ground truth of robots and drones is of a body (an IMU, a lidar), not of a camera. With `camera_in_body`, which takes points
from camera to body:

    camera_to_world = body_to_world camera_in_body
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ttt3r.data.sequences.camera_matrices import Matrices, matrices_of
from ttt3r.data.sequences.cameras import Camera, Lens, lens_findings
from ttt3r.data.sequences.poses import read_camera_matrix
from ttt3r.data.sequences.recording import Poses, Recording
from ttt3r.files import read_text

_ROUNDING = 1e-3
"""By so much the columns of a rotation may be off from length 1 and right angles: files have few digits."""

_LENSES = {
    "radtan": (Lens.DISTORTED, "radial-tangential", ("k1", "k2", "p1", "p2", "k3")),
    "equidistant": (Lens.FISHEYE, "equidistant", ("k1", "k2", "k3", "k4")),
    "none": (Lens.PERSPECTIVE, "none", ()),
}
_SAME_LENS = {"radial-tangential": "radtan", "plumb_bob": "radtan", "fisheye": "equidistant"}


@dataclass(frozen=True)
class Calibration:
    """What a YAML file says, or a part of it.

    Args:
        path: the file, for messages.
        place: keys that lead to the part, with dots between.
        entries: what stands there.
    """

    path: Path
    place: str
    entries: Mapping[str, Any]

    @staticmethod
    def read(path: Path) -> "Calibration":
        """A whole file; of OpenCV's dialect the first line is passed over.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it is no YAML file with entries.
        """
        import yaml

        text = re.sub(r"\A%YAML[^\n]*\n", "", read_text(path))
        try:
            entries = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())[:150]
            raise ValueError(f"{path} is no YAML file ({reason}); copy it again") from error
        if not isinstance(entries, dict):
            raise ValueError(f"{path} must hold entries, `key: value`, got {type(entries).__name__}; copy it again")
        return Calibration(path, "", entries)

    def part(self, key: str) -> "Calibration":
        """What stands below a key.

        Raises:
            ValueError: if there is no such part.
        """
        below = self.entries.get(key)
        if not isinstance(below, dict):
            raise ValueError(f"{self.path} has no part {self.place}{key}; it holds {self._held()}; copy it again")
        return replace(self, place=f"{self.place}{key}.", entries=below)

    def first_of(self, keys: Sequence[str]) -> str:
        """The first of some keys that is there.

        Raises:
            ValueError: if none is.
        """
        found = next((key for key in keys if key in self.entries), None)
        if found is None:
            wanted = ", ".join(f"{self.place}{key}" for key in keys)
            raise ValueError(f"{self.path} has none of {wanted}; it holds {self._held()}; copy it again")
        return found

    def numbers(self, key: str, counts: Sequence[int]) -> Float[np.ndarray, " number"]:
        """The numbers at a key, row by row: a list, lists in a list, or OpenCV's `data`.

        Args:
            key: where they stand.
            counts: how many there may be.

        Raises:
            ValueError: if there is anything else.
        """
        given = self.entries.get(key)
        given = given.get("data") if isinstance(given, dict) else given
        try:
            found = np.array(given, dtype=np.float64).ravel()
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.path}: {self.place}{key} must be numbers ({error}); copy it again") from error
        if len(found) not in counts or not np.isfinite(found).all():
            wanted = " or ".join(map(str, counts))
            raise ValueError(f"{self.path}: {self.place}{key} must be {wanted} finite numbers; copy it again")
        return found

    def rigid(self, key: str) -> Float[np.ndarray, "4 4"]:
        """A 4x4 (or 3x4) matrix of a rotation and a translation.

        Raises:
            ValueError: if it is anything else.
        """
        numbers, matrix = self.numbers(key, (16, 12)), np.eye(4)
        matrix[: len(numbers) // 4] = numbers.reshape(-1, 4)
        turn = matrix[:3, :3]
        off = np.abs(turn.T @ turn - np.eye(3)).max()
        if off > _ROUNDING or np.linalg.det(turn) < 0 or not np.array_equal(matrix[3], [0, 0, 0, 1]):
            raise ValueError(f"{self.path}: {self.place}{key} is no rotation and translation; copy it again")
        return matrix

    def text(self, key: str) -> str:
        """The words at a key; empty if there are none."""
        return str(self.entries.get(key) or "")

    def _held(self) -> str:
        return ", ".join(str(key) for key in list(self.entries)[:6]) or "nothing"


def lens_camera(
    pinhole: Float[np.ndarray, "4"], size: tuple[int, int] | None, model: str, terms: Float[np.ndarray, " term"]
) -> Camera:
    """A camera as Kalibr and OpenCV describe one; its principal point counts from the centre of the first pixel.

    Args:
        pinhole: fx, fy, cx, cy in pixels.
        size: width and height of its images.
        model: of the distortion: radtan, radial-tangential, plumb_bob, equidistant, fisheye, none.
        terms: of the distortion.
    """
    fx, fy, cx, cy = pinhole.tolist()
    known = _SAME_LENS.get(model.lower(), model.lower() or "none")
    lens, words, names = _LENSES.get(known, (Lens.UNKNOWN, model, ()))
    if lens is Lens.UNKNOWN:
        return Camera(None, None, size, lens, model)
    given = [f"{name}={value:g}" for name, value in zip(names, terms.tolist(), strict=False) if value]
    lens = Lens.PERSPECTIVE if lens is Lens.DISTORTED and not given else lens
    return Camera((fx, fy), (cx, cy), size, lens, ", ".join([words, *given]))


def with_camera(recording: Recording, folder: Path, camera: Camera, where: Path) -> Recording:
    """A recording whose images are of one camera; `camera-intrinsics.txt` in its folder wins.

    Args:
        recording: with its images.
        folder: of the sequence.
        camera: as a file describes it.
        where: that file, for the findings.

    Raises:
        ValueError: if `camera-intrinsics.txt` is there and no 3x3 matrix.
    """
    own, count = read_camera_matrix(folder), len(recording.images)
    found = Matrices(own) if own is not None else matrices_of([camera] * count, recording.images.paths, where, False)
    notes = (*lens_findings([camera], where), *found.findings)
    return replace(recording, intrinsics=found.shared, own_intrinsics=found.own).with_findings(notes)


def on_body(poses: Poses, camera_in_body: Float[np.ndarray, "4 4"]) -> Poses:
    """The poses of a camera that is fixed to a body, from those of the body.

    Args:
        poses: body to world.
        camera_in_body: takes points from camera to body.
    """
    return replace(poses, camera_to_world=poses.camera_to_world @ camera_in_body)
