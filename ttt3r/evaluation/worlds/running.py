"""Rules on many procedural worlds at once: errors against length.

Worlds stand side by side in the batch, all rules share each encoding, and one run at the largest length serves all shorter
ones. `forgetting` asks the memories.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ttt3r.data.procedural import ClipTruth
from ttt3r.evaluation.engine.contenders import Contender, Resets, contenders_of
from ttt3r.evaluation.engine.loop import OnSteps, RuleRun, Shown, run_pass
from ttt3r.evaluation.measures.gains import GainAccount, GainSummary
from ttt3r.evaluation.results.knowing_nothing import NO_MOTION
from ttt3r.evaluation.results.stops import Stop
from ttt3r.evaluation.tasks.base import Observer
from ttt3r.evaluation.worlds.scores import WorldScores, abs_rel, scores_of
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.types import Frame, Memory, Outputs, Step
from ttt3r.update_rules.base import StateUpdateRule


@dataclass(frozen=True)
class WorldFrame(Shown[Step]):
    """One frame of all worlds, which stand side by side in the batch."""

    truth: ClipTruth
    index: int

    @property
    def frame(self) -> Frame:
        """The images."""
        return Frame(image=self.truth.image[self.index])

    def seen_by(self, step: Step) -> Step:
        """The result of a rule; its record knows the truth."""
        return step


class WorldRecord(Observer[Step]):
    """What is kept of one rule's pass: numbers of every frame, and the gain summary after it."""

    def __init__(self, truth: ClipTruth) -> None:
        self._truth = truth
        self.cameras: list[Tensor] = []
        self.depth: list[Tensor] = []
        self.gains: list[Tensor] = []
        self._account = GainAccount()
        self.summaries: list[GainSummary] = []

    def observe(self, seen: Step) -> None:
        """Take one frame."""
        camera = seen.reconstruction.camera_to_world
        assert camera is not None  # it was asked for
        self.cameras.append(camera.cpu())
        self.depth.append(abs_rel(seen.reconstruction.depth, self._truth.points_camera[seen.index][..., 2]).cpu())
        self.gains.append(seen.gain.float().mean(dim=(1, 2)).cpu())
        self._account = self._account.including(seen)
        self.summaries.append(self._account.summary)


def _padded(frames: Sequence[Tensor], like: Tensor) -> Tensor:
    """What was kept of each frame; NaN where a rule did not get so far."""
    return torch.cat([*(frame[None] for frame in frames), torch.full_like(like[len(frames) :], torch.nan)])


@dataclass(frozen=True)
class WorldRun:
    """One pass over some worlds.

    Args:
        scores: errors by rule, length and world.
        gain_summaries: gains by rule, for each length, over all worlds together; empty where a rule did not get so far.
        stopped: why a rule did not come to the end, if so.
    """

    scores: WorldScores
    gain_summaries: Mapping[str, tuple[GainSummary, ...]]
    stopped: Mapping[str, Stop]


def run_worlds(
    network: RecurrentNetwork,
    contenders: Sequence[Contender],
    truth: ClipTruth,
    lengths: Sequence[int],
    chunk: int = 1,
    on_frame: OnSteps = lambda frames, steps: None,
) -> WorldRun:
    """Run all rules over all worlds at once and judge every prefix. A rule that fails has no numbers from there on.

    Args:
        network: trained in the units of the first frame.
        contenders: the rules.
        truth: of the worlds, at least as long as the largest length.
        lengths: of the prefixes.
        chunk: as in `rollout_rules`.
        on_frame: called with the number of frames done and the steps by rule, e.g. to ask the memories (see `forgetting`).

    Raises:
        ValueError: if the clip is shorter than the largest length, or a length is below 2.
        BadStep: if no rule came to the end; any other error of a rule likewise.
    """
    longest = max(lengths)
    if longest > len(truth):
        raise ValueError(f"the worlds are {len(truth)} frames long, {longest} are to be judged; make longer clips")
    if min(lengths) < 2:
        raise ValueError(f"a camera path needs at least 2 frames, got the lengths {list(lengths)}")
    runs = {who.label: RuleRun(who.rule, who.reset, WorldRecord(truth)) for who in contenders}
    stream = (WorldFrame(truth, index) for index in range(longest))
    run_pass(network, runs, stream, Outputs.CAMERA | Outputs.POINTS_CAMERA, chunk, on_frame).demand_a_result()
    kept, true = {name: run.kept for name, run in runs.items()}, truth.camera_to_world[:longest].cpu()
    cameras = {name: _padded(record.cameras, true) for name, record in kept.items()}
    cameras[NO_MOTION] = torch.eye(4).expand_as(true)
    depth = {name: _padded(record.depth, true[..., 0, 0]) for name, record in kept.items()}
    gains = {name: _padded(record.gains, true[..., 0, 0]) for name, record in kept.items()}
    none = [GainSummary()] * longest
    summaries = {
        name: tuple([*record.summaries, *none][length - 1] for length in lengths) for name, record in kept.items()
    }
    stopped = {name: run.stop for name, run in runs.items() if run.stop is not None}
    return WorldRun(scores_of(tuple(lengths), cameras, true, depth, gains), summaries, stopped)


def score_worlds(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    truth: ClipTruth,
    lengths: Sequence[int],
    *,
    reset_every: Resets = None,
    on_frame: Callable[[int, Mapping[str, Memory]], None] = lambda index, memories: None,
) -> tuple[WorldScores, dict[str, tuple[GainSummary, ...]]]:
    """`run_worlds` for rules by name; warns of a rule that failed.

    Args:
        network: trained in the units of the first frame.
        rules: by name.
        truth: of the worlds, at least as long as the largest length.
        lengths: of the prefixes.
        reset_every: as in `rollout_rules`.
        on_frame: called with the frame's number and the memories by rule, e.g. to ask them (see `forgetting`).

    Returns:
        The scores, and the gain summary of each rule at each length (over all worlds together).

    Raises:
        ValueError: if the clip is shorter than the largest length, or a length is below 2.
        BadStep: if no rule came to the end; any other error of a rule likewise.
    """

    def ask(frames: int, steps: Mapping[str, Step]) -> None:
        on_frame(frames - 1, {name: step.memory for name, step in steps.items()})

    done = run_worlds(network, contenders_of(rules, reset_every), truth, lengths, on_frame=ask)
    for name, stop in done.stopped.items():
        warnings.warn(f"rule {name} did not come to the end: {stop.note}", stacklevel=2)
    return done.scores, dict(done.gain_summaries)
