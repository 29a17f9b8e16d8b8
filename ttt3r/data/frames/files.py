"""Streams of image files: folders, globs and lists."""

import glob
import hashlib
import itertools
import os
import re
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from decimal import Decimal
from functools import partial
from itertools import takewhile
from pathlib import Path

from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.frames.images import HEIC_SUFFIXES, IMAGE_SUFFIXES, leads_nowhere, open_image
from ttt3r.data.frames.orientation import is_stored_turned
from ttt3r.data.frames.source import BrokenVideo, FrameReader, RawFrame
from ttt3r.files import is_run

_WHOLE = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", re.IGNORECASE)  # a stem that is nothing but a number
_DECIMAL = re.compile(r"(?<![0-9.])[0-9]+\.([0-9]+)$")  # at the end of a stem; no part of 1.2.3 or IMG.1.2
_VERSION = re.compile(r"(?<![a-z])v(er(sion)?)?[ _-]?$")  # before it: v1.10 comes after v1.9


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Files sorted by the numbers in their names: `frame_2` before `frame_10`, and times by value, `0.25` before `0.5`.

    The number at the end of a stem is a decimal, unless the names count behind the dot (`1.9`, `1.10`: no time is written so).
    Where all stems are nothing but numbers, signs and exponents count, too.
    """
    paths = list(paths)
    decimals = _are_decimals([path.stem.lower() for path in paths])
    if decimals and all(_WHOLE.fullmatch(path.stem) for path in paths):
        return sorted(paths, key=lambda path: (Decimal(path.stem), natural_key(path)))
    return sorted(paths, key=partial(natural_key, decimals=decimals))


def natural_key(path: Path, decimals: bool = True) -> tuple[tuple[str | int | Decimal, ...], str]:
    """Sorting key by which `frame_2` stands before `frame_10`: numbers count as numbers, the name decides the rest.

    Args:
        path: the file.
        decimals: whether the number at the end of the stem is a decimal; `natural_order` finds out.
    """
    name = path.name.lower()
    found = _decimal(path.stem.lower()) if decimals else None
    head, tail = (name, []) if found is None else (name[: found.start()], [Decimal(found[0]), name[found.end() :]])
    parts = re.split(r"([0-9]+)", head)
    return (*(int(part) if place % 2 else part for place, part in enumerate(parts)), *tail), str(path)


def _decimal(stem: str) -> re.Match[str] | None:
    found = _DECIMAL.search(stem)
    return None if found is None or _VERSION.search(stem[: found.start()]) else found


def _are_decimals(stems: Iterable[str]) -> bool:
    digits = {found[1] for stem in stems if (found := _decimal(stem))}
    counted = any(len(text) > 1 and text.endswith("0") for text in digits)
    return not counted or len({len(text) for text in digits}) == 1


def times_of(paths: Sequence[Path]) -> list[float] | None:
    """The times in seconds that name files (`1305031102.175304.png`), if they name them all and grow: else `None`."""
    if len(paths) < 2 or not all(_WHOLE.fullmatch(path.stem) and "." in path.stem for path in paths):
        return None
    times = [float(path.stem) for path in paths]
    return times if all(now < after for now, after in itertools.pairwise(times)) else None


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
    images = [
        path for path in found if path.suffix.lower() in IMAGE_SUFFIXES and (path.is_file() or leads_nowhere(path))
    ]
    return natural_order(images)


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


class OneFile(FrameReader):
    """One file that holds many pictures.

    Args:
        path: the file.
        kind: `image` or `video`, for messages.

    Raises:
        FileNotFoundError: if there is no such file.
    """

    def __init__(self, path: str | Path, kind: str) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise FileNotFoundError(f"no {kind} file at {self._path}; check the path")
        self._stat = self._path.stat()

    @property
    def name(self) -> str:
        """File name."""
        return self._path.name

    def stamp(self, frames: int | None = None) -> str:
        """Hash of size and times of the file, as they were when this was made."""
        return stamp_of([self._path], [self._stat])

    def _broken(self, count: int, things: str, reason: str) -> BrokenVideo:
        """The error after a number of pictures, or frames, that could be read."""
        cure = "copy it again" + (", or take what there is with skip_broken=True (--skip-broken)" if count else "")
        return BrokenVideo(f"{self._path} is broken after {count} {things}: {reason}; {cure}")


def turned_findings(paths: Sequence[Path], name: str) -> list[Finding]:
    """A finding if images that are read as they are stored have EXIF data which say that they are to be turned."""
    turned = [path for path in paths if is_stored_turned(path)]
    if not turned:
        return []
    detail = (
        f"{len(turned)} of {len(paths)} images of {name} are to be turned by their EXIF data, such as {turned[0].name}"
    )
    cure = "they are read as stored, which the poses beside them are of; for an upright run give the images, as 'DIR/*.jpg'"
    return [Finding(Problem.CAMERA_MODEL, name, Severity.NOTE, detail, cure)]


class ImageFiles(FrameReader):
    """Image files in the given order. Timestamps are seconds; without any, the times that name the files, else their places.

    They are turned as their EXIF data says, unless `upright` is off: poses beside images are of the pixels as stored.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is no image by its name, the list is empty, or the timestamps are of another number.
    """

    def __init__(
        self, name: str, paths: Sequence[Path], timestamps: Sequence[float] | None = None, upright: bool = True
    ) -> None:
        if not paths:
            raise ValueError(f"{name} lists no image; give at least one")
        if timestamps is not None and len(timestamps) != len(paths):
            raise ValueError(f"{name}: {len(paths)} images but {len(timestamps)} timestamps; give one each")
        self._stats: list[os.stat_result] = []
        for path in paths:
            if not path.is_file() and not leads_nowhere(path):  # a link may be skipped when its turn comes
                raise FileNotFoundError(f"no image file at {path} (listed by {name}); check the path")
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                raise ValueError(f"{path} is no image that can be read; expected {_known()} files")
            self._stats.append(path.lstat() if leads_nowhere(path) else path.stat())
        self._name = name
        self._paths = tuple(paths)
        self._upright = upright
        times = times_of(paths) if timestamps is None else timestamps
        self._timestamps = tuple(float(i) for i in (range(len(paths)) if times is None else times))

    @property
    def name(self) -> str:
        """What is read, for messages."""
        return self._name

    @property
    def length(self) -> int:
        """Number of files."""
        return len(self._paths)

    @property
    def notes(self) -> tuple[str, ...]:
        """How many of them are not upright as they are read."""
        return () if self._upright else tuple(map(str, turned_findings(self._paths, self._name)))

    def stamp(self, frames: int | None = None) -> str:
        """Hash of names, sizes and times of the first files, as they were when this was made."""
        return stamp_of(self._paths[:frames], self._stats[:frames])

    def read(self) -> Generator[RawFrame, None, None]:
        """All files in order, each opened only when it is loaded."""
        for path, timestamp in zip(self._paths, self._timestamps, strict=True):
            yield RawFrame(path.name, timestamp, partial(open_image, path, self._upright))
