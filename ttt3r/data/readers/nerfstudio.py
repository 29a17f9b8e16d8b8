"""Cameras as nerfstudio exports them after a training: lists of files with poses in the frame that it trained in.

    transforms_train.json, transforms_eval.json    [{"file_path": "/data/room/images/0001.png", "transform": [[...], ...]}]
    dataparser_transforms.json                     {"transform": 3x4 rigid A, "scale": s}; here, or in the folder above

`transform` is 3x4 camera to world with OpenGL axes, moved and scaled by the training: T = s (A T0), positions times s. With
`dataparser_transforms.json` (of the folder of the training) this is undone, and the poses are those of the data's own
`transforms.json`, in its unit. Images are looked for where the list says, then by the ends of their names in this folder;
those that lie with them and are not listed have no pose. There are no camera matrices in these files: write
`camera-intrinsics.txt`. What `ns-process-data` writes (`transforms.json`, `images/`, `images_2/`, ...) is read as a folder with
poses, `posed_folder.py`: its poses are not moved.
See https://docs.nerf.studio and `ns-export cameras`.
"""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.sequences.cameras import Camera
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import Layout, image_files, named_after_folder
from ttt3r.data.sequences.listed import ImageList, ListedImage, beside, find_listed, is_file, outside, recording
from ttt3r.data.sequences.poses import from_opengl, read_camera_matrix
from ttt3r.data.sequences.recording import Files, Recording
from ttt3r.files import read_text

LISTS = ("transforms_train.json", "transforms_eval.json")
MOVED = "dataparser_transforms.json"


@dataclass(frozen=True)
class _Moved:
    """How a training moved the poses: positions x became scale (turn x + shift), directions turned with them."""

    turn: Float[np.ndarray, "3 3"]
    shift: Float[np.ndarray, "3"]
    scale: float

    def undone(self, moved: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
        """The pose before."""
        pose = np.eye(4)
        pose[:3, :3] = self.turn.T @ moved[:3, :3]
        pose[:3, 3] = self.turn.T @ (moved[:3, 3] / self.scale - self.shift)
        return pose


_NOT_MOVED = _Moved(np.eye(3), np.zeros(3), 1.0)


def recognises(folder: Path) -> bool:
    """Whether there is a `transforms_train.json` or `transforms_eval.json` that is a list; those of other programs are not."""
    return any(_is_list(folder / name) for name in LISTS)


def _is_list(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    except OSError:
        return False


def read(folder: Path) -> Recording:
    """The images that the lists name, in natural order.

    Raises:
        ValueError: if a list is malformed, or `camera-intrinsics.txt` is there and no 3x3 matrix.
    """
    identity = named_after_folder(folder)
    empty = Recording(identity.sequence, identity.scene, Files(), partial(DepthFiles, per_metre=1000.0))
    return recording(empty, _images(folder), read_camera_matrix(folder), lambda images: Files())


def _images(folder: Path) -> ImageList:
    moved, found = _read_moved(folder)
    files = [folder / name for name in LISTS if (folder / name).is_file()]
    listed = [image for file in files for image in _read_list(file, moved)]
    if not listed:
        raise ValueError(f"{folder} lists no image in {' or '.join(LISTS)}; export the cameras again")
    here = [image.path for image in listed if is_file(image.path)]
    around = beside([image.path for image in listed], (), [path.parent for path in here])
    return ImageList(files[0], files[0], tuple(listed), around, findings=(*found, *outside(folder, files[0], here)))


def _read_list(path: Path, moved: _Moved) -> list[ListedImage]:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is no JSON file ({reason}); export the cameras again") from error
    if not isinstance(content, list):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a list of cameras; export the cameras again")
    images = []
    for place, entry in enumerate(content):
        name, given = (
            (entry.get(key) for key in ("file_path", "transform")) if isinstance(entry, dict) else (None, None)
        )
        pose = _matrix(given)
        if not isinstance(name, str) or not name.strip() or pose is None:
            raise ValueError(
                f"{path}, camera {place}, must have file_path and transform, 3x4 numbers; export the cameras again"
            )
        undone = from_opengl(moved.undone(pose)[None])[0]
        images.append(ListedImage(find_listed((path.parent,), name), undone, Camera(None)))
    return images


def _matrix(given: object) -> Float[np.ndarray, "4 4"] | None:
    """The 4x4 matrix of 3x4 or 4x4 numbers; NaN stays NaN."""
    try:
        numbers = np.array(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if numbers.shape not in ((3, 4), (4, 4)):
        return None
    matrix = np.eye(4)
    matrix[: len(numbers)] = numbers
    return matrix


def _read_moved(folder: Path) -> tuple[_Moved, list[Finding]]:
    """What the training did to the poses; a finding if it is not known."""
    path = next((home / MOVED for home in (folder, folder.resolve().parent) if (home / MOVED).is_file()), None)
    if path is None:
        detail = f"there is no {folder / MOVED}: the poses of {folder} are in the frame of the training, not in metres"
        cure = f"copy {MOVED} of the training's output folder beside the lists"
        return _NOT_MOVED, [Finding(Problem.IMPLAUSIBLE_POSES, str(folder), Severity.WARNING, detail, cure)]
    try:
        content = json.loads(read_text(path))
        matrix, scale = _matrix(content["transform"]), float(content["scale"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(repr(error).split())[:100]
        raise ValueError(f"{path} must hold transform, 3x4 numbers, and scale ({reason}); copy it again") from error
    if matrix is None or not np.isfinite(matrix).all() or not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"{path} must hold transform, 3x4 finite numbers, and a positive scale; copy it again")
    return _Moved(matrix[:3, :3], matrix[:3, 3], scale), []


def images(folder: Path) -> ImageFiles:
    """The images that the lists name, in natural order; timestamps are their places."""
    return image_files(folder, read(folder).images)


NERFSTUDIO = Layout(
    name="nerfstudio cameras",
    needs=f"transforms_train.json or transforms_eval.json of `ns-export cameras`, and {MOVED}",
    recognises=recognises,
    identify=named_after_folder,
    read=read,
    images=images,
)
"""`transforms_train.json` and `transforms_eval.json` that are lists, `dataparser_transforms.json`."""
