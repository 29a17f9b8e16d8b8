"""What is wrong with a recording, as far as lists of files can show: poses and depths missing or lost, and their order."""

from collections.abc import Sequence

import numpy as np

from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.sequences.pairing import ByNumber
from ttt3r.data.sequences.recording import Record, Recording

JUMP = 100
"""Multiple of the usual step between neighbours that counts as a jump, from 10 m on."""


def survey(recording: Recording) -> tuple[Finding, ...]:
    """The reader's findings, and those that hold for every layout. Opens no image."""
    records = recording.records()
    return (
        *recording.findings,
        *_poses(recording, records),
        *_jumps(recording, records),
        *_twice(recording),
        *_depths(recording, records),
        *_without_image(recording),
        *_order(recording),
    )


def _poses(recording: Recording, records: Sequence[Record]) -> list[Finding]:
    if not len(recording.poses):
        return []
    name, total = recording.name, len(records)
    without = [record for record in records if record.camera_to_world is None]
    lost = [record for record in records if record.camera_to_world is not None and not record.tracked]
    if len(without) == total:
        return [
            Finding(
                Problem.MISSING_POSES,
                name,
                Severity.ERROR,
                f"none of the {total} images of {name} has a pose {recording.pairing.words}",
                "are poses and images from the same recording?",
            )
        ]
    if len(lost) + len(without) == total:
        return [
            Finding(
                Problem.LOST_POSES,
                name,
                Severity.ERROR,
                f"none of the {len(lost)} poses of {name} is finite and a rigid motion",
                "take another sequence, or write its poses again",
            )
        ]
    found = []
    if without:
        detail = f"{len(without)} of {total} images of {name} have no pose {recording.pairing.words} ({_some(without)})"
        cure = "they are left out, or judged by depth only"
        found.append(Finding(Problem.MISSING_POSES, name, Severity.WARNING, detail, cure))
    if lost:
        detail = (
            f"{len(lost)} of {total} poses of {name} are lost: NaN, infinite, all zero or not rigid ({_some(lost)})"
        )
        cure = "these frames are not judged by their camera; some published protocols drop the whole sequence"
        found.append(Finding(Problem.LOST_POSES, name, Severity.WARNING, detail, cure))
    return found


def _jumps(recording: Recording, records: Sequence[Record]) -> list[Finding]:
    """Where the camera goes `JUMP` times as far as it usually does from one image to the next."""
    cameras = [record.camera_to_world for record in records if record.tracked]
    places = np.array([camera[:3, 3] for camera in cameras if camera is not None]).reshape(-1, 3)
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    far = np.flatnonzero(steps > max(JUMP * float(np.median(steps)), 10.0)) if len(steps) > 2 else []
    if not len(far):
        return []
    known = [record for record in records if record.tracked]
    detail = (
        f"the camera of {recording.name} jumps {len(far)} times between neighbours, such as {steps[far[0]]:.4g} m from "
        f"{known[far[0]].image.name} to {known[far[0] + 1].image.name}, where {np.median(steps):.2g} m is usual"
    )
    return [Finding(Problem.IMPLAUSIBLE_POSES, recording.name, Severity.WARNING, detail, "check these poses")]


def _twice(recording: Recording) -> list[Finding]:
    """Entries of one list with the same time or number: which of them belongs to an image is a matter of chance."""
    found = []
    kinds = {"images": recording.images, "poses": recording.poses, "depth maps": recording.depths}
    for kind, entries in kinds.items():
        stamps, counts = np.unique(entries.stamps[np.isfinite(entries.stamps)], return_counts=True)
        if not (counts > 1).any():
            continue
        detail = f"{int((counts > 1).sum())} times stand twice or more among the {kind} of {recording.name}, such as"
        cure = "keep one of each"
        stamp = f"{stamps[np.argmax(counts > 1)]:.6f}".rstrip("0").rstrip(".")
        found.append(Finding(Problem.GIVEN_TWICE, recording.name, Severity.WARNING, f"{detail} {stamp}", cure))
    return found


def _depths(recording: Recording, records: Sequence[Record]) -> list[Finding]:
    without = [record for record in records if record.depth is None]
    if not len(recording.depths) or not without:
        return []
    name, total = recording.name, len(records)
    counts = f"{len(recording.depths)} depth maps for {total} images"
    if len(without) == total:
        detail = f"none of the {counts} of {name} belongs to an image {recording.pairing.words}"
        cure = "are depths and images from the same recording?"
        return [Finding(Problem.MISSING_DEPTH, name, Severity.ERROR, detail, cure)]
    detail = f"{counts} of {name}: {len(without)} images have none {recording.pairing.words} ({_some(without)})"
    cure = "depth is not judged there"
    return [Finding(Problem.MISSING_DEPTH, name, Severity.WARNING, detail, cure)]


def _without_image(recording: Recording) -> list[Finding]:
    """Numbered depths and poses whose image is not there; where times decide, the clocks differ and some always are alone."""
    if not isinstance(recording.pairing, ByNumber) or not len(recording.images):
        return []
    found = []
    for kind, stamps in (("depth maps", recording.depths.stamps), ("poses", recording.poses.stamps)):
        alone = len(stamps) - len(recording.pairing.pairs(recording.images.stamps, stamps))
        if alone:
            detail = f"{alone} of {len(stamps)} {kind} of {recording.name} have no image"
            cure = "they are left out; copy the images again if there should be some"
            found.append(Finding(Problem.MISSING_FILE, recording.name, Severity.WARNING, detail, cure))
    return found


def _order(recording: Recording) -> list[Finding]:
    names = [path.name for path in recording.images.paths]
    if names == sorted(names):
        return []
    first = next(i for i, (name, text) in enumerate(zip(names, sorted(names), strict=True)) if name != text)
    detail = f"as text, {sorted(names)[first]} of {recording.name} stands before {names[first]}"
    cure = "read in the order of times and numbers; a script that sorts names gets another order"
    return [Finding(Problem.UNSORTED, recording.name, Severity.NOTE, detail, cure)]


def _some(records: Sequence[Record]) -> str:
    names = [record.image.name for record in records]
    return ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")
