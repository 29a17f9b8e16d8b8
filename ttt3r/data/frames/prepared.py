"""From the pictures of a reader to frames: range and stride, resize policy, broken frames, one size for the whole stream."""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from itertools import chain, islice

from PIL import Image

from ttt3r.data.frames.images import BrokenImage, ResizePolicy, to_tensor
from ttt3r.data.frames.source import BrokenVideo, FrameReader, FrameSource, RawFrame, Sampling, SourceFrame

_VOTERS = 9  # number of frames that decide which size the stream has, where those of another are left out


class UnusableShape(ValueError):
    """A picture that is too narrow, or of another shape than the stream."""


class PreparedFrames(FrameSource):
    """The frames of a reader: sampled, resized by one policy, checked to be of one size.

    With `skip_broken`, frames that are broken, too narrow, or of another prepared size than most of the first nine are left out
    and recorded; otherwise the error surfaces where the stream reaches them, after all frames before.

    Raises:
        ValueError: if the sampling takes none of the frames.
    """

    def __init__(
        self, reader: FrameReader, policy: ResizePolicy, sampling: Sampling = Sampling(), skip_broken: bool = False
    ) -> None:
        if reader.length is not None and not sampling.of(reader.length):
            raise ValueError(f"{sampling} takes none of the {reader.length} frames of {reader.name}; lower start")
        self.reader = reader
        self.policy = policy
        self.sampling = sampling
        self.skip_broken = skip_broken
        self._skipped: list[tuple[str, str]] = []

    @property
    def name(self) -> str:
        """What is read, for messages."""
        return self.reader.name

    @property
    def length(self) -> int | None:
        """Number of frames that the sampling takes, if known beforehand."""
        return None if self.reader.length is None else len(self.sampling.of(self.reader.length))

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """(name, reason) of each broken frame that the last iteration left out."""
        return self._skipped

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the reader."""
        return self.reader.notes

    def stamp(self, frames: int | None = None) -> str | None:
        """That of the reader."""
        return self.reader.stamp(frames)

    def __iter__(self) -> Generator[SourceFrame, None, None]:
        """The frames in order.

        Raises:
            BrokenImage, BrokenVideo: at a broken frame, unless `skip_broken`.
            UnusableShape: at a frame that is too narrow or whose prepared size differs from the first one's; likewise.
            ValueError: if there was no frame that can be used.
        """
        self._skipped = []
        frames, model, used = self._prepared(), None, 0
        if self.skip_broken and self.length is not None:  # a live camera must not wait
            head = list(islice(frames, _VOTERS))
            frames, model = chain(head, frames), _of_commonest_size(head)
        for frame in frames:
            model = model or frame
            if _size(frame) != _size(model):
                self._skip(frame.name, _another_size(frame, model))
                continue
            yield frame
            used += 1
        if not used:
            reasons = "; ".join(reason for _, reason in self._skipped[:3]) or f"nothing within {self.sampling}"
            raise ValueError(f"no frame of {self.name} could be used: {reasons}")

    def _prepared(self) -> Iterator[SourceFrame]:
        """All that can be decoded and prepared, of whatever size."""
        for index, raw in self._sampled():
            try:
                picture = self._prepare(raw.name, raw.load())
            except (BrokenImage, UnusableShape) as error:
                self._skip(raw.name, error)
                continue
            yield SourceFrame(index, raw.name, raw.timestamp, to_tensor(picture))

    def _sampled(self) -> Iterator[tuple[int, RawFrame]]:
        if self.sampling.ends_before(0):
            return
        try:
            for index, raw in enumerate(self.reader.read()):
                if self.sampling.takes(index):
                    yield index, raw
                if self.sampling.ends_before(index + 1):
                    return
        except BrokenVideo as error:
            self._skip(self.name, error)

    def _skip(self, name: str, error: BrokenImage | BrokenVideo | UnusableShape) -> None:
        if not self.skip_broken:
            raise error
        self._skipped.append((name, str(error)))

    def _prepare(self, name: str, picture: Image.Image) -> Image.Image:
        try:
            return self.policy(picture)
        except ValueError as error:
            raise UnusableShape(f"{name}: {error}, or leave it out with skip_broken=True (--skip-broken)") from error


def _size(frame: SourceFrame) -> tuple[int, int]:
    *_, height, width = frame.image.shape
    return width, height


def _of_commonest_size(frames: Sequence[SourceFrame]) -> SourceFrame | None:
    """The first frame of the size that most have; of sizes that are equally frequent, the one that comes first."""
    counts = Counter(_size(frame) for frame in frames)
    return max(frames, key=lambda frame: counts[_size(frame)], default=None)


def _another_size(frame: SourceFrame, model: SourceFrame) -> UnusableShape:
    (width, height), (model_width, model_height) = _size(frame), _size(model)
    return UnusableShape(
        f"{frame.name} is {width}x{height} when prepared, but {model.name} is {model_width}x{model_height}; a stream has one"
        " size: bring the images to one size, run them as separate sequences, or leave it out with skip_broken=True"
        " (--skip-broken)"
    )
