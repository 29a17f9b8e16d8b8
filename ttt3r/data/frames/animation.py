"""Image files that move: GIF, animated PNG, WebP and AVIF, decoded by Pillow."""

from collections.abc import Generator
from pathlib import Path

from PIL import Image, ImageOps

from ttt3r.data.frames.files import OneFile
from ttt3r.data.frames.images import broken_image, eight_bit_rgb
from ttt3r.data.frames.source import RawFrame

ANIMATION_SUFFIXES = (".gif", ".apng")
"""File names that are always read as animations."""

MAYBE_ANIMATED = (".webp", ".avif", ".avifs", ".png")
"""File names of images that may hold an animation."""

_USUAL_SECONDS = 0.1  # a picture's time where the file says none or 0, as browsers take it


class AnimationFile(OneFile):
    """An animated image, picture after picture, with the times of the file in seconds from its begin.

    Raises:
        FileNotFoundError: if there is no such file.
        BrokenImage: if it cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "image")
        self._length = _count(self._path)

    @property
    def length(self) -> int | None:
        """Number of pictures; not known of a damaged file."""
        return self._length

    def read(self) -> Generator[RawFrame, None, None]:
        """All pictures in order; each is drawn over those before it, so they are decoded one after the other.

        Raises:
            BrokenVideo: at a picture that cannot be decoded.
        """
        time, count = 0.0, 0
        with Image.open(self._path) as file:
            while self._length is None or count < self._length:
                try:
                    file.seek(count)
                    image = eight_bit_rgb(ImageOps.exif_transpose(file))
                except MemoryError:
                    raise
                except Exception as error:  # decoders raise almost anything on damaged bytes
                    raise self._broken(count, "pictures", str(error)) from error
                yield RawFrame(f"{self.name} frame {count}", time, image.copy)
                time += _seconds(file)
                count += 1


def is_animated(path: Path) -> bool:
    """Whether an image file holds more than one picture that follow each other in time; False if it cannot be read."""
    try:
        with Image.open(path) as file:
            return getattr(file, "n_frames", 1) > 1
    except Exception:  # decoders raise almost anything on damaged bytes; who opens the image will say what is wrong
        return False


def _count(path: Path) -> int | None:
    try:
        file = Image.open(path)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise almost anything on damaged bytes
        raise broken_image(path, error) from error
    with file:
        try:
            return getattr(file, "n_frames", 1)
        except Exception:  # as above; reading gives what comes before the damage
            return None


def _seconds(file: Image.Image) -> float:
    milliseconds = file.info.get("duration")
    return milliseconds / 1000 if isinstance(milliseconds, int | float) and milliseconds > 0 else _USUAL_SECONDS
