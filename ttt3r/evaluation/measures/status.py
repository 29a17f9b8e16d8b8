"""What became of a number."""

import enum


class Status(enum.Enum):
    """What became of a unit, or of one number of it. Everything but `OK` is named in the summary, never dropped in silence."""

    OK = "ok"
    DEGENERATE = "degenerate"
    """The positions lie in one place or on one line, so no similarity can be fitted."""
    INVALID_TRUTH = "invalid_truth"
    """The ground truth is missing, not finite or implausible."""
    NON_FINITE = "non_finite"
    """The prediction holds NaN or infinity."""
    TOO_SHORT = "too_short"
    """The sequence has fewer frames than asked for; the number is for the frames that it has."""
    OUT_OF_MEMORY = "out_of_memory"
    """The machine had not enough memory."""
    UNREADABLE = "unreadable"
    """A file of the sequence is missing or cannot be read."""
    FAILED = "failed"
    """Something that nobody foresaw, a mistake in a rule for example; the note says what."""
