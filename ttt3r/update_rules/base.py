"""The contract between a rule and the loop.

The network proposes a candidate state; the rule says how much of the step candidate - state is taken:

    S_t = S_{t-1} + G_t (candidate_t - S_{t-1})

With the loss 1/2 |S - stopgrad(candidate)|^2 the gradient is S_{t-1} - candidate_t, so G_t is a learning rate and this is
one step of test-time training. A rule gets everything by argument and hands everything back. It holds settings only: the
first frame, resets, write masks, batches and devices are handled by the loop (`ttt3r.update_rules.absorption`).

The contract is generic over what a rule carries: `class Momentum(StateUpdateRule[Velocity])` says that `init` makes a
`Velocity`, and that it is what comes back with each call. A rule that carries nothing leaves the brackets out.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ttt3r.types import STATELESS, AttentionBias, Memory, Needs, RuleState, Tokens
from ttt3r.update_rules.evidence import Evidence

State = TypeVar("State", bound=RuleState)
"""What a rule carries from frame to frame."""


@dataclass(frozen=True)
class Gain(Generic[State]):
    """A gate's answer for one frame.

    Args:
        value: learning rate per state token, or per token and channel; 1 takes the candidate whole, 0 keeps the state.
        rule_state: what the rule carries on to the next frame.
        pose_gain: the same for the pose memory as a whole; every published rule overwrites it (1).
    """

    value: Float[Tensor, "batch state #channel"]
    rule_state: State = cast("State", STATELESS)  # of a rule that carries nothing
    pose_gain: float | Float[Tensor, " batch"] = 1.0


@dataclass(frozen=True)
class Update(Generic[State]):
    """A rule's answer for one frame.

    Args:
        state: the next state.
        rule_state: what the rule carries on to the next frame.
        gain: the learning rate that led to `state`, so that state = S + gain (candidate - S). Left out by a rule whose
            step has another form; its gain is then measured (see `effective_gain`).
        pose_gain: share of the new pose memory that is taken.
    """

    state: Float[Tensor, "batch state channel"]
    rule_state: State = cast("State", STATELESS)
    gain: Float[Tensor, "batch state #channel"] | None = None
    pose_gain: float | Float[Tensor, " batch"] = 1.0

    def scaled(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        share: Float[Tensor, " batch"],
    ) -> "Update[State]":
        """The same with its step times `share`, and its gain with it if it names one."""
        if self.gain is None:
            return replace(self, state=blend(state, self.state, share[:, None, None].expand(-1, state.shape[1], 1)))
        gain = self.gain * share[:, None, None]
        return replace(self, state=blend(state, candidate, gain), gain=gain)


class StateUpdateRule(ABC, Generic[State]):
    """How the memory absorbs a frame. Subclass this to return any next state; subclass `GatedUpdateRule` for a gain.

    A rule is a frozen dataclass of settings that can be made without arguments; a learned rule is an `nn.Module`.
    """

    # Not annotated: most rules set these two for their class, and one around other rules makes properties of them.
    needs = Needs.NOTHING
    """What the network must keep for this rule. A wrapper answers with the needs of what it wraps."""
    bounds = cast("tuple[float, float] | None", None)
    """Range that the gain must keep to; the loop stops where it does not. `None` for no such range."""
    name: ClassVar[str] = ""
    """By which a rule of this package is listed and saved. A rule of one's own goes by its class and leaves this out."""
    equation: ClassVar[str] = ""
    """One line, for `ttt3r rules`."""
    reference: ClassVar[str] = ""
    """Authors, year and link, for `ttt3r rules`."""

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> State:
        """What the rule carries before the first frame; nothing, unless a rule says otherwise.

        Batch-first tensors of the shape and dtype that they keep. An axis whose length only a frame gives (its patches,
        their features) begins with length 1 and takes its length with the first frame.
        """
        return cast("State", STATELESS)

    def attend(self, rule_state: State, tokens: Tokens, memory: Memory) -> tuple[AttentionBias, ...]:
        """Biases on the decoder's attention for this frame, before it runs; none, unless a rule says otherwise.

        Asked for every frame, also for one that cannot write: a question may be of another size than the frames before.
        """
        return ()

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: State,
    ) -> State:
        """What the rule carries on from the first frame, whose candidate the loop takes whole.

        A rule says here what it keeps of such a frame: nothing (`return rule_state`, which is what `init` gave), or what
        the next frame is compared with. By default it is what `update` carries on; a rule that carries nothing is not asked.
        """
        if type(rule_state) is RuleState:
            return rule_state
        return self.update(state, candidate, evidence, rule_state).rule_state

    @abstractmethod
    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: State,
    ) -> Update[State]:
        """The next state.

        Called for frames after the first that the memory absorbs. In a batch it sees all sequences if one of them absorbs
        such a frame; its answer for the others is left aside.
        """


class GatedUpdateRule(StateUpdateRule[State]):
    """A rule that only answers with a learning rate; the blend is done for it.

    Examples:
        >>> import torch
        >>> class Half(GatedUpdateRule):
        ...     def gain(self, state, candidate, evidence, rule_state):
        ...         return Gain(torch.full_like(state[..., :1], 0.5))
    """

    bounds = cast("tuple[float, float] | None", (0.0, 1.0))
    """A learning rate lies between nothing and all; set `None` in a gate that means to leave this range."""

    @abstractmethod
    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: State,
    ) -> Gain[State]:
        """The learning rate of every state token for this frame."""

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: State,
    ) -> Update[State]:
        """S + G (candidate - S), with G from `gain`."""
        gain = self.gain(state, candidate, evidence, rule_state)
        if not isinstance(gain, Gain):
            raise TypeError(f"{type(self).__name__}.gain must return Gain(...), got a {type(gain).__name__}")
        return Update(blend(state, candidate, gain.value), gain.rule_state, gain.value, gain.pose_gain)


def blend(
    old: Float[Tensor, "batch state channel"],
    new: Float[Tensor, "batch state channel"],
    gain: Float[Tensor, "batch state #channel"],
) -> Float[Tensor, "batch state channel"]:
    """Old + gain (new - old), exact at both ends: gain 1 gives `new`, gain 0 gives `old`. Keeps the dtype of `old`.

    Raises:
        ValueError: if the gain is not (batch, state, 1) or (batch, state, channel).

    Examples:
        >>> import torch
        >>> blend(torch.zeros(1, 1, 2), torch.ones(1, 1, 2), torch.full((1, 1, 1), 0.25))
        tensor([[[0.2500, 0.2500]]])
    """
    batch, state, channel = old.shape
    if gain.shape not in ((batch, state, 1), (batch, state, channel)):
        raise ValueError(
            f"a gain must have shape (batch, state, 1) = {(batch, state, 1)} or (batch, state, channel) = "
            f"{(batch, state, channel)}, got {tuple(gain.shape)}; add the last axis with gain[..., None] if it is missing"
        )
    return (new * gain + old * (1 - gain)).to(old.dtype)


def effective_gain(
    before: Float[Tensor, "batch state channel"],
    after: Float[Tensor, "batch state channel"],
    candidate: Float[Tensor, "batch state channel"],
) -> Float[Tensor, "batch state 1"]:
    """The gain of a rule that names none: <after - before, D> / <D, D> per token, with D = candidate - before; 0 if D = 0."""
    proposed = candidate - before
    energy = proposed.square().sum(dim=-1, keepdim=True)
    along = ((after - before) * proposed).sum(dim=-1, keepdim=True)
    # The denominator is made safe before the division: a guarded quotient alone would still have NaN gradients.
    return torch.where(energy > 0, along / torch.where(energy > 0, energy, 1.0), 0.0)


def require_rule(rule: object) -> None:
    """Refuse what is no rule when a wrapper is made, not on its first frame.

    Raises:
        TypeError: for anything but an instance of a rule.
    """
    if isinstance(rule, type):
        raise TypeError(f"a wrapper takes a rule, got the class {rule.__name__}; make one: {rule.__name__}()")
    if not isinstance(rule, StateUpdateRule):
        raise TypeError(f"a wrapper takes a rule, got {rule!r}; give an instance of a StateUpdateRule")


def parts(rule: StateUpdateRule) -> Iterator[StateUpdateRule]:
    """The rule itself, then every rule that it is made of: those in its dataclass fields, in tuples too, at any depth.

    The inside of an `nn.Module` is not searched; a module knows its own submodules.
    """
    return (found for found in _walk(rule) if isinstance(found, StateUpdateRule))


def modules(rule: StateUpdateRule) -> Iterator[nn.Module]:
    """Every `nn.Module` among the parts of a rule and in their fields, each once.

    The Reconstructor registers them, so that `.to()`, optimisers and `state_dict` see what a wrapped rule has learned.
    """
    found = {id(part): part for part in _walk(rule) if isinstance(part, nn.Module)}
    return iter(found.values())


def _walk(value: Any) -> Iterator[Any]:
    if isinstance(value, StateUpdateRule | nn.Module):
        yield value
    if isinstance(value, tuple):
        for part in value:
            yield from _walk(part)
    elif is_dataclass(value) and not isinstance(value, type | nn.Module):
        for field in fields(value):
            yield from _walk(getattr(value, field.name))
