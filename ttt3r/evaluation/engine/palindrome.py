"""Rules on a video that is shown forwards and then backwards, all side by side in one pass; see `metrics/palindrome.py`.

The prepared images of the way there are kept for the way back, as bytes, in memory or in a temporary file (`ImageSpool`): each
picture is read and decoded once, and memory does not grow with the video. An image is encoded once for all rules in each
direction; its tokens are not kept, since they take ten times the room of the image.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.data import Clip, FrameSource, SourceFrame
from ttt3r.evaluation.engine.contenders import Contender, Resets, contenders_of
from ttt3r.evaluation.engine.loop import Observer, Pass, RuleRun, Shown, run_pass
from ttt3r.evaluation.engine.segments import Segments, cut
from ttt3r.evaluation.engine.spool import ImageSpool, TensorSpool
from ttt3r.evaluation.measures.gains import GainAccount
from ttt3r.evaluation.metrics.palindrome import Palindrome, PalindromeErrors, palindrome_errors, true_errors
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.types import Frame, Outputs, Reconstruction, Step
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.resets import Every, Never
from ttt3r.update_rules.rules.frozen import Frozen

PIXELS = 4096
"""Most pixels of a frame whose depth is compared, on an even grid: all of 64 x 48."""
NEAREST = 1e-3
"""Depths below count as this, so that they have a logarithm."""


Images = ImageSpool | Float[Tensor, "frame batch rgb=3 height width"]
"""Images of one video, or of several side by side, by the number of the frame."""


@dataclass(frozen=True)
class PalindromeStep:
    """One frame as one rule saw it, on the way there or back."""

    step: Step
    back: bool


@dataclass(frozen=True)
class PalindromeFrame(Shown[PalindromeStep]):
    """One frame on the way there or back."""

    image: Float[Tensor, "batch rgb=3 height width"]
    back: bool

    @property
    def frame(self) -> Frame:
        """The image."""
        return Frame(image=self.image)

    def seen_by(self, step: Step) -> PalindromeStep:
        """The same beside the result of a rule."""
        return PalindromeStep(step, self.back)


def there_and_back(images: Images) -> Generator[PalindromeFrame, None, None]:
    """Frames 0..T, then T-1..0: the last one is shown once, where the video turns."""
    turn = len(images) - 1
    for index in range(turn + 1):
        yield PalindromeFrame(images[index], back=False)
    for index in range(turn - 1, -1, -1):
        yield PalindromeFrame(images[index], back=True)


class PalindromeRecord(Observer[PalindromeStep]):
    """What is kept of one rule's pass: cameras, and differences of depth. Depth maps wait in a spool for the way back."""

    def __init__(self, resources: ExitStack) -> None:
        self._maps = resources.enter_context(closing(TensorSpool()))
        self._account = GainAccount()
        self.cameras: list[Tensor] = []
        self.log_depth: list[Tensor] = []
        self.first_view: Tensor = torch.ones(())
        self.restarts = torch.zeros(())

    def observe(self, seen: PalindromeStep) -> None:
        """Take one frame."""
        step, reading = seen.step, seen.step.reconstruction
        assert reading.camera_to_world is not None  # it was asked for
        assert reading.points_camera is not None
        if not self.cameras:
            self.first_view = reading.points_camera.double().norm(dim=-1).mean(dim=(1, 2)).cpu()
            self.restarts = torch.zeros_like(self.first_view)
        else:
            self.restarts += (step.memory.age == 1).cpu()
        self.cameras.append(reading.camera_to_world.double().cpu())
        self._account = self._account.including(step)
        depth = log_depth_grid(reading).cpu()
        if seen.back:
            before = self._maps[len(self._maps) - 2 - len(self.log_depth)]
            self.log_depth.append((depth - before).double().abs().mean(dim=(1, 2)))
        else:
            self._maps.append(depth)

    def errors(self) -> tuple[PalindromeErrors, ...]:
        """Of each video of the batch, after the way back."""
        cameras, maps = torch.stack(self.cameras).numpy(), torch.stack(self.log_depth[::-1]).numpy()
        gain = self._account.summary.gain_mean
        return tuple(
            palindrome_errors(cameras[:, row], maps[:, row], float(view), gain, int(self.restarts[row]))
            for row, view in enumerate(self.first_view)
        )

    def path(self, frames: int) -> Float[np.ndarray, "frame 4 4"]:
        """Cameras of the way there, of the first video of the batch."""
        return torch.stack(self.cameras[:frames])[:, 0].numpy()

    def control_of(self, gate: Contender) -> list[Contender]:
        """The constant of equal mean gain, if the rule is a gate."""
        return list(gate.equal_gain(self._account.summary.gain_mean, self._account.summary.gain_std))


def log_depth_grid(reading: Reconstruction) -> Float[Tensor, "batch row column"]:
    """Logarithm of the depth at no more than `PIXELS` pixels, on an even grid."""
    depth = reading.depth
    step = 1
    while -(-depth.shape[1] // step) * -(-depth.shape[2] // step) > PIXELS:
        step += 1
    return depth[:, ::step, ::step].float().clamp_min(NEAREST).log()


def play(
    network: RecurrentNetwork,
    contenders: Sequence[Contender],
    images: Images,
    resources: ExitStack,
    chunk: int = 1,
    on_frame: Callable[[], None] = lambda: None,
) -> Pass[PalindromeRecord]:
    """Show images forwards and backwards to all rules in one pass; several videos may stand side by side in the batch.

    Args:
        network: shared by the rules.
        contenders: the rules.
        images: of the way there, at least two.
        resources: closes what the records hold.
        chunk: as in `rollout_rules`.
        on_frame: called after each frame.

    Raises:
        Exception: that of the first rule, if none came to the end.
    """
    runs = {who.label: RuleRun(who.rule, who.reset, PalindromeRecord(resources)) for who in contenders}
    outputs = Outputs.CAMERA | Outputs.POINTS_CAMERA
    done = run_pass(network, runs, there_and_back(images), outputs, chunk, lambda *_: on_frame())
    done.demand_a_result()
    return done


def palindrome(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    video: FrameSource | Clip,
    segments: Segments = Segments(),
    *,
    reset_every: Resets = None,
    on_frame: Callable[[], None] = lambda: None,
) -> Iterator[Palindrome]:
    """Show a video forwards and then backwards to all rules side by side; one result for each segment of it.

    A rule that fails has no errors in that segment, and the result says why; the others go on.

    Args:
        network: shared by the rules.
        rules: by the name that tables show.
        video: frames, or a sequence with ground truth, against which the way there is judged as well.
        segments: how the video is cut, and which controls are run.
        reset_every: as in `rollout_rules`. A memory that restarts has forgotten what lies before; its cameras are chained over
            the frame at the boundary, so errors across a restart are those of the chain.
        on_frame: called after each frame of each pass.

    Raises:
        ValueError: for a video of fewer than two frames, or one that ends before the first segment does.
        OSError: if a frame cannot be read.
        Exception: that of the first rule, if none came to the end of a segment.
    """
    source, clip = (video.source, video) if isinstance(video, Clip) else (video, None)
    asked = contenders_of(rules, reset_every)
    for number, (items, images) in enumerate(cut(source, segments)):
        with closing(images), ExitStack() as resources:
            who = [*asked, *(_standing(asked, len(images)) if segments.controls else ())]
            run = _Run(network, images, resources, segments.chunk, on_frame)
            found = run.of(who)
            gates = [control for one in asked for control in found.controls_of(one)] if segments.controls else []
            passes = [found, run.of(gates)] if gates else [found]
            yield _result((clip, source), number, items, passes)


@dataclass(frozen=True)
class _Found:
    """A pass and who took part."""

    contenders: Sequence[Contender]
    done: Pass[PalindromeRecord]

    def controls_of(self, gate: Contender) -> list[Contender]:
        run = self.done.runs[gate.label]
        return [] if run.stop is not None else run.kept.control_of(gate)


@dataclass(frozen=True)
class _Run:
    """How passes over a segment are made."""

    network: RecurrentNetwork
    images: ImageSpool
    resources: ExitStack
    chunk: int
    on_frame: Callable[[], None]

    def of(self, contenders: Sequence[Contender]) -> _Found:
        done = play(self.network, contenders, self.images, self.resources, self.chunk, self.on_frame)
        return _Found(contenders, done)


def _standing(asked: Sequence[Contender], frames: int) -> list[Contender]:
    """Controls that need no first pass: what never updates, and the first rule restarted where the video turns."""
    first, taken = asked[0], {who.label for who in asked}
    found = [Contender("frozen", Frozen(), Never())]
    if isinstance(first.reset, Never):
        found.append(replace(first, label=f"{first.label.removesuffix('@never')}@{frames}", reset=Every(frames)))
    return [replace(who, control_of=first.label) for who in found if who.label not in taken]


def _result(
    video: tuple[Clip | None, FrameSource], number: int, items: Sequence[SourceFrame], passes: Sequence[_Found]
) -> Palindrome:
    clip, source = video
    runs = {label: run for one in passes for label, run in one.done.runs.items()}
    whole = {label: run.kept for label, run in runs.items() if run.stop is None}
    frames = tuple(item.index for item in items)
    cameras = None if clip is None or clip.camera_to_world is None else clip.camera_to_world[list(frames)]
    return Palindrome(
        source=source.name if clip is None else clip.name,
        segment=number,
        frames=frames,
        errors={label: kept.errors()[0] for label, kept in whole.items()},
        truth={}
        if cameras is None
        else {label: true_errors(kept.path(len(frames)), cameras) for label, kept in whole.items()},
        control_of={who.label: who.control_of for one in passes for who in one.contenders if who.control_of},
        stopped={label: run.stop.note for label, run in runs.items() if run.stop is not None},
    )
