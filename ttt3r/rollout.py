"""The only loop over time: streaming or in chunks, with resets and chaining, one rule or several in one pass.

A generator in constant memory; without gradients unless `detach_every` asks for truncated back-propagation through time.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.data import CropToPatches, FrameSource, open_source
from ttt3r.grouping import Frames, groups
from ttt3r.guard import check_memory, check_step, is_shortage, shortage
from ttt3r.intake import WATCHED, fitted, warn_of_unit_range
from ttt3r.network import CUT3RConfig
from ttt3r.reconstructor import Reconstructor, Recurrence, RecurrentNetwork, begin, recur, restart
from ttt3r.types import Features, Frame, Memory, Needs, Outputs, Reconstruction, Step, Tokens
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.resets import Never, ResetPolicy, as_policy

__all__ = ["rollout", "rollout_rules"]


def rollout(
    model: Reconstructor,
    frames: Frames | FrameSource | str | Path,
    *,
    memory: Memory | None = None,
    reset_every: int | ResetPolicy | None = None,
    outputs: Outputs = Outputs.ALL,
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
        outputs: which heads run.
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
    outputs: Outputs = Outputs.ALL,
    chunk: int = 1,
    detach_every: int | None = None,
) -> Iterator[dict[str, Step]]:
    """Run several rules over the same stream in one pass: each frame is encoded once, rules are rows of the batch.

    As `rollout`, for each rule by its name. `reset_every` is one policy for all, or a mapping with one for each rule.
    """
    contenders = _contenders(rules, reset_every)
    _check_settings(contenders, chunk, detach_every)
    held: dict[str, Memory] | None = dict(memories) if memories is not None else None
    if held is not None and set(held) != set(rules):
        raise ValueError(f"memories are given for {sorted(held)}, rules for {sorted(rules)}; they must be the same")
    for name, memory in (held or {}).items():
        with torch.no_grad():
            check_memory(memory, begin(network, rules[name], memory.batch), rules[name])
    done, lowest = 0, math.inf
    index = 0 if held is None else int(next(iter(held.values())).seen.max())
    for group in groups(_stream(network, frames), chunk, detach_every):
        gradients = torch.is_grad_enabled() and detach_every is not None
        with torch.set_grad_enabled(gradients):  # left before every yield: a generator must not leak its mode
            held = held or {name: begin(network, c.rule, group[0].batch) for name, c in contenders.items()}
            state = next(iter(held.values())).state
            group = [fitted(frame, state) for frame in group]
            try:
                advanced = _advance(network, contenders, group, held, outputs)
            except RuntimeError as error:
                if is_shortage(error):
                    raise shortage(chunk) from error
                raise
        for frame, by_rule in zip(group, advanced, strict=True):
            steps = {name: replace(step, index=index) for name, step in by_rule.items()}
            image = frame.image
            for name, step in steps.items():
                colors = check_step(step, contenders[name].rule, held, image)
                if colors is not None and done < WATCHED:
                    lowest = warn_of_unit_range(lowest, *colors)
                image = None  # one look is enough for all rules
            done, index = done + 1, index + 1
            held = {name: step.memory for name, step in steps.items()}
            yield steps
        if detach_every is not None and done % detach_every == 0:
            held = tree.detach(held)


@dataclass(frozen=True)
class _Contender:
    """A rule with the reset policy that goes with it."""

    rule: StateUpdateRule
    policy: ResetPolicy


def _advance(
    network: RecurrentNetwork,
    contenders: Mapping[str, _Contender],
    group: Sequence[Frame],
    held: dict[str, Memory],
    outputs: Outputs,
) -> list[dict[str, Step]]:
    """Encode a group of like frames together, run the recurrence through them, read them out together."""
    rules = [contender.rule for contender in contenders.values()]
    past: list[dict[str, Recurrence]] = []
    before: list[dict[str, Memory]] = []
    after: list[dict[str, Memory]] = []
    for frame, tokens in zip(group, _encode(network, group), strict=True):
        held = {name: restart(held[name], network, contender.rule, frame) for name, contender in contenders.items()}
        before.append(held)
        recurred = recur(network, rules, tokens, list(held.values()), [frame.write_mask] * len(rules))
        past.append(dict(zip(contenders, recurred, strict=True)))
        held = _end_chunks(network, contenders, frame, tokens, past[-1])
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
        for index, read in enumerate(_read_out(network, past, outputs))
    ]


def _encode(network: RecurrentNetwork, group: Sequence[Frame]) -> list[Tokens]:
    """Tokens of each frame, made in one call along the batch."""
    batch = group[0].batch
    plain = [replace(frame, write=True, reset=False) for frame in group]
    return tree.split(network.encode(tree.concatenate(plain)), batch)


def _end_chunks(
    network: RecurrentNetwork,
    contenders: Mapping[str, _Contender],
    frame: Frame,
    tokens: Tokens,
    results: Mapping[str, Recurrence],
) -> dict[str, Memory]:
    """Where a policy ends a chunk: reset the memory there, feed the boundary frame again, chain the cameras.

    With B_0 = I and C_k the boundary frame's camera in chunk k, the next chunk lies at B_{k+1} = B_k C_k. No scale is
    aligned. Only the rows whose chunk ends change; their second pass over the frame gives no output of its own.
    """
    memories = {name: result.memory for name, result in results.items()}
    ending: dict[str, Bool[Tensor, " batch"]] = {}
    for name, contender in contenders.items():
        if isinstance(contender.policy, Never):
            continue
        camera = results[name].reading(Outputs.CAMERA).camera_to_world
        assert camera is not None  # it was asked for
        memory = memories[name]
        # A chunk ends at a frame that was absorbed: a question, or a masked frame, cannot begin the next one.
        ends = contender.policy.ends_chunk(memory, camera) & frame.write_mask
        if not bool(ends.any()):
            continue
        fresh = replace(
            begin(network, contender.rule, memory.batch),
            seen=memory.seen,
            chunk_to_world=memory.chunk_to_world @ camera,
        )
        memories[name], ending[name] = tree.select(ends, fresh, memory), ends
    if ending:
        rules = [contenders[name].rule for name in ending]
        again = recur(network, rules, tokens, [memories[name] for name in ending], list(ending.values()))
        for name, result in zip(ending, again, strict=True):
            memories[name] = replace(result.memory, seen=memories[name].seen)
    return memories


def _read_out(
    network: RecurrentNetwork, past: Sequence[Mapping[str, Recurrence]], outputs: Outputs
) -> list[dict[str, Reconstruction]]:
    """Reconstructions of each frame for each rule; several together in one call of the heads."""
    flat = [result for results in past for result in results.values()]
    if len(past) == 1 or not outputs:
        return [{name: result.reading(outputs) for name, result in results.items()} for results in past]
    features: Features = tree.concatenate([result.features for result in flat])
    single = iter(tree.split(network.readout(features, outputs).only(outputs), flat[0].memory.batch))
    return [{name: next(single) for name in results} for results in past]


def _stream(network: RecurrentNetwork, frames: Frames | FrameSource | str | Path) -> Frames:
    """The images of a path or source; anything else as it is."""
    if isinstance(frames, str | Path):
        config = getattr(network, "config", None)  # the protocol of networks promises none
        policy = CropToPatches(config.image_size) if isinstance(config, CUT3RConfig) else CropToPatches()
        frames = open_source(frames, policy=policy)
    return (item.image for item in frames) if isinstance(frames, FrameSource) else frames


def _contenders(
    rules: Mapping[str, StateUpdateRule], reset_every: int | ResetPolicy | Mapping[str, int | ResetPolicy | None] | None
) -> dict[str, _Contender]:
    if not rules:
        raise ValueError("no rules to run; give at least one, e.g. {'ttt3r': TTT3R()}")
    if not isinstance(reset_every, Mapping):
        return {name: _Contender(rule, as_policy(reset_every)) for name, rule in rules.items()}
    if unknown := set(reset_every) - set(rules):
        raise ValueError(f"reset policies for {sorted(unknown)}, but the rules are {sorted(rules)}")
    return {name: _Contender(rule, as_policy(reset_every.get(name))) for name, rule in rules.items()}


def _check_settings(contenders: Mapping[str, _Contender], chunk: int, detach_every: int | None) -> None:
    if chunk < 1 or (detach_every is not None and detach_every < 1):
        raise ValueError(f"chunk and detach_every must be at least 1, got {chunk} and {detach_every}")
    looking = [name for name, contender in contenders.items() if Needs.READOUT in contender.rule.needs]
    if chunk > 1 and looking:
        raise ValueError(f"rule {looking[0]!r} looks at the readout before it writes, so chunk must be 1, got {chunk}")
    if detach_every is not None and chunk > detach_every:
        raise ValueError(f"chunk ({chunk}) must not exceed detach_every ({detach_every})")
