"""How strictly an evaluation counts: as the published scripts do, quirks included, or exactly."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool


class InvalidTruth(ValueError):  # noqa: N818 (a noun of the domain)
    """The ground truth of a sequence cannot be used."""


class Mode(ABC):
    """What becomes of frames without a usable true camera."""

    @abstractmethod
    def judged(self, valid: Bool[np.ndarray, " frame"]) -> Bool[np.ndarray, " frame"]:
        """Which frames are judged, given which of them have a true camera that is finite.

        Raises:
            InvalidTruth: if the sequence cannot be judged.
        """


@dataclass(frozen=True)
class Strict(Mode):
    """Frames without a valid true camera are left out, the rest is judged."""

    def judged(self, valid: Bool[np.ndarray, " frame"]) -> Bool[np.ndarray, " frame"]:
        """The valid frames.

        Raises:
            InvalidTruth: if fewer than two are left.
        """
        if valid.sum() < 2:
            raise InvalidTruth(f"{int(valid.sum())} of {len(valid)} frames have a true camera; at least 2 are needed")
        return valid


@dataclass(frozen=True)
class Official(Mode):
    """As the published scripts: one invalid true camera drops the whole sequence."""

    def judged(self, valid: Bool[np.ndarray, " frame"]) -> Bool[np.ndarray, " frame"]:
        """All frames.

        Raises:
            InvalidTruth: if any is not valid.
        """
        if not valid.all():
            raise InvalidTruth(
                f"the true camera of frame {int(np.argmin(valid))} is not finite ({int((~valid).sum())} of {len(valid)}); the "
                "published scripts drop such a sequence, a strict protocol leaves out the frames"
            )
        return valid
