"""The camera matrices of the images of a sequence: one that holds for all, or one of each, in pixels of the images on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Severity
from ttt3r.data.frames.images import image_size
from ttt3r.data.sequences.cameras import Camera, camera_finding
from ttt3r.data.sequences.poses import pinhole

ALIKE = 0.01
"""Cameras whose focal lengths and principal points differ by less than this share of the focal length count as one."""

OFF_CENTRE = 0.25
"""A principal point further from the middle than this share of the image's side is doubted where no size is given."""


@dataclass(frozen=True)
class Matrices:
    """Camera matrices of the images of a sequence, in pixels of the images on disk.

    Args:
        shared: the one that holds for all; `None` if one image has none, or they differ.
        own: of each image, where they differ at all; an image without one is not in it.
        findings: what is to be said of them.
    """

    shared: Float[np.ndarray, "3 3"] | None = None
    own: Mapping[Path, Float[np.ndarray, "3 3"]] = field(default_factory=dict[Path, Float[np.ndarray, "3 3"]])
    findings: tuple[Finding, ...] = ()


def common_matrix(matrices: Float[np.ndarray, "camera 3 3"]) -> tuple[Float[np.ndarray, "3 3"] | None, float]:
    """The median of camera matrices, if they are `ALIKE`; and how far they differ, as a share of the focal length."""
    spread = float(np.ptp(matrices, axis=0).max() / matrices[:, 0, 0].min())
    return (np.median(matrices, axis=0) if spread <= ALIKE else None), spread


def matrices_of(cameras: Sequence[Camera], images: Sequence[Path], where: Path, upright: bool) -> Matrices:
    """The camera matrices of images.

    An image has none if its camera has none, or it is cut or turned against what its camera says.

    Args:
        cameras: of each image.
        images: files that are there; of each camera the size of one is read.
        where: file that gives the cameras, for the findings.
        upright: as the images are read.
    """
    first = _first(cameras, images)
    found: list[Finding] = []
    known: dict[Camera, Float[np.ndarray, "3 3"]] = {}
    for camera, image in first.items():
        matrix, notes = _on_disk(camera, image, where, upright)
        found += [note for note in notes if note not in found]
        known |= {} if matrix is None else {camera: matrix}
    if not known:
        return Matrices(findings=tuple(found))
    shared, spread = common_matrix(np.stack(list(known.values())))
    own = {image: known[camera] for camera, image in zip(cameras, images, strict=True) if camera in known}
    if without := [image for image in images if image not in own]:
        detail = f"{len(without)} of {len(images)} images of {where} have no camera matrix, such as {without[0]}"
        cure = "what needs one leaves them out: see the other findings, or write one into camera-intrinsics.txt"
        found.append(camera_finding(where, Severity.WARNING, detail, cure))
    if spread > 0:
        detail = (
            f"the images of {where} have {len(first)} cameras, which differ by {100 * spread:.2g} % of the focal length"
        )
        found.append(camera_finding(where, Severity.NOTE, detail, "each image keeps its own"))
    same = spread == 0 and not without
    return Matrices(None if without else shared, {} if same else own, tuple(found))


def are_upright(cameras: Sequence[Camera], images: Sequence[Path]) -> bool:
    """Whether the sizes that cameras give are those of the images turned by their EXIF data, and not of the stored pixels.

    COLMAP and the programs around it read pixels as they are stored, so that is what counts where the sizes do not decide.
    """
    turned = False
    for camera, image in _first(cameras, images).items():
        stored, upright = image_size(image, upright=False), image_size(image)
        if camera.size is None or stored is None or upright is None or stored == upright:
            continue
        if _alike(stored, camera.size):
            return False
        turned = turned or _alike(upright, camera.size)
    return turned


def _first(cameras: Sequence[Camera], images: Sequence[Path]) -> dict[Camera, Path]:
    """The first image of each camera, in order."""
    first: dict[Camera, Path] = {}
    for camera, image in zip(cameras, images, strict=True):
        first.setdefault(camera, image)
    return first


def _alike(size: tuple[int, int], given: tuple[int, int]) -> bool:
    """Whether images of a size may be those of a given size, scaled; a pixel more or less is rounding."""
    return abs(size[0] * given[1] / (given[0] * size[1]) - 1) <= 1.5 / min(*size, *given)


def _on_disk(
    camera: Camera, image: Path, where: Path, upright: bool
) -> tuple[Float[np.ndarray, "3 3"] | None, list[Finding]]:
    """The matrix in pixels of an image file as it is read."""
    if camera.focal is None:
        return None, []
    real = image_size(image, upright)
    size = camera.size or real
    if size is None:  # the image cannot be read, and whoever reads it will say so
        return None if camera.center is None else pinhole(*camera.focal, *camera.center), []
    center = camera.center or (size[0] / 2 - 0.5, size[1] / 2 - 0.5)
    matrix, found = pinhole(*camera.focal, *center), []
    if camera.size is None:
        return matrix, _doubted(center, size, where)
    if real is None or real == size:
        return matrix, found
    given, is_ = f"{size[0]}x{size[1]}", f"{real[0]}x{real[1]}"
    across, down = real[0] / size[0], real[1] / size[1]
    if not _alike(real, size):
        done = "turned" if abs(real[0] * size[0] / (real[1] * size[1]) - 1) < 0.02 else "cut or stretched"
        detail = f"{image} is {is_}, but the camera of {where} is of images of {given}: they were {done}"
        cure = "no camera matrix is taken, and poses are of the images as they were: give those"
        return None, [camera_finding(where, Severity.WARNING, detail, cure)]
    scale = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
    detail = f"the camera of {where} is of images of {given}, and those on disk are {is_}"
    return scale @ matrix, [
        camera_finding(where, Severity.NOTE, detail, "its focal lengths and principal point are scaled")
    ]


def _doubted(center: tuple[float, float], size: tuple[int, int], where: Path) -> list[Finding]:
    off = max(abs((point + 0.5) / side - 0.5) for point, side in zip(center, size, strict=True))
    if off <= OFF_CENTRE:
        return []
    detail = (
        f"the principal point of {where}, ({center[0]:g}, {center[1]:g}), is far from the middle of images of"
        f" {size[0]}x{size[1]}, and no size (w, h) is given"
    )
    return [camera_finding(where, Severity.WARNING, detail, "is the camera of images of another size? write w and h")]
