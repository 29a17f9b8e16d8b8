"""Which way up the pixels of an image file lie: as its EXIF data says, or as they are stored."""

from pathlib import Path

from PIL import ExifTags, Image, PngImagePlugin

ORIENTATION = ExifTags.Base.Orientation
"""The tag: 1 for upright, 2 to 8 for the turns and mirrors."""

_UNDONE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""By orientation in EXIF: from upright pixels to those that are stored."""


def as_stored(file: Image.Image) -> Image.Image:
    """The pixels in the order of the file. Pillow turns TIFF files as it loads them, and forgets their tag; that is undone."""
    tag = file.getexif().get(ORIENTATION, 1)
    file.load()
    turned = tag in _UNDONE and file.getexif().get(ORIENTATION) != tag
    return file.transpose(_UNDONE[tag]) if turned else file


def is_stored_turned(path: Path) -> bool:
    """Whether the head of an image file says that its pixels are to be turned or mirrored before use."""
    try:
        with Image.open(path) as file:
            if isinstance(file, PngImagePlugin.PngImageFile) and "exif" not in file.info:
                return False  # a tag behind the pixels would cost reading them all
            return file.getexif().get(ORIENTATION, 1) in _UNDONE
    except Exception:  # decoders raise almost anything on damaged bytes; who opens the image will say what is wrong
        return False
