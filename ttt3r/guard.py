"""Checks that stop a stream: results that cannot be used, frames that do not fit into memory. Nothing before is lost."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.intake import extremes, wrong_range
from ttt3r.types import STATELESS, Memory, Step
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


def check_step(
    step: Step,
    rule: StateUpdateRule,
    good: Mapping[str, Memory],
    image: Float[Tensor, "batch rgb=3 height width"] | None = None,
) -> tuple[float, float] | None:
    """Stop at a frame whose image or result cannot be used, or whose gain leaves its rule's bounds; one look at the device.

    The loop itself gives gain 1 (a first frame) and 0 (nothing written); these are always in bounds.

    Returns:
        Smallest and largest colour of the image, if there is one.

    Raises:
        BadStep: with `good`, the memories after the last frame that can be used.
    """
    bounds = rule.bounds
    with torch.no_grad():
        # What a rule carries may hold infinities by design (a smallest value before the first frame).
        kept = replace(step.memory, rule=STATELESS)
        results = [tensor for _, tensor in tree.named_tensors((step.reconstruction, kept))]
        finite = torch.stack([torch.isfinite(result).all() for result in results if result.is_floating_point()]).all()
        gain = step.gain.float()
        least, most = bounds or (-torch.inf, torch.inf)
        fine = (gain >= least - BOUNDS_TOLERANCE) & (gain <= most + BOUNDS_TOLERANCE) | (gain == 0) | (gain == 1)
        colors = [] if image is None else list(extremes(image))
        found = torch.stack([finite.float(), fine.all().float(), gain.amin(), gain.amax(), *colors]).tolist()
    if image is not None and (wrong := wrong_range(*found[4:])) is not None:
        raise BadStep(f"frame {step.index}: {wrong}; the memory of the frame before is kept", step.index, good)
    where = f"frame {step.index}, rule {type(rule).__name__}"
    if not found[0]:
        raise BadStep(f"{where}: the result is not finite; the memory of the frame before is kept", step.index, good)
    if not found[1]:
        raise BadStep(
            f"{where}: the gain lies in [{found[2]:.3g}, {found[3]:.3g}], outside its bounds {bounds}; clamp it, or set "
            "`bounds = None` in the rule if this is meant",
            step.index,
            good,
        )
    return None if image is None else (found[4], found[5])


def is_shortage(error: RuntimeError) -> bool:
    """Whether PyTorch ran out of memory, on a GPU or on the CPU (which has no exception class of its own)."""
    messages = ("not enough memory", "can't allocate memory")  # Windows and macOS; Linux
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in messages)


def shortage(chunk: int) -> ChunkTooLarge:
    """The error in terms of what the user chose."""
    cure = "use a smaller chunk" if chunk > 1 else "ask for fewer outputs, smaller images or fewer rules at once"
    return ChunkTooLarge(f"{chunk} frames at a time do not fit into memory; {cure}")
