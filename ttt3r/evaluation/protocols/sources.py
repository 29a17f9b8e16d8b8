"""Where an evaluation's sequences come from: folders on disk, or the procedural world."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path

from ttt3r.data import Clip, ResizePolicy, Sampling, open_clip
from ttt3r.data.procedural import WorldConfig, as_clips, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, NANO_WORLD, TRAINING_LENGTH
from ttt3r.data.sequences.dataset import find_sequences
from ttt3r.data.sequences.datasets import DATASETS
from ttt3r.data.sequences.layout import Place
from ttt3r.data.sequences.layouts import LAYOUTS
from ttt3r.data.sequences.selection import FrameSelection


@dataclass(frozen=True)
class SequenceEntry:
    """A sequence that may be evaluated, before anything of it is read.

    Args:
        name: unique within the dataset.
        scene: what it shows; intervals are clustered by it. The name itself where nothing else is known.
        places: files and folders that hold it; none where it needs no files, or is missing.
    """

    name: str
    scene: str
    places: tuple[Path, ...] = field(default=(), compare=False)


class SequenceSource(ABC):
    """A dataset with its official choice of frames. Holds settings only; the place on disk is given to it."""

    @property
    def expected(self) -> tuple[str, ...]:
        """Names of the sequences that must be there; empty where any will do."""
        return ()

    @abstractmethod
    def find(self, root: Path) -> tuple[SequenceEntry, ...]:
        """All sequences, sorted by name; those that the dataset must have are listed even if they are missing.

        Raises:
            FileNotFoundError: if there is no folder at `root`.
        """

    @abstractmethod
    def open(self, root: Path, sequence: str, policy: ResizePolicy, frames: int | None) -> Clip:
        """The first `frames` of the chosen frames of one sequence, all of them for `None`; fewer where there are fewer.

        Raises:
            OSError: if a file is missing or cannot be read.
            ValueError: if a file is malformed.
        """


@dataclass(frozen=True)
class BenchmarkSequences(SequenceSource):
    """A benchmark as its published evaluations take it: which sequences, which frames.

    Args:
        selection: names the dataset, the sequences that must be there and the choice of frames.
    """

    selection: FrameSelection

    @property
    def expected(self) -> tuple[str, ...]:
        """The sequences of the selection."""
        return self.selection.sequences

    def find(self, root: Path) -> tuple[SequenceEntry, ...]:
        """The sequences of the selection, missing ones too; all that are found where it names none."""
        dataset, found = DATASETS[self.selection.dataset], dict[str, Place]()
        for place in dataset.sequences(root):
            found.setdefault(place.name, place)  # of two copies `Dataset.open` takes the first, too
        names = self.selection.sequences or tuple(found)
        if not set(names) & set(found):
            return ()
        return tuple(
            SequenceEntry(name, found[name].scene, dataset.layout.places(found[name].folder))
            if name in found
            else SequenceEntry(name, name.partition("/")[0])
            for name in sorted(names)
        )

    def open(self, root: Path, sequence: str, policy: ResizePolicy, frames: int | None) -> Clip:
        """See `SequenceSource.open`. A frame that cannot be read ends the sequence there."""
        selection = self.selection if frames is None else self.selection.capped(frames)
        return DATASETS[selection.dataset].open(root, sequence, policy, selection, skip_broken=False)


@dataclass(frozen=True)
class FolderSequences(SequenceSource):
    """Every folder below the root that is a sequence in one of the known layouts.

    A name is the path below the root; a root that is a sequence itself is called by its own name.

    Args:
        stride: take every n-th frame with a valid camera.
        start: first of them.
    """

    stride: int = 1
    start: int = 0

    def find(self, root: Path) -> tuple[SequenceEntry, ...]:
        """The folders in one of the known layouts, sorted by name."""
        found = []
        for layout, place in find_sequences(root, LAYOUTS):
            name = place.folder.relative_to(root).as_posix() if place.folder != root else root.resolve().name
            scene = name if place.scene == place.name else place.scene
            found.append(SequenceEntry(name, scene, layout.places(place.folder)))
        return tuple(sorted(found, key=lambda entry: entry.name))

    def open(self, root: Path, sequence: str, policy: ResizePolicy, frames: int | None) -> Clip:
        """See `SequenceSource.open`."""
        folder = root / sequence
        if not folder.is_dir() and sequence == root.resolve().name:
            folder = root
        stop = None if frames is None else self.start + self.stride * (frames - 1) + 1
        clip = open_clip(folder, policy=policy, sampling=Sampling(self.stride, self.start, stop))
        return replace(clip, name=sequence)


@dataclass(frozen=True)
class ProceduralWorlds(SequenceSource):
    """Held-out procedural worlds, made on the fly: world k of a seed is always the same. Needs no files.

    Args:
        world: what the worlds are like; it also decides the size of the images, whatever the resize policy.
        count: how many.
        seed: from `HELD_OUT_SEED` on, nothing was trained on.
        frames: length where none is asked for.
    """

    world: WorldConfig = field(default=NANO_WORLD)
    count: int = 8
    seed: int = HELD_OUT_SEED
    frames: int = 8 * TRAINING_LENGTH

    def find(self, root: Path) -> tuple[SequenceEntry, ...]:
        """`world-000`, `world-001`, ...; each is its own scene."""
        names = [f"world-{number:03d}" for number in range(self.count)]
        return tuple(SequenceEntry(name, name) for name in names)

    def open(self, root: Path, sequence: str, policy: ResizePolicy, frames: int | None) -> Clip:
        """See `SequenceSource.open`."""
        number = int(sequence.removeprefix("world-"))
        clips = sample_clips(self.world, batch=1, frames=frames or self.frames, seed=self.seed, first=number)
        return replace(as_clips(clips)[0], name=sequence)
