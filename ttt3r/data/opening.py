"""From a path to a stream: what is it, and who reads it. The only place where kinds of input are distinguished."""

from collections.abc import Sequence
from pathlib import Path

from ttt3r.data.frames.animation import ANIMATION_SUFFIXES, MAYBE_ANIMATED, AnimationFile, is_animated
from ttt3r.data.frames.files import ImageFiles, has_images, images_in, images_matching, refuse_mixture
from ttt3r.data.frames.images import HEIC_SUFFIXES, IMAGE_SUFFIXES, ResizePolicy, leads_nowhere
from ttt3r.data.frames.prepared import PreparedFrames
from ttt3r.data.frames.source import FrameReader, FrameSource, Sampling
from ttt3r.data.frames.video import VIDEO_SUFFIXES, VideoFile
from ttt3r.data.frames.webcam import Webcam
from ttt3r.data.sequences.clip import Clip
from ttt3r.data.sequences.dataset import find_sequences, open_recording
from ttt3r.data.sequences.layout import Layout
from ttt3r.data.sequences.layouts import LAYOUTS
from ttt3r.files import RUN_RECORD, is_run


def open_source(
    path: str | Path | Sequence[str | Path],
    *,
    policy: ResizePolicy,
    sampling: Sampling = Sampling(),
    skip_broken: bool = False,
) -> FrameSource:
    """A stream of prepared frames from a folder of images, a glob, a list of files, one image, a video, or `webcam:0`.

    A folder is read in natural order (`2.png` before `10.png`), other files in it are passed over; a list keeps its order.
    Of a folder in the layout of a dataset (`ttt3r data list`) the colour images are taken, not the depth maps beside them.
    What lies in the output folder of a run is never read with a folder or glob around it.
    An image that moves (GIF; animated PNG, WebP, AVIF) is a video if given by itself, and its first picture in a folder.
    With `skip_broken`, frames that cannot be used are left out and recorded in `source.skipped`: damaged ones, and those of
    another shape than the rest; else the stream stops there with an error.

    Raises:
        FileNotFoundError: if nothing is there, or no image among what is there.
        ValueError: if the kind of file is not known, the video cannot be decoded, or the sampling takes nothing.
        ImportError: if a video or camera is asked for and PyAV is not installed.
    """
    return PreparedFrames(_reader(path), policy, sampling, skip_broken)


def _reader(path: str | Path | Sequence[str | Path]) -> FrameReader:
    if not isinstance(path, str | Path):
        files = [Path(item) for item in path]
        refuse_mixture(files)
        return ImageFiles("the list of files", files)
    text, place = str(path), Path(path)
    if text.startswith("webcam:"):
        return Webcam(text.removeprefix("webcam:"))
    if place.is_dir():
        if is_run(place):
            raise ValueError(
                f"{text} is the output folder of a run ({RUN_RECORD}), not its input; give the images or the video, or"
                f" {place / 'images'} for the prepared images"
            )
        found = _sequence(place)
        return ImageFiles(text, images_in(place)) if found is None else found[0].images(found[1])
    if place.is_file():
        return _file_reader(place)
    if leads_nowhere(place):
        raise FileNotFoundError(
            f"{text} is a link to {place.readlink()}, which is not there; repair it, or give another path"
        )
    if any(mark in text for mark in "*?["):
        return ImageFiles(text, images_matching(text))
    raise FileNotFoundError(f"nothing at {text}; give a folder of images, a glob, an image, a video, or webcam:0")


def _file_reader(path: Path) -> FrameReader:
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return VideoFile(path)
    if suffix in ANIMATION_SUFFIXES or (suffix in MAYBE_ANIMATED and is_animated(path)):
        return AnimationFile(path)
    if suffix in IMAGE_SUFFIXES:
        return ImageFiles(str(path), [path])
    if suffix in HEIC_SUFFIXES:
        raise ValueError(f"{path} is a HEIC image, which cannot be read here; convert it to JPEG or PNG")
    known = " ".join((*IMAGE_SUFFIXES, *ANIMATION_SUFFIXES, *VIDEO_SUFFIXES))
    raise ValueError(f"{path} is neither an image nor a video by its name; expected one of {known}")


def _sequence(folder: Path) -> tuple[Layout, Path] | None:
    """The layout of a folder; or of the one folder in it that is a sequence.

    Raises:
        ValueError: if several folders in it are.
    """
    found = [(layout, place.folder) for layout, place in find_sequences(folder, LAYOUTS, depth=1)]
    if found and found[0][1] != folder and has_images(folder):
        return None  # images right in the folder win
    if len(found) > 1:
        names = [path.name for _, path in found]
        named = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise ValueError(f"{folder} holds {len(found)} sequences ({named}); give one of these folders")
    return found[0] if found else None


def open_clip(
    path: str | Path, *, policy: ResizePolicy, sampling: Sampling = Sampling(), skip_broken: bool = False
) -> Clip:
    """A sequence with ground truth, in one of the layouts of `ttt3r data list`, recognised by its files.

    The sampling counts the frames that have a known camera; in a dataset without cameras, those that have depth. What is left
    out, and whatever else is odd, stands in `clip.findings`. With `skip_broken`, files that are missing or damaged are left
    out and named there, as long as something remains.

    Raises:
        FileNotFoundError: if there is no such folder, or a file is missing that the sequence lists.
        ValueError: if no layout fits (lists those that are known, and what each needs), or a file is malformed.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder at {folder}; give the folder of a sequence with ground truth")
    found = _sequence(folder)
    if found is None:
        known = "; ".join(f"{layout.name}: {layout.needs}" for layout in LAYOUTS)
        raise ValueError(f"{folder} has none of the known layouts of a sequence with ground truth ({known})")
    recording = open_recording(*found, forgiving=skip_broken)
    if not recording.with_truth():
        reasons = "; ".join(str(finding) for finding in recording.findings)
        raise ValueError(f"{folder} ({found[0].name}) has neither poses nor depth: {reasons or found[0].needs}")
    return recording.clip(policy, sampling, skip_broken)
