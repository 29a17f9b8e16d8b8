"""Point clouds for other programs: PLY and GLB."""

import json
import struct
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from ttt3r.export.points import PointCloud
from ttt3r.files import replacing
from ttt3r.types import LengthUnit

_VERTEX = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3), ("confidence", "<f4")])
_POINTS, _FLOAT, _ARRAY_BUFFER = 0, 5126, 34962  # as glTF numbers them


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
    """Binary glTF 2.0, turned to that format's axes (x right, y up, z backward) so that viewers show it upright.

    Colours of images are sRGB; vertex colours of glTF are linear light (3.7.2.1 there), so they are converted. They are
    stored as float32, since eight bits of linear light have few dark tones.

    Raises:
        ValueError: for a cloud without points, which the format cannot hold.
    """
    if len(cloud) == 0:
        raise ValueError("a GLB needs at least one point, got none; lower min_confidence")
    place = np.ascontiguousarray(cloud.xyz * np.array([1, -1, -1], "<f4"), "<f4")
    light = _linear_light(cloud.rgb).astype("<f4")
    views = [
        {"buffer": 0, "byteOffset": start, "byteLength": place.nbytes, "target": _ARRAY_BUFFER}
        for start in (0, place.nbytes)
    ]
    vectors = {"componentType": _FLOAT, "count": len(cloud), "type": "VEC3"}
    corners = {"min": place.min(axis=0).tolist(), "max": place.max(axis=0).tolist()}
    head = {
        "asset": {"version": "2.0", "generator": "ttt3r"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "points", "mesh": 0}],
        "meshes": [{"primitives": [{"mode": _POINTS, "attributes": {"POSITION": 0, "COLOR_0": 1}}]}],
        "accessors": [{"bufferView": 0, **vectors, **corners}, {"bufferView": 1, **vectors}],
        "bufferViews": views,
        "buffers": [{"byteLength": place.nbytes + light.nbytes}],
    }
    text = json.dumps(head, separators=(",", ":")).encode("ascii")
    chunks = _chunk(b"JSON", text + b" " * (-len(text) % 4)) + _chunk(b"BIN\0", place.tobytes() + light.tobytes())
    with replacing(Path(path)) as partial:
        partial.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack("<I4s", len(content), kind) + content


def _linear_light(rgb: UInt8[np.ndarray, "point rgb=3"]) -> Float64[np.ndarray, "point rgb=3"]:
    """Light of sRGB colours, from 0 to 1 (IEC 61966-2-1)."""
    code = np.arange(256) / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)[rgb]
