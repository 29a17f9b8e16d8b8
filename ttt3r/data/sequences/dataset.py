"""The datasets that can be read, where each comes from, and what of them lies below a folder.

tum = DATASETS["tum"]
for place in tum.sequences("data/tum"): clip = tum.open("data/tum", place.name, policy)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ttt3r.data.checks.checking import check_depth
from ttt3r.data.checks.findings import BadSequence, Finding, Problem, Severity, as_error, unreadable
from ttt3r.data.checks.soundness import sound
from ttt3r.data.checks.survey import survey
from ttt3r.data.frames.files import natural_key
from ttt3r.data.frames.images import ResizePolicy
from ttt3r.data.frames.source import Sampling
from ttt3r.data.sequences.clip import Clip
from ttt3r.data.sequences.layout import Layout, Place, children
from ttt3r.data.sequences.layouts import LAYOUTS
from ttt3r.data.sequences.recording import Recording
from ttt3r.data.sequences.selection import FrameSelection
from ttt3r.files import is_run

DEPTH_OF_SEARCH = 5
"""Depth of folders below a root in which sequences are searched."""


@dataclass(frozen=True)
class Dataset:
    """A dataset: the layout of its sequences, and where it comes from.

    Args:
        name: short, as in the names of protocols.
        layout: of one sequence.
        home: page that describes it and where it can be had.
        licence: as far as known here; the page above decides.
        obtain: what to get, and how it must lie.
    """

    name: str
    layout: Layout
    home: str
    licence: str
    obtain: str

    def sequences(self, root: str | Path) -> tuple[Place, ...]:
        """All sequences of this dataset below a folder, or the folder itself, in natural order.

        Raises:
            FileNotFoundError: if there is no such folder.
        """
        known = LAYOUTS if any(layout is self.layout for layout in LAYOUTS) else (self.layout,)
        return tuple(place for layout, place in find_sequences(root, known) if layout is self.layout)

    def open(
        self,
        root: str | Path,
        sequence: str,
        policy: ResizePolicy,
        sampling: Sampling | FrameSelection = Sampling(),
        skip_broken: bool = True,
    ) -> Clip:
        """A sequence below a folder as a clip; what is wrong with its files stands in `clip.findings`.

        Args:
            root: folder that holds the sequence, at any depth.
            sequence: its name, as `sequences` gives it.
            policy: how images are prepared.
            sampling: counts frames with a known camera (depth, where there are no cameras); a selection has its own rule.
            skip_broken: leave images out that cannot be decoded; `clip.source.skipped` names them.

        Raises:
            BadSequence: if no frame remains; its findings say why. Also if there is no such sequence.
        """
        found = [place for place in self.sequences(root) if place.name == sequence]
        if not found:
            raise BadSequence([self.missing(root, sequence)])
        return open_place(self.layout, found[0], policy, sampling, skip_broken)

    def scene_of(self, sequence: str) -> str:
        """What a sequence of this name shows, whether it is there or not."""
        return self.layout.identify(Path(sequence)).scene

    def missing(self, root: str | Path, sequence: str) -> Finding:
        """The finding that a sequence is not there."""
        detail = f"no sequence {sequence} of {self.layout.name} below {root}"
        cure = f"{self.obtain} ({self.home})"
        return Finding(Problem.MISSING_SEQUENCE, sequence, Severity.ERROR, detail, cure)


def recording_of(layout: Layout, place: Place) -> Recording:
    """The recording of a place with all that a survey of its files finds.

    Raises:
        BadSequence: if it cannot be read at all.
    """
    try:
        recording = sound(layout.read(place.folder))
    except (OSError, ValueError) as error:
        raise BadSequence([unreadable(str(place.folder), error)]) from error
    return replace(recording, name=place.name, scene=place.scene, findings=survey(recording))


def open_place(
    layout: Layout, place: Place, policy: ResizePolicy, sampling: Sampling | FrameSelection, skip_broken: bool
) -> Clip:
    """A sequence that was found, as a clip.

    Raises:
        BadSequence: if no frame remains.
    """
    recording = recording_of(layout, place)
    if isinstance(sampling, FrameSelection):
        records, findings = sampling.of(recording)
    else:
        known = recording.with_truth()
        records, findings = tuple(known[i] for i in sampling.of(len(known))), ()
    recording = recording.with_findings([*findings, *check_depth(recording, records)])
    if not records:
        detail = f"no frame of {place.name} remains of {len(recording.images)} images"
        none = Finding(Problem.TOO_SHORT, place.name, Severity.ERROR, detail, "see the other findings")
        raise BadSequence([*recording.findings, none])
    return recording.clip_of(records, policy, skip_broken)


def find_sequences(
    root: str | Path, layouts: Sequence[Layout], depth: int = DEPTH_OF_SEARCH
) -> Iterator[tuple[Layout, Place]]:
    """The folders from a root downwards that one of the layouts recognises, in natural order; the first layout has it.

    A folder that links lead to as well is found once: at its own place, or at the first link if that is outside of the root.

    Raises:
        FileNotFoundError: if there is no such folder.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder at {folder}; give the folder of a dataset or of a sequence")
    own, places = folder.resolve(), dict[Path, tuple[Layout, Place]]()
    for layout, place in _search(folder, layouts, depth, ()):
        target = place.folder.resolve()
        if target not in places or own / place.folder.relative_to(folder) == target:
            places[target] = layout, place
    return iter(sorted(places.values(), key=lambda found: [natural_key(Path(part)) for part in found[1].folder.parts]))


def _search(
    folder: Path, layouts: Sequence[Layout], depth: int, above: tuple[Path, ...]
) -> Iterator[tuple[Layout, Place]]:
    """Without walking in circles: a link to a folder `above` is passed over."""
    target = folder.resolve()
    if target in above or is_run(folder):
        return
    layout = next((layout for layout in layouts if layout.recognises(folder)), None)
    if layout is not None:
        identity = layout.identify(folder)
        yield layout, Place(identity.sequence, identity.scene, folder)
    elif depth:
        for child in children(folder):
            yield from _search(child, layouts, depth - 1, (*above, target))


def open_recording(layout: Layout, folder: Path, forgiving: bool) -> Recording:
    """The recording of one folder with its findings, for `open_clip`.

    Raises:
        FileNotFoundError: if a file is missing that something lists, unless `forgiving` and the rest will do.
        ValueError: if a file is malformed, likewise.
    """
    recording = sound(layout.read(folder))
    recording = replace(recording, findings=survey(recording))
    errors = [finding for finding in recording.findings if finding.severity is Severity.ERROR]
    if errors and not (forgiving and recording.with_truth()):
        raise as_error(errors[0])
    return recording
