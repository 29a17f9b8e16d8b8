"""The binary files of a COLMAP model. Every length in them is compared with the size of the file before anything is read."""

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from ttt3r.data.sequences.cameras import MODELS, Camera, Lens, colmap_camera

_NUMBERS = {model.number: name for name, model in MODELS.items()}
_LONGEST_NAME = 4096

Row = tuple[float, float, float, float, float, float, float, int, str]
"""qw qx qy qz tx ty tz, the camera's number, the image's name."""


def binary_images(path: Path) -> Iterator[Row]:
    """The images of `images.bin`.

    Raises:
        ValueError: if the file is damaged.
    """
    with _Binary(path) as file:
        (count,) = file.take("<Q")
        file.expect(count * 73, f"{count} images")  # an image without a name and without points
        for _ in range(count):
            _, w, x, y, z, tx, ty, tz, camera = file.take("<I7dI")
            name = file.name()
            (points,) = file.take("<Q")
            file.skip(points * 24, f"{points} points of {name}")
            yield w, x, y, z, tx, ty, tz, camera, name


def binary_cameras(path: Path) -> Iterator[tuple[int, Camera]]:
    """The cameras of `cameras.bin` with their numbers, up to the first of a model that is not known.

    Raises:
        ValueError: if the file is damaged.
    """
    with _Binary(path) as file:
        (count,) = file.take("<Q")
        file.expect(count * 24, f"{count} cameras")
        for _ in range(count):
            identity, number, width, height = file.take("<IiQQ")
            model = _NUMBERS.get(number)
            if model is None:  # how long it is, and so where the next one begins, is not known
                yield identity, Camera(None, None, None, Lens.UNKNOWN, f"model number {number}")
                return
            numbers = file.take(f"<{MODELS[model].size}d")
            try:
                yield identity, colmap_camera(model, (width, height), numbers)
            except ValueError as error:
                raise ValueError(f"{path}, camera {identity}: {error}; write it again") from error


class _Binary:
    """A binary file of which nothing is read beyond its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._left = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> "_Binary":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def expect(self, size: int, what: str) -> None:
        """Check that enough bytes are left.

        Raises:
            ValueError: if the file is shorter.
        """
        if size > self._left:
            raise ValueError(f"{self._path} is cut short or damaged: no room for {what}; write it again")

    def take(self, layout: str) -> tuple:
        """The numbers of a `struct` layout."""
        size = struct.calcsize(layout)
        self.expect(size, f"{size} bytes more at byte {self._file.tell()}")
        self._left -= size
        return struct.unpack(layout, self._file.read(size))

    def skip(self, size: int, what: str) -> None:
        """Pass bytes over."""
        self.expect(size, what)
        self._left -= size
        self._file.seek(size, io.SEEK_CUR)

    def name(self) -> str:
        """Text that ends with a zero byte."""
        start = self._file.tell()
        text, end, _ = self._file.read(_LONGEST_NAME).partition(b"\0")
        if not end:
            raise ValueError(f"{self._path} is damaged: a name at byte {start} has no end; write it again")
        self._left -= len(text) + 1
        self._file.seek(start + len(text) + 1)
        return os.fsdecode(text)
