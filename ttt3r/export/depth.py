"""Depth maps: a 16-bit PNG that any program opens, and the exact numbers beside it."""

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt16
from PIL import Image, PngImagePlugin
from torch import Tensor

from ttt3r.files import replacing
from ttt3r.types import LengthUnit
from ttt3r.untrusted import reading, real

UNITS_PER_METRE = 1000.0
"""Default scale of a depth PNG: millimetres."""
LARGEST = 65535
"""Largest value of a 16-bit PNG."""


def encode_depth(
    depth: Float[np.ndarray, "height width"], units_per_metre: float = UNITS_PER_METRE
) -> UInt16[np.ndarray, "height width"]:
    """round(depth * units_per_metre); 0 = invalid: not finite, not positive, or beyond 65535 units."""
    units = np.round(np.nan_to_num(depth.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0) * units_per_metre)
    return np.where((units >= 1) & (units <= LARGEST), units, 0).astype(np.uint16)


def write_depth(
    folder: str | Path,
    name: str,
    depth: Float[Tensor, "height width"],
    confidence: Float[Tensor, "height width"] | None = None,
    units_per_metre: float = UNITS_PER_METRE,
    unit: LengthUnit = LengthUnit.METRES,
) -> None:
    """Write `NAME.png` (16 bit), `NAME.npz` (float32 `depth` in `unit` and `confidence`) and the note `scale.json`.

    Args:
        folder: where to; made if absent.
        name: file name without ending.
        depth: along the optical axis, metres or what `unit` says.
        confidence: of each pixel, at least 1; left out of the NPZ if None.
        units_per_metre: scale of the PNG, written into its text under `units_per_metre` and into `scale.json`. 1000 is
            millimetres and reaches to 65.5 m; what lies beyond is 0 = invalid in the PNG and exact in the NPZ.
        unit: of the depth; where it is not the metre, `units_per_metre` counts for one such unit.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    exact = depth.detach().cpu().float().numpy()
    arrays = {"depth": exact}
    if confidence is not None:
        arrays["confidence"] = confidence.detach().cpu().float().numpy()
    with replacing(folder / f"{name}.npz") as partial:
        np.savez(partial, **arrays)  # pyright: ignore[reportArgumentType] (the stub mistakes names for flags)
    text = PngImagePlugin.PngInfo()
    text.add_text("units_per_metre", f"{units_per_metre:g}")
    text.add_text("invalid", "0")
    with replacing(folder / f"{name}.png") as partial:
        Image.fromarray(encode_depth(exact, units_per_metre)).save(partial, pnginfo=text)
    meaning = f"depth in {unit.value} = pixel / units_per_metre"
    note = {"units_per_metre": units_per_metre, "invalid": 0, "unit": unit.value, "meaning": meaning}
    note_path = folder / "scale.json"
    if not note_path.exists():
        with replacing(note_path) as partial:
            partial.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def read_depth(path: str | Path) -> Float32[np.ndarray, "height width"]:
    """Depth in metres of a PNG that `write_depth` wrote; 0 = invalid.

    Raises:
        ValueError: if the PNG does not name its scale.
    """
    path = Path(path)
    with reading(path, "a depth map of a run", "was it written by write_depth?"), Image.open(path) as image:
        if "units_per_metre" not in image.info:
            raise ValueError("it does not say its scale, PNG text 'units_per_metre'")
        scale = real(float(image.info["units_per_metre"]), "units_per_metre", 1e-9, 1e9)
        if image.mode not in ("I;16", "I") or max(image.size) > 2**16:
            raise ValueError(
                f"it is {image.width} x {image.height} pixels of mode {image.mode}, expected 16 bits of grey"
            )
        return (np.asarray(image).astype(np.float64) / scale).astype(np.float32)
