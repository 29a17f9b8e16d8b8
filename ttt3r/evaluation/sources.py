"""Where an evaluation's sequences come from: folders on disk, or the procedural world."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path

from ttt3r.data import Clip, ResizePolicy, Sampling, open_clip
from ttt3r.data.opening import LAYOUTS
from ttt3r.data.procedural import WorldConfig, as_clips, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, NANO_WORLD, TRAINING_LENGTH


@dataclass(frozen=True)
class SequenceEntry:
    """A sequence that may be evaluated, before anything of it is read.

    Args:
        name: unique within the dataset.
        scene: what it shows; intervals are clustered by it. The name itself where nothing else is known.
    """

    name: str
    scene: str


class SequenceSource(ABC):
    """A dataset with its official choice of frames. Holds settings only; the place on disk is told to it."""

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
class FolderSequences(SequenceSource):
    """Every folder below the root, at most `depth` levels down, that `open_clip` recognises.

    A name is the path below the root; a root that is a sequence itself is called by its own name.

    Args:
        stride: take every n-th frame with a valid camera.
        start: first of them.
        depth: levels of folders that are searched.
    """

    stride: int = 1
    start: int = 0
    depth: int = 3

    def find(self, root: Path) -> tuple[SequenceEntry, ...]:
        """The folders in one of the known layouts; the scene of `scene/seq-03` is `scene`."""
        if not root.is_dir():
            raise FileNotFoundError(f"no folder at {root}; give --root the folder of the dataset or of one sequence")
        found = _sequences_below(root, self.depth)
        names = sorted(path.relative_to(root).as_posix() if path != root else root.resolve().name for path in found)
        return tuple(SequenceEntry(name, _scene_of(name)) for name in names)

    def open(self, root: Path, sequence: str, policy: ResizePolicy, frames: int | None) -> Clip:
        """See `SequenceSource.open`."""
        folder = root / sequence
        if not folder.is_dir() and sequence == root.resolve().name:
            folder = root
        stop = None if frames is None else self.start + self.stride * (frames - 1) + 1
        clip = open_clip(folder, policy=policy, sampling=Sampling(self.stride, self.start, stop))
        return replace(clip, name=sequence)


def _sequences_below(folder: Path, depth: int) -> list[Path]:
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if any(layout.recognises(folder) for layout in LAYOUTS):
        parts = [path for path in inside if path.name.startswith("seq-")]  # a scene of several sequences
        return [path for path in parts if any(layout.recognises(path) for layout in LAYOUTS)] or [folder]
    if depth == 0:
        return []
    return [found for path in inside for found in _sequences_below(path, depth - 1)]


def _scene_of(name: str) -> str:
    parts = name.split("/")
    return "/".join(parts[:-1]) if len(parts) > 1 and parts[-1].startswith("seq-") else name


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
