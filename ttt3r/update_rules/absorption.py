"""How the loop takes a rule's answer into the memory: all that no rule has to think of."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from ttt3r import tree
from ttt3r.types import Memory, Proposal
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
    """Let the rule decide, then see to first frames, write masks and counting.

    A sequence at age 0 takes its first candidate whole, whatever the rule says; a sequence that does not write keeps its
    memory bit for bit, its rule's state included.

    Raises:
        ValueError: if the answer does not fit the memory: another shape, dtype or device, or a rule state of another form
            than `init` gave. Values are not looked at here (that would wait for the device); the loop does it once a frame.
    """
    # --8<-- [start:absorb]
    update = rule.update(memory.state, proposal.candidate, evidence, memory.rule)
    first = memory.age == 0
    _check_fit(rule, memory, update)
    gain = effective_gain(memory.state, update.state, proposal.candidate) if update.gain is None else update.gain
    gain = torch.where(first[:, None, None], 1.0, gain)
    written = replace(
        memory,
        state=tree.select(first, proposal.candidate, update.state),
        pose=blend(memory.pose, proposal.pose, _pose_gain(rule, memory, update, first)),
        rule=update.rule_state,
        age=memory.age + 1,
    )
    kept = tree.select(write, written, memory)
    return Absorbed(replace(kept, seen=memory.seen + 1), torch.where(write[:, None, None], gain, 0.0))
    # --8<-- [end:absorb]


def _pose_gain(
    rule: StateUpdateRule, memory: Memory, update: Update, first: Bool[Tensor, " batch"]
) -> Float[Tensor, "batch slot 1"]:
    gain = update.pose_gain
    if not isinstance(gain, Tensor):
        gain = torch.full((memory.batch,), gain, dtype=memory.pose.dtype, device=memory.pose.device)
    if gain.shape != (memory.batch,):
        raise ValueError(
            f"{_name(rule)} gave a pose gain of shape {tuple(gain.shape)}; give a number or one per sequence, "
            f"({memory.batch},)"
        )
    return torch.where(first, 1.0, gain)[:, None, None].expand(-1, memory.pose.shape[1], 1)


def _check_fit(rule: StateUpdateRule, memory: Memory, update: Update) -> None:
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
    if type(update.rule_state) is not type(memory.rule):
        raise ValueError(
            f"{_name(rule)} began with a {type(memory.rule).__name__} and returned a {type(update.rule_state).__name__}; "
            "let init() return what update() or gain() hand on"
        )
    before, after = tree.named_tensors(memory.rule), tree.named_tensors(update.rule_state)
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
