"""Frames of video files, decoded by PyAV (the extra `video`)."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ttt3r.data.frames.files import OneFile
from ttt3r.data.frames.source import BrokenVideo, RawFrame
from ttt3r.data.frames.video_colors import VideoColors, colors_of
from ttt3r.data.frames.video_display import believable, square, turn_of
from ttt3r.data.frames.video_ends import announced_size
from ttt3r.data.frames.video_streams import picture_stream

if TYPE_CHECKING:
    import av
    import av.container
    import av.video.stream

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v"),
    *(".mkv", ".webm", ".avi", ".wmv", ".asf", ".flv", ".mxf", ".ogv"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".m2t"),
    *(".mjpeg", ".mjpg", ".y4m"),
)
"""File names that count as videos."""

_BROADCAST = ("mpegts", "mpeg")  # recordings of these may begin anywhere, before the first picture that stands alone


_SLACK = Fraction(1, 4)  # seconds by which a stream may end before its own announced end


class VideoFile(OneFile):
    """A video file as it is meant to be seen: square pixels, upright, in sRGB; timestamps are those of the video, in seconds.

    The first frame is decoded at once, so that a file without any is refused before the stream begins.

    Raises:
        FileNotFoundError: if there is no such file.
        BrokenVideo: if it cannot be opened, has no picture stream, or no frame of it can be decoded.
        ImportError: if PyAV is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "video")
        with closing(open_container(str(self._path))) as container:
            self._stream, notes = picture_stream(container, self._path)
            self._length = _length(_at(container, self._stream))
        with closing(open_container(str(self._path))) as container:
            stream = _at(container, self._stream)
            first = next(self._frames(container), None)
            if first is None:
                raise BrokenVideo(f"{self._path} has no frame that can be decoded; record or copy it again")
            self._notes = (*notes, *_notes(stream, first))

    @property
    def length(self) -> int | None:
        """Number of frames that are shown, where the file announces it; not every format does."""
        return self._length

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the pictures, or should be before they are used."""
        return self._notes

    def read(self) -> Generator[RawFrame, None, None]:
        """Decode from the start.

        Raises:
            BrokenVideo: where the file was cut off, or cannot be decoded further.
        """
        count = 0
        with closing(open_container(str(self._path))) as container:
            stream = _at(container, self._stream)
            rate = stream.average_rate or stream.guessed_rate or 1
            for frame in self._frames(container):
                timestamp = count / float(rate) if frame.time is None else float(frame.time)
                turn, _ = turn_of(frame)
                shown = _Shown(frame, colors_of(stream.codec_context), stream.sample_aspect_ratio, turn)
                yield RawFrame(f"{self.name} frame {count}", timestamp, partial(_image, shown))
                count += 1
        if count == 0:
            raise BrokenVideo(f"{self._path} has no frame that can be decoded; record or copy it again")

    def _frames(self, container: "av.container.InputContainer") -> Iterator["av.VideoFrame"]:
        """All frames of the stream. Damage, and the end that is missing, are errors after the frames before them."""
        import av.error

        stream = _at(container, self._stream)
        stream.thread_type = "AUTO"
        count, packets, end, damaged = 0, 0, Fraction(0), False
        searching = container.format.name in _BROADCAST
        try:
            for packet in container.demux(stream):
                packets += bool(packet.size)
                if packet.pts is not None and packet.time_base is not None:
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
                damaged = damaged or (packet.is_corrupt and not searching)
                try:
                    frames: list[av.VideoFrame] = packet.decode()  # pyright: ignore[reportAssignmentType]
                except av.error.FFmpegError:
                    if not searching:
                        raise
                    frames = []
                for frame in frames:
                    searching = False
                    yield frame
                    count += 1
        except av.error.FFmpegError as error:
            raise self._broken(count, "frames", f"cannot be decoded further ({error.strerror})") from error
        if missing := self._missing(stream, container.format.name, packets, end):
            raise self._broken(count, "frames", f"damaged or cut short: {missing}")
        if damaged:
            raise self._broken(count, "frames", "damaged: some of its packets are marked so")

    def _missing(self, stream: "av.video.stream.VideoStream", kind: str, packets: int, end: Fraction) -> str:
        """What the file announces and does not have. Durations of the whole file do not count."""
        if stream.frames and packets >= stream.frames:
            return ""
        there, announced = self._path.stat().st_size, announced_size(self._path)
        if announced is not None and announced > there:
            return f"it needs {announced} bytes and has {there}"
        if (self._length or kind == "mxf") and stream.duration and stream.time_base:
            announced_end = ((stream.start_time or 0) + stream.duration) * stream.time_base
            if end < announced_end - _SLACK:
                return f"its pictures should end at {float(announced_end):.2f} s and end at {float(end):.2f} s"
        return ""


@dataclass(frozen=True)
class _Shown:
    """A decoded frame and what has to be done to it."""

    frame: "av.VideoFrame"
    colors: VideoColors
    aspect: Fraction | None
    turn: Image.Transpose | None


def _image(shown: _Shown) -> Image.Image:
    image = square(shown.colors.image(shown.frame), shown.aspect)
    return image if shown.turn is None else image.transpose(shown.turn)


def _notes(stream: "av.video.stream.VideoStream", first: "av.VideoFrame") -> list[str]:
    notes = colors_of(stream.codec_context).notes(first)
    aspect = stream.sample_aspect_ratio
    if aspect and aspect != 1:
        words = f"pixels are {aspect.numerator}:{aspect.denominator}"
        notes.append(f"{words}: stretched to square" if believable(aspect) else f"{words}, which is not believed")
    if first.interlaced_frame:
        notes.append("interlaced: what moves has combed edges; deinterlace it first, as with ffmpeg -vf bwdif")
    if not turn_of(first)[1]:
        notes.append("its display matrix is none of the quarter turns and mirrors; the nearest is taken")
    return notes


def _length(stream: "av.video.stream.VideoStream") -> int | None:
    """Number of frames that are shown. An edit list that leaves some out shortens the stream, not the number announced."""
    if not stream.frames or not stream.duration or not stream.time_base or not stream.average_rate:
        return stream.frames or None
    shown = stream.duration * stream.time_base * stream.average_rate
    return stream.frames if abs(shown - stream.frames) < Fraction(1, 2) else None


def _at(container: "av.container.InputContainer", index: int) -> "av.video.stream.VideoStream":
    return next(stream for stream in container.streams.video if stream.index == index)


def require_av() -> None:
    """Raise ImportError with the cure unless PyAV is installed."""
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise ImportError("reading video needs PyAV; install it with: pip install 'ttt3r[video]'") from error


def open_container(
    address: str, kind: str | None = None, options: dict[str, str] | None = None
) -> "av.container.InputContainer":
    """Open a file or device. Raises BrokenVideo if that fails, and ImportError if PyAV is not installed."""
    require_av()
    import av.error

    try:
        return av.open(address, format=kind, options=options or {})
    except av.error.FFmpegError as error:
        raise BrokenVideo(
            f"cannot open {address} as a video ({error.strerror}); it may be cut short, copied incompletely, or no video at all"
        ) from error
