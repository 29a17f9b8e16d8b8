"""What is wrong with the files of a sequence, as data: nothing is dropped in silence, and nothing stops a whole dataset."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class Problem(enum.Enum):
    """Kinds of findings."""

    MISSING_SEQUENCE = "missing sequence"
    """A sequence that a protocol asks for is not there."""
    MISSING_FILE = "missing file"
    """A list names a file that is not there."""
    UNREADABLE = "unreadable"
    """A file is damaged, or holds something else than it must."""
    MISSING_POSES = "missing poses"
    """Images without a camera pose."""
    LOST_POSES = "lost poses"
    """Poses that are NaN, infinite or all zero: the tracking was lost."""
    NOT_RIGID = "poses not rigid"
    """Poses that are no rotation and translation: scaled, mirrored, transposed."""
    IMPLAUSIBLE_POSES = "implausible poses"
    """Absurd positions, or jumps between neighbours."""
    GIVEN_TWICE = "given twice"
    """Two poses, images or depth maps of one time or number."""
    MISSING_DEPTH = "missing depth"
    """Fewer depth maps than images."""
    DEPTH_SIZE = "depth size"
    """Depth maps that are not of the shape of the images."""
    DEPTH_SCALE = "depth scale"
    """Depths that are hardly metres."""
    POSES_DISAGREE = "poses and depth disagree"
    """Points of one depth map, moved by the poses, do not lie on another."""
    UNSORTED = "unsorted"
    """Files whose order as text is not that of their numbers or times; they are read in the latter."""
    TOO_SHORT = "too short"
    """Fewer frames than asked for."""
    CAMERA_MODEL = "camera model"
    """Something about the camera that is not undone here, such as lens distortion."""


class Severity(enum.IntEnum):
    """How much a finding weighs."""

    NOTE = 0
    """Worth knowing; nothing is lost."""
    WARNING = 1
    """Some frames or values are left out, or doubtful."""
    ERROR = 2
    """A file that should be there cannot be used."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Args:
        what: its kind.
        where: the file, folder or sequence.
        severity: how much it weighs.
        detail: one sentence that names the place and the numbers.
        cure: what to do about it.
    """

    what: Problem
    where: str
    severity: Severity
    detail: str
    cure: str

    def __str__(self) -> str:
        """One line: what and where, then the cure."""
        return f"{self.detail}; {self.cure}"


class BadSequence(ValueError):
    """A sequence of which no clip can be made. `findings` says why."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The weight of the heaviest finding; `None` if there is none."""
    return max((finding.severity for finding in findings), default=None)


def unreadable(where: str, error: Exception) -> Finding:
    """The finding that an error of a reader is; the error's text is `what was wrong; the cure`."""
    detail, _, cure = " ".join(str(error).split()).rpartition("; ")
    what = Problem.MISSING_FILE if isinstance(error, FileNotFoundError) else Problem.UNREADABLE
    return Finding(what, where, Severity.ERROR, detail or cure, cure if detail else "copy it again")


def as_error(finding: Finding) -> ValueError | FileNotFoundError:
    """The finding as the error to raise where it cannot be tolerated."""
    if finding.what is Problem.MISSING_FILE:
        return FileNotFoundError(str(finding))
    return BadSequence([finding])
