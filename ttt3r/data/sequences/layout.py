"""How a sequence of a benchmark lies on disk: `Layout`, and what readers have in common."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity, unreadable
from ttt3r.data.frames.files import ImageFiles, natural_key
from ttt3r.data.sequences.poses import camera_to_world, check_quaternions, read_matrix
from ttt3r.data.sequences.recording import Files, Poses, Recording

Given = TypeVar("Given")


@dataclass(frozen=True)
class Identity:
    """The name of a sequence within its dataset, and of the scene that it shows: `chess/seq-03` shows `chess`."""

    sequence: str
    scene: str


@dataclass(frozen=True)
class Layout:
    """How a sequence lies on disk.

    Args:
        name: for messages.
        needs: the files of a sequence, in words.
        recognises: whether a folder is a sequence of this layout, from its own files and neighbours.
        identify: the sequence's name, from the folder's.
        read: lists poses, depths and images. Raises FileNotFoundError or ValueError if there are no images.
        images: all colour images, with a pose or without, for a run that asks for no ground truth.
        beside: files and folders of a sequence that lie outside its folder.
    """

    name: str
    needs: str
    recognises: Callable[[Path], bool]
    identify: Callable[[Path], Identity]
    read: Callable[[Path], Recording]
    images: Callable[[Path], ImageFiles]
    beside: Callable[[Path], tuple[Path, ...]] = lambda folder: ()

    def places(self, folder: Path) -> tuple[Path, ...]:
        """Everything that a sequence is read from: its folder, and what lies beside it."""
        return (folder, *self.beside(folder))


@dataclass(frozen=True)
class Place:
    """A sequence that was found on disk."""

    name: str
    scene: str
    folder: Path


def named_after_folder(folder: Path) -> Identity:
    """The folder's name, of sequence and scene alike."""
    name = folder.resolve().name
    return Identity(name, name)


def children(folder: Path) -> list[Path]:
    """The folders in a folder in natural order; hidden ones, and what may not be looked into, are passed over."""
    try:
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    except OSError:
        return []
    return sorted(found, key=natural_key)


def holds(folder: Path, pattern: re.Pattern[str]) -> bool:
    """Whether a folder is there and holds a file whose whole name fits a pattern. Looks no further than the first."""
    try:
        with os.scandir(folder) as entries:
            return any(pattern.fullmatch(entry.name) for entry in entries)
    except OSError:
        return False


def numbered(folder: Path, pattern: re.Pattern[str]) -> Files:
    """The files of a folder whose whole name fits a pattern, in the order of the number that its first group catches."""
    if not folder.is_dir():
        return Files()
    found = sorted((int(match[1]), path) for path in folder.iterdir() if (match := pattern.fullmatch(path.name)))
    return Files(tuple(path for _, path in found), np.array([number for number, _ in found], dtype=np.float64))


def image_files(folder: Path, files: Files, rate: float = 1.0, upright: bool = False) -> ImageFiles:
    """The images of a sequence as a stream; timestamps are stamps / rate, seconds. See `Recording.upright`.

    Raises:
        FileNotFoundError: if there is none.
    """
    if not files.paths:
        raise FileNotFoundError(
            f"no image of a known name in {folder}; see `ttt3r data list` for what the layout needs"
        )
    return ImageFiles(str(folder), files.paths, (files.stamps / rate).tolist(), upright)


def present(files: Files, listed_by: Path) -> tuple[Files, list[Finding]]:
    """Of files that a list names, those that are there, and a finding for those that are not."""
    here = [i for i, path in enumerate(files.paths) if path.is_file()]
    if len(here) == len(files):
        return files, []
    gone = [path for path in files.paths if not path.is_file()]
    detail = f"{len(gone)} of {len(files)} files that {listed_by} lists are not there, such as {gone[0]}"
    found = [Finding(Problem.MISSING_FILE, str(listed_by), Severity.ERROR, detail, "copy them again")]
    return Files(tuple(files.paths[i] for i in here), files.stamps[here]), found


def read_or_note(path: Path, read: Callable[[Path], Given], otherwise: Given) -> tuple[Given, list[Finding]]:
    """What a file of a sequence gives; something else, and a finding, where it cannot be read."""
    try:
        return read(path), []
    except (OSError, ValueError) as error:
        return otherwise, [unreadable(str(path), error)]


def counted_poses(matrices: Float[np.ndarray, "pose 4 4"]) -> Poses:
    """Poses of the frames 0, 1, 2, ..."""
    return Poses(matrices, np.arange(len(matrices), dtype=np.float64))


def timed_poses(rows: Float[np.ndarray, "pose 8"], path: Path) -> tuple[Poses, list[Finding]]:
    """Poses of rows `time tx ty tz qx qy qz qw`, without those that are lost; findings for these, and for odd quaternions.

    Args:
        rows: time in seconds, to world, metres.
        path: file that they come from, for the findings.
    """
    odd = check_quaternions(rows[:, 1:], str(path))
    poses = camera_to_world(rows[:, 1:])
    known = np.isfinite(rows).all(axis=1) & np.isfinite(poses).all(axis=(1, 2))
    if known.all():
        return Poses(poses, rows[:, 0]), odd
    detail = f"{len(rows) - known.sum()} of {len(rows)} rows of {path} are NaN, infinite or have the quaternion 0 0 0 0"
    cure = "they are left out, so that images near them have no pose"
    lost = Finding(Problem.LOST_POSES, str(path), Severity.WARNING, detail, cure)
    return Poses(poses[known], rows[known, 0]), [*odd, lost]


def pose_files(files: Files) -> tuple[Poses, list[Finding]]:
    """Poses of text files with one 4x4 camera_to_world each; a finding for every file that holds anything else."""
    matrices, stamps, found = [], [], []
    for path, stamp in zip(files.paths, files.stamps, strict=True):
        try:
            matrices.append(read_matrix(path))
            stamps.append(stamp)
        except (OSError, ValueError) as error:
            found.append(unreadable(str(path), error))
    if not matrices:
        return Poses(), found
    return Poses(np.stack(matrices), np.array(stamps)), found
