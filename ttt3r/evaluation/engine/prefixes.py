"""From a finished pass to the numbers of every length."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ttt3r.evaluation.engine.loop import RuleRun
from ttt3r.evaluation.engine.passes import ClipRecord
from ttt3r.evaluation.measures.base import Measured, nothing
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.results.rows import ResultRow, Subject
from ttt3r.evaluation.results.stops import Stop, stop_of
from ttt3r.evaluation.tasks.base import Recorder, Task


@dataclass(frozen=True)
class Judged:
    """One number about the first frames of a sequence.

    Args:
        length: frames asked for; 0 is the whole sequence.
        frames: frames judged.
        number: with its name and status.
    """

    length: int
    frames: int
    number: Measured

    def row(self, subject: Subject) -> ResultRow:
        """The same as a row of results."""
        return subject.row(self.length, self.frames, self.number)


def judge(lengths: Sequence[int], available: int, run: RuleRun[ClipRecord]) -> list[Judged]:
    """What a rule gives at every length; none means the whole sequence.

    A length that the sequence does not reach is judged on what there is (`TOO_SHORT`); one that the rule did not reach has
    no number and says why.

    Args:
        lengths: frames asked for.
        available: frames that the sequence has.
        run: of the rule, after the pass.
    """
    return [
        judged
        for length in lengths or (0,)
        for task, recorder in run.kept.tasks
        for judged in _judged(length, task, recorder, (run, available))
    ]


def stopped(length: int, task: Task, frames: int, stop: Stop) -> list[Judged]:
    """All numbers of a task that a failure took away."""
    return [Judged(length, frames, number) for number in nothing(task.names, stop.status, stop.note).numbers]


def _judged(length: int, task: Task, recorder: Recorder, seen: tuple[RuleRun[ClipRecord], int]) -> list[Judged]:
    run, available = seen
    if run.stop is not None and (length == 0 or run.frames < length):
        return stopped(length, task, run.frames, run.stop)
    frames = min(length, available) if length else available
    try:
        found = recorder.measure(frames)
    except Exception as error:  # a mistake in a metric costs that metric only
        return stopped(length, task, frames, stop_of(error))
    note = "" if frames >= length else f"the sequence has {frames} of {length} frames"
    return [Judged(length, each.frames, _short(number, note)) for each in found for number in each.numbers]


def _short(number: Measured, note: str) -> Measured:
    if not note or number.status is not Status.OK:
        return number
    return replace(number, status=Status.TOO_SHORT, note=f"{note}; {number.note}" if number.note else note)
