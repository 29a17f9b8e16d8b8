"""From a finished pass to the numbers of every length."""

from dataclasses import replace

from ttt3r.evaluation.passes import Lane, Pass, stop_of
from ttt3r.evaluation.protocols import Protocol
from ttt3r.evaluation.rows import Status
from ttt3r.evaluation.tasks import Measurement, Recorder, Task

NAN = float("nan")


def measurements(protocol: Protocol, done: Pass, lane: Lane) -> list[tuple[int, Measurement]]:
    """What a lane gives at every length of the protocol, (length, measurement); a row of length 0 is the whole sequence.

    A length that the sequence does not reach is judged on what there is (`TOO_SHORT`); one that the rule did not reach has
    no number and says why.
    """
    return [
        (length, found)
        for length in protocol.lengths or (0,)
        for task, recorder in zip(protocol.tasks, lane.recorders, strict=True)
        for found in _measured(length, task, recorder, (lane, done.available))
    ]


def _measured(length: int, task: Task, recorder: Recorder, run: tuple[Lane, int]) -> list[Measurement]:
    lane, available = run
    if lane.stop is not None and (length == 0 or lane.frames < length):
        return [Measurement(metric, NAN, lane.frames, lane.stop.status, lane.stop.note) for metric in task.metrics]
    frames = min(length, available) if length else available
    try:
        found = list(recorder.measure(frames))
    except Exception as error:  # a mistake in a metric costs that metric only
        stop = stop_of(error)
        return [Measurement(metric, NAN, frames, stop.status, stop.note) for metric in task.metrics]
    if frames >= length:
        return found
    note = f"the sequence has {frames} of {length} frames"
    return [
        replace(one, status=Status.TOO_SHORT, note=f"{note}; {one.note}" if one.note else note)
        if one.status is Status.OK
        else one
        for one in found
    ]
