"""Cameras as COLMAP and NeRF programs describe them; `camera_matrices.py` makes matrices of them.

A camera says focal lengths, a principal point, the size of the images that it is of, and a lens. The images on disk may be of
another size; then focal lengths and principal point are scaled. What a matrix cannot hold becomes a finding.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttt3r.data.checks.findings import Finding, Problem, Severity


class Lens(enum.Enum):
    """How far a camera matrix describes a lens."""

    PERSPECTIVE = "perspective"
    DISTORTED = "distorted"
    FISHEYE = "fisheye"
    OTHER = "no perspective camera, or none that is known"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CameraModel:
    """A camera model of COLMAP. Its parameters are the focal lengths, cx and cy (from the first pixel's corner), the terms.

    Args:
        number: in a binary model.
        focals: 1 (f), 2 (fx, fy), or 0: no focal length and no principal point.
        terms: names of the other parameters.
        lens: what it is if any term differs from 0.
        always: whether it is that even with all terms 0.
    """

    number: int
    focals: int
    terms: tuple[str, ...] = ()
    lens: Lens = Lens.DISTORTED
    always: bool = False

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.terms) + (self.focals + 2 if self.focals else 0)


_RADIAL_TANGENTIAL = ("k1", "k2", "p1", "p2")
_PRISM = ("k0", "k1", "k2", "k3", "k4", "k5", "p0", "p1", "s0", "s1", "s2", "s3")

MODELS = {
    "SIMPLE_PINHOLE": CameraModel(0, 1),
    "PINHOLE": CameraModel(1, 2),
    "SIMPLE_RADIAL": CameraModel(2, 1, ("k",)),
    "RADIAL": CameraModel(3, 1, ("k1", "k2")),
    "OPENCV": CameraModel(4, 2, _RADIAL_TANGENTIAL),
    "OPENCV_FISHEYE": CameraModel(5, 2, ("k1", "k2", "k3", "k4"), Lens.FISHEYE, True),
    "FULL_OPENCV": CameraModel(6, 2, (*_RADIAL_TANGENTIAL, "k3", "k4", "k5", "k6")),
    "FOV": CameraModel(7, 2, ("omega",), Lens.FISHEYE),
    "SIMPLE_RADIAL_FISHEYE": CameraModel(8, 1, ("k",), Lens.FISHEYE, True),
    "RADIAL_FISHEYE": CameraModel(9, 1, ("k1", "k2"), Lens.FISHEYE, True),
    "THIN_PRISM_FISHEYE": CameraModel(10, 2, (*_RADIAL_TANGENTIAL, "k3", "k4", "sx1", "sy1"), Lens.FISHEYE, True),
    "RAD_TAN_THIN_PRISM_FISHEYE": CameraModel(11, 2, _PRISM, Lens.FISHEYE, True),
    "SIMPLE_DIVISION": CameraModel(12, 1, ("k",)),
    "DIVISION": CameraModel(13, 2, ("k",)),
    "SIMPLE_FISHEYE": CameraModel(14, 1, (), Lens.FISHEYE, True),
    "FISHEYE": CameraModel(15, 2, (), Lens.FISHEYE, True),
    "EUCM": CameraModel(16, 2, ("alpha", "beta"), Lens.FISHEYE, True),
    "EQUIRECTANGULAR": CameraModel(17, 0, ("w", "h"), Lens.OTHER, True),
}
"""By name; see https://github.com/colmap/colmap/blob/main/src/colmap/sensor/models.h."""


@dataclass(frozen=True)
class Camera:
    """What a file says of one camera.

    Args:
        focal: fx and fy, pixels; `None` if there are none, or the lens has none.
        center: principal point, pixels; the centre of the first pixel is (0, 0). `None` stands for the middle of the image.
        size: width and height of the images that these pixels are of; `None` if the file does not say.
        lens: what kind.
        about: model and terms of the lens, for messages.
    """

    focal: tuple[float, float] | None
    center: tuple[float, float] | None = None
    size: tuple[int, int] | None = None
    lens: Lens = Lens.PERSPECTIVE
    about: str = ""


def colmap_camera(model: str, size: tuple[int, int], numbers: Sequence[float]) -> Camera:
    """The camera of a model's name, the size of its images (width, height), and its parameters. Unknown models have no matrix.

    Raises:
        ValueError: if parameters are missing, too many, not finite, or a focal length is not positive.
    """
    kind = MODELS.get(model)
    if kind is None:
        return Camera(None, None, size, Lens.UNKNOWN, model)
    if len(numbers) != kind.size:
        raise ValueError(f"a {model} has {kind.size} parameters, got {len(numbers)}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"a parameter of the {model} is not finite")
    if not kind.focals:
        return Camera(None, None, size, kind.lens, model)
    fx, fy, (cx, cy) = numbers[0], numbers[kind.focals - 1], numbers[kind.focals : kind.focals + 2]
    if min(fx, fy) <= 0 or min(size) <= 0:
        raise ValueError(f"focal lengths {fx:g} and {fy:g} and size {size[0]}x{size[1]} must be positive")
    terms = {name: value for name, value in zip(kind.terms, numbers[kind.focals + 2 :], strict=True) if value}
    lens = kind.lens if terms or kind.always else Lens.PERSPECTIVE
    about = ", ".join([model, *(f"{name}={value:g}" for name, value in terms.items())])
    return Camera((fx, fy), (cx - 0.5, cy - 0.5), size, lens, about)


def lens_findings(cameras: Sequence[Camera], where: Path) -> list[Finding]:
    """What a camera matrix leaves out of the lenses, one finding for each kind of lens."""
    found = []
    kinds = dict.fromkeys(camera.lens for camera in cameras)
    for lens in kinds:
        about = next(camera.about for camera in cameras if camera.lens is lens)
        words = f" ({about})" if about else ""
        if lens is Lens.DISTORTED:
            detail, cure = f"the lens of {where} is distorted{words}", "it is not undone: undistort the images first"
            found.append(camera_finding(where, Severity.NOTE, detail, cure))
        elif lens is Lens.FISHEYE:
            detail = f"the lens of {where} is a fisheye{words}: its camera matrix holds near the middle only"
            found.append(camera_finding(where, Severity.WARNING, detail, "undistort the images first"))
        elif lens is Lens.OTHER:
            detail = f"the images of {where} are of no perspective camera{words}"
            found.append(camera_finding(where, Severity.WARNING, detail, "cut perspective images out of them first"))
        elif lens is Lens.UNKNOWN:
            detail = f"the camera model of {where} is not known{words}: no camera matrix is taken from it"
            cure = "the poses are read; undistort the images, or write the camera into camera-intrinsics.txt"
            found.append(camera_finding(where, Severity.WARNING, detail, cure))
    return found


def camera_finding(where: Path, severity: Severity, detail: str, cure: str) -> Finding:
    """A finding about the cameras that a file gives."""
    return Finding(Problem.CAMERA_MODEL, str(where), severity, detail, cure)
