"""Checks that stop a stream: results that cannot be used, frames that do not fit into memory. Nothing before is lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.intake import extremes, wrong_range
from ttt3r.types import Frame, Memory, Step
from ttt3r.update_rules.base import StateUpdateRule

BOUNDS_TOLERANCE = 1e-5
"""By how much a gain may leave its bounds before it is refused."""


class BadStep(ValueError):
    """A frame whose result cannot be used. Everything before it was already yielded.

    Args:
        message: what happened, at which frame, for which rule.
        index: the frame's number in the stream.
        memory: the memory after the last good frame, for each rule by name.
    """

    def __init__(self, message: str, index: int, memory: Mapping[str, Memory]) -> None:
        super().__init__(message)
        self.index, self.memory = index, memory


class ChunkTooLarge(MemoryError):
    """The frames that were to be encoded or read out together did not fit into memory."""


def check_memory(memory: Memory, fresh: Memory, rule: StateUpdateRule) -> None:
    """Compare a memory that a stream is to go on from with one that network and rule would begin with.

    Raises:
        ValueError: if it was made by another network or rule.
    """
    cure = f"go on with the network and the rule that it was made with (now {type(rule).__name__}), or begin anew"
    for name in ("state", "pose"):
        given, own = getattr(memory, name), getattr(fresh, name)
        if given.shape[1:] != own.shape[1:] or given.dtype != own.dtype:
            raise ValueError(f"the memory's {name} is {tree.form(given)}, the network's is {tree.form(own)}; {cure}")
    if type(memory.rule) is not type(fresh.rule):
        raise ValueError(
            f"the memory carries a {type(memory.rule).__name__}, not a {type(fresh.rule).__name__}; {cure}"
        )
    given, own = (dict(tree.named_tensors(kept.rule)) for kept in (memory, fresh))
    if given.keys() != own.keys():
        raise ValueError(f"the rule carries {sorted(own)}, the memory {sorted(given)}; {cure}")
    for name, tensor in own.items():
        axes = zip(
            given[name].shape[1:], tensor.shape[1:], strict=False
        )  # an axis of one may grow with the first frame
        if given[name].ndim != tensor.ndim or any(mine not in (1, length) for length, mine in axes):
            raise ValueError(f"the memory's {name} is {tree.form(given[name])}, the rule's {tree.form(tensor)}; {cure}")


@dataclass(frozen=True)
class Look:
    """What was seen of the image and of the results of one frame, as numbers.

    Args:
        colors: smallest and largest colour; `None` for a frame without an image.
        results: for each rule: whether all is finite, whether the gain keeps its bounds, its smallest and largest value.
    """

    colors: tuple[float, float] | None
    results: dict[str, tuple[bool, bool, float, float]]


def look_at(
    frames: Sequence[Frame], steps: Sequence[Mapping[str, Step]], rules: Mapping[str, StateUpdateRule]
) -> list[Look]:
    """Look at a group of frames and their steps. This is the one time that the loop waits for the device."""
    seen: list[Tensor] = []
    for frame, by_rule in zip(frames, steps, strict=True):
        seen += [] if frame.image is None else [extremes(frame.image)]
        seen += [_facts(step, rules[name]) for name, step in by_rule.items()]
    numbers = iter(torch.cat(seen).tolist())
    looks = []
    for frame, by_rule in zip(frames, steps, strict=True):
        colors = None if frame.image is None else (next(numbers), next(numbers))
        results = {name: (bool(next(numbers)), bool(next(numbers)), next(numbers), next(numbers)) for name in by_rule}
        looks.append(Look(colors, results))
    return looks


def _facts(step: Step, rule: StateUpdateRule) -> Float[Tensor, " four"]:
    """What a `Look` says of a step, still on the device.

    The loop itself gives gain 1 (a first frame) and 0 (nothing written); these are always in bounds.
    """
    with torch.no_grad():
        # What a rule carries may hold infinities by design (a smallest value before the first frame).
        kept = step.memory.core
        results = [tensor for _, tensor in tree.named_tensors((step.reconstruction, kept))]
        finite = torch.stack([torch.isfinite(result).all() for result in results if result.is_floating_point()]).all()
        gain = step.gain.float()
        least, most = rule.bounds or (-torch.inf, torch.inf)
        fine = (gain >= least - BOUNDS_TOLERANCE) & (gain <= most + BOUNDS_TOLERANCE) | (gain == 0) | (gain == 1)
        return torch.stack([finite.float(), fine.all().float(), gain.amin(), gain.amax()])


def check_steps(look: Look, index: int, rules: Mapping[str, StateUpdateRule], good: Mapping[str, Memory]) -> None:
    """Stop at a frame whose image or result cannot be used, or whose gain leaves its rule's bounds.

    Raises:
        BadStep: with `good`, the memories after the last frame that can be used.
    """
    if look.colors is not None and (wrong := wrong_range(*look.colors)) is not None:
        raise BadStep(f"frame {index}: {wrong}; the memory of the frame before is kept", index, good)
    for name, (finite, fine, least, most) in look.results.items():
        where = f"frame {index}, rule {type(rules[name]).__name__}"
        if not finite:
            raise BadStep(f"{where}: the result is not finite; the memory of the frame before is kept", index, good)
        if not fine:
            raise BadStep(
                f"{where}: the gain lies in [{least:.3g}, {most:.3g}], outside its bounds {rules[name].bounds}; clamp it, or "
                "set `bounds = None` in the rule if this is meant",
                index,
                good,
            )


def is_shortage(error: RuntimeError) -> bool:
    """Whether PyTorch ran out of memory, on a GPU or on the CPU (which has no exception class of its own)."""
    messages = ("not enough memory", "can't allocate memory")  # Windows and macOS; Linux
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in messages)


def shortage(chunk: int) -> ChunkTooLarge:
    """The error in terms of what the user chose."""
    cure = "use a smaller chunk" if chunk > 1 else "ask for fewer outputs, smaller images or fewer rules at once"
    return ChunkTooLarge(f"{chunk} frames at a time do not fit into memory; {cure}")
