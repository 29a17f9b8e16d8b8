"""How much a rule really writes: the books of its gain, frame by frame."""

from dataclasses import dataclass
from pathlib import Path

from ttt3r.evaluation.accounting import GainAccount, GainSummary
from ttt3r.evaluation.modes import Mode
from ttt3r.evaluation.tasks import Measurement, Moment, Recorder, Task
from ttt3r.types import Outputs


@dataclass(frozen=True)
class GainBooks(Task):
    """Mean and spread of the gain, age of what the memory holds, drift and length of the state; see `GainSummary`."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the rows."""
        return (
            "gain_mean",
            "gain_std",
            "gain_std_tokens",
            "gain_std_frames",
            "memory_age",
            "drift",
            "norm_ratio",
        )

    @property
    def outputs(self) -> Outputs:
        """No head is needed."""
        return Outputs.NOTHING

    def record(self, mode: Mode, workspace: Path) -> Recorder:
        """Keeps a few numbers a frame."""
        return _Books()


class _Books(Recorder):
    def __init__(self) -> None:
        self._account = GainAccount()
        self._after: list[GainSummary] = []

    def observe(self, moment: Moment) -> None:
        self._account = self._account.including(moment.step)
        self._after.append(self._account.summary)

    def measure(self, frames: int) -> tuple[Measurement, ...]:
        books = self._after[frames - 1]
        values = (
            books.gain_mean,
            books.gain_std,
            books.gain_std_tokens,
            books.gain_std_frames,
            books.memory_age,
            books.drift,
            books.norm_ratio,
        )
        return tuple(Measurement(name, value, frames) for name, value in zip(GainBooks().metrics, values, strict=True))
