"""Measured depth of a sequence, whatever file it comes from: metres along the optical axis, 0 where nothing was measured."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from ttt3r.data.frames.images import BrokenImage

_TAG = 202021.25  # the first number of a .dpt and of a .cam file; gives the byte order


MOST_TIMES_WIDER = 16
"""Largest ratio of the widths of an image and its depth map: phones record 256 for 1920 or 4032."""


def demand_shape(depth: tuple[int, ...], image: tuple[int, int], where: str) -> None:
    """Refuse a depth map that cannot be one of the whole image at another resolution.

    Args:
        depth: (height, width) of the depth map.
        image: (width, height) of the image.
        where: which one, for the message.

    Raises:
        ValueError: if the sides have another ratio (2 % and one pixel are allowed for), or the map is far smaller.
    """
    (height, width), (image_width, image_height) = depth, image
    across, down = width / image_width, height / image_height
    alike = (
        abs(across / down - 1) <= 0.02
        or abs(height - across * image_height) <= 1
        or abs(width - down * image_width) <= 1
    )
    if not alike or not 1 / MOST_TIMES_WIDER <= across <= MOST_TIMES_WIDER:
        raise ValueError(
            f"{where} has {width} x {height} pixels for an image of {image_width} x {image_height}, which it cannot belong to; "
            "give depth maps of the image's shape, or take them away"
        )


class DepthSource(ABC):
    """Measured depth of a sequence, frame by frame."""

    @property
    @abstractmethod
    def length(self) -> int:
        """Number of frames."""

    @property
    @abstractmethod
    def measured(self) -> int:
        """How many of them have depth."""

    @abstractmethod
    def read(self, index: int) -> Float[np.ndarray, "height width"] | None:
        """Depth along the optical axis in metres, float64; 0 where it was not measured, `None` where a frame has none.

        Raises:
            BrokenImage: if a file cannot be decoded.
        """


@dataclass(frozen=True)
class DepthFiles(DepthSource):
    """16-bit depth images or arrays in `.npy` files, one per frame or none, read when asked for.

    Args:
        paths: file of each frame; `None` where a frame has no depth.
        per_metre: value of one metre in files of whole numbers.
        invalid: values that mean "not measured", besides 0.
        floats_per_metre: value of one metre in files of floats; what is not a finite positive number was not measured.
    """

    paths: tuple[Path | None, ...]
    per_metre: float
    invalid: tuple[int, ...] = ()
    floats_per_metre: float = 1.0

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.paths)

    @property
    def measured(self) -> int:
        """How many of them have a file."""
        return sum(path is not None for path in self.paths)

    def read(self, index: int) -> Float[np.ndarray, "height width"] | None:
        """Depth along the optical axis in metres, float64; 0 where it was not measured.

        Raises:
            BrokenImage: if the file cannot be decoded.
            ValueError: if it is neither a 16-bit grey image nor one of floats, nor such an array.
        """
        path = self.paths[index]
        if path is None:
            return None
        raw = _read_npy(path) if path.suffix.lower() == ".npy" else self._read_image(path)
        if raw.dtype.kind == "f":
            depth = raw.astype(np.float64) / self.floats_per_metre
            return np.where(np.isfinite(depth) & (depth > 0), depth, 0)
        return np.where(np.isin(raw, self.invalid), 0, raw).astype(np.float64) / self.per_metre

    def _read_image(self, path: Path) -> np.ndarray:
        try:
            with Image.open(path) as file:
                mode, raw = file.mode, np.asarray(file)
        except (OSError, SyntaxError) as error:
            raise BrokenImage(f"cannot read depth {path} ({error}); copy it again") from error
        if not mode.startswith(("I", "F")):
            raise ValueError(f"depth {path} has mode {mode}; expected 16-bit grey, {self.per_metre:g} per metre")
        return raw


def _read_npy(path: Path) -> np.ndarray:
    """The (height, width) numbers of an array file; a further axis of length 1 is dropped. Nothing in it is run."""
    try:
        raw = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: what the head claims must be there
        if not isinstance(raw, np.ndarray):
            raise ValueError("it is an archive of arrays")
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        reason = " ".join(str(error).split())
        raise BrokenImage(f"cannot read depth {path} ({reason}); write it again with numpy.save") from error
    shape = [side for side in raw.shape if side != 1] if raw.ndim == 3 else raw.shape
    if raw.dtype.kind not in "fiu" or len(shape) != 2:
        raise ValueError(
            f"depth {path} is of type {raw.dtype} and shape {raw.shape}; expected real numbers of shape (height, width)"
        )
    return np.array(raw).reshape(shape)


@dataclass(frozen=True)
class DptFiles(DepthSource):
    """Depth in the `.dpt` files of MPI Sintel: a tag, width, height, then float32 metres, little endian.

    The sky is a very large number there and stays one; a protocol's largest depth takes it out.

    Args:
        paths: file of each frame; `None` where a frame has no depth.
    """

    paths: tuple[Path | None, ...]

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.paths)

    @property
    def measured(self) -> int:
        """How many of them have a file."""
        return sum(path is not None for path in self.paths)

    def read(self, index: int) -> Float[np.ndarray, "height width"] | None:
        """Depth along the optical axis in metres, float64; 0 where it is not a finite positive number.

        Raises:
            BrokenImage: if the file is cut short or no `.dpt` file.
        """
        path = self.paths[index]
        return None if path is None else read_dpt(path)


def read_dpt(path: Path) -> Float[np.ndarray, "height width"]:
    """Depth in metres, float64, of a `.dpt` file; 0 where it is not a finite positive number.

    Raises:
        BrokenImage: if the file is missing, cut short or no `.dpt` file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BrokenImage(f"cannot read depth {path} ({error}); copy it again") from error
    if len(data) < 12 or np.frombuffer(data, "<f4", 1)[0] != _TAG:
        raise BrokenImage(f"depth {path} does not begin with the tag {_TAG} of a .dpt file; copy it again")
    width, height = np.frombuffer(data, "<i4", 2, offset=4).tolist()
    if min(width, height) < 1 or len(data) != 12 + 4 * width * height:
        raise BrokenImage(
            f"depth {path} says {width}x{height} pixels and holds {len(data) - 12} bytes of them; copy it again"
        )
    depth = np.frombuffer(data, "<f4", offset=12).reshape(height, width).astype(np.float64)
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0)
