"""Numbers into colours, and small pictures for the panel."""

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image

from ttt3r.types import LengthUnit

# Dark blue, blue, teal, green, yellow: rising lightness, so that it reads in grey and to colour-blind eyes too.
_STOPS = np.array([(52, 24, 96), (58, 82, 139), (33, 145, 140), (106, 201, 92), (250, 231, 60)], float)

RUN_COLORS = ((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75))
"""One colour for each run; after the last it begins again."""

_SMALLEST_SIDE = 320
_WIDEST_AT_CAMERA = 256


def ramp(
    values: Float[np.ndarray, "*any"] | Float32[np.ndarray, "*any"], low: float, high: float
) -> UInt8[np.ndarray, "*any rgb=3"]:
    """Colours of values: `low` and below is dark blue, `high` and above yellow; a range without width is all `high`."""
    share = np.clip((values - low) / (high - low), 0, 1) if high > low else np.ones_like(values)
    place = np.nan_to_num(share) * (len(_STOPS) - 1)
    channels = [np.interp(place, np.arange(len(_STOPS)), _STOPS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def painted_over(
    image: UInt8[np.ndarray, "height width rgb=3"], heat: UInt8[np.ndarray, "row column rgb=3"], weight: float = 0.55
) -> UInt8[np.ndarray, "height width rgb=3"]:
    """The image with one colour for each patch laid over it."""
    height, width = image.shape[:2]
    grown = np.asarray(Image.fromarray(heat).resize((width, height), Image.Resampling.NEAREST)).astype(float)
    return ((1 - weight) * image + weight * grown).round().astype(np.uint8)


def depth_picture(depth: Float32[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width rgb=3"]:
    """Near is yellow, far is dark; grey where there is no depth."""
    valid = np.isfinite(depth) & (depth > 0)
    if not valid.any():
        return np.full((*depth.shape, 3), 128, np.uint8)
    near, far = _near_and_far(depth[valid])
    picture = ramp(-depth, -far, -near)
    picture[~valid] = 128
    return picture


def depth_range(depth: Float32[np.ndarray, "height width"], unit: LengthUnit = LengthUnit.METRES) -> str:
    """What `depth_picture` shows, in words."""
    valid = depth[np.isfinite(depth) & (depth > 0)]
    if not len(valid):
        return "none in front of the camera"
    near, far = _near_and_far(valid)
    return f"{near:.2f} {unit.short} (yellow) to {far:.2f} {unit.short} (dark)"


def _near_and_far(valid: Float32[np.ndarray, " pixel"]) -> tuple[float, float]:
    near, far = np.percentile(valid, (2, 98)).tolist()
    return near, far


def reduced(picture: UInt8[np.ndarray, "height width rgb=3"]) -> UInt8[np.ndarray, "low narrow rgb=3"]:
    """A picture at most 256 pixels wide, for the cameras of the scene; smaller ones stay as they are."""
    height, width = picture.shape[:2]
    if width <= _WIDEST_AT_CAMERA:
        return picture
    size = _WIDEST_AT_CAMERA, max(1, round(height * _WIDEST_AT_CAMERA / width))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def enlarged(picture: UInt8[np.ndarray, "height width rgb=3"]) -> UInt8[np.ndarray, "tall wide rgb=3"]:
    """A small picture grown by whole factors, so that a browser does not blur its pixels."""
    factor = max(1, -(-_SMALLEST_SIDE // picture.shape[1]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)
