"""A rule under test: the synthetic stream that it runs on, and the comparisons that the laws are made of."""

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool
from torch import Tensor, nn

import ttt3r.tree as tree
from ttt3r.types import AttentionLayer, Memory, RuleState
from ttt3r.types import Stream as Attention
from ttt3r.update_rules.absorption import Absorbed, absorb, keeps_form
from ttt3r.update_rules.base import StateUpdateRule, Update
from ttt3r.update_rules.conformance.streams import SyntheticFrame, SyntheticStream

TOLERANCE = 1e-5
"""Largest difference that counts as rounding, relative and absolute."""

T = TypeVar("T")


class Violation(Exception):
    """A broken law: what was expected, what happened, and the likely cure."""

    def __init__(self, expected: str, happened: str, cure: str) -> None:
        super().__init__(f"expected {expected}, but {happened}; {cure}")


@dataclass(frozen=True)
class Trial:
    """A rule and the stream that it runs on."""

    rule: StateUpdateRule
    frames: SyntheticStream

    @property
    def uneven(self) -> Bool[Tensor, "frame batch"]:
        """Write masks under which the sequences of the batch reach different ages; the first one writes always."""
        frames, batch = len(self.frames), self.frames[0].candidate.shape[0]
        frame, row = torch.arange(frames)[:, None], torch.arange(batch)[None]
        mask = (row == 0) | ((frame >= row) & (frame != row + 2))
        return mask.to(self.frames[0].candidate.device)

    def begin(self, frames: SyntheticStream | None = None) -> Memory:
        """The memory before the first frame."""
        first = (frames or self.frames)[0]
        return Memory.start(first.initial_state, torch.zeros_like(first.pose), self.rule.init(first.initial_state))

    def absorb(self, memory: Memory, frame: SyntheticFrame, write: Bool[Tensor, " batch"] | None = None) -> Absorbed:
        """One frame, through the loop's own `absorb`."""
        mask = torch.ones_like(memory.age, dtype=torch.bool) if write is None else write
        evidence = frame.evidence(self.rule.needs, memory.age)
        return absorb(self.rule, memory, frame.proposal(), evidence, mask)

    def attend(self, memory: Memory, frame: SyntheticFrame) -> None:
        """Ask for biases as for a question of the frame's size; each has a number for every query and key of its attention.

        Raises:
            Violation: if it has not.
        """
        batch, state, _ = memory.state.shape
        image = 1 + frame.encoder_tokens.shape[1]  # the pose token stands first
        for bias in self.rule.attend(memory.rule, frame.question(), memory):
            queries = image if bias.stream in (Attention.IMAGE_SELF, Attention.IMAGE_FROM_STATE) else state
            keys = image if bias.stream in (Attention.IMAGE_SELF, Attention.STATE_FROM_IMAGE) else state
            if (bias.query.shape, bias.key.shape) != ((batch, queries), (batch, keys)):
                cure = "attend is asked for every frame; take the number of patches from its tokens"
                found = f"they were {tuple(bias.query.shape)} and {tuple(bias.key.shape)}"
                raise Violation(f"biases of {(batch, queries)} queries and {(batch, keys)} keys", found, cure)

    def run(
        self, frames: SyntheticStream | None = None, write: Bool[Tensor, "frame batch"] | None = None
    ) -> list[Absorbed]:
        """A whole stream, through the loop's own `absorb`."""
        frames = frames or self.frames
        memory, taken = self.begin(frames), list[Absorbed]()
        for index, frame in enumerate(frames):
            taken.append(self.absorb(memory, frame, None if write is None else write[index]))
            memory = taken[-1].memory
        return taken

    def answers(self) -> Iterator[tuple[Memory, Update]]:
        """What the rule itself answers, frame by frame, with the memory that it was asked about; nothing is checked."""
        memory = self.begin()
        for index, frame in enumerate(self.frames):
            shown = memory.state, frame.candidate, frame.evidence(self.rule.needs, memory.age), memory.rule
            # What the loop does with a first frame: the candidate whole, and what the rule keeps of it.
            update = self.rule.update(*shown) if index else Update(frame.candidate, self.rule.see_first(*shown))
            yield memory, update
            memory = replace(memory, state=update.state, rule=update.rule_state, age=memory.age + 1)

    def answers_until(self, error: type[Exception]) -> Iterator[tuple[Memory, Update]]:
        """The same up to the first such error, for laws that do not check it."""
        with contextlib.suppress(error):
            yield from self.answers()


def difference(left: Any, right: Any, tolerance: float = TOLERANCE) -> str | None:
    """Where two trees of tensors first differ by more than the tolerance, in words; nothing if they do not."""
    for (name, one), (_, other) in zip(tree.named_tensors(left), tree.named_tensors(right), strict=True):
        if one.shape != other.shape:
            return f"{name} is {tree.form(one)} here and {tree.form(other)} there"
        if not one.is_floating_point():
            same = torch.equal(one, other)
        else:
            same = torch.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)
        if not same:
            return f"{name} differs" + (f" by up to {float((one - other).abs().max()):.2g}" if tolerance else "")
    return None


def spread(tree_of_few: T, like: T) -> T:
    """The tree with its placeholders (axes of length 1) as long as they are in another one."""

    def fitted(tensor: Tensor, other: Tensor) -> Tensor:
        return tensor.expand_as(other) if keeps_form(tensor, other) else tensor

    return tree.map_tensors(fitted, tree_of_few, like)


def forms(rule_state: RuleState) -> dict[str, str]:
    """The form of every tensor of a rule state."""
    return {name: tree.form(tensor) for name, tensor in tree.named_tensors(rule_state)}


def with_larger_logits(frames: SyntheticStream, factor: float) -> SyntheticStream:
    """The same stream with all logits times a factor."""

    def scaled(layers: tuple[AttentionLayer, ...]) -> tuple[AttentionLayer, ...]:
        return tuple(replace(layer, query=factor * layer.query) for layer in layers)

    return tuple(
        replace(frame, state_layers=scaled(frame.state_layers), image_layers=scaled(frame.image_layers))
        for frame in frames
    )


def require_finite(trial: Trial, frames: SyntheticStream, when: str, cure: str) -> None:
    """Run the stream; states and gains must be finite, and no rule state may hold NaN.

    Raises:
        Violation: if they are not.
    """
    expected = f"finite results {when}"
    try:
        taken = trial.run(frames)
    except ValueError as error:  # the loop itself refuses a gain that is NaN
        raise Violation(expected, first_line(error), cure) from error
    for index, absorbed in enumerate(taken):
        found = {"state": absorbed.memory.state, "gain": absorbed.gain}
        bad = [name for name, tensor in found.items() if not bool(tensor.isfinite().all())]
        bad += [name for name, tensor in tree.named_tensors(absorbed.memory.rule) if bool(tensor.isnan().any())]
        if bad:
            raise Violation(expected, f"{bad[0]} is not at frame {index}", cure)


def first_line(error: BaseException) -> str:
    """The kind of an error and the first line of its message."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"


def contents_of(value: Any, seen: frozenset[int] = frozenset()) -> Any:
    """All that an object holds, by value: settings, parameters, buffers, whatever it has put into itself."""
    if id(value) in seen:
        return "..."
    seen = seen | {id(value)}
    if isinstance(value, Tensor):
        data = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return str(value.dtype), tuple(value.shape), data
    if isinstance(value, dict):
        return tuple((str(key), contents_of(part, seen)) for key, part in value.items())
    if isinstance(value, list | tuple):
        return tuple(contents_of(part, seen) for part in value)
    if isinstance(value, StateUpdateRule | nn.Module) or (
        dataclasses.is_dataclass(value) and not isinstance(value, type)
    ):
        names = [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
        slots = {name: getattr(value, name) for name in names if name not in getattr(value, "__dict__", {})}
        return type(value).__qualname__, contents_of(getattr(value, "__dict__", {}) | slots, seen)
    return repr(value)
