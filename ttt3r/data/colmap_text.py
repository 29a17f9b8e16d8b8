"""Poses in a COLMAP text model: `images.txt` (world to camera) and `cameras.txt`.

See https://colmap.github.io/format.html. A binary model becomes a text model by `colmap model_converter`.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.files import natural_key
from ttt3r.data.findings import Finding, Problem, Severity
from ttt3r.data.layout import present
from ttt3r.data.poses import camera_to_world, inverse, pinhole, read_lines
from ttt3r.data.recording import Files, Poses
from ttt3r.files import read_text

PLACES = (Path("sparse/0"), Path("sparse"), Path("colmap"), Path())
"""Where a model lies, from the folder of a sequence."""

_SINGLE_FOCAL = {"SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"}
_PINHOLES = {"SIMPLE_PINHOLE", "PINHOLE"}


def find_model(folder: Path) -> Path | None:
    """The folder of the text model of a sequence, if there is one."""
    found = (folder / place for place in PLACES)
    return next((p for p in found if (p / "images.txt").is_file() and (p / "cameras.txt").is_file()), None)


def read_frames(model: Path, images: Path) -> tuple[Files, Poses, list[Finding]]:
    """Images (below the folder `images`) in natural order, and their poses, stamped by the images' places.

    Raises:
        ValueError: if `images.txt` is malformed.
    """
    path = model / "images.txt"
    entries: list[tuple[Path, list[float]]] = []
    for row in _image_rows(path):
        try:
            words = row.split(maxsplit=9)
            entries.append((images / words[9], [float(word) for word in words[1:8]]))
        except (IndexError, ValueError) as error:
            raise ValueError(
                f"{path} must have rows IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, got {row[:60]!r}; write it again"
            ) from error
    entries.sort(key=lambda entry: natural_key(entry[0]))
    if not entries:
        raise ValueError(f"{path} lists no image; write it again")
    w, x, y, z, *shift = np.array([numbers for _, numbers in entries]).T
    stamps = np.arange(len(entries), dtype=np.float64)
    poses = inverse(camera_to_world(np.stack([*shift, x, y, z, w], axis=1)))
    files, found = present(Files(tuple(file for file, _ in entries), stamps), path)
    return files, Poses(poses, stamps), found


def _image_rows(path: Path) -> list[str]:
    """Every other line: the points that an image sees follow it, maybe none."""
    lines = [line for line in read_text(path, "replace").split("\n") if not line.lstrip().startswith("#")]
    while lines and not lines[0].strip():
        del lines[0]
    return [line for line in lines[::2] if line.strip()]


def read_camera(model: Path) -> tuple[Float[np.ndarray, "3 3"] | None, list[Finding]]:
    """Camera matrix (pixels, first pixel centred at (0, 0)) of the first camera, and what it leaves out.

    Raises:
        ValueError: if `cameras.txt` is malformed.
    """
    path = model / "cameras.txt"
    rows = [line.split() for line in read_lines(path)]
    if not rows:
        cure = "write it again, or tell the camera in camera-intrinsics.txt"
        return None, [Finding(Problem.CAMERA_MODEL, str(path), Severity.WARNING, f"{path} lists no camera", cure)]
    try:
        kind, numbers = rows[0][1], [float(word) for word in rows[0][4:]]
        fx, fy, cx, cy = (numbers[0], *numbers[:3]) if kind in _SINGLE_FOCAL else numbers[:4]
    except (IndexError, ValueError) as error:
        raise ValueError(
            f"{path} must have rows CAMERA_ID MODEL WIDTH HEIGHT PARAMS ({error}); write it again"
        ) from error
    found = []
    if kind not in _PINHOLES:
        detail = f"the camera of {path} is a {kind}: its lens is distorted"
        cure = "it is not undone: undistort the images first (colmap image_undistorter)"
        found.append(Finding(Problem.CAMERA_MODEL, str(path), Severity.NOTE, detail, cure))
    if len(rows) > 1:
        detail, cure = f"{path} has {len(rows)} cameras", "the intrinsics of the first are taken for all"
        found.append(Finding(Problem.CAMERA_MODEL, str(path), Severity.NOTE, detail, cure))
    return pinhole(fx, fy, cx - 0.5, cy - 0.5), found
