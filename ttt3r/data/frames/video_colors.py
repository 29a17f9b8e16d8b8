"""Colours of decoded video as 8-bit sRGB, the same under every release of PyAV.

What the file is tagged with counts. Untagged, as is the field's convention: BT.709 from 1280 x 577 pixels up and BT.601 below,
limited range. High dynamic range (HLG, PQ) is mapped to that of a photograph, wide gamuts to that of sRGB.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    import av
    import av.video.codeccontext

# The numbers of ITU-T H.273.
_UNSPECIFIED = (0, 2, 3)
_BT601, _BT709, _BT2020 = (5, 6), 1, (9, 10)
_OTHER_MATRICES = (4, 7)  # FCC, SMPTE 240M
_PQ, _HLG = 16, 18
_FULL_RANGE = 2  # of FFmpeg
_EXACT = (
    1 << 18 | 1 << 13
)  # of swscale: rounds to nearest, at six times the cost; the curves of HDR enlarge what is lost

_GAMUTS = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),  # BT.709
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
_WHITE = (0.3127, 0.3290)
_WHITE_NITS = 203.0  # of a white page in HDR, BT.2408
_KNEE = 0.88  # of white: up to here light is kept, above it is compressed
_NODES = 65  # of the table of colours along each axis; Pillow takes no more


@dataclass(frozen=True)
class VideoColors:
    """How the colours of a stream are to be read, by the numbers of H.273.

    Args:
        primaries: its gamut.
        transfer: its transfer function.
        always_bt601: the coding format allows no other matrix, tagged or not.
    """

    primaries: int
    transfer: int
    always_bt601: bool = False

    @property
    def hdr(self) -> bool:
        """Whether it is of high dynamic range."""
        return self.transfer in (_PQ, _HLG)

    @property
    def gamut(self) -> int:
        """The primaries that count: HDR without any has those of BT.2020; small differences between gamuts of SDR do not."""
        if self.primaries in _GAMUTS:
            return self.primaries
        return 9 if self.hdr and self.primaries in _UNSPECIFIED else 1

    def notes(self, frame: "av.VideoFrame") -> list[str]:
        """What a user should know about the colours of the stream, of which this is a frame."""
        found = []
        if self.hdr:
            kind = "PQ" if self.transfer == _PQ else "HLG"
            found.append(f"high dynamic range ({kind}) is mapped to sRGB; highlights above white are compressed")
        known = (*_UNSPECIFIED, *_BT601, _BT709, *_BT2020, *_OTHER_MATRICES)
        if _is_yuv(frame) and frame.colorspace not in known:
            found.append(
                f"colours are coded in a way that is not known here (matrix {frame.colorspace}); they may be wrong"
            )
        return found

    def image(self, frame: "av.VideoFrame") -> Image.Image:
        """The picture as 8-bit sRGB."""
        image = Image.fromarray(_to_rgb(frame, self).to_ndarray())
        return image.filter(_table(self.gamut, self.transfer)) if self.hdr or self.gamut != 1 else image


def colors_of(context: "av.video.codeccontext.VideoCodecContext") -> VideoColors:
    """The tags of a stream, from its decoder (PyAV before 17.0 does not give them with each frame)."""
    return VideoColors(int(context.color_primaries), int(context.color_trc), context.name == "vp8")


def _to_rgb(frame: "av.VideoFrame", colors: VideoColors) -> "av.VideoFrame":
    """R'G'B' by the matrix and the range that count. Left to itself, PyAV takes BT.601 up to 16.x, and the tags from 17.0."""
    from av.video.reformatter import ColorRange, Interpolation

    if not _is_yuv(frame):
        return frame.reformat(format="rgb24")
    full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
    matrix = _matrix(frame, colors)
    return frame.reformat(
        format="rgb24",
        src_colorspace=matrix,
        # RGB has no matrix; up to 16.x all settings are passed over where source and destination are alike
        dst_colorspace=_BT709 if matrix == _BT601[0] else _BT601[0],
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BILINEAR.value | (_EXACT if colors.hdr else 0),
    )


def _is_yuv(frame: "av.VideoFrame") -> bool:
    return any(component.is_chroma for component in frame.format.components) and not frame.format.is_rgb


def _matrix(frame: "av.VideoFrame", colors: VideoColors) -> int:
    """By the number that swscale has for it."""
    if colors.always_bt601 or frame.colorspace in _BT601:
        return _BT601[0]
    if frame.colorspace in _BT2020:
        return _BT2020[0]
    if frame.colorspace in (_BT709, *_OTHER_MATRICES):
        return frame.colorspace
    if colors.gamut == 9:
        return _BT2020[0]
    return _BT709 if frame.width >= 1280 or frame.height > 576 else _BT601[0]


@lru_cache(maxsize=4)
def _table(gamut: int, transfer: int) -> ImageFilter.Color3DLUT:
    axis = np.linspace(0, 1, _NODES)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red varies fastest
    colors = to_srgb(np.stack([red, green, blue], axis=-1), gamut, transfer)
    return ImageFilter.Color3DLUT(_NODES, colors.astype(np.float32).ravel())


def to_srgb(code: Float[np.ndarray, "*size rgb=3"], gamut: int, transfer: int) -> Float[np.ndarray, "*size rgb=3"]:
    """R'G'B' of a stream as that of sRGB, all in [0, 1].

    PQ and HLG become light on a display (SMPTE ST 2084; ITU-R BT.2100 with a peak of 1000 cd/m2 and the system gamma 1.2),
    where 203 cd/m2 are white (ITU-R BT.2408). Up to 0.88 of white light stays as it is; of what is brighter, the largest
    component m becomes k + (1 - k) t / (1 + t), t = (m - k) / (1 - k), and the others follow, so that the hue stays.
    Everything else counts as sRGB of another gamut.

    Args:
        code: of the stream.
        gamut: the number of its primaries in H.273.
        transfer: the number of its transfer function there.
    """
    if transfer == _PQ:
        power = np.power(code, 1 / 78.84375)
        linear = np.power(np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power), 1 / 0.1593017578125)
        light = linear * 10000 / _WHITE_NITS
    elif transfer == _HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
        luminance = scene @ _to_xyz(gamut)[1]
        light = scene * np.power(luminance, 0.2)[..., None] * 1000 / _WHITE_NITS
    else:
        light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    light = np.maximum(light @ (np.linalg.inv(_to_xyz(1)) @ _to_xyz(gamut)).T, 0)
    brightest = light.max(-1, keepdims=True)
    excess = np.maximum(brightest - _KNEE, 0) / (1 - _KNEE)
    if transfer in (_PQ, _HLG):
        compressed = np.where(excess > 0, _KNEE + (1 - _KNEE) * excess / (1 + excess), brightest)
        light = light * compressed / np.maximum(brightest, 1e-9)
    return np.clip(
        np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055), 0, 1
    )


def _to_xyz(gamut: int) -> Float[np.ndarray, "3 3"]:
    """The matrix from linear RGB to CIE XYZ in which (1, 1, 1) is the white D65 of luminance 1."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in _GAMUTS[gamut]]).T
    x, y = _WHITE
    return columns * np.linalg.solve(columns, np.array([x / y, 1, (1 - x - y) / y]))
