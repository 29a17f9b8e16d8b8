"""When a chunk of the stream ends and the memory is reset.

A policy is asked after every frame. Where it says yes, and the frame was absorbed, the loop puts the memory back to its
beginning, feeds the same frame again as the first of the next chunk, and chains the cameras over that frame. A policy holds
settings only; what it carries from frame to frame lies in the memory, as what a rule carries does, changes only where a frame
was absorbed, and begins anew with each chunk.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.types import STATELESS, Memory, Outputs, Reconstruction, RuleState
from ttt3r.update_rules.evidence import UndeclaredNeedsError


@dataclass(frozen=True)
class StepEvidence:
    """What a reset policy may look at after a frame. The reading is lazy: heads that no one asks for do not run.

    Args:
        before: the memory before the frame.
        memory: the memory after it.
        gain: the step that was taken.
        candidate: the state that the network proposed.
        outputs: which heads the policy declared.
        make_reconstruction: runs heads.
    """

    before: Memory
    memory: Memory
    gain: Float[Tensor, "batch state #channel"]
    candidate: Float[Tensor, "batch state channel"]
    outputs: Outputs
    make_reconstruction: Callable[[Outputs], Reconstruction]

    def reading(self, outputs: Outputs) -> Reconstruction:
        """The answer for the frame, in the frame of the chunk's first camera.

        Raises:
            UndeclaredNeedsError: for a head that the policy did not declare in its `outputs`.
        """
        if undeclared := outputs & ~self.outputs:
            raise UndeclaredNeedsError(
                f"the policy asked for {undeclared}, which it did not declare; set outputs = {self.outputs | outputs} in its "
                "class"
            )
        return self.make_reconstruction(outputs)


@dataclass(frozen=True)
class Decision:
    """What a policy says of a frame.

    Args:
        ends: whether the chunk ends with it, sequence by sequence.
        state: what the policy carries on.
    """

    ends: Bool[Tensor, " batch"]
    state: RuleState = STATELESS


class ResetPolicy:
    """Decides, sequence by sequence, whether the frame that was just absorbed is the last of its chunk.

    Define `ends_chunk` for a policy that looks at memory and camera alone, `decide` for any other.
    """

    outputs: ClassVar[Outputs] = Outputs.CAMERA
    """Which heads the policy reads; no other runs for it."""

    def init(self, memory: Memory) -> RuleState:
        """What the policy carries at the beginning of a chunk: a `RuleState` with the batch first in every tensor.

        Args:
            memory: for its batch size and device; its contents must not matter.
        """
        return STATELESS

    def decide(self, evidence: StepEvidence, state: RuleState) -> Decision:
        """Whether the chunk ends with the frame just absorbed, and what is carried on if it does not.

        Args:
            evidence: the reading of the frame and the step that was taken.
            state: what `init` gave, or what the last call carried on.
        """
        camera = evidence.reading(Outputs.CAMERA).camera_to_world
        if camera is None:
            raise ValueError(f"{type(self).__name__} looks at the camera, and the network gives none")
        return Decision(self.ends_chunk(evidence.memory, camera), state)

    def ends_chunk(self, memory: Memory, camera: Float[Tensor, "batch 4 4"]) -> Bool[Tensor, " batch"]:
        """Whether the chunk ends with the frame just absorbed.

        Args:
            memory: the memory after the frame.
            camera: predicted camera_to_world of the frame in the chunk's own frame, that of its first camera; metres.
        """
        raise NotImplementedError(f"{type(self).__name__} says nothing; define ends_chunk, or decide")


def ask(policy: ResetPolicy, evidence: StepEvidence, write: Bool[Tensor, " batch"]) -> Decision:
    """A policy's decision where the frame was absorbed; elsewhere no chunk ends, and what is carried stays as it is.

    Raises:
        ValueError: if the answer does not fit: another shape, or a state of another form than `init` gave.
    """
    kept, name = evidence.memory.policy, type(policy).__name__
    decision = policy.decide(evidence, kept)
    ends = decision.ends
    if ends.shape != write.shape or ends.dtype != torch.bool:
        raise ValueError(
            f"{name} answered with {tree.form(ends)}; give one truth value for each of {len(write)} sequences"
        )
    if not same_form(kept, decision.state):
        raise ValueError(
            f"{name} carried on another form of state than it was given; return what init() makes, with its shapes and dtypes"
        )
    if wrong := [part for part, tensor in tree.named_tensors(kept) if tensor.shape[:1] != write.shape]:
        raise ValueError(
            f"{name} carries {wrong[0]!r} without a row for each of {len(write)} sequences; make it so in init()"
        )
    return Decision(ends & write, tree.select(write, tree.detach(decision.state), kept))


def carried_on(policy: ResetPolicy, memory: Memory) -> Memory:
    """A memory with which this policy can go on: what another one carried is replaced by a beginning."""
    fresh = policy.init(memory)
    return memory if same_form(fresh, memory.policy) else replace(memory, policy=fresh)


def same_form(left: RuleState, right: RuleState) -> bool:
    """Whether two states are of one class, with tensors of the same names, shapes, dtypes and devices."""
    forms = [{name: tree.form(tensor) for name, tensor in tree.named_tensors(state)} for state in (left, right)]
    return type(left) is type(right) and forms[0] == forms[1]


@dataclass(frozen=True)
class Never(ResetPolicy):
    """One chunk for the whole stream.

    Examples:
        >>> Never() == Never()
        True
    """

    outputs: ClassVar[Outputs] = Outputs.NOTHING

    def decide(self, evidence: StepEvidence, state: RuleState) -> Decision:
        """No."""
        return Decision(torch.zeros_like(evidence.memory.seen, dtype=torch.bool), state)

    def ends_chunk(self, memory: Memory, camera: Float[Tensor, "batch 4 4"]) -> Bool[Tensor, " batch"]:
        """No."""
        return torch.zeros_like(memory.seen, dtype=torch.bool)


@dataclass(frozen=True)
class Every(ResetPolicy):
    """Reset after the n-th, 2n-th, 3n-th, ... frame of the stream; the frame fed again counts once.

    Unwritten frames count too, but none of them ends a chunk: where the n-th was not absorbed, the chunk goes on to the
    next multiple.

    Reference: TTT3R with resets (n = 100 in its tables), https://arxiv.org/abs/2509.26645.

    Args:
        n: length of a chunk in frames, at least 1.

    Raises:
        ValueError: if n is less than 1.

    Examples:
        >>> Every(100)
        Every(n=100)
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"a chunk has at least 1 frame, got n = {self.n}; use Never() for no resets")

    def ends_chunk(self, memory: Memory, camera: Float[Tensor, "batch 4 4"]) -> Bool[Tensor, " batch"]:
        """Whether the number of frames seen is a multiple of n."""
        return (memory.seen > 0) & (memory.seen % self.n == 0)


@dataclass(frozen=True)
class WhenFar(ResetPolicy):
    """Reset when the camera has moved away from where the chunk began. Our own; no publication.

    Args:
        distance: how far from the chunk's first camera, metres (as far as the network is metric), more than 0.
        minimum: frames that a chunk absorbs at least, so that a bad first pose does not reset at every frame.

    Raises:
        ValueError: if the distance is not positive or the minimum is less than 1.

    Examples:
        >>> WhenFar(distance=2.5)
        WhenFar(distance=2.5, minimum=8)
    """

    distance: float
    minimum: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.distance < float("inf"):
            raise ValueError(
                f"distance must be more than 0 metres and finite, got {self.distance}; use Never() for no resets"
            )
        if self.minimum < 1:
            raise ValueError(f"a chunk has at least 1 frame, got minimum = {self.minimum}")

    def ends_chunk(self, memory: Memory, camera: Float[Tensor, "batch 4 4"]) -> Bool[Tensor, " batch"]:
        """Whether the camera is farther away than `distance` and the chunk is old enough."""
        return (memory.age >= self.minimum) & (camera[:, :3, 3].norm(dim=-1) > self.distance)


def as_policy(value: int | ResetPolicy | None) -> ResetPolicy:
    """`None` is `Never()`, a number n is `Every(n)`, a policy is itself.

    Raises:
        TypeError: for anything else.
        ValueError: for a number below 1.

    Examples:
        >>> as_policy(100)
        Every(n=100)
    """
    if value is None:
        return Never()
    if isinstance(value, ResetPolicy):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Every(value)
    raise TypeError(f"a reset policy is None, a number of frames or a ResetPolicy such as Every(100), got {value!r}")
