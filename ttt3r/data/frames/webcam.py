"""Frames of live cameras, decoded by PyAV (the extra `video`)."""

import sys
from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path

from ttt3r.data.frames.source import FrameReader, RawFrame
from ttt3r.data.frames.video import open_container, require_av
from ttt3r.data.frames.video_colors import colors_of


class Webcam(FrameReader):
    """A live camera, by number (on Windows by the name that the system shows). Every `read` starts at the present time.

    Raises:
        ImportError: if PyAV is not installed.
        BrokenVideo: while reading, if the camera cannot be opened.
    """

    def __init__(self, device: str = "0") -> None:
        require_av()
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
        with closing(open_container(self._address, self._format, self._options)) as container:
            start = None
            context = container.streams.video[0].codec_context
            for count, frame in enumerate(container.decode(video=0)):
                time = count / 30 if frame.time is None else frame.time
                start = time if start is None else start
                yield RawFrame(f"{self.name} frame {count}", time - start, partial(colors_of(context).image, frame))
