"""Any image file to what the networks were trained on: opened, rotated, resized to whole patches, scaled to [-1, 1].

The two policies are the two ways in which the reference prepares images; numbers are only comparable within one of them.
Crop for camera poses and for looking at results, stretch for the published depth tables.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError, features
from torch import Tensor

from ttt3r.data.frames.orientation import ORIENTATION, as_stored

PATCH = 16
"""Side of a patch in pixels; prepared images are whole patches wide and high."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".jfif", ".mpo")
"""File names that count as images in a folder."""

HEIC_SUFFIXES = (".heic", ".heif")
"""File names of HEIC images, which are refused."""

_OR_SKIP = ", or leave it out with skip_broken=True (--skip-broken)"

_SQUARE_SIZE = 224  # the size of the linear-head network, which sees centre squares


class BrokenImage(ValueError):
    """An image file that cannot be decoded: damaged, cut short, or no image at all."""


def open_image(path: str | Path, upright: bool = True) -> Image.Image:
    """Read an image file as 8-bit RGB, upright.

    EXIF rotation is applied (unless `upright` is off: then the pixels come as they are stored), grey and palette images become
    colour, alpha is dropped (not blended), 16-bit grey is scaled by 255/65535 rather than clipped. Of a file with several
    pictures the first is taken.

    Raises:
        FileNotFoundError: if there is no such file.
        BrokenImage: if the file cannot be decoded, with the reason and the cure.
    """
    path = Path(path)
    if leads_nowhere(path):
        raise BrokenImage(f"{path} is a link to {path.readlink()}, which is not there; repair or remove it{_OR_SKIP}")
    if not path.is_file():
        raise FileNotFoundError(f"no image file at {path}; check the path")
    try:
        with Image.open(path) as file:
            return eight_bit_rgb(ImageOps.exif_transpose(file) if upright else as_stored(file))
    except MemoryError:
        raise
    except Exception as error:  # decoders raise almost anything on damaged bytes
        raise broken_image(path, error) from error


def leads_nowhere(path: Path) -> bool:
    """Whether a path is a link to something that is not there."""
    return path.is_symlink() and not path.exists()


def image_size(path: Path, upright: bool = True) -> tuple[int, int] | None:
    """(width, height) of an image file as `open_image` gives it, from its head alone; `None` if that cannot be read."""
    try:
        with Image.open(path) as file:
            turned = upright and file.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)  # a quarter turn, mirrored or not
            width, height = file.size
            if isinstance(file, TiffImagePlugin.TiffImageFile):  # some versions of Pillow give its size turned already
                width, height = int(file.tag_v2[256]), int(file.tag_v2[257])
            return (height, width) if turned else (width, height)
    except Exception:  # decoders raise almost anything on damaged bytes; who opens the image will say what is wrong
        return None


def eight_bit_rgb(image: Image.Image) -> Image.Image:
    """A decoded picture as 8-bit RGB, as `open_image` says.

    Raises:
        ValueError: if its pixels have no known range.
    """
    if image.mode == "F":
        raise ValueError("it holds floating-point pixels of unknown range; save it with 8 or 16 bits")
    if image.mode.startswith("I"):  # Pillow would clip 16-bit grey at 255
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise ValueError("it holds 32-bit pixels; save it with 8 or 16 bits")
        image = Image.fromarray(((grey * 255 + 32767) // 65535).astype(np.uint8))
    return image.convert("RGB")


def broken_image(path: Path, error: Exception) -> BrokenImage:
    """The error to raise for a file that a decoder refused with another: what is wrong, and the cure."""
    suffix = path.suffix.lower()
    if suffix in HEIC_SUFFIXES:
        return BrokenImage(f"{path} is a HEIC image, which cannot be read here; convert it to JPEG or PNG")
    if path.is_file() and path.stat().st_size == 0:
        return BrokenImage(f"{path} is an empty file; copy it again, remove it{_OR_SKIP}")
    if suffix == ".avif" and not features.check("avif"):
        return BrokenImage(f"{path} is an AVIF image, which Pillow reads from 11.3 on; pip install -U Pillow")
    reason = "no image format that is known" if isinstance(error, UnidentifiedImageError) else str(error)
    return BrokenImage(f"cannot read image {path} ({reason}); repair or remove it{_OR_SKIP}")


@dataclass(frozen=True)
class ResizePlan:
    """What a policy does to images of one size. Sizes are (width, height), the box (left, top, right, bottom), pixels.

    The image is resized to `resized`, the box is cut out of it, and the box is resized to `prepared`.
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    box: tuple[int, int, int, int]
    prepared: tuple[int, int]


@dataclass(frozen=True)
class ResizePolicy(ABC):
    """How an image of any size becomes one of whole patches.

    `size` is the longer side in pixels; 224 is special, as in the reference: the shorter side becomes 224 and the image
    ends as a square of 224.

    Raises:
        ValueError: if the size is smaller than one patch.
    """

    size: int = 512

    def __post_init__(self) -> None:
        if self.size < PATCH:
            raise ValueError(f"size={self.size} is less than one {PATCH}-pixel patch; use 512 or 224")

    @abstractmethod
    def plan(self, width: int, height: int) -> ResizePlan:
        """The steps for images of `width` x `height` pixels.

        Raises:
            ValueError: if the image is so flat or narrow that not one row or column of patches is left.
        """

    def __call__(self, image: Image.Image) -> Image.Image:
        """Prepare an image.

        Raises:
            ValueError: as `plan`.
        """
        plan = self.plan(*image.size)
        enlarging = max(plan.resized) >= max(image.size)
        kernel = Image.Resampling.BICUBIC if enlarging else Image.Resampling.LANCZOS
        boxed = image.resize(plan.resized, kernel).crop(plan.box)
        return boxed.resize(plan.prepared, Image.Resampling.LANCZOS)

    def intrinsics(self, K: Float[np.ndarray, "3 3"], size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
        """Camera matrix of the prepared image, given that of the original of `size` = (width, height).

        Pixel centres have whole coordinates, so that a scale s maps u to s (u + 1/2) - 1/2.
        """
        plan = self.plan(*size)
        left, top, right, bottom = plan.box
        first = np.divide(plan.resized, plan.original)
        second = np.divide(plan.prepared, (right - left, bottom - top))
        offset = second * (0.5 * first - np.array([left, top])) - 0.5
        to_prepared = np.eye(3)
        to_prepared[:2, :2] = np.diag(first * second)
        to_prepared[:2, 2] = offset
        return to_prepared @ K


@dataclass(frozen=True)
class CropToPatches(ResizePolicy):
    """Resize, then cut the margins off: what the reference does in its demo and for camera poses.

    A square image is cut to 4:3, as there, unless `square_ok`.
    """

    square_ok: bool = False

    def plan(self, width: int, height: int) -> ResizePlan:
        """The steps for images of `width` x `height` pixels; see `ResizePolicy.plan`."""
        resized, half_width, half_height = _halves(width, height, self.size)
        if half_width == half_height and resized[0] == resized[1] and self.size != _SQUARE_SIZE and not self.square_ok:
            half_height = 3 * half_width // 4 // 8 * 8
        box = _centred(resized, half_width, half_height)
        return ResizePlan((width, height), resized, box, (2 * half_width, 2 * half_height))


@dataclass(frozen=True)
class StretchToPatches(ResizePolicy):
    """Resize, then resize again to whole patches without keeping the aspect: the reference's way for video depth.

    A square image, on which the reference fails, stays a full square. At size 224 everything is squeezed to a square.
    """

    def plan(self, width: int, height: int) -> ResizePlan:
        """The steps for images of `width` x `height` pixels; see `ResizePolicy.plan`."""
        resized, half_width, half_height = _halves(width, height, self.size)
        return ResizePlan((width, height), resized, (0, 0, *resized), (2 * half_width, 2 * half_height))


def _halves(width: int, height: int, size: int) -> tuple[tuple[int, int], int, int]:
    """Size after the first resize, and half the width and height that are kept, in whole half-patches."""
    longer = round(size * max(width / height, height / width)) if size == _SQUARE_SIZE else size
    resized = (round(width * longer / max(width, height)), round(height * longer / max(width, height)))
    if size == _SQUARE_SIZE:
        half = min(resized) // 2
        return resized, half, half
    half_width, half_height = (side // 2 * 2 // PATCH * (PATCH // 2) for side in resized)
    if min(half_width, half_height) == 0:
        raise ValueError(
            f"an image of {width}x{height} pixels is too narrow: at size={size} it becomes {resized[0]}x{resized[1]}, less"
            f" than one {PATCH}-pixel patch; cut it nearer to a square or choose a larger size"
        )
    return resized, half_width, half_height


def _centred(resized: tuple[int, int], half_width: int, half_height: int) -> tuple[int, int, int, int]:
    x, y = resized[0] // 2, resized[1] // 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def to_tensor(image: Image.Image) -> Float[Tensor, "1 rgb=3 height width"]:
    """Colours of an RGB image as float32 in [-1, 1]: (u / 255 - 1/2) / (1/2)."""
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return rearrange(pixels, "height width rgb -> 1 rgb height width").contiguous().float().div(255).sub(0.5).div(0.5)


def to_image(tensor: Float[Tensor, "1 rgb=3 height width"]) -> Image.Image:
    """The 8-bit RGB image of colours in [-1, 1]; what lies outside is clipped. Undoes `to_tensor` exactly."""
    pixels = tensor.detach().float().cpu().mul(0.5).add(0.5).mul(255).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(np.ascontiguousarray(rearrange(pixels, "1 rgb height width -> height width rgb").numpy()))
