"""How much a rule really writes: its gain, accounted for frame by frame."""

from contextlib import ExitStack
from dataclasses import dataclass

from ttt3r.evaluation.measures.base import Measurement, Missing, measurement
from ttt3r.evaluation.measures.gains import GAINS, FrameGain, GainAccount, GainSummary
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.tasks.base import FrameResult, Recorder, Task
from ttt3r.types import Outputs


@dataclass(frozen=True)
class GainTask(Task):
    """Mean and spread of the gain, age of what the memory holds, drift and length of the state; see `GainSummary`."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """See `GAINS`."""
        return GAINS

    @property
    def outputs(self) -> Outputs:
        """No head is needed."""
        return Outputs.NOTHING

    def record(self, resources: ExitStack) -> "GainRecorder":
        """Keeps a few numbers a frame."""
        return GainRecorder()


class GainRecorder(Recorder):
    """Keeps each frame, and the summary after it; see `GainTask`."""

    def __init__(self) -> None:
        self._account = GainAccount()
        self.summaries: list[GainSummary] = []
        self.frame_gains: list[FrameGain] = []

    def observe(self, seen: FrameResult) -> None:
        """Take one frame."""
        self._account = self._account.including(seen.step)
        assert self._account.last_frame is not None  # the step was added
        self.summaries.append(self._account.summary)
        self.frame_gains.append(self._account.last_frame)

    def measure(self, frames: int) -> tuple[Measurement, ...]:
        """What each measure says of the first frames."""
        summary = self.summaries[frames - 1]
        values = (
            *(summary.gain_mean, summary.gain_std, summary.gain_std_tokens, summary.gain_std_frames),
            *(summary.memory_age, summary.drift, summary.norm_ratio),
        )
        undecided = Missing(Status.TOO_SHORT, "there was no frame in which the rule decided")
        return (
            measurement(
                {
                    metric.name: undecided if value != value else value
                    for metric, value in zip(GAINS, values, strict=True)
                },
                frames,
            ),
        )
