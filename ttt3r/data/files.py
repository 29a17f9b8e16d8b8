"""Streams of image files: folders, globs and lists."""

import glob
import hashlib
import os
import re
from collections import Counter
from collections.abc import Generator, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path

from ttt3r.data.images import HEIC_SUFFIXES, IMAGE_SUFFIXES, open_image
from ttt3r.data.source import FrameReader, RawFrame
from ttt3r.files import is_run


def natural_key(path: Path) -> tuple[tuple[str | int, ...], str]:
    """Sorting key by which `frame_2` stands before `frame_10`: numbers count as numbers, the name decides the rest."""
    parts = re.split(r"([0-9]+)", path.name.lower())
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), str(path)


def images_in(folder: Path) -> list[Path]:
    """The images of a folder in natural order; hidden and other files are passed over.

    Raises:
        FileNotFoundError: if there is none; says what was found instead.
        ValueError: if some are HEIC images, which would be lost silently.
    """
    found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    images = _images(found, folder)
    if not images:
        raise FileNotFoundError(f"no image in {folder}: {_inventory(found)}; give a folder of {_known()} files")
    return images


def has_images(folder: Path) -> bool:
    """Whether images lie right in a folder."""
    return any(path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") for path in folder.iterdir())


def images_matching(pattern: str) -> list[Path]:
    """The images that a glob pattern matches, in natural order, `**` included.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if some are HEIC images.
    """
    matches = [Path(match) for match in glob.glob(pattern, recursive=True)]
    start = len(list(takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts[:-1])))
    runs: dict[Path, bool] = {}
    found = [path for path in matches if not _within_run(path, start, runs)]
    images = _images(found, pattern)
    if not images:
        output = f"{len(matches) - len(found)} files in the output folder of a run, and " if found != matches else ""
        raise FileNotFoundError(f"no image matches {pattern!r}: {output}{_inventory(found)}; expected {_known()} files")
    return images


def _within_run(path: Path, start: int, runs: dict[Path, bool]) -> bool:
    """Whether a folder from part number `start - 1` of the path downwards is that of a run; `runs` are those seen before."""
    for folder in list(path.parents)[: len(path.parts) - max(start, 1)]:
        if folder not in runs:
            runs[folder] = is_run(folder)
        if runs[folder]:
            return True
    return False


def refuse_mixture(paths: Sequence[Path]) -> None:
    """Check that a list of files, as a shell makes of a pattern, does not mix pictures with the output of a run on them.

    Raises:
        ValueError: naming the run.
    """
    runs = {folder: is_run(folder) for path in paths for folder in (path.parent, path.parent.parent)}
    within = [path for path in paths if runs[path.parent] or runs[path.parent.parent]]
    if 0 < len(within) < len(paths):
        raise ValueError(
            f"{len(within)} of the {len(paths)} files belong to the output folder of a run ({within[0]}); leave them out, or"
            " put the pattern in quotes"
        )


def _images(found: Sequence[Path], where: Path | str) -> list[Path]:
    heic = [path.name for path in found if path.suffix.lower() in HEIC_SUFFIXES]
    if heic:
        raise ValueError(
            f"{where} holds {len(heic)} HEIC images ({heic[0]}), which cannot be read; convert them to JPEG"
        )
    images = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    return sorted(images, key=natural_key)


def _inventory(found: Sequence[Path]) -> str:
    if not found:
        return "nothing is there"
    kinds = Counter("folder" if path.is_dir() else path.suffix.lower() or "no suffix" for path in found)
    examples = ", ".join(path.name for path in sorted(found)[:3])
    return f"found {', '.join(f'{count} x {kind}' for kind, count in kinds.most_common(4))} (such as {examples})"


def _known() -> str:
    return " ".join(IMAGE_SUFFIXES)


def stamp_of(paths: Sequence[Path], stats: Sequence[os.stat_result]) -> str:
    """Hash of names, sizes and times (of the content and of the entry, which a copy with old times cannot set)."""
    facts = [(path.name, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path, s in zip(paths, stats, strict=True)]
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()


class ImageFiles(FrameReader):
    """Image files in the given order. Timestamps are seconds; without any, the position in the list.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is no image by its name, the list is empty, or the timestamps are of another number.
    """

    def __init__(self, name: str, paths: Sequence[Path], timestamps: Sequence[float] | None = None) -> None:
        if not paths:
            raise ValueError(f"{name} lists no image; give at least one")
        if timestamps is not None and len(timestamps) != len(paths):
            raise ValueError(f"{name}: {len(paths)} images but {len(timestamps)} timestamps; give one each")
        self._stats: list[os.stat_result] = []
        for path in paths:
            if not path.is_file():
                raise FileNotFoundError(f"no image file at {path} (listed by {name}); check the path")
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                raise ValueError(f"{path} is no image that can be read; expected {_known()} files")
            self._stats.append(path.stat())
        self._name = name
        self._paths = tuple(paths)
        self._timestamps = tuple(float(i) for i in (range(len(paths)) if timestamps is None else timestamps))

    @property
    def name(self) -> str:
        """What is read, for messages."""
        return self._name

    @property
    def length(self) -> int:
        """Number of files."""
        return len(self._paths)

    def stamp(self, frames: int | None = None) -> str:
        """Hash of names, sizes and times of the first files, as they were when this was made."""
        return stamp_of(self._paths[:frames], self._stats[:frames])

    def read(self) -> Generator[RawFrame, None, None]:
        """All files in order, each opened only when it is loaded."""
        for path, timestamp in zip(self._paths, self._timestamps, strict=True):
            yield RawFrame(path.name, timestamp, partial(open_image, path))
