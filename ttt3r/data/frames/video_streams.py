"""Which stream of a video file holds its pictures: not the cover, not a preview."""

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ttt3r.data.frames.source import BrokenVideo

if TYPE_CHECKING:
    import av.container
    import av.video.stream

_LOOKED_AT = 200  # packets; by then a moving picture has shown more than one


def picture_stream(container: "av.container.InputContainer", path: Path) -> tuple[int, list[str]]:
    """The index of the stream to read, and notes about the choice. The container is used up.

    Covers and thumbnails are passed over, and so are streams of one picture where another moves. Of the rest the one is taken
    that the file marks as its default, or the larger one.

    Raises:
        BrokenVideo: if there is none, or nothing here can decode it.
    """
    from av.stream import Disposition

    stills = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    found = [stream for stream in container.streams.video if not stream.disposition & stills]
    if not found:
        only = " but its cover picture" if container.streams.video else ""
        raise BrokenVideo(f"{path} has no video stream{only}; give a file with pictures")
    decoded = [stream for stream in found if _decodable(stream)]
    if not decoded:
        raise BrokenVideo(
            f"the pictures of {path} are coded as {_codec(container)}, which the installed PyAV cannot decode; convert the file"
            " to H.264"
        )
    if len(decoded) == 1:
        return decoded[0].index, []
    counts = _packets(container, decoded)
    moving = [stream for stream in decoded if counts[stream.index] > 1] or decoded
    best = max(
        moving, key=lambda stream: (bool(stream.disposition & Disposition.default), _area(stream), -stream.index)
    )
    others = ", ".join(f"{stream.width}x{stream.height}" for stream in moving if stream is not best)
    note = f"stream {best.index} ({best.width}x{best.height}) is read, not the other video streams ({others})"
    return best.index, [note] if others else []


def _decodable(stream: "av.video.stream.VideoStream") -> bool:
    return stream.codec_context is not None  # PyAV makes none where it has no decoder


def _codec(container: "av.container.InputContainer") -> str:
    """Name and tag of the first video stream's codec, as FFmpeg prints them: PyAV has none without a decoder."""
    import av.logging

    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)  # below it, nothing is printed
    try:
        printed = container.dumps_format()  # pyright: ignore[reportAttributeAccessIssue] (not in PyAV's stubs)
    finally:
        av.logging.set_level(level)
    codec = re.search(r"Video: ([^,\n(]*(?:\([^)/]*)?)", printed)
    words = " ".join(codec.group(1).replace("(", " ").split()) if codec else "none"
    return "something that has no name" if words == "none" else words.removeprefix("none ")


def _area(stream: "av.video.stream.VideoStream") -> int:
    return stream.width * stream.height


def _packets(container: "av.container.InputContainer", streams: list["av.video.stream.VideoStream"]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for packet in container.demux(*streams):
        counts[packet.stream.index] += bool(packet.size)
        if counts.total() >= _LOOKED_AT:
            break
    return counts
