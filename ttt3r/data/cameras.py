"""Cameras as COLMAP and NeRF programs describe them, and the one camera matrix that the images of a sequence share.

A camera says focal lengths, a principal point, the size of the images that it is of, and a lens. The images on disk may be of
another size; then focal lengths and principal point are scaled. What a matrix cannot tell becomes a finding.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.findings import Finding, Problem, Severity
from ttt3r.data.images import image_size
from ttt3r.data.poses import pinhole

ALIKE = 0.01
"""Cameras whose focal lengths and principal points differ by less than this share of the focal length count as one."""

OFF_CENTRE = 0.25
"""A principal point further from the middle than this share of the image's side is doubted where no size was told."""


class Lens(enum.Enum):
    """How far a camera matrix tells what a lens does."""

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


def shared_matrix(
    cameras: Sequence[Camera], images: Sequence[Path], where: Path
) -> tuple[Float[np.ndarray, "3 3"] | None, list[Finding]]:
    """The camera matrix, in pixels of the images on disk, that holds for all images, and what is to be said of it.

    `None` if one of them has none, an image is cut or turned against what its camera says, or the cameras differ.

    Args:
        cameras: of each image.
        images: files that are there; of each camera the size of one is looked at.
        where: file that tells the cameras, for the findings.
    """
    first = dict(zip(reversed(cameras), reversed(images), strict=True))  # camera -> the first image that it is of
    found: list[Finding] = []
    matrices: list[Float[np.ndarray, "3 3"]] = []
    for camera in reversed(first):
        matrix, notes = _on_disk(camera, first[camera], where)
        found += [note for note in notes if note not in found]
        matrices += [] if matrix is None else [matrix]
    if not matrices or len(matrices) < len(first):
        return None, found
    every = np.stack(matrices)
    spread = np.ptp(every, axis=0).max() / every[:, 0, 0].min()
    count = f"the images of {where} have {len(first)} cameras, which differ by {100 * spread:.2g} % of the focal length"
    if spread > ALIKE:
        cure = "no camera matrix is taken: make one sequence of each camera, or tell one in camera-intrinsics.txt"
        return None, [*found, _finding(where, Severity.WARNING, count, cure)]
    if spread > 0:
        found.append(_finding(where, Severity.NOTE, count, "their median is taken for all"))
    return np.median(every, axis=0), found


def lens_findings(cameras: Sequence[Camera], where: Path) -> list[Finding]:
    """What a camera matrix leaves out of the lenses, one finding for each kind of lens."""
    found = []
    kinds = dict.fromkeys(camera.lens for camera in cameras)
    for lens in kinds:
        about = next(camera.about for camera in cameras if camera.lens is lens)
        words = f" ({about})" if about else ""
        if lens is Lens.DISTORTED:
            detail, cure = f"the lens of {where} is distorted{words}", "it is not undone: undistort the images first"
            found.append(_finding(where, Severity.NOTE, detail, cure))
        elif lens is Lens.FISHEYE:
            detail = f"the lens of {where} is a fisheye{words}: its camera matrix holds near the middle only"
            found.append(_finding(where, Severity.WARNING, detail, "undistort the images first"))
        elif lens is Lens.OTHER:
            detail = f"the images of {where} are of no perspective camera{words}"
            found.append(_finding(where, Severity.WARNING, detail, "cut perspective images out of them first"))
        elif lens is Lens.UNKNOWN:
            detail = f"the camera model of {where} is not known{words}: no camera matrix is taken from it"
            cure = "the poses are read; undistort the images, or tell the camera in camera-intrinsics.txt"
            found.append(_finding(where, Severity.WARNING, detail, cure))
    return found


def _on_disk(camera: Camera, image: Path, where: Path) -> tuple[Float[np.ndarray, "3 3"] | None, list[Finding]]:
    """The matrix in pixels of an image file as it is read."""
    if camera.focal is None:
        return None, []
    real = image_size(image)
    size = camera.size or real
    if size is None:  # the image cannot be read, and whoever reads it will say so
        return None if camera.center is None else pinhole(*camera.focal, *camera.center), []
    center = camera.center or (size[0] / 2 - 0.5, size[1] / 2 - 0.5)
    matrix, found = pinhole(*camera.focal, *center), []
    if camera.size is None:
        return matrix, _doubted(center, size, where)
    if real is None or real == size:
        return matrix, found
    told, is_ = f"{size[0]}x{size[1]}", f"{real[0]}x{real[1]}"
    across, down = real[0] / size[0], real[1] / size[1]
    if abs(across / down - 1) > 1.5 / min(*real, *size):  # a pixel more or less is rounding
        done = "turned" if abs(real[0] * size[0] / (real[1] * size[1]) - 1) < 0.02 else "cut or stretched"
        detail = f"{image} is {is_}, but the camera of {where} is of images of {told}: they were {done}"
        cure = "no camera matrix is taken, and poses are of the images as they were: give those"
        return None, [_finding(where, Severity.WARNING, detail, cure)]
    scale = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
    detail = f"the camera of {where} is of images of {told}, and those on disk are {is_}"
    return scale @ matrix, [_finding(where, Severity.NOTE, detail, "its focal lengths and principal point are scaled")]


def _doubted(center: tuple[float, float], size: tuple[int, int], where: Path) -> list[Finding]:
    off = max(abs((point + 0.5) / side - 0.5) for point, side in zip(center, size, strict=True))
    if off <= OFF_CENTRE:
        return []
    detail = (
        f"the principal point of {where}, ({center[0]:g}, {center[1]:g}), is far from the middle of images of"
        f" {size[0]}x{size[1]}, and no size (w, h) is told"
    )
    return [_finding(where, Severity.WARNING, detail, "is the camera of images of another size? write w and h")]


def _finding(where: Path, severity: Severity, detail: str, cure: str) -> Finding:
    return Finding(Problem.CAMERA_MODEL, str(where), severity, detail, cure)
