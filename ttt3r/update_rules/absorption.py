"""How the loop takes a rule's answer into the memory: all that no rule has to handle."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.types import Memory, Proposal, RuleState
from ttt3r.update_rules.base import StateUpdateRule, Update, blend, effective_gain
from ttt3r.update_rules.evidence import Evidence


@dataclass(frozen=True)
class Absorbed:
    """The memory after a frame, and the gain with which the frame was taken."""

    memory: Memory
    gain: Float[Tensor, "batch state #channel"]


def absorb(
    rule: StateUpdateRule, memory: Memory, proposal: Proposal, evidence: Evidence, write: Bool[Tensor, " batch"]
) -> Absorbed:
    """Take the frame into the memory, sequence by sequence: a first frame whole, a later one as the rule decides.

    A sequence that does not write keeps its memory bit for bit, its rule's state included. Where no sequence writes the rule
    is not asked at all, so that such a frame may be of any size.

    Raises:
        ValueError: if the answer does not fit the memory: another shape, dtype or device, or a rule state of another form
            than `init` gave. The values of an answer are not checked here; the loop checks them once a frame.
    """
    # --8<-- [start:absorb]
    first, later = write & (memory.age == 0), write & (memory.age > 0)
    some_first, some_later = torch.stack([first.any(), later.any()]).tolist()
    left = replace(memory, seen=memory.seen + 1)
    taken = Absorbed(left, torch.zeros_like(memory.state[..., :1]))
    if some_first:
        taken = tree.select(first, _begun(rule, memory, proposal, evidence), taken)
    if some_later:
        taken = tree.select(later, _updated(rule, memory, proposal, evidence), taken)
    return taken
    # --8<-- [end:absorb]


def _begun(rule: StateUpdateRule, memory: Memory, proposal: Proposal, evidence: Evidence) -> Absorbed:
    """The candidate and the new pose memory whole, and what the rule keeps of a first frame."""
    state, pose = proposal.candidate.to(memory.state.dtype), proposal.pose.to(memory.pose.dtype)
    carried = rule.see_first(memory.state, proposal.candidate, evidence, memory.rule)
    _check_carried(rule, memory.rule, carried)
    whole = torch.ones_like(memory.state[..., :1])
    return Absorbed(_next(memory, state, pose, carried), whole)


def _updated(rule: StateUpdateRule, memory: Memory, proposal: Proposal, evidence: Evidence) -> Absorbed:
    """What the rule answers, and its gain: the one that it names, or the one that comes closest."""
    update = rule.update(memory.state, proposal.candidate, evidence, memory.rule)
    _check_update(rule, memory, update)
    gain = effective_gain(memory.state, update.state, proposal.candidate) if update.gain is None else update.gain
    pose = blend(memory.pose, proposal.pose, _pose_gain(rule, memory, update))
    return Absorbed(_next(memory, update.state, pose, update.rule_state), gain)


def _next(
    memory: Memory,
    state: Float[Tensor, "batch state channel"],
    pose: Float[Tensor, "batch slot pair"],
    carried: RuleState,
) -> Memory:
    return replace(memory, state=state, pose=pose, rule=carried, age=memory.age + 1, seen=memory.seen + 1)


def _pose_gain(rule: StateUpdateRule, memory: Memory, update: Update) -> Float[Tensor, "batch slot 1"]:
    gain = update.pose_gain
    if not isinstance(gain, Tensor):
        gain = torch.full((memory.batch,), gain, dtype=memory.pose.dtype, device=memory.pose.device)
    if gain.shape != (memory.batch,):
        raise ValueError(
            f"{_name(rule)} gave a pose gain of shape {tuple(gain.shape)}; give a number or one per sequence, "
            f"({memory.batch},)"
        )
    return gain[:, None, None].expand(-1, memory.pose.shape[1], 1)


def _check_update(rule: StateUpdateRule, memory: Memory, update: Update) -> None:
    old, new = memory.state, update.state
    if (new.shape, new.dtype, new.device) != (old.shape, old.dtype, old.device):
        raise ValueError(
            f"{_name(rule)} returned a state of {tree.form(new)} for a memory of {tree.form(old)}; "
            "return a state of the same shape, and end with .to(state) if only dtype or device differ"
        )
    if update.gain is not None and update.gain.shape not in (old.shape, (*old.shape[:2], 1)):
        raise ValueError(
            f"{_name(rule)} gave a gain of shape {tuple(update.gain.shape)}; expected {(*old.shape[:2], 1)} or "
            f"{tuple(old.shape)}: one per state token, or per token and channel"
        )
    _check_carried(rule, memory.rule, update.rule_state)


def _check_carried(rule: StateUpdateRule, old: RuleState, new: RuleState) -> None:
    if type(new) is not type(old):
        raise ValueError(
            f"{_name(rule)} began with a {type(old).__name__} and returned a {type(new).__name__}; "
            "let init() return what update(), gain() and see_first() hand on"
        )
    before, after = tree.named_tensors(old), tree.named_tensors(new)
    for (name, was), (_, now) in zip(before, after, strict=True):
        if not keeps_form(was, now):
            raise ValueError(
                f"the rule state of {_name(rule)} must keep its form, but {name!r} went from {tree.form(was)} to "
                f"{tree.form(now)}; make it in init() with the shape and dtype that it keeps"
            )


def keeps_form(was: Shaped[Tensor, "*was"], now: Shaped[Tensor, "*now"]) -> bool:
    """Whether a carried tensor kept dtype, device and shape.

    An axis that is as long as the frame has patches or features cannot be made in `init`: it begins with length 1, as a
    broadcast placeholder, and takes its length with the first frame.
    """
    grown = was.ndim == now.ndim and all(
        new == old or (axis > 0 and old == 1) for axis, (old, new) in enumerate(zip(was.shape, now.shape, strict=True))
    )
    return grown and (was.dtype, was.device) == (now.dtype, now.device)


def _name(rule: StateUpdateRule) -> str:
    return type(rule).__name__
