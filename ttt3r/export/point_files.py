"""Point clouds for other programs: PLY and GLB."""

from pathlib import Path

import numpy as np

from ttt3r.export.points import PointCloud
from ttt3r.files import replacing
from ttt3r.types import LengthUnit

_VERTEX = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3), ("confidence", "<f4")])


def write_ply(path: str | Path, cloud: PointCloud, unit: LengthUnit = LengthUnit.METRES) -> None:
    """Binary little-endian PLY: x y z (in `unit`, OpenCV axes, first camera's frame), red green blue, confidence."""
    vertices = np.empty(len(cloud), _VERTEX)
    vertices["xyz"], vertices["rgb"], vertices["confidence"] = cloud.xyz, cloud.rgb, cloud.confidence
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment {unit.value}, OpenCV axes (x right, y down, z forward), in the first camera's frame",
        f"element vertex {len(cloud)}",
        *(f"property float {name}" for name in "xyz"),
        *(f"property uchar {name}" for name in ("red", "green", "blue")),
        "property float confidence",
        "end_header",
    ]
    with replacing(Path(path)) as partial, partial.open("wb") as file:
        file.write("".join(f"{line}\n" for line in header).encode("ascii"))
        file.write(vertices.tobytes())


def write_glb(path: str | Path, cloud: PointCloud) -> None:
    """Binary glTF, turned to that format's axes (x right, y up, z backward) so that viewers show it upright.

    Raises:
        ImportError: without the extra `export`.
        ValueError: for a cloud without points, which the format cannot hold.
    """
    try:
        import trimesh
    except ImportError as error:
        raise ImportError("GLB needs trimesh: pip install 'ttt3r[export]'") from error
    if len(cloud) == 0:
        raise ValueError("a GLB needs at least one point, got none; lower min_confidence")
    to_gltf = np.array([1, -1, -1], np.float32)
    opaque = np.full((len(cloud), 1), 255, np.uint8)
    points = trimesh.PointCloud(cloud.xyz * to_gltf, colors=np.concatenate([cloud.rgb, opaque], axis=1))
    data = trimesh.Scene({"points": points}).export(file_type="glb")
    with replacing(Path(path)) as partial:
        partial.write_bytes(data)  # pyright: ignore[reportArgumentType] (bytes for this file type)
