"""Which frames of a clip are shown, and which are asked for."""

import torch

from ttt3r.data.procedural import ClipTruth


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


def known_cameras(asks: list[bool], share: float, generator: torch.Generator) -> list[bool]:
    """Which of the frames come with their ray map: a share of those that are shown, drawn anew for each clip."""
    drawn = torch.rand(len(asks), generator=generator) < share
    return [not ask and bool(given) for ask, given in zip(asks, drawn, strict=True)]
