"""What is wrong with a recording, as far as lists of files can tell: poses and depths missing or lost, and their order."""

from collections.abc import Sequence

from ttt3r.data.findings import Finding, Problem, Severity
from ttt3r.data.pairing import ByNumber
from ttt3r.data.recording import Record, Recording


def survey(recording: Recording) -> tuple[Finding, ...]:
    """The reader's findings, and those that hold for every layout. Opens no image."""
    records = recording.records()
    return (
        *recording.findings,
        *_poses(recording, records),
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
