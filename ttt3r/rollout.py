"""The only loop over time: streaming or in chunks, with resets and chaining, one rule or several in one pass.

A generator in constant memory; without gradients unless `detach_every` asks for truncated back-propagation through time.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

import ttt3r.tree as tree
from ttt3r.chaining import RuleWithReset, end_chunks
from ttt3r.data import CropToPatches, FrameSource, open_source
from ttt3r.grouping import Frames, groups, wanted_of
from ttt3r.guard import check_memory, check_steps, is_shortage, look_at, shortage
from ttt3r.intake import WATCHED, fitted, warn_of_unit_range
from ttt3r.network import CUT3RConfig
from ttt3r.reconstructor import Reconstructor, Recurrence, RecurrentNetwork, begin, read_out, recur, restart
from ttt3r.types import Frame, Memory, Needs, Outputs, Step, Tokens
from ttt3r.update_rules.absorption import Turn, turns
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.resets import ResetPolicy, as_policy, carried_on

__all__ = ["rollout", "rollout_rules"]


def rollout(
    model: Reconstructor,
    frames: Frames | FrameSource | str | Path,
    *,
    memory: Memory | None = None,
    reset_every: int | ResetPolicy | None = None,
    outputs: Outputs | Sequence[Outputs] = Outputs.ALL,
    chunk: int = 1,
    detach_every: int | None = None,
) -> Iterator[Step]:
    """Run a stream through a model, frame by frame.

    Args:
        model: network and rule.
        frames: `Frame`s, or images (batch, 3, height, width) in [-1, 1], or in [0, 255] as bytes; any iterable, of any
            length (a tensor is time first: (frame, batch, 3, height, width)). Or a source of `ttt3r.data`, or the path of
            a folder, a video, an image or a glob, prepared by `CropToPatches` at the network's size.
        memory: where to go on from; by default a fresh memory.
        reset_every: reset the memory every N frames, or when a `ResetPolicy` says so. The frame at the boundary
            is fed again as the first of the next chunk; cameras and world points are chained rigidly.
        outputs: which heads run; a sequence says it for each frame, in their order.
        chunk: frames that are encoded and read out together; the same numbers, faster on a GPU, more memory.
        detach_every: record gradients, and cut them every N frames.

    Yields:
        A `Step` for each frame; `step.memory` is the memory *after* the frame.

    Raises:
        BadStep: at a frame with a non-finite result, an image outside [-1, 1], or a gain outside the bounds of its rule.
        ChunkTooLarge: if `chunk` frames do not fit into memory.
        ValueError: for frames that do not fit the network or the memory.

    Examples:
        >>> import torch, ttt3r
        >>> model = ttt3r.Reconstructor(ttt3r.load_network("tiny-random"), ttt3r.update_rules.TTT3R())
        >>> frames = torch.zeros(5, 1, 3, 48, 64)
        >>> [step.index for step in ttt3r.rollout(model, frames, outputs=ttt3r.Outputs.CAMERA)]
        [0, 1, 2, 3, 4]
    """
    steps = rollout_rules(
        model.network,
        {"rule": model.rule},
        frames,
        memories=None if memory is None else {"rule": memory},
        reset_every=reset_every,
        outputs=outputs,
        chunk=chunk,
        detach_every=detach_every,
    )
    return (step["rule"] for step in steps)


def rollout_rules(
    network: RecurrentNetwork,
    rules: Mapping[str, StateUpdateRule],
    frames: Frames | FrameSource | str | Path,
    *,
    memories: Mapping[str, Memory] | None = None,
    reset_every: int | ResetPolicy | Mapping[str, int | ResetPolicy | None] | None = None,
    outputs: Outputs | Sequence[Outputs] = Outputs.ALL,
    chunk: int = 1,
    detach_every: int | None = None,
) -> Iterator[dict[str, Step]]:
    """Run several rules over the same stream in one pass: each frame is encoded once, rules are rows of the batch.

    As `rollout`, for each rule by its name. `reset_every` is one policy for all, or a mapping with one for each rule.
    """
    contenders = _contenders(rules, reset_every)
    _check_settings(contenders, chunk, detach_every)
    held = None if memories is None else _resumed(network, contenders, memories)
    done, lowest, begun = 0, math.inf, None if held else False
    index = 0 if held is None else int(next(iter(held.values())).seen.max())
    for group in groups(_stream(network, frames), chunk, detach_every):
        gradients = torch.is_grad_enabled() and detach_every is not None
        with torch.set_grad_enabled(gradients):  # left before every yield: a generator must not leak its mode
            held = held or {name: begin(network, c.rule, group[0].batch, c.policy) for name, c in contenders.items()}
            state = next(iter(held.values())).state
            group = [fitted(frame, state) for frame in group]
            turned, begun = turns(group, begun)
            try:
                wanted = wanted_of(outputs, done, len(group))
                advanced = _advance(network, contenders, list(zip(group, turned, strict=True)), held, wanted)
                looks = look_at(group, advanced, rules)
            except RuntimeError as error:
                if is_shortage(error):
                    raise shortage(chunk) from error
                raise
        for look, by_rule in zip(looks, advanced, strict=True):
            check_steps(look, index, rules, held)
            if look.colors is not None and done < WATCHED:
                lowest = warn_of_unit_range(lowest, *look.colors)
            held = {name: step.memory for name, step in by_rule.items()}
            yield {name: replace(step, index=index) for name, step in by_rule.items()}
            done, index = done + 1, index + 1
        if detach_every is not None and done % detach_every == 0:
            held = tree.detach(held)


def _advance(
    network: RecurrentNetwork,
    contenders: Mapping[str, RuleWithReset],
    group: Sequence[tuple[Frame, Turn | None]],
    held: dict[str, Memory],
    outputs: Sequence[Outputs],
) -> list[dict[str, Step]]:
    """Encode a group of like frames together, run the recurrence through them, read them out together."""
    rules = [contender.rule for contender in contenders.values()]
    past: list[dict[str, Recurrence]] = []
    before: list[dict[str, Memory]] = []
    after: list[dict[str, Memory]] = []
    for (frame, turn), tokens in zip(group, _encode(network, [frame for frame, _ in group]), strict=True):
        held = {name: restart(held[name], network, c.rule, frame, c.policy) for name, c in contenders.items()}
        before.append(held)
        recurred = recur(network, rules, tokens, list(held.values()), [frame.write_mask] * len(rules), turn)
        past.append(dict(zip(contenders, recurred, strict=True)))
        held = end_chunks(network, contenders, (frame, tokens), held, past[-1])
        after.append(held)
    return [
        {
            name: Step(
                index,
                read[name].moved(before[index][name].chunk_to_world),
                after[index][name],
                result.gain,
                result.candidate,
            )
            for name, result in past[index].items()
        }
        for index, read in enumerate(read_out(network, past, outputs))
    ]


def _resumed(
    network: RecurrentNetwork, contenders: Mapping[str, RuleWithReset], memories: Mapping[str, Memory]
) -> dict[str, Memory]:
    """Memories to go on from, checked. One that another reset policy, or none, has carried begins a state for this one."""
    if set(memories) != set(contenders):
        raise ValueError(
            f"memories are given for {sorted(memories)}, rules for {sorted(contenders)}; they must be the same"
        )
    with torch.no_grad():
        for name, memory in memories.items():
            rule = contenders[name].rule
            check_memory(memory, begin(network, rule, memory.batch), rule)
        return {name: carried_on(contenders[name].policy, memory) for name, memory in memories.items()}


def _encode(network: RecurrentNetwork, group: Sequence[Frame]) -> list[Tokens]:
    """Tokens of each frame, made in one call along the batch."""
    batch = group[0].batch
    plain = [replace(frame, write=True, reset=False) for frame in group]
    return tree.split(network.encode(tree.concatenate(plain)), batch)


def _stream(network: RecurrentNetwork, frames: Frames | FrameSource | str | Path) -> Frames:
    """The images of a path or source; anything else as it is."""
    if isinstance(frames, str | Path):
        config = getattr(network, "config", None)  # the protocol of networks promises none
        policy = CropToPatches(config.image_size) if isinstance(config, CUT3RConfig) else CropToPatches()
        frames = open_source(frames, policy=policy)
    return (item.image for item in frames) if isinstance(frames, FrameSource) else frames


def _contenders(
    rules: Mapping[str, StateUpdateRule], reset_every: int | ResetPolicy | Mapping[str, int | ResetPolicy | None] | None
) -> dict[str, RuleWithReset]:
    if not rules:
        raise ValueError("no rules to run; give at least one, e.g. {'ttt3r': TTT3R()}")
    if not isinstance(reset_every, Mapping):
        return {name: RuleWithReset(rule, as_policy(reset_every)) for name, rule in rules.items()}
    if unknown := set(reset_every) - set(rules):
        raise ValueError(f"reset policies for {sorted(unknown)}, but the rules are {sorted(rules)}")
    return {name: RuleWithReset(rule, as_policy(reset_every.get(name))) for name, rule in rules.items()}


def _check_settings(contenders: Mapping[str, RuleWithReset], chunk: int, detach_every: int | None) -> None:
    if chunk < 1 or (detach_every is not None and detach_every < 1):
        raise ValueError(f"chunk and detach_every must be at least 1, got {chunk} and {detach_every}")
    looking = [name for name, contender in contenders.items() if Needs.READOUT in contender.rule.needs]
    if chunk > 1 and looking:
        raise ValueError(f"rule {looking[0]!r} looks at the readout before it writes, so chunk must be 1, got {chunk}")
    if detach_every is not None and chunk > detach_every:
        raise ValueError(f"chunk ({chunk}) must not exceed detach_every ({detach_every})")
