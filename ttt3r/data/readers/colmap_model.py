"""Cameras and poses (world to camera) of a COLMAP model: `images` and `cameras`, as `.bin` or `.txt`.

See https://colmap.github.io/format.html. Where both forms are there the binary one is read, as in COLMAP.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity, unreadable
from ttt3r.data.frames.files import natural_order
from ttt3r.data.readers.colmap_binary import Row, binary_cameras, binary_images
from ttt3r.data.sequences.cameras import Camera, colmap_camera
from ttt3r.data.sequences.layout import children
from ttt3r.data.sequences.poses import camera_to_world, inverse
from ttt3r.files import read_text

PLACES = ("sparse", "colmap/sparse", "colmap", "dense/sparse", "dense/0/sparse", "")
"""Where models lie, from the folder of a sequence: right there, or in folders 0, 1, ... of it."""


@dataclass(frozen=True)
class ColmapImage:
    """An image of a model: its name, the number of its camera, and camera_to_world; NaN if the model has no pose of it."""

    name: str
    camera: int
    camera_to_world: Float[np.ndarray, "4 4"]


@dataclass(frozen=True)
class ColmapModel:
    """The images of a model in natural order, its cameras by number, and what is wrong with it."""

    folder: Path
    images: tuple[ColmapImage, ...]
    cameras: dict[int, Camera]
    findings: tuple[Finding, ...] = ()

    @property
    def posed(self) -> int:
        """Number of images with a pose."""
        return sum(bool(np.isfinite(image.camera_to_world).all()) for image in self.images)

    @property
    def file(self) -> Path:
        """The file of cameras, for messages."""
        return _file(self.folder, "cameras")


def find_models(folder: Path) -> list[Path]:
    """The folders of the models of a sequence, those of the first of `PLACES` that holds any."""
    for place in PLACES:
        base = folder / place
        if not base.is_dir():
            continue
        found = [path for path in ([base, *children(base)] if place else [base]) if _is_model(path, bool(place))]
        if found:
            return found
    return []


def read_largest(models: list[Path]) -> ColmapModel:
    """The model with the most images that have a pose; a finding where there are others: each has a world of its own.

    Raises:
        ValueError: if none can be read.
    """
    read, broken, errors = [], [], []
    for model in models:
        try:
            read.append((model, _read_images(_file(model, "images"))))
        except (OSError, ValueError) as error:
            errors.append(error)
            broken.append(unreadable(str(model), error))
    if not read:
        raise errors[0]
    every = [ColmapModel(model, images, {}) for model, images in read]
    largest = max(every, key=lambda model: model.posed)
    cameras, found = _read_cameras(largest.file)
    if len(every) > 1:
        counts = ", ".join(f"{model.folder.name}: {model.posed}" for model in every)
        detail = f"{largest.folder.parent} holds {len(every)} models (images with a pose in {counts})"
        cure = f"the largest, {largest.folder.name}, is read: the models have no common world; join them, or map again"
        several = Finding(Problem.MISSING_POSES, str(largest.folder.parent), Severity.WARNING, detail, cure)
        found = [several, *found]
    return ColmapModel(largest.folder, largest.images, cameras, (*broken, *found))


def _is_model(folder: Path, bare: bool) -> bool:
    """Whether there is a file of images, and one of cameras unless the place marks it as `bare`."""
    names = ("images",) if bare else ("images", "cameras")
    return any(all((folder / f"{name}{suffix}").is_file() for name in names) for suffix in (".bin", ".txt"))


def _file(model: Path, name: str) -> Path:
    binary = (model / "images.bin").is_file()
    return model / f"{name}{'.bin' if binary else '.txt'}"


def _read_images(path: Path) -> tuple[ColmapImage, ...]:
    rows = list(binary_images(path) if path.suffix == ".bin" else _text_images(path))
    if not rows:
        raise ValueError(f"{path} lists no image; write it again")
    numbers = np.array([row[:7] for row in rows], dtype=np.float64)
    known = np.isfinite(numbers).all(axis=1) & (numbers[:, :4] != 0).any(axis=1)
    numbers[known, :4] /= np.abs(numbers[known, :4]).max(axis=1, keepdims=True)  # damaged ones may be huge
    w, x, y, z, *shift = numbers[known].T
    poses = np.full((len(rows), 4, 4), np.nan)
    poses[known] = inverse(camera_to_world(np.stack([*shift, x, y, z, w], axis=1)))
    images = [ColmapImage(name, camera, pose) for (*_, camera, name), pose in zip(rows, poses, strict=True)]
    place = {path: i for i, path in enumerate(natural_order(Path(image.name) for image in images))}
    return tuple(sorted(images, key=lambda image: place[Path(image.name)]))


def _text_images(path: Path) -> Iterator[Row]:
    """The rows of images. The row of points after each may be empty, or missing altogether."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        row = line.strip()
        if not row or row.startswith("#") or _is_points(row):
            continue
        try:
            words = row.split(maxsplit=9)
            w, x, y, z, tx, ty, tz = (float(word) for word in words[1:8])
            yield w, x, y, z, tx, ty, tz, int(words[8]), words[9]
        except (IndexError, ValueError) as error:
            raise ValueError(
                f"{path}, line {number}, must be IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, got {row[:60]!r};"
                " write it again"
            ) from error


def _is_points(row: str) -> bool:
    """Whether a row is X Y POINT3D_ID, X Y POINT3D_ID, ...; only the ends are looked at, since there are many."""
    words = row.split()
    if len(words) % 3 or len(words) == 0:
        return False
    return all(_is_number(word) for word in (*words[:3], *words[9:10], words[-1]))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _read_cameras(path: Path) -> tuple[dict[int, Camera], list[Finding]]:
    cameras: dict[int, Camera] = {}
    try:
        for number, camera in binary_cameras(path) if path.suffix == ".bin" else _text_cameras(path):
            cameras[number] = camera
    except (OSError, ValueError) as error:
        return cameras, [unreadable(str(path), error)]
    if not cameras:
        cure = "write it again, or write the camera into camera-intrinsics.txt"
        return {}, [Finding(Problem.CAMERA_MODEL, str(path), Severity.WARNING, f"{path} lists no camera", cure)]
    return cameras, []


def _text_cameras(path: Path) -> Iterator[tuple[int, Camera]]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            if len(words) < 4:
                raise ValueError("too few words")
            size = int(words[2]), int(words[3])
            yield int(words[0]), colmap_camera(words[1], size, [float(word) for word in words[4:]])
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number}, must be CAMERA_ID MODEL WIDTH HEIGHT PARAMS ({error}); write it again"
            ) from error
