"""Frames of video files and of live cameras, decoded by PyAV (the extra `video`)."""

import sys
from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ttt3r.data.files import stamp_of
from ttt3r.data.source import BrokenVideo, FrameReader, RawFrame

if TYPE_CHECKING:
    import av
    import av.container

VIDEO_SUFFIXES = (
    ".mp4",
    ".mov",
    ".m4v",
    ".avi",
    ".mkv",
    ".webm",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".wmv",
    ".flv",
    ".gif",
)
"""File names that count as videos."""

_MISSING_SECONDS = 0.5  # a file that ends this much before its own announced duration was cut

_QUARTER_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    -180: Image.Transpose.ROTATE_180,
    -90: Image.Transpose.ROTATE_270,
    270: Image.Transpose.ROTATE_270,
}


class VideoFile(FrameReader):
    """A video file, upright as the phone that took it meant it. Timestamps are those of the video, in seconds.

    The first frame is decoded at once, so that a file without any is refused before the stream begins.

    Raises:
        FileNotFoundError: if there is no such file.
        BrokenVideo: if it cannot be opened, has no picture stream, or no frame of it can be decoded.
        ImportError: if PyAV is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise FileNotFoundError(f"no video file at {self._path}; check the path")
        self._stat = self._path.stat()
        with closing(_open(str(self._path))) as container:
            if not container.streams.video:
                raise BrokenVideo(f"{self._path} has no video stream; give a file with pictures")
            self._length = container.streams.video[0].frames or None
        with closing(self.read()) as frames:
            next(frames)

    @property
    def name(self) -> str:
        """File name of the video."""
        return self._path.name

    @property
    def length(self) -> int | None:
        """Number of frames that the file announces; not every format does."""
        return self._length

    def stamp(self, frames: int | None = None) -> str:
        """Hash of size and times of the file, as they were when this was made."""
        return stamp_of([self._path], [self._stat])

    def read(self) -> Generator[RawFrame, None, None]:
        """Decode from the start.

        Raises:
            BrokenVideo: where the file ends before the end that it announces, or cannot be decoded further.
        """
        count, damaged = 0, False
        with closing(_open(str(self._path))) as container:
            end = 0.0
            picture = container.streams.video[0]
            picture.thread_type = "AUTO"
            for packet in container.demux(*container.streams.video[:1], *container.streams.audio):
                damaged = damaged or packet.is_corrupt
                if packet.pts is not None and packet.time_base is not None:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                for frame in self._decode(packet, count) if packet.stream.index == picture.index else ():
                    timestamp = count / float(picture.average_rate or 1) if frame.time is None else float(frame.time)
                    yield RawFrame(f"{self.name} frame {count}", timestamp, partial(_upright, frame))
                    count += 1
            announced = (container.duration or 0) / 1e6
        if count == 0:
            raise BrokenVideo(f"{self._path} has no frame that can be decoded; record or copy it again")
        if damaged or end < announced - _MISSING_SECONDS:
            raise self._broken(count, f"damaged or cut short: it announces {announced:.1f} s and ends at {end:.1f} s")

    def _decode(self, packet: "av.Packet", count: int) -> list["av.VideoFrame"]:
        import av.error

        try:
            return packet.decode()  # pyright: ignore[reportReturnType] (frames of a video stream)
        except av.error.FFmpegError as error:
            raise self._broken(count, f"cannot be decoded further ({error.strerror})") from error

    def _broken(self, count: int, reason: str) -> BrokenVideo:
        cure = "copy it again" + (", or take what there is with skip_broken=True (--skip-broken)" if count else "")
        return BrokenVideo(f"{self._path} is broken after {count} frames: {reason}; {cure}")


class Webcam(FrameReader):
    """A live camera, by number (on Windows by the name that the system shows). Every `read` starts at the present moment.

    Raises:
        ImportError: if PyAV is not installed.
        BrokenVideo: while reading, if the camera cannot be opened.
    """

    def __init__(self, device: str = "0") -> None:
        _av()
        self._device = device
        if sys.platform == "darwin":
            self._address, self._format, self._options = device, "avfoundation", {"framerate": "30"}
        elif sys.platform == "win32":
            self._address, self._format, self._options = f"video={device}", "dshow", {}
        else:
            self._address, self._format, self._options = f"/dev/video{device}", "v4l2", {}
            if not Path(self._address).exists():
                raise FileNotFoundError(f"no camera at {self._address}; plug it in, or give another number as webcam:1")

    @property
    def name(self) -> str:
        """`webcam:` and the device."""
        return f"webcam:{self._device}"

    @property
    def length(self) -> int | None:
        """Not known: the camera runs until the consumer stops."""
        return None

    def stamp(self, frames: int | None = None) -> None:
        """A camera never shows a frame twice."""

    def read(self) -> Generator[RawFrame, None, None]:
        """Frames as they come."""
        with closing(_open(self._address, self._format, self._options)) as container:
            start = None
            for count, frame in enumerate(container.decode(video=0)):
                time = count / 30 if frame.time is None else frame.time
                start = time if start is None else start
                yield RawFrame(f"{self.name} frame {count}", time - start, partial(_upright, frame))


def _av() -> None:
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise ImportError("reading video needs PyAV; install it with: pip install 'ttt3r[video]'") from error


def _open(
    address: str, kind: str | None = None, options: dict[str, str] | None = None
) -> "av.container.InputContainer":
    _av()
    import av.error

    try:
        return av.open(address, format=kind, options=options or {})
    except av.error.FFmpegError as error:
        raise BrokenVideo(
            f"cannot open {address} as a video ({error.strerror}); it may be cut short, copied incompletely, or no video at all"
        ) from error


def _upright(frame: "av.VideoFrame") -> Image.Image:
    image = frame.to_image()
    turn = _QUARTER_TURNS.get(round(frame.rotation))
    return image if turn is None else image.transpose(turn)
