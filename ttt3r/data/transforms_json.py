"""Poses in a `transforms.json`, as NeRF programs write it: a list of files with 4x4 camera to world, OpenGL axes.

    {"fl_x": ..., "fl_y": ..., "cx": ..., "cy": ..., "frames": [{"file_path": "images/0001.jpg", "transform_matrix": [[...]]}]}

`depth_file_path` of a frame, where there is one, names a 16-bit depth map in millimetres. A principal point of COLMAP counts
from the corner of the first pixel; here the centre of the first pixel is (0, 0). Lens distortion is not undone.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ttt3r.data.files import natural_key
from ttt3r.data.findings import Finding, Problem, Severity
from ttt3r.data.images import IMAGE_SUFFIXES
from ttt3r.data.layout import present
from ttt3r.data.poses import from_opengl, pinhole
from ttt3r.data.recording import Files, Poses
from ttt3r.files import read_text

FILE = "transforms.json"


def read_frames(path: Path) -> tuple[Files, Files, Poses, list[Finding]]:
    """Images in natural order, depths, poses (stamped by the images' places), and the files that are not there.

    Raises:
        ValueError: if the file is no such JSON.
    """
    content = _content(path)
    try:
        entries = sorted(
            ((_file(path.parent, frame["file_path"]), frame) for frame in content["frames"]),
            key=lambda entry: natural_key(entry[0]),
        )
        matrices = [np.array(frame["transform_matrix"], dtype=np.float64).reshape(4, 4) for _, frame in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} must have frames with file_path and a 4x4 transform_matrix ({error!r}); write it again"
        ) from error
    stamps = np.arange(len(entries), dtype=np.float64)
    images, found = present(Files(tuple(image for image, _ in entries), stamps), path)
    deep = [i for i, (_, frame) in enumerate(entries) if "depth_file_path" in frame]
    depths, gone = present(
        Files(tuple(path.parent / str(entries[i][1]["depth_file_path"]) for i in deep), stamps[deep]), path
    )
    poses = Poses(from_opengl(np.stack(matrices)), stamps) if matrices else Poses()
    return images, depths, poses, [*found, *gone, *_distortion(path, content)]


def read_camera(path: Path) -> Float[np.ndarray, "3 3"] | None:
    """Camera matrix of the images, pixels, if the file tells one for all of them.

    Raises:
        ValueError: if the file is no such JSON.
    """
    content = _content(path)
    try:
        width, height = float(content.get("w", 0)), float(content.get("h", 0))
        fx = float(content.get("fl_x", 0)) or _focal(width, content.get("camera_angle_x"))
        fy = float(content.get("fl_y", 0)) or _focal(height, content.get("camera_angle_y")) or fx
        if not fx or not fy or ("cx" not in content and not width):
            return None
        return pinhole(fx, fy, content.get("cx", width / 2) - 0.5, content.get("cy", height / 2) - 0.5)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the camera in {path} is not made of numbers ({error}); write it again") from error


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except (UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path} is no JSON file ({error}); write it again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not an object with frames; write it again")
    return content


def _focal(side: float, angle: float | None) -> float:
    return 0.0 if angle is None else side / 2 / math.tan(float(angle) / 2)


def _file(folder: Path, name: str) -> Path:
    """The image of an entry; Blender's files leave the suffix out."""
    path = folder / name
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return path
    return next((p for suffix in IMAGE_SUFFIXES if (p := path.with_name(path.name + suffix)).is_file()), path)


def _distortion(path: Path, content: dict[str, Any]) -> list[Finding]:
    terms = [f"{name}={content[name]:g}" for name in ("k1", "k2", "k3", "p1", "p2") if content.get(name)]
    if not terms:
        return []
    detail = f"the lens of {path} is distorted ({', '.join(terms)})"
    return [
        Finding(Problem.CAMERA_MODEL, str(path), Severity.NOTE, detail, "it is not undone: undistort the images first")
    ]
