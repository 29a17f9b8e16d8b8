"""One pass of several rules over one sequence. A rule that fails leaves the pass; the others go on; nothing is lost."""

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data import Clip, SourceFrame
from ttt3r.evaluation.contenders import Contender
from ttt3r.evaluation.protocol import Protocol
from ttt3r.evaluation.rows import Status
from ttt3r.evaluation.tasks import Moment, Recorder
from ttt3r.evaluation.trace import Trace
from ttt3r.guard import BadStep, is_shortage
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.rollout import rollout_rules
from ttt3r.types import Memory, Outputs, Step

OnFrame = Callable[[str, int], None]
"""Called with the sequence and the number of frames done, for progress bars."""


@dataclass(frozen=True)
class Stop:
    """Why a rule, or the sequence, did not come to its end."""

    status: Status
    note: str


@dataclass
class Lane:
    """What is kept of one rule during a pass; the only thing here that grows.

    Args:
        contender: the rule.
        recorders: one for each task of the protocol.
        trace: for the NPZ file.
        stop: what ended it before the sequence's end, if anything did.
        memory: after the last frame.
    """

    contender: Contender
    recorders: tuple[Recorder, ...]
    trace: Trace
    stop: Stop | None = None
    memory: Memory | None = None

    @property
    def frames(self) -> int:
        """Frames with a usable result."""
        return self.trace.frames


@dataclass
class Seconds:
    """Wall time of a pass by part: reading images and truth, the network, and measuring."""

    reading: float = 0.0
    network: float = 0.0
    measuring: float = 0.0

    @contextmanager
    def spent(self, part: str) -> Iterator[None]:
        """Add what the block takes to a part."""
        started = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, part, getattr(self, part) + time.perf_counter() - started)


@dataclass
class Pass:
    """A pass over a sequence: the lanes by label, and what it cost.

    Args:
        lanes: one for each rule.
        available: frames that the sequence has, as far as it was read.
        seconds: by part.
        wanted: frames that were to be run; `None` for all.
    """

    lanes: Mapping[str, Lane]
    wanted: int | None
    available: int = 0
    seconds: Seconds = field(default_factory=Seconds)


@contextmanager
def run_pass(
    network: RecurrentNetwork,
    protocol: Protocol,
    contenders: Sequence[Contender],
    clip: Clip,
    on_frame: OnFrame = lambda sequence, frames: None,
) -> Iterator[Pass]:
    """Run the rules over the first frames of a clip. What was spilled to disk lives as long as the context.

    Each frame is encoded once for all rules. A rule that fails is stopped with a status, keeping the frames before; if a
    failure concerns all of them together (memory runs out), they go on one by one. A frame that cannot be read stops all.
    """
    with ExitStack() as resources:
        expected = protocol.frames or len(clip.timestamps)
        lanes = {
            contender.label: Lane(contender, tuple(task.record(resources) for task in protocol.tasks), Trace(expected))
            for contender in contenders
        }
        done = Pass(lanes, protocol.frames)
        groups = [list(lanes)]
        for item in _items(clip, done):
            with done.seconds.spent("reading"):
                given = _given(clip, item, Outputs.POINTS_CAMERA in protocol.outputs)
            groups = _advance(network, protocol, done, groups, given)
            done.available += 1
            on_frame(clip.name, done.available)
            if not groups:
                break
        yield done


def _items(clip: Clip, done: Pass) -> Iterator[SourceFrame]:
    """The frames that are wanted. An unreadable one stops all lanes."""
    source = iter(clip.source)
    while done.wanted is None or done.available < done.wanted:
        try:
            with done.seconds.spent("reading"):
                item = next(source, None)
        except Exception as error:
            stop = stop_of_reading(error)
            for lane in done.lanes.values():
                lane.stop = lane.stop or stop
            return
        if item is None:
            return
        yield item


@dataclass(frozen=True)
class _Given:
    """A frame and the truth about it, the same for all rules; fields as in `Moment`."""

    item: SourceFrame
    clip: Clip
    camera_to_world: Float[np.ndarray, "4 4"]
    depth: Float[np.ndarray, "true_height true_width"] | None
    depth_error: str = ""

    def seen_by(self, step: Step) -> Moment:
        return Moment(step, self.item, self.clip, self.camera_to_world, self.depth, self.depth_error)


def _given(clip: Clip, item: SourceFrame, with_depth: bool) -> _Given:
    cameras = clip.camera_to_world
    camera = np.full((4, 4), np.nan) if cameras is None else cameras[item.index].astype(np.float64)
    if not with_depth:
        return _Given(item, clip, camera, None)
    try:
        return _Given(item, clip, camera, clip.visible_depth(item.index))
    except Exception as error:
        return _Given(item, clip, camera, None, stop_of_reading(error).note)


def _advance(
    network: RecurrentNetwork, protocol: Protocol, done: Pass, groups: list[list[str]], given: _Given
) -> list[list[str]]:
    """Feed one frame to all groups of rules that share a batch; the groups that go on."""
    left: list[list[str]] = []
    for group in groups:
        lanes = [done.lanes[label] for label in group]
        try:
            with done.seconds.spent("network"):
                steps = _step(network, protocol, lanes, given)
        except Exception as error:
            if len(lanes) == 1:
                lanes[0].stop = stop_of(error)
                continue
            # One of them is to blame, or all together need too much memory: try one by one.
            alone = [_advance(network, protocol, done, [[label]], given) for label in group]
            survivors = [label for parts in alone for part in parts for label in part]
            left += [[label] for label in survivors] if isinstance(error, MemoryError) else [survivors]
            continue
        with done.seconds.spent("measuring"):
            for lane in lanes:
                _observe(lane, given.seen_by(steps[lane.contender.label]))
        left.append([lane.contender.label for lane in lanes if lane.stop is None])
    return [group for group in left if group]


def _step(network: RecurrentNetwork, protocol: Protocol, lanes: Sequence[Lane], given: _Given) -> dict[str, Step]:
    """One turn of the loop, from the memories of the frame before. The memories stand in the lanes."""
    memories = {lane.contender.label: lane.memory for lane in lanes if lane.memory is not None}
    steps = rollout_rules(
        network,
        {lane.contender.label: lane.contender.rule for lane in lanes},
        [given.item.image],
        memories=memories or None,
        reset_every={lane.contender.label: lane.contender.reset_in(protocol) for lane in lanes},
        outputs=protocol.outputs,
    )
    return next(steps)


def _observe(lane: Lane, moment: Moment) -> None:
    try:
        for recorder in lane.recorders:
            recorder.observe(moment)
        lane.trace.observe(moment)
        lane.memory = moment.step.memory
    except Exception as error:
        lane.stop = stop_of(error)


def stop_of_reading(error: Exception) -> Stop:
    """The name of a failure to open a sequence or to read its next frame."""
    return Stop(Status.UNREADABLE, str(error)) if isinstance(error, OSError | ValueError) else stop_of(error)


def stop_of(error: Exception) -> Stop:
    """The name of a failure. What nobody foresaw is called so, with the place where it happened."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, BadStep):
        return Stop(Status.NON_FINITE, text)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and is_shortage(error)):
        return Stop(Status.OUT_OF_MEMORY, text)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return Stop(Status.FAILED, f"{type(error).__name__}: {text} ({Path(place.filename).name}, line {place.lineno})")
