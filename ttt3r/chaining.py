"""Where a chunk of the stream ends: the memory is reset, the boundary frame is fed again, the cameras are chained over it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from jaxtyping import Bool
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.reconstructor import Recurrence, RecurrentNetwork, begin, recur
from ttt3r.types import Frame, Memory, Outputs, Tokens
from ttt3r.update_rules.absorption import Turn
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.resets import Decision, Never, ResetPolicy, StepEvidence, ask


@dataclass(frozen=True)
class RuleWithReset:
    """A rule with the reset policy that goes with it."""

    rule: StateUpdateRule
    policy: ResetPolicy


def end_chunks(
    network: RecurrentNetwork,
    contenders: Mapping[str, RuleWithReset],
    fed: tuple[Frame, Tokens],
    before: Mapping[str, Memory],
    results: Mapping[str, Recurrence],
) -> dict[str, Memory]:
    """Where a policy ends a chunk: reset the memory there, feed the boundary frame again, chain the cameras.

    With B_0 = I and C_k the boundary frame's camera in chunk k, the next chunk lies at B_{k+1} = B_k C_k. No scale is
    aligned. Only the rows whose chunk ends change; their second pass over the frame gives no output of its own, and no policy
    sees it.

    Args:
        network: proposes again.
        contenders: the rules and their policies, by name.
        fed: the frame, and what the encoder made of it.
        before: the memories before the frame.
        results: what the frame made of them.
    """
    frame, tokens = fed
    memories = {name: result.memory for name, result in results.items()}
    ending: dict[str, Bool[Tensor, " batch"]] = {}
    # A chunk ends at a frame that was absorbed: a question, or a masked frame, cannot begin the next one.
    for name, contender in contenders.items():
        if isinstance(contender.policy, Never):
            continue
        decision = _asked(contender.policy, before[name], results[name], frame.write_mask)
        memory = memories[name] = replace(memories[name], policy=decision.state)
        if not bool(decision.ends.any()):
            continue
        camera = results[name].reading(Outputs.CAMERA).camera_to_world
        assert camera is not None  # it was asked for
        fresh = replace(
            begin(network, contender.rule, memory.batch, contender.policy),
            seen=memory.seen,
            chunk_to_world=memory.chunk_to_world @ camera,
        )
        memories[name], ending[name] = tree.select(decision.ends, fresh, memory), decision.ends
    if ending:
        rules = [contenders[name].rule for name in ending]
        fresh = [memories[name] for name in ending]
        again = recur(network, rules, tokens, fresh, list(ending.values()), Turn(first=True, later=False))
        for name, result in zip(ending, again, strict=True):
            memories[name] = replace(result.memory, seen=memories[name].seen)
    return memories


def _asked(policy: ResetPolicy, before: Memory, result: Recurrence, write: Bool[Tensor, " batch"]) -> Decision:
    evidence = StepEvidence(before, result.memory, result.gain, result.candidate, policy.outputs, result.reading)
    return ask(policy, evidence, write)
