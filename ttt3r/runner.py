"""The main command: a source of frames through a model into a folder of results, written as it goes.

Whatever stops a run (a broken frame, a result that is not finite, Ctrl-C) keeps what was done: the memory is saved at the
last good frame, the point cloud and the COLMAP model of what is there are written, and the run can go on from there.
"""

import enum
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.data import FrameSource, SourceFrame
from ttt3r.export import FrameRecord, RunFolder, RunStatus
from ttt3r.reconstructor import Reconstructor, RecurrentNetwork, look
from ttt3r.rollout import rollout
from ttt3r.types import Frame, Memory, Needs, Outputs, Step
from ttt3r.update_rules import AttentionRecord
from ttt3r.update_rules.resets import ResetPolicy

__all__ = [
    "Precision",
    "RunOptions",
    "choose_device",
    "fitting_chunk",
    "run",
]


@dataclass(frozen=True)
class RunOptions:
    """How a stream is run.

    Args:
        reset_every: reset the memory every N frames, or as a policy says.
        outputs: which heads run.
        chunk: frames encoded and read out together; `None` for as many as `fitting_chunk` finds room for (one, if
            the rule looks at the answer).
        checkpoint_every: frames between two saves of the memory.

    Raises:
        ValueError: if a number is not positive.
    """

    reset_every: int | ResetPolicy | None = None
    outputs: Outputs = Outputs.CAMERA | Outputs.POINTS_CAMERA
    chunk: int | None = 1
    checkpoint_every: int = 50

    def __post_init__(self) -> None:
        for name in ("chunk", "checkpoint_every"):
            if (frames := getattr(self, name)) is not None and frames < 1:
                raise ValueError(f"{name} must be at least 1 frame, got {frames}")


def run(
    model: Reconstructor,
    source: FrameSource,
    folder: RunFolder,
    options: RunOptions = RunOptions(),
    memory: Memory | None = None,
    on_frame: Callable[[Step], None] = lambda step: None,
) -> None:
    """Run a source through a model and write the results, frame by frame.

    Args:
        model: network and rule.
        source: the frames, from the beginning of the source; those that the folder already holds are passed over.
        folder: a `RunFolder`, new or resumed.
        options: how to run.
        memory: what `RunFolder.restore` gave, if the run goes on.
        on_frame: called after each frame is written, for progress bars.

    Raises:
        BadStep: at a result that cannot be used; the folder holds everything before it.
        ValueError: as the source raises at a broken frame; likewise.
        KeyboardInterrupt: on Ctrl-C; likewise.
    """
    feed = _Feed(source, folder.frames)
    status = RunStatus.FAILED
    notes: dict[str, Any] = {}
    try:
        images, chunk = feed.images(), options.chunk
        if chunk is None and (first := next(images, None)) is not None:
            looks = Needs.READOUT in model.rule.needs  # and so needs every answer before the next frame
            images, chunk = chain([first], images), 1 if looks else fitting_chunk(model.network, first, options.outputs)
        steps = rollout(
            model, images, memory=memory, reset_every=options.reset_every, outputs=options.outputs, chunk=chunk or 1
        )
        for step in steps:
            item = feed.waiting.popleft()
            facts = (step.index, item.name, item.timestamp, item.image, step.reconstruction, step.gain)
            folder.write(FrameRecord(*facts, attention=_attention(step)))
            memory = step.memory
            feed.done(item)
            if folder.frames % options.checkpoint_every == 0:
                folder.checkpoint(memory)
            on_frame(step)
        status = RunStatus.COMPLETE
    except KeyboardInterrupt:
        status = RunStatus.INTERRUPTED
        raise
    except Exception as error:
        notes["error"] = str(error) or type(error).__name__
        raise
    finally:
        if memory is not None and int(memory.seen[0]) == folder.frames:
            folder.checkpoint(memory)
        notes["source"] = feed.record(folder.frames, status is RunStatus.COMPLETE)
        notes["notes"] = list(source.notes)
        notes["skipped"] = [list(pair) for pair in source.skipped]
        folder.finish(status, notes)


@torch.no_grad()
def fitting_chunk(
    network: RecurrentNetwork, image: Float[Tensor, "batch rgb=3 height width"], outputs: Outputs, most: int = 16
) -> int:
    """How many frames together take half of a GPU's free memory, measured on copies of one; 1 on a CPU, which gains little.

    Args:
        network: on the device where it will run.
        image: a frame of the stream, in [-1, 1], one sequence.
        outputs: which heads run.
        most: no more than this.
    """
    device = network.initial_memory(1).state.device
    if device.type != "cuda":
        return 1
    one, two = (_peak(network, image.to(device), outputs, count) for count in (1, 2))
    room = torch.cuda.mem_get_info(device)[0] / 2 - one
    return max(1, min(most, 1 + int(room / max(two - one, 1))))


def _peak(network: RecurrentNetwork, image: Tensor, outputs: Outputs, count: int) -> int:
    """Bytes beyond what the network holds already while `count` frames are encoded and read out together."""
    torch.cuda.reset_peak_memory_stats(image.device)
    before = torch.cuda.memory_allocated(image.device)
    look(network, Frame(image.expand(count, -1, -1, -1)), network.initial_memory(count), outputs)
    return torch.cuda.max_memory_allocated(image.device) - before


def _attention(step: Step) -> Tensor | None:
    """Where the tokens looked, if the rule recorded it (`AttentionRecorded`)."""
    record = step.memory.rule
    return record.attention if isinstance(record, AttentionRecord) else None


class _Feed:
    """The images that a run still needs, and the frames that they came from until these are written.

    `first` and `last` are the names of the first frame of the source and of the last one that is in the folder; `position`
    is how far the source, before any sampling, was read for it.
    """

    def __init__(self, source: FrameSource, done: int) -> None:
        self.waiting: deque[SourceFrame] = deque()
        self.first = self.last = ""
        self.position = 0
        self._source, self._done = source, done

    def done(self, item: SourceFrame) -> None:
        """Note the last frame that is in the folder."""
        self.last, self.position = item.name, item.index + 1

    def record(self, frames: int, complete: bool) -> dict[str, Any]:
        """What run.json says of the source, by which `check_same_frames` knows it again."""
        record = {"name": self._source.name, "first_frame": self.first, "last_frame": self.last}
        record |= {"frames": frames, "position": self.position, "stamp": self._source.stamp(self.position)}
        return record | ({"all": self._source.stamp()} if complete else {})

    def images(self) -> Iterator[Tensor]:
        """Prepared images; those of an earlier part of the run are passed over."""
        for number, item in enumerate(self._source):
            self.first = self.first or item.name
            if number < self._done:
                self.done(item)
            else:
                self.waiting.append(item)
                yield item.image


class Precision(enum.StrEnum):
    """Number type of the matrix products. Weights, memory and outputs stay float32; see docs/speed.md for what changes."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"

    def on(self, device: torch.device) -> AbstractContextManager[object]:
        """The context in which to run.

        Raises:
            ValueError: for float16 on a CPU, which has no fast arithmetic for it.
        """
        if self is Precision.FLOAT32:
            return nullcontext()
        if self is Precision.FLOAT16 and device.type == "cpu":
            raise ValueError("float16 is for GPUs, this is a CPU; take bfloat16, or float32")
        return torch.autocast(device.type, torch.bfloat16 if self is Precision.BFLOAT16 else torch.float16)


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; `auto` takes CUDA, else Apple's GPU, else the CPU.

    Raises:
        ValueError: if the device does not exist here, with those that do.
    """
    found = [
        kind
        for kind, present in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()))
        if present
    ] + ["cpu"]
    if name == "auto":
        return torch.device(found[0])
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"no device {name!r}; expected auto, cuda, cuda:0, mps or cpu") from None
    if device.type not in found:
        raise ValueError(f"device {name!r} is not available here; available are {', '.join(found)} (see ttt3r doctor)")
    return device
