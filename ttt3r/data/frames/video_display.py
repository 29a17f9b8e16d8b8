"""The geometry in which a video is meant to be seen: square pixels, and turned or mirrored as its display matrix says."""

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int
from PIL import Image

if TYPE_CHECKING:
    import av

_TURNS = {
    (1, 0, 0, 1): None,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
}
"""By the signs of a, b, c, d, where x' = a x + c y and y' = b x + d y, y down."""

_QUARTERS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    -180: Image.Transpose.ROTATE_180,
    -90: Image.Transpose.ROTATE_270,
}
"""By the angle that PyAV gives, which knows no mirrors."""

_LARGEST_ASPECT = 8  # of a pixel; anamorphic lenses reach 2


def square(image: Image.Image, aspect: Fraction | None) -> Image.Image:
    """The image with square pixels, given width by height of those that it has. The shorter of the two is stretched."""
    if not believable(aspect) or aspect is None or aspect == 1:
        return image
    width, height = image.size
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return image.resize(size, Image.Resampling.BICUBIC)


def believable(aspect: Fraction | None) -> bool:
    """Whether pixels may have this aspect; `None` and 0 stand for unknown, and so for square."""
    return not aspect or Fraction(1, _LARGEST_ASPECT) <= aspect <= _LARGEST_ASPECT


def turn_of(frame: "av.VideoFrame") -> tuple[Image.Transpose | None, bool]:
    """How a frame has to be turned or mirrored to stand upright, and whether that is all that its matrix asks for."""
    from av.sidedata.sidedata import Type

    try:
        data = frame.side_data.get(Type.DISPLAYMATRIX)  # pyright: ignore[reportCallIssue, reportArgumentType]
    except ValueError:  # PyAV lists no side data of a frame that has some of a kind that it does not know, as EXIF
        return _QUARTERS.get(round(frame.rotation)), True
    return (None, True) if data is None else turn_by(np.frombuffer(bytes(data), np.int32, 9).reshape(3, 3))


def turn_by(matrix: Int[np.ndarray, "3 3"]) -> tuple[Image.Transpose | None, bool]:
    """The nearest of the eight quarter turns and mirrors to a display matrix, and whether it is that one."""
    a, b, c, d = (int(value) for value in matrix[:2, :2].ravel())
    straight = abs(a) + abs(d) >= abs(b) + abs(c)
    kept = (a, 0, 0, d) if straight else (0, b, c, 0)
    signs = (int(np.sign(kept[0])), int(np.sign(kept[1])), int(np.sign(kept[2])), int(np.sign(kept[3])))
    rest = (b, c) if straight else (a, d)
    exact = max(abs(value) for value in rest) <= 0.01 * max(abs(value) for value in kept)
    return _TURNS.get(signs), exact and signs in _TURNS
