"""Which frames of a clip are shown, and which are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ttt3r.data.procedural import ClipTruth
from ttt3r.types import Frame, Outputs


@dataclass(frozen=True)
class Shown:
    """A clip as it is fed: frame by frame whether it is asked for, comes with its rays, and is read out by all heads."""

    truth: ClipTruth
    asks: list[bool]
    known: list[bool]
    read: list[bool]

    def frames(self) -> Iterator[Frame]:
        """What the network is given."""
        for index, (ask, known) in enumerate(zip(self.asks, self.known, strict=True)):
            yield self.truth.frame(index, ask=ask, known=known)

    def outputs(self) -> list[Outputs]:
        """Which heads run on each."""
        return [Outputs.ALL if read else Outputs.CAMERA for read in self.read]

    def kinds(self) -> list[str]:
        """What the names of its terms begin with in the log."""
        pairs = zip(self.asks, self.known, strict=True)
        return ["asked_" if ask else "known_" if known else "" for ask, known in pairs]


def with_questions(truth: ClipTruth, questions: int, generator: torch.Generator) -> tuple[ClipTruth, list[bool]]:
    """The clip with `questions` of its frames asked for again, each some time after it was seen.

    Returns:
        The truth in the order in which they are fed, and which of them are questions.
    """
    length = len(truth)
    seen = torch.randint(length, (questions,), generator=generator)
    after = [int(torch.randint(int(k) + 1, length + 1, (1,), generator=generator)) for k in seen]
    order: list[int] = []
    asks: list[bool] = []
    for index in range(length + 1):
        for k, when in zip(seen.tolist(), after, strict=True):
            if when == index:
                order.append(k)
                asks.append(True)
        if index < length:
            order.append(index)
            asks.append(False)
    return truth.select(torch.tensor(order)), asks


def read_out(asks: list[bool], share: float, generator: torch.Generator) -> list[bool]:
    """Which frames the heads of points and colours read: all that are asked for, and a share of those that are shown."""
    shown = [index for index, ask in enumerate(asks) if not ask]
    count = max(1, round(share * len(shown)))
    chosen = {shown[index] for index in torch.randperm(len(shown), generator=generator)[:count].tolist()}
    return [ask or index in chosen for index, ask in enumerate(asks)]


def known_cameras(asks: list[bool], share: float, generator: torch.Generator) -> list[bool]:
    """Which of the frames come with their ray map: a share of those that are shown, drawn anew for each clip."""
    drawn = torch.rand(len(asks), generator=generator) < share
    return [not ask and bool(given) for ask, given in zip(asks, drawn, strict=True)]
