"""Why a rule, or a stream, did not come to its end."""

import traceback
from dataclasses import dataclass
from pathlib import Path

from ttt3r.evaluation.measures.status import Status
from ttt3r.guard import BadStep, is_shortage


@dataclass(frozen=True)
class Stop:
    """The name of a failure.

    Args:
        status: in the rows of results.
        note: one line for people.
        error: what was raised.
    """

    status: Status
    note: str
    error: Exception


def stop_of_reading(error: Exception) -> Stop:
    """The name of a failure to open a sequence or to read its next frame."""
    return Stop(Status.UNREADABLE, str(error), error) if isinstance(error, OSError | ValueError) else stop_of(error)


def stop_of(error: Exception) -> Stop:
    """The name of a failure. What nobody foresaw is called so, with the place where it happened."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, BadStep):
        return Stop(Status.NON_FINITE, text, error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and is_shortage(error)):
        return Stop(Status.OUT_OF_MEMORY, text, error.with_traceback(None))  # its frames hold what did not fit
    place = traceback.extract_tb(error.__traceback__)[-1]
    note = f"{type(error).__name__}: {text} ({Path(place.filename).name}, line {place.lineno})"
    return Stop(Status.FAILED, note, error)
