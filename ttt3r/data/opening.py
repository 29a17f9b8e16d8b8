"""From a path to a stream: what is it, and who reads it. The only place where kinds of input are told apart."""

from collections.abc import Sequence
from pathlib import Path

from ttt3r.data import seven_scenes, tum
from ttt3r.data.clip import Clip
from ttt3r.data.files import ImageFiles, images_in, images_matching
from ttt3r.data.images import HEIC_SUFFIXES, IMAGE_SUFFIXES, ResizePolicy
from ttt3r.data.source import FrameReader, FrameSource, PreparedFrames, Sampling
from ttt3r.data.video import VIDEO_SUFFIXES, VideoFile, Webcam

LAYOUTS = (tum.TUM, seven_scenes.SEVEN_SCENES)
"""The benchmark layouts that `open_clip` knows, in the order in which it tries them."""


def open_source(
    path: str | Path | Sequence[str | Path],
    *,
    policy: ResizePolicy,
    sampling: Sampling = Sampling(),
    skip_broken: bool = False,
) -> FrameSource:
    """A stream of prepared frames from a folder of images, a glob, a list of files, one image, a video, or `webcam:0`.

    A folder is read in natural order (`2.png` before `10.png`), other files in it are passed over; a list keeps its order.
    Of a folder in one of the `LAYOUTS` the colour images are taken, not the depth maps beside them.
    With `skip_broken`, broken frames are left out and recorded in `source.skipped`; else the stream stops there with an error.

    Raises:
        FileNotFoundError: if nothing is there, or no image among what is there.
        ValueError: if the kind of file is not known, the video cannot be decoded, or the sampling takes nothing.
        ImportError: if a video or camera is asked for and PyAV is not installed.
    """
    return PreparedFrames(_reader(path), policy, sampling, skip_broken)


def _reader(path: str | Path | Sequence[str | Path]) -> FrameReader:
    if not isinstance(path, str | Path):
        return ImageFiles("the list of files", [Path(item) for item in path])
    text, place = str(path), Path(path)
    if text.startswith("webcam:"):
        return Webcam(text.removeprefix("webcam:"))
    if place.is_dir():
        layout = next((layout for layout in LAYOUTS if layout.recognises(place)), None)
        return layout.images(place) if layout is not None else ImageFiles(text, images_in(place))
    if place.is_file():
        return _file_reader(place)
    if any(mark in text for mark in "*?["):
        return ImageFiles(text, images_matching(text))
    raise FileNotFoundError(f"nothing at {text}; give a folder of images, a glob, an image, a video, or webcam:0")


def _file_reader(path: Path) -> FrameReader:
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return VideoFile(path)
    if suffix in IMAGE_SUFFIXES:
        return ImageFiles(str(path), [path])
    if suffix in HEIC_SUFFIXES:
        raise ValueError(f"{path} is a HEIC image, which cannot be read here; convert it to JPEG or PNG")
    known = " ".join((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))
    raise ValueError(f"{path} is neither an image nor a video by its name; expected one of {known}")


def open_clip(
    path: str | Path, *, policy: ResizePolicy, sampling: Sampling = Sampling(), skip_broken: bool = False
) -> Clip:
    """A sequence with ground truth, in one of the layouts of `LAYOUTS`, recognised by its files.

    The sampling counts the frames that have a valid camera; see each layout.

    Raises:
        FileNotFoundError: if there is no such folder, or a file that the layout needs is missing.
        ValueError: if no layout fits (lists those that are known, and what each needs), or a file is malformed.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder at {folder}; give the folder of a sequence with ground truth")
    for layout in LAYOUTS:
        if layout.recognises(folder):
            return layout.read(folder).clip(policy, sampling, skip_broken)
    known = "; ".join(f"{layout.name}: {layout.needs}" for layout in LAYOUTS)
    raise ValueError(f"{folder} has none of the known layouts of a sequence with ground truth ({known})")
