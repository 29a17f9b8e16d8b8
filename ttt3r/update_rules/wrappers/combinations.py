"""Rules made of several rules. All of them see every frame; their states are carried side by side."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.types import AttentionBias, Memory, Needs, RuleState, Tokens
from ttt3r.update_rules.base import StateUpdateRule, Update, blend, require_rule
from ttt3r.update_rules.evidence import Evidence


@dataclass(frozen=True)
class RuleStates(RuleState):
    """What several rules carry, in the order of the rules."""

    parts: tuple[RuleState, ...]


@dataclass(frozen=True)
class Combination(StateUpdateRule[RuleStates]):
    """What all combinations share: the union of needs, the states side by side, all attention biases.

    Raises:
        ValueError: if there is no rule.
        TypeError: if one of them is not a rule.
    """

    rules: tuple[StateUpdateRule, ...]

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError(f"{type(self).__name__} needs at least one rule, got none")
        for rule in self.rules:
            require_rule(rule)

    @property
    def needs(self) -> Needs:
        """The union of the parts' needs."""
        needs = Needs.NOTHING
        for rule in self.rules:
            needs |= rule.needs
        return needs

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Products of numbers within the parts' bounds; none if a part has none."""
        ends = [1.0]
        for rule in self.rules:
            if rule.bounds is None:
                return None
            ends = [end * bound for end in (min(ends), max(ends)) for bound in rule.bounds]
        return min(ends), max(ends)

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> RuleStates:
        """What the parts carry."""
        return RuleStates(tuple(rule.init(initial_state) for rule in self.rules))

    def attend(self, rule_state: RuleStates, tokens: Tokens, memory: Memory) -> tuple[AttentionBias, ...]:
        """The biases of all parts, one after the other."""
        pairs = zip(self.rules, rule_state.parts, strict=True)
        return tuple(bias for rule, carried in pairs for bias in rule.attend(carried, tokens, memory))

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleStates,
    ) -> RuleStates:
        """What each part keeps: all of them see the whole candidate."""
        pairs = zip(self.rules, rule_state.parts, strict=True)
        return RuleStates(tuple(rule.see_first(state, candidate, evidence, carried) for rule, carried in pairs))


@dataclass(frozen=True)
class Product(Combination):
    """Gates in a row: G = G_1 * G_2 * ..., every gate looking at the same state and candidate. Pose gains multiply too.

    A rule that names no gain cannot be multiplied; `Chain` takes it.

    Raises:
        ValueError: on the second frame, if a part names no gain.

    Examples:
        >>> from ttt3r.update_rules.rules.constant import ConstantRate
        >>> from ttt3r.update_rules.rules.ttt3r import TTT3R
        >>> Product((TTT3R(), ConstantRate(0.5))).needs
        <Needs.STATE_ATTENTION: 1>
    """

    name: ClassVar[str] = "product"

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleStates,
    ) -> Update[RuleStates]:
        """S + G_1 G_2 ... (candidate - S)."""
        updates = [
            rule.update(state, candidate, evidence, carried)
            for rule, carried in zip(self.rules, rule_state.parts, strict=True)
        ]
        gain = _product(updates)
        if gain is None:
            nameless = next(rule for rule, update in zip(self.rules, updates, strict=True) if update.gain is None)
            raise ValueError(f"{nameless} names no gain, so it has no place in a Product; put it into a Chain")
        states = RuleStates(tuple(update.rule_state for update in updates))
        return Update(blend(state, candidate, gain), states, gain, math.prod(update.pose_gain for update in updates))


@dataclass(frozen=True)
class Chain(Combination):
    """The step that one rule proposes is the candidate of the next, from left to right, all from the same old state.

        C_0 = candidate,     C_k = update_k(S_{t-1}, C_{k-1}),     S_t = C_K

    So rules compose like transformations of a gradient: each receives the step C_{k-1} - S and hands on its own. Gates that
    do not look at the candidate multiply, as in `Product`; a rule of any other form has its place too. Pose gains multiply.
    """

    name: ClassVar[str] = "chain"

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleStates,
    ) -> Update[RuleStates]:
        """The last rule's state; it names a gain if every rule does."""
        updates: list[Update] = []
        for rule, carried in zip(self.rules, rule_state.parts, strict=True):
            updates.append(rule.update(state, updates[-1].state if updates else candidate, evidence, carried))
        states = RuleStates(tuple(update.rule_state for update in updates))
        pose_gain = math.prod(update.pose_gain for update in updates)
        return Update(updates[-1].state, states, _product(updates), pose_gain)


@dataclass(frozen=True)
class Schedule(Combination):
    """One rule after the other, by the age of the memory: rule k decides from age starts[k - 1] on, the first from age 0.

    The other rules see every frame too, so that what they carry is up to date when they take over.

    Args:
        rules: the rules in order.
        starts: age at which each rule but the first takes over, increasing.

    Raises:
        ValueError: if the ages do not increase, or are not one fewer than the rules.

    Examples:
        >>> from ttt3r.update_rules.rules.constant import ConstantRate
        >>> from ttt3r.update_rules.rules.cut3r import FullOverwrite
        >>> warm_up = Schedule((FullOverwrite(), ConstantRate(0.1)), starts=(20,))
    """

    name: ClassVar[str] = "schedule"
    starts: tuple[int, ...]

    def __post_init__(self) -> None:
        for rule in self.rules:
            require_rule(rule)
        if len(self.starts) != len(self.rules) - 1:
            raise ValueError(f"{len(self.rules)} rules need {len(self.rules) - 1} starts, got {self.starts}")
        if any(later <= earlier for earlier, later in zip((0, *self.starts), self.starts, strict=False)):
            raise ValueError(f"starts must be ages above 0 in increasing order, got {self.starts}")

    @property
    def bounds(self) -> tuple[float, float] | None:
        """From the lowest to the highest bound of the parts; none if a part has none."""
        ends = [bound for rule in self.rules for bound in rule.bounds or ()]
        return None if any(rule.bounds is None for rule in self.rules) else (min(ends), max(ends))

    def attend(self, rule_state: RuleStates, tokens: Tokens, memory: Memory) -> tuple[AttentionBias, ...]:
        """The biases of the rule that decides; those of the others are zero."""
        biases: list[AttentionBias] = []
        for index, (rule, carried) in enumerate(zip(self.rules, rule_state.parts, strict=True)):
            decides = self._decides(index, memory.age)[:, None]
            found = rule.attend(carried, tokens, memory)
            biases += [replace(bias, query=torch.where(decides, bias.query, 0.0)) for bias in found]
        return tuple(biases)

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleStates,
    ) -> Update[RuleStates]:
        """The update of the rule whose turn it is, sequence by sequence; it names a gain if every rule does."""
        pairs = zip(self.rules, rule_state.parts, strict=True)
        updates = [rule.update(state, candidate, evidence, carried) for rule, carried in pairs]
        taken = updates[0]
        for index, update in enumerate(updates[1:], start=1):
            decides = self._decides(index, evidence.age)
            gain = None
            if taken.gain is not None and update.gain is not None:
                gain = torch.where(decides[:, None, None], update.gain, taken.gain)
            taken = Update(
                state=tree.select(decides, update.state, taken.state),
                gain=gain,
                pose_gain=_either(decides, update.pose_gain, taken.pose_gain),
            )
        return replace(taken, rule_state=RuleStates(tuple(update.rule_state for update in updates)))

    def _decides(self, index: int, age: Int[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
        begins, *ends = (0, *self.starts)[index : index + 2]
        turn = age >= begins
        return turn & (age < ends[0]) if ends else turn


def _product(updates: list[Update]) -> Float[Tensor, "batch state #channel"] | None:
    gain = updates[0].gain
    for update in updates[1:]:
        gain = None if gain is None or update.gain is None else gain * update.gain
    return gain


def _either(
    mask: Bool[Tensor, " batch"], new: float | Float[Tensor, " batch"], old: float | Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    def spread(gain: float | Tensor) -> Tensor:
        return gain if isinstance(gain, Tensor) else torch.full_like(mask, gain, dtype=torch.float32)

    return torch.where(mask, spread(new), spread(old))
