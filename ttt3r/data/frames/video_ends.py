"""How many bytes a video file says it has: a copy that was cut short has fewer.

Its durations do not say it: they are those of the longest track, be it sound, subtitles or a recorder's log, and some recorders
write the time of day's length of a recording instead of that of its pictures.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_HEAD = 1 << 16


def announced_size(path: Path) -> int | None:
    """The least number of bytes that the whole file has by its own words; `None` if it does not say.

    Known for MP4, MOV and related formats, Matroska and WebM, AVI, WMV, and FLV. Of MPEG-TS and Ogg only the last packet or
    page is known to be whole or not.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        for says, reader in _READERS:
            if says(head):
                return reader(file, head)
    return None


def _boxes(file: BinaryIO, head: bytes) -> int | None:
    """ISO base media: boxes of (size, type) follow each other; the last one ends the file."""
    position, end = 0, file.seek(0, 2)
    while position + 8 <= end:
        file.seek(position)
        start = file.read(16)
        size = int.from_bytes(start[:4], "big")
        if size == 1 and len(start) == 16:
            size = int.from_bytes(start[8:], "big")
        if size < 8:  # 0: up to the end of the file, wherever that is
            return None
        position += size
    return position if position > 0 else None


def _segment(file: BinaryIO, head: bytes) -> int | None:
    """Matroska: an EBML header, then a segment, each with an identifier and a size of variable length."""
    position = 0
    while position + 12 <= len(head):
        wide = 9 - head[position + 4].bit_length()
        size = int.from_bytes(head[position + 4 : position + 4 + wide], "big") & ((1 << 7 * wide) - 1)
        start = position + 4 + wide
        if head[position : position + 4] == b"\x18\x53\x80\x67":
            return None if size == (1 << 7 * wide) - 1 else start + size
        position = start + size
    return None


def _riff(file: BinaryIO, head: bytes) -> int | None:
    size = int.from_bytes(head[4:8], "little")
    return None if size in (0, 0xFFFFFFFF) else 8 + size


def _asf(file: BinaryIO, head: bytes) -> int | None:
    place = head.find(b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65")  # file properties
    return int.from_bytes(head[place + 40 : place + 48], "little") or None if place >= 0 else None


def _flv(file: BinaryIO, head: bytes) -> int | None:
    place = head.find(b"filesize\x00")
    value = head[place + 9 : place + 17]
    if place < 0 or len(value) < 8:
        return None
    (size,) = struct.unpack(">d", value)
    return int(size) if 0 < size < 2**53 else None


def _packets(file: BinaryIO, head: bytes) -> int | None:
    """MPEG-TS: packets of 188 bytes; of 192 with a time before each on cameras and Blu-ray."""
    packet = 188 if head[:1] == head[188:189] == b"G" else 192
    return -(-file.seek(0, 2) // packet) * packet


def _pages(file: BinaryIO, head: bytes) -> int | None:
    """Ogg: pages, each with the lengths of its segments."""
    end = file.seek(0, 2)
    start = max(0, end - _HEAD)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"OggS")
    if place < 0 or place + 27 > len(tail):
        return None
    segments = tail[place + 26]
    return start + place + 27 + segments + sum(tail[place + 27 : place + 27 + segments])


def _is_transport(head: bytes) -> bool:
    return head[:1] == head[188:189] == head[376:377] == b"G" or head[4:5] == head[196:197] == head[388:389] == b"G"


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, bytes], int | None]], ...] = (
    (lambda head: head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp"), _boxes),
    (lambda head: head[:4] == b"\x1a\x45\xdf\xa3", _segment),
    (lambda head: head[:4] == b"RIFF", _riff),
    (lambda head: head[:4] == b"\x30\x26\xb2\x75", _asf),
    (lambda head: head[:3] == b"FLV", _flv),
    (lambda head: head[:4] == b"OggS", _pages),
    (_is_transport, _packets),
)
