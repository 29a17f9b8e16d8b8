"""Where a network and a rule meet. `encode`, `recur`, `readout` are the steps of one frame; read them top to bottom.

`recur` serves several rules at once: they share the frame's tokens and stand side by side as rows of the batch while the
decoder runs; then each rule absorbs its own rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

import ttt3r.tree as tree
from ttt3r.intake import check_image, fitted
from ttt3r.types import (
    AttentionBias,
    Features,
    Frame,
    Memory,
    Needs,
    Outputs,
    Proposal,
    Reconstruction,
    Step,
    Tokens,
)
from ttt3r.update_rules.absorption import Turn, absorb
from ttt3r.update_rules.base import StateUpdateRule, modules
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.resets import Never, ResetPolicy, carried_on

__all__ = [
    "Reading",
    "Reconstructor",
    "Recurrence",
    "RecurrentNetwork",
    "begin",
    "look",
    "recur",
    "restart",
]


@runtime_checkable
class RecurrentNetwork(Protocol):
    """What a network must offer to run with a rule. `ttt3r.CUT3R` is one; yours may be another."""

    def initial_memory(self, batch: int) -> Memory:
        """The memory before any frame, for `batch` sequences; its `rule` is left empty."""
        ...

    def encode(self, frame: Frame) -> Tokens:
        """Tokens of a frame, or of many frames along the batch; needs no memory."""
        ...

    def propose(self, tokens: Tokens, memory: Memory, needs: Needs, biases: Sequence[AttentionBias]) -> Proposal:
        """A candidate state and pose memory; changes nothing."""
        ...

    def readout(self, features: Features, outputs: Outputs) -> Reconstruction:
        """Cameras, points and colours from what `propose` left for the heads."""
        ...


class Reading:
    """The heads of one frame: each runs when its output is first asked for, and once more in another gradient mode.

    So a rule that looks under `no_grad` takes no gradient from who asks after it.
    """

    def __init__(self, network: RecurrentNetwork, features: Features) -> None:
        self.network, self.features = network, features
        self._made: dict[tuple[bool, bool], tuple[Outputs, Reconstruction]] = {}

    def __call__(self, outputs: Outputs) -> Reconstruction:
        """The reconstruction with these outputs, and no others."""
        if missing := self.missing(outputs):
            self.keep(missing, self.network.readout(self.features, missing))
        return self._kept[1].only(outputs)

    def missing(self, outputs: Outputs) -> Outputs:
        """Which of these were not made yet."""
        return outputs & ~self._kept[0]

    def keep(self, outputs: Outputs, made: Reconstruction) -> None:
        """Take in outputs that were made together with those of other frames."""
        before, kept = self._kept
        self._made[_gradient_mode()] = before | outputs, kept.joined(made.only(outputs))

    @property
    def _kept(self) -> tuple[Outputs, Reconstruction]:
        return self._made.get(_gradient_mode(), (Outputs.NOTHING, Reconstruction()))


def _gradient_mode() -> tuple[bool, bool]:
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled()


@dataclass(frozen=True)
class Recurrence:
    """One frame after the recurrence, for one rule.

    Args:
        features: what the heads will read.
        memory: the memory after the frame.
        gain: the step that was taken.
        candidate: the state that the network proposed.
        reading: the heads, perhaps already run because the rule looked.
    """

    features: Features
    memory: Memory
    gain: Float[Tensor, "batch state #channel"]
    candidate: Float[Tensor, "batch state channel"]
    reading: Reading


def begin(network: RecurrentNetwork, rule: StateUpdateRule, batch: int, policy: ResetPolicy = Never()) -> Memory:
    """The memory of a rule and a reset policy before any frame."""
    memory = network.initial_memory(batch)
    return replace(memory, rule=rule.init(memory.state), policy=policy.init(memory))


def recur(
    network: RecurrentNetwork,
    rules: Sequence[StateUpdateRule],
    tokens: Tokens,
    memories: Sequence[Memory],
    writes: Sequence[Bool[Tensor, " batch"]],
    turn: Turn | None = None,
) -> list[Recurrence]:
    """One frame of the recurrence for several rules: propose once on joined rows, then let each rule absorb its own.

    Args:
        network: proposes.
        rules: decide.
        tokens: the frame, encoded once for all rules.
        memories: one memory for each rule, of the same batch size as the tokens.
        writes: which sequences absorb the frame, for each rule.
        turn: what the frame is to them, where that is known without the device, and the same for all rules.
    """
    needs, biases = _joined_needs(rules, tokens, memories)
    joined = tree.concatenate([memory.core for memory in memories])
    proposal = network.propose(tree.concatenate([tokens] * len(rules)), joined, needs, biases)
    results, batch = [], tokens.batch
    for index, (rule, memory, write) in enumerate(zip(rules, memories, writes, strict=True)):
        own = tree.rows(proposal, index * batch, (index + 1) * batch) if len(rules) > 1 else proposal
        reading = Reading(network, own.features)
        evidence = _evidence(network, rule, tokens, memory, own, reading)
        absorbed = absorb(rule, memory, own, evidence, write, turn)
        results.append(Recurrence(own.features, absorbed.memory, absorbed.gain, own.candidate, reading))
    return results


def read_out(
    network: RecurrentNetwork, results: Sequence[Mapping[str, Recurrence]], outputs: Sequence[Outputs]
) -> list[dict[str, Reconstruction]]:
    """Reconstructions of each frame for each rule; those of several frames, as far as they are not made, in one call."""
    waiting: dict[Outputs, list[Recurrence]] = {}
    for by_rule, wanted in zip(results, outputs, strict=True) if len(results) > 1 else []:
        for one in by_rule.values():
            waiting.setdefault(one.reading.missing(wanted), []).append(one)
    for missing, together in waiting.items():
        if missing:
            made = network.readout(tree.concatenate([one.features for one in together]), missing).only(missing)
            # A network may have none of these heads.
            parts = (
                tree.split(made, together[0].memory.batch) if any(tree.named_tensors(made)) else [made] * len(together)
            )
            for one, own in zip(together, parts, strict=True):
                one.reading.keep(missing, own)
    return [
        {name: one.reading(wanted) for name, one in by_rule.items()}
        for by_rule, wanted in zip(results, outputs, strict=True)
    ]


def _evidence(
    network: RecurrentNetwork,
    rule: StateUpdateRule,
    tokens: Tokens,
    memory: Memory,
    proposal: Proposal,
    reading: Reading,
) -> Evidence:
    """What this rule may look at, as far as it declared a need."""

    def reread(frame: Frame, outputs: Outputs) -> Reconstruction:
        return look(network, frame, memory, outputs)

    return Evidence(
        age=memory.age,
        encoder_tokens=tokens.patches,
        decoder_first=proposal.embedded,
        decoder_last=proposal.features.levels[-1],
        make_initial_state=lambda: network.initial_memory(memory.batch).state,
        state_layers=proposal.state_attention if Needs.STATE_ATTENTION in rule.needs else (),
        image_layers=proposal.image_attention if Needs.IMAGE_ATTENTION in rule.needs else (),
        make_reconstruction=reading if Needs.READOUT in rule.needs else None,
        make_reread=reread if Needs.REREAD in rule.needs else None,
        image=tokens.image,
    )


def _joined_needs(
    rules: Sequence[StateUpdateRule], tokens: Tokens, memories: Sequence[Memory]
) -> tuple[Needs, list[AttentionBias]]:
    """What all rules need together, and their attention biases: each on its own rows, zero on those of the others."""
    needs, biases, batch = Needs.NOTHING, [], tokens.batch
    for index, (rule, memory) in enumerate(zip(rules, memories, strict=True)):
        needs |= rule.needs
        before, after = index * batch, (len(rules) - 1 - index) * batch
        for bias in rule.attend(memory.rule, tokens, memory):
            query = nn.functional.pad(bias.query, (0, 0, before, after))
            key = nn.functional.pad(bias.key, (0, 0, before, after))
            biases.append(replace(bias, query=query, key=key))
    return needs, biases


def look(network: RecurrentNetwork, frame: Frame, memory: Memory, outputs: Outputs) -> Reconstruction:
    """What a memory answers to a frame; nothing is written."""
    core = memory.core
    proposal = network.propose(network.encode(frame), core, Needs.NOTHING, ())
    return network.readout(proposal.features, outputs).only(outputs)


class Reconstructor(nn.Module):
    """A network with a rule: images in, cameras and points out, with a memory that is handed from frame to frame.

    Examples:
        >>> import torch, ttt3r
        >>> model = ttt3r.Reconstructor(ttt3r.load_network("tiny-random"), ttt3r.update_rules.TTT3R())
        >>> memory = model.begin(batch=1)
        >>> with torch.no_grad():
        ...     step = model.step(ttt3r.Frame(torch.zeros(1, 3, 48, 64)), memory)
        >>> step.reconstruction.points_world.shape, int(step.memory.age)
        (torch.Size([1, 48, 64, 3]), 1)
    """

    def __init__(self, network: RecurrentNetwork, rule: StateUpdateRule) -> None:
        super().__init__()
        if not isinstance(rule, StateUpdateRule):
            raise TypeError(f"a Reconstructor needs a rule object such as TTT3R(), got {rule!r}")
        self.network = network
        self.rule = rule
        # Learned rules inside wrappers are found here, so that .to(), optimisers and state_dict see them.
        self.learned_parts = nn.ModuleList(module for module in modules(rule) if module is not rule)
        if any(modules(rule)):
            begin(network, rule, batch=1)  # a learned rule made without a width takes it from the memory

    def begin(self, batch: int = 1) -> Memory:
        """The memory before any frame, for `batch` sequences side by side."""
        return begin(self.network, self.rule, batch)

    # --8<-- [start:step]
    def encode(self, frame: Frame) -> Tokens:
        """Tokens of the frame. Needs no memory: may run ahead, many frames at a time."""
        return self.network.encode(frame)

    def recur(self, tokens: Tokens, memory: Memory, write: Bool[Tensor, " batch"]) -> Recurrence:
        """The only sequential part: the network proposes, then the rule absorbs."""
        return recur(self.network, [self.rule], tokens, [memory], [write])[0]

    def readout(self, features: Features, outputs: Outputs = Outputs.ALL) -> Reconstruction:
        """Run the heads. Feeds nothing back: may come later, many frames at a time, or not at all."""
        return self.network.readout(features, outputs).only(outputs)

    def step(self, frame: Frame, memory: Memory, outputs: Outputs = Outputs.ALL) -> Step:
        """One frame, for a loop of your own: live sources, notebooks. Records gradients if PyTorch does.

        Cameras and world points are in the frame of the running chunk's first camera, moved by `memory.chunk_to_world`.

        Raises:
            ValueError: if frame and memory hold different numbers of sequences, or the image lies outside [-1, 1].
        """
        frame = fitted(frame, memory.state)
        # No policy is asked here, so what one carried would go stale.
        memory = restart(carried_on(Never(), memory), self.network, self.rule, frame)
        result = self.recur(self.encode(frame), memory, frame.write_mask)
        placed = result.reading(outputs).moved(memory.chunk_to_world)
        index = int(memory.seen.max())
        if frame.image is not None:
            check_image(frame.image, index)
        return Step(index, placed, result.memory, result.gain, result.candidate)

    # --8<-- [end:step]
    def query(
        self, memory: Memory, ray_map: Float[Tensor, "batch height width ray=6"], outputs: Outputs = Outputs.ALL,
        *, in_chunk: bool = False,
    ) -> Reconstruction:  # fmt: skip
        """What the memory knows of a view that it may never have seen, in the world of the stream; nothing is written.

        The ray map holds the view's rays in that world, in the form that the network was trained with: `ray_map_official` or
        `ray_map_direction` of `ttt3r.geometry`, see `network.config.ray_form`. A memory that a reset policy reset is in the
        frame and scale of its running chunk's first camera. `in_chunk` says that the rays are in that frame: those of the
        camera `invert_rigid(memory.chunk_to_world) @ camera_to_world`. ValueError where it would have to be said.
        """
        if memory.restarted and not in_chunk:
            raise ValueError(
                "the memory was reset and holds its running chunk alone, in the frame of that chunk's first camera; make "
                "rays of invert_rigid(memory.chunk_to_world) @ camera_to_world and ask query(memory, rays, in_chunk=True)"
            )
        return look(self.network, Frame(ray_map=ray_map), memory, outputs).moved(memory.chunk_to_world)


def restart(
    memory: Memory, network: RecurrentNetwork, rule: StateUpdateRule, frame: Frame, policy: ResetPolicy = Never()
) -> Memory:
    """The memory with which a frame begins: fresh in the sequences that it resets. ValueError for another batch size."""
    if frame.batch != memory.batch:
        raise ValueError(
            f"the frame holds {frame.batch} sequences, the memory {memory.batch}; begin(batch={frame.batch}) or stack frames"
        )
    mask = frame.reset_mask
    if frame.reset is False or (frame.reset is not True and not mask.any()):
        return memory
    fresh = replace(begin(network, rule, memory.batch, policy), seen=memory.seen)
    if frame.reset is True or mask.all():  # nothing of the old memory is kept, so the frame may have another size
        return fresh
    return tree.select(mask.to(memory.state.device), fresh, memory)
