"""Poses in a `transforms.json`, as NeRF programs write it: a list of files with 4x4 camera to world, OpenGL axes.

    {"fl_x": ..., "fl_y": ..., "cx": ..., "cy": ..., "w": ..., "h": ...,
     "frames": [{"file_path": "images/0001.jpg", "transform_matrix": [[...]]}]}

What a frame says of its camera wins over what the file says, focal lengths win over angles. `depth_file_path` of a frame names
a depth map: 16 bit, millimetres, or as `integer_depth_scale` or `depth_unit_scale_factor` say (metres of one value); or
floats (`.npy`), metres, or as `depth_unit_scale_factor` says. Images are read as they are stored (see `are_upright`). The
principal point counts from the corner of the first pixel; here its centre is (0, 0). Lens distortion is not undone.
Without `transforms.json`, `transforms_train.json`, `_val` and `_test` are read together.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttt3r.data.checks.findings import Finding, Problem, Severity, unreadable
from ttt3r.data.frames.images import image_size
from ttt3r.data.sequences.cameras import MODELS, Camera, Lens
from ttt3r.data.sequences.listed import SMALLER, ImageList, ListedImage, beside, find_listed, is_file, outside
from ttt3r.data.sequences.poses import from_opengl
from ttt3r.files import read_text

FILE = "transforms.json"
"""The file of a sequence as a whole."""
SPLITS = ("transforms_train.json", "transforms_val.json", "transforms_test.json")
"""The files of a sequence that is split for training."""

_INTEGER_UNIT, _ANY_UNIT = "integer_depth_scale", "depth_unit_scale_factor"
_FOCAL_KEYS = ("fl_x", "fl_y", "camera_angle_x", "camera_angle_y")
_TERMS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
_FLAT_NAMES = {"", "PERSPECTIVE", "OPENGL"}


@dataclass(frozen=True)
class _Frame:
    """An entry of a file: its place for messages, what it says, and what the file says for all."""

    place: str
    own: dict[str, Any]
    common: dict[str, Any]


def files_of(folder: Path) -> list[Path]:
    """The files that list the images of a sequence."""
    names = (FILE,) if (folder / FILE).is_file() else SPLITS
    return [folder / name for name in names if (folder / name).is_file()]


def read_images(folder: Path) -> ImageList:
    """What the files of a folder list.

    Raises:
        ValueError: if a file is no such JSON.
    """
    files = files_of(folder)
    frames = [frame for path in files for frame in _frames(path)]
    if not frames:
        raise ValueError(f"{files[0]} has no frames; write it again")
    roots = (folder, *(folder / name for name in SMALLER))
    paths = [find_listed(roots, _name(frame)) for frame in frames]
    depths = [_other(folder, frame, "depth_file_path") for frame in frames]
    masks = [path for frame in frames if (path := _other(folder, frame, "mask_path")) is not None]
    here = [path for path in paths if is_file(path)]
    real = image_size(here[0], upright=False) if here else None
    found, images = [], []
    for frame, path, depth in zip(frames, paths, depths, strict=True):
        try:
            camera = _camera(frame, real)
        except ValueError as error:
            camera = Camera(None)
            note = unreadable(str(files[0]), ValueError(f"the camera of {frame.place} {error}; write it again"))
            found += [] if found else [note]
        images.append(ListedImage(path, _matrix(frame), camera, depth))
    deep = [frame for frame, depth in zip(frames, depths, strict=True) if depth]
    per_metre, notes = _per_metre(files[0], deep)
    notes += _cloud(folder, frames[0])
    known_depths = [path for path in depths if path is not None]
    if len(files) > 1:
        counts = ", ".join(
            f"{sum(frame.place.startswith(str(path)) for frame in frames)} in {path.name}" for path in files
        )
        detail, cure = f"{folder} holds the parts of a data set ({counts})", "they are read as one sequence"
        notes.append(Finding(Problem.UNSORTED, str(folder), Severity.NOTE, detail, cure))
    return ImageList(
        files[0],
        files[0],
        tuple(images),
        beside(paths, [*known_depths, *masks], [path.parent for path in here]),
        per_metre,
        _floats_per_metre(files[0], deep),
        (*found, *notes, *outside(folder, files[0], [*here, *filter(is_file, known_depths)])),
    )


def _cloud(folder: Path, frame: _Frame) -> list[Finding]:
    """A note if the cloud that nerfstudio starts a splat from is named and not there; it is not read here."""
    name = frame.common.get("ply_file_path")
    if not isinstance(name, str) or not name or is_file(find_listed((folder,), name)):
        return []
    detail, cure = f"{frame.place}: the cloud {name} is not there", "it is not needed here; copy it before a training"
    return [Finding(Problem.MISSING_FILE, name, Severity.NOTE, detail, cure)]


def _frames(path: Path) -> list[_Frame]:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file ({' '.join(str(error).split())}); write it again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not an object with frames; write it again")
    frames = content.get("frames")
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise ValueError(f"{path} must have frames with file_path and a 4x4 transform_matrix; write it again")
    return [_Frame(f"{path}, frame {place}", frame, content) for place, frame in enumerate(frames)]


def _name(frame: _Frame) -> str:
    name = frame.own.get("file_path")
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{frame.place}: file_path is {name!r}, not the name of an image; write it again")
    return name


def _other(folder: Path, frame: _Frame, key: str) -> Path | None:
    name = frame.own.get(key)
    if name is None or name == "":
        return None
    if not isinstance(name, str):
        raise ValueError(f"{frame.place}: {key} is {name!r}, not the name of a file; write it again")
    return find_listed((folder,), name)


def _matrix(frame: _Frame) -> np.ndarray | None:
    """camera_to_world with OpenCV axes, in the unit of depth; `None` where the frame has no pose."""
    given = frame.own.get("transform_matrix")
    if given is None or given == []:
        return None
    try:
        numbers = np.array(given, dtype=np.float64)  # null becomes NaN
        if numbers.shape not in ((4, 4), (3, 4), (16,)):
            raise ValueError(f"its shape is {numbers.shape}")
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{frame.place}: transform_matrix must be a 4x4 matrix of numbers ({error}); write it again"
        ) from error
    matrix = np.eye(4)
    matrix[: numbers.size // 4] = numbers.reshape(-1, 4)
    try:
        scale = _number(frame.common, "applied_scale")
    except ValueError as error:
        raise ValueError(f"{frame.place}: {error}; write it again") from error
    if scale is not None and scale <= 0:
        raise ValueError(f"{frame.place}: applied_scale is {scale:g}; it must be positive; write it again")
    matrix[:3, 3] /= scale or 1.0
    return from_opengl(matrix[None])[0]


def _camera(frame: _Frame, real: tuple[int, int] | None) -> Camera:
    lens, about = _lens({**frame.common, **frame.own})
    if lens in (Lens.OTHER, Lens.UNKNOWN):
        return Camera(None, None, None, lens, about)
    own = any(_number(frame.own, key) for key in _FOCAL_KEYS)
    first, second = (frame.own, frame.common) if own else (frame.common, frame.own)
    focal_of = first if own else frame.common
    given = [_number(first, key) or _number(second, key) for key in ("w", "h")]
    size = None if given[0] is None or given[1] is None else (round(given[0]), round(given[1]))
    if size is not None and min(size) <= 0:
        raise ValueError(f"has images of {size[0]}x{size[1]}")
    sides = size or real
    fx = _focal(focal_of, "fl_x", "camera_angle_x", sides and sides[0])
    fy = _focal(focal_of, "fl_y", "camera_angle_y", sides and sides[1])
    if fx is None and fy is None:
        if (zero := next((key for key in _FOCAL_KEYS if _number(focal_of, key) == 0), None)) is not None:
            raise ValueError(f"has {zero}=0; it must be positive")
        return Camera(None, None, size, lens, about)
    cx, cy = (_number(frame.own, key) if key in frame.own else _number(frame.common, key) for key in ("cx", "cy"))
    if sides is not None:
        cx, cy = (side / 2 if point is None else point for point, side in zip((cx, cy), sides, strict=True))
    center = None if cx is None or cy is None else (cx - 0.5, cy - 0.5)
    return Camera((fx or fy or 0.0, fy or fx or 0.0), center, size, lens, about)


def _focal(level: dict[str, Any], key: str, angle_key: str, side: int | None) -> float | None:
    focal, angle = _number(level, key), _number(level, angle_key)
    if focal is not None and focal < 0:
        raise ValueError(f"has {key}={focal:g}; it must be positive")
    if focal or angle is None or angle == 0 or side is None:
        return focal or None
    if not 0 < angle < math.pi:
        raise ValueError(f"has {angle_key}={angle:g}; it must lie between 0 and pi")
    return side / 2 / math.tan(angle / 2)


def _lens(given: dict[str, Any]) -> tuple[Lens, str]:
    model = str(given.get("camera_model") or "").upper()
    terms = [f"{key}={value:g}" for key in _TERMS if (value := _number(given, key))]
    about = ", ".join([model, *terms] if model else terms)
    if given.get("is_fisheye") or "FISHEYE" in model:
        return Lens.FISHEYE, about or "is_fisheye"
    if model in MODELS:
        kind = MODELS[model]
        lens = kind.lens if kind.always or (terms and kind.terms) else Lens.PERSPECTIVE
        return (Lens.DISTORTED if terms and lens is Lens.PERSPECTIVE else lens), about
    if model not in _FLAT_NAMES:
        return Lens.UNKNOWN, about
    return (Lens.DISTORTED if terms else Lens.PERSPECTIVE), about


def _number(level: dict[str, Any], key: str) -> float | None:
    value = level.get(key)
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"has {key}={str(value)[:40]!r}, which is no number")
    return number


def _per_metre(path: Path, frames: list[_Frame]) -> tuple[float, list[Finding]]:
    """Value of one metre in depth maps of whole numbers."""
    unit, found = _one_unit(path, frames, (_INTEGER_UNIT, _ANY_UNIT)), []
    if unit is None and any("depth_scale" in level for frame in frames for level in (frame.own, frame.common)):
        detail = f"depth_scale in {path} is not read, since programs mean different things by it: 1000 a metre is taken"
        cure = "write integer_depth_scale, the metres of one value"
        found.append(Finding(Problem.DEPTH_SCALE, str(path), Severity.WARNING, detail, cure))
    return 1000.0 if unit is None else 1 / unit, found


def _floats_per_metre(path: Path, frames: list[_Frame]) -> float:
    """Value of one metre in depth maps of floats."""
    return 1 / (_one_unit(path, frames, (_ANY_UNIT,)) or 1.0)


def _one_unit(path: Path, frames: list[_Frame], keys: tuple[str, ...]) -> float | None:
    units = {_unit(frame, keys) for frame in frames} or {None}
    if len(units) > 1:
        raise ValueError(f"{path} has {len(units)} units of depth; make one sequence of each")
    return units.pop()


def _unit(frame: _Frame, keys: tuple[str, ...]) -> float | None:
    for level in (frame.own, frame.common):
        for key in keys:
            try:
                unit = _number(level, key)
            except ValueError as error:
                raise ValueError(f"{frame.place} {error}; write it again") from error
            if unit is not None and unit <= 0:
                raise ValueError(f"{frame.place} has {key}={unit:g}; metres of one value are positive; write it again")
            if unit is not None:
                return unit
    return None
