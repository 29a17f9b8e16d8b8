"""What lies in a sequence's folder, and what is wrong with it: lists of files, a few pixels, or every file."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.checking import check_depth, check_intrinsics, check_poses, check_shape
from ttt3r.data.checks.findings import BadSequence, Finding, unreadable
from ttt3r.data.frames.images import CropToPatches, open_image
from ttt3r.data.sequences.dataset import recording_of
from ttt3r.data.sequences.layout import Layout, Place
from ttt3r.data.sequences.recording import Record, Recording


@dataclass(frozen=True)
class Inspection:
    """What was found of one sequence.

    Args:
        place: the sequence.
        frames: colour images.
        poses: of them, those with a known camera.
        depths: of them, those with a depth map.
        size: width and height of the first image in pixels; `None` if it cannot be read.
        findings: what is wrong.
    """

    place: Place
    frames: int
    poses: int
    depths: int
    size: tuple[int, int] | None
    findings: tuple[Finding, ...]


def inspect_sequence(layout: Layout, place: Place, every_file: bool = False) -> Inspection:
    """Look at one sequence: its lists, one image, three depth maps, and three re-projections.

    Args:
        layout: of the sequence.
        place: where it is.
        every_file: decode all images and all depth maps, too.
    """
    try:
        recording = recording_of(layout, place)
    except BadSequence as error:
        return Inspection(place, 0, 0, 0, None, error.findings)
    records = recording.records()
    size, findings = None, list(recording.findings)
    try:
        size = open_image(records[0].image, recording.upright).size if records else None
    except (OSError, ValueError) as error:
        findings.append(unreadable(str(records[0].image), error))
    if size is not None and recording.intrinsics is not None:
        findings += check_intrinsics(recording.intrinsics, size, recording.name)
    findings += _check_own_intrinsics(recording)
    findings += check_depth(recording, records)
    findings += _check_poses(recording)
    if every_file:
        findings += _broken_files(recording)
    return Inspection(
        place,
        len(records),
        sum(record.tracked for record in records),
        sum(record.depth is not None for record in records),
        size,
        tuple(dict.fromkeys(findings)),
    )


def _check_own_intrinsics(recording: Recording) -> list[Finding]:
    """Of each camera the first image."""
    first: dict[bytes, tuple[Record, Float[np.ndarray, "3 3"]]] = {}
    for record in recording.records():
        if (K := recording.own_intrinsics.get(record.image)) is not None:
            first.setdefault(K.tobytes(), (record, K))
    found = []
    for record, K in first.values():
        if (size := recording.size_of(record)) is not None:
            found += check_intrinsics(K, size, str(record.image))
    return found


def _check_poses(recording: Recording) -> list[Finding]:
    known = [record for record in recording.with_truth() if record.depth is not None]
    if len(known) < 2:
        return []
    try:
        return check_poses(recording.clip_of(known, CropToPatches()))
    except (
        OSError,
        ValueError,
    ):  # a depth map that cannot be read, which is a finding of `check_depth` or of `every_file`
        return []


def _broken_files(recording: Recording) -> Iterable[Finding]:
    records = recording.records()
    depth = recording.depth_source(tuple(record.depth for record in records))
    for index, record in enumerate(records):
        size = None
        try:
            size = open_image(record.image, recording.upright).size
        except (OSError, ValueError) as error:
            yield unreadable(str(record.image), error)
        try:
            map_of_frame = depth.read(index)
            if map_of_frame is not None and record.depth is not None and size is not None:
                yield from check_shape(map_of_frame.shape, size, record.depth)
        except (OSError, ValueError) as error:
            yield unreadable(str(record.depth), error)
