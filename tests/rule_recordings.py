"""Reading the recorded runs of published rules, frame by frame, and driving ours with their signals or their network."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

import golden
import torch
from safetensors.torch import load_file
from torch import Tensor

from ttt3r.geometry import pose_encoding_to_camera
from ttt3r.network import CUT3R
from ttt3r.network.checkpoint import build
from ttt3r.network.official import normalise_names, official_name
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.types import AttentionLayer, Features, Frame, Memory, Needs, Outputs, Proposal, RuleState
from ttt3r.update_rules import Evidence, StateUpdateRule, absorb

Carried = TypeVar("Carried", bound=RuleState)
RULES = golden.GOLDEN.parent / "golden_rules"


@dataclass(frozen=True)
class Recording:
    """One recorded run: its fields with the frame as the first axis, which frames wrote, which were first ones."""

    fields: dict[str, Tensor]
    write: list[bool]
    reset: list[bool]  # the memory restarted after this frame
    source: list[tuple[str, int]]

    def __getitem__(self, name: str) -> Tensor:
        return self.fields[name]

    def __len__(self) -> int:
        return len(self.write)

    @property
    def first(self) -> list[bool]:
        """Frames that met a fresh memory."""
        return [True, *self.reset[:-1]]

    @property
    def kept(self) -> list[int]:
        """Frames after which the memory did not restart, so that the state after them is that of the blend."""
        return [index for index, reset in enumerate(self.reset) if not reset]


def recording(rule: str, case: str) -> Recording:
    about: dict[str, Any] = json.loads((RULES / rule / "meta.json").read_text())["cases"][case]
    source = [(name, number) for name, number in about["image"]]
    return Recording(load_file(RULES / rule / f"{case}.safetensors"), about["update"], about["reset"], source)


def layer(logits: Tensor) -> AttentionLayer:
    """An attention whose logits are the given (head, query, key)."""
    keys = torch.eye(logits.shape[-1], dtype=logits.dtype)
    return AttentionLayer(logits[None], keys.expand(1, logits.shape[0], -1, -1))


def evidence(
    age: Tensor,
    logits: Tensor | None = None,
    encoder: Tensor | None = None,
    entered: Tensor | None = None,
    left: Tensor | None = None,
    initial: Tensor | None = None,
) -> Evidence:
    """Evidence of one sequence from recorded signals; what is not given is zero.

    Args:
        age: frames absorbed so far.
        logits: (query, key), the pose token's key first.
        encoder, entered, left: image tokens after the encoder, into and out of the decoder.
        initial: state before any frame.
    """
    given = [value for value in (encoder, entered, left) if value is not None]
    nothing = torch.zeros(len(given[0]) if given else 2, 3)
    tokens = [(nothing if value is None else value)[None] for value in (encoder, entered, left)]
    layers = () if logits is None else (layer(logits[None]),)
    start = nothing if initial is None else initial
    return Evidence(age, tokens[0], tokens[1], tokens[2], lambda: start[None], layers)


def proposal(candidate: Tensor) -> Proposal:
    tokens = torch.zeros(1, 2, candidate.shape[-1])
    return Proposal(candidate[None], torch.ones(1, 2, 6), Features((), tokens[:, 0], (1, 2)), tokens)


def absorb_recorded(
    rule: StateUpdateRule, recorded: Recording, signals: Callable[[int, Memory], Evidence]
) -> Iterator[tuple[Memory, Tensor]]:
    """Memory after each frame and the gain (state,) taken there, from the recorded candidates and signals."""
    start = Memory.start(recorded["state_init"][None], torch.zeros(1, 2, 6), rule.init(recorded["state_init"][None]))
    memory = start
    for index, (first, write) in enumerate(zip(recorded.first, recorded.write, strict=True)):
        memory = start if first else memory
        taken = absorb(
            rule, memory, proposal(recorded["candidate"][index]), signals(index, memory), torch.tensor([write])
        )
        memory = taken.memory
        yield memory, taken.gain[0, :, 0]


def carried(memory: Memory, kind: type[Carried]) -> Carried:
    """What the rule of this memory carries, as the class that it is."""
    assert isinstance(memory.rule, kind)
    return memory.rule


def compare_recorded(
    rule: StateUpdateRule, recorded: Recording, signals: Callable[[int, Memory], Evidence]
) -> dict[str, float]:
    """Largest absolute difference of gains and states, over all frames of a recording driven by its signals."""
    taken = list(absorb_recorded(rule, recorded, signals))
    gains = torch.stack([gain for _, gain in taken])
    states = torch.stack([memory.state[0] for memory, _ in taken])
    kept = recorded.kept
    return {
        "gain": float((gains - recorded["gain"]).abs().max()),
        "state": float((states[kept] - recorded["state_after"][kept]).abs().max()),
    }


@cache
def network() -> CUT3R:
    """The recorded network, of the sizes of `golden`'s tiny one."""
    official = normalise_names(load_file(RULES / "weights.safetensors"))
    config = golden.network("tiny").config
    with torch.device("meta"):
        names = list(CUT3R(config).state_dict())
    return build(config, {name: official[official_name(name, config)] for name in names})


def frames(recorded: Recording) -> list[Frame]:
    """The recorded frames, ours: a reset stands before the frame that follows it."""
    inputs = load_file(RULES / "inputs.safetensors")
    made = []
    for (name, number), write, first in zip(recorded.source, recorded.write, recorded.first, strict=True):
        image = inputs[name][number].permute(2, 0, 1)[None].float() / 255
        made.append(Frame((image - 0.5) / 0.5, write=write, reset=first))
    return made


def compare_run(rule: StateUpdateRule, recorded: Recording) -> dict[str, float]:
    """Largest difference of states, gains and cameras, each over its largest magnitude, end to end through the loop."""
    steps = list(rollout(Reconstructor(network(), rule), frames(recorded), outputs=Outputs.CAMERA))
    kept = recorded.kept
    cameras = torch.cat([step.reconstruction.camera_to_world for step in steps])  # pyright: ignore[reportArgumentType]
    return {
        "gain": golden.error(torch.cat([step.gain[..., 0] for step in steps]), recorded["gain"]),
        "state": golden.error(torch.cat([steps[i].memory.state for i in kept]), recorded["state_after"][kept]),
        "camera": golden.error(cameras, pose_encoding_to_camera(recorded["camera_pose"])),
    }


Decide = Callable[[int, Memory, Proposal, Evidence], tuple[Tensor, Any]]
"""(frame, memory, proposal, evidence) -> the next state and rule state, in a loop that leaves all else to the caller."""


def run_by_hand(
    needs: Needs, recorded: Recording, start: RuleState, decide: Decide, first_again: bool
) -> dict[str, float]:
    """The recorded network in the loop of a published code, where that is not ours; differences as in `compare_run`.

    Args:
        needs: what the network keeps.
        recorded: the run.
        start: the rule's state before the first frame.
        decide: takes the candidate, as the published code does.
        first_again: whether the frame after a reset is a first one to the pose memory.
    """
    model = network()
    memory = begin = replace(model.initial_memory(1), rule=start)
    states, cameras = [], []
    with torch.no_grad():
        for index, frame in enumerate(frames(recorded)):
            if recorded.first[index] and index:
                restarted = replace(begin, rule=memory.rule)
                memory = restarted if first_again else replace(restarted, age=memory.age)
            tokens = model.encode(frame)
            proposed = model.propose(tokens, memory, needs)
            seen = Evidence(
                age=memory.age,
                encoder_tokens=tokens.patches,
                decoder_first=proposed.embedded,
                decoder_last=proposed.features.levels[-1],
                make_initial_state=lambda: begin.state,
                state_layers=proposed.state_attention,
            )
            state, carried = decide(index, memory, proposed, seen)
            cameras.append(model.readout(proposed.features, Outputs.CAMERA).camera_to_world)
            pose = proposed.pose if recorded.write[index] else memory.pose
            memory = replace(memory, state=state, pose=pose, rule=carried, age=memory.age + 1)
            states.append(state)
    kept = recorded.kept
    return {
        "state": golden.error(torch.cat([states[i] for i in kept]), recorded["state_after"][kept]),
        "camera": golden.error(torch.cat(cameras), pose_encoding_to_camera(recorded["camera_pose"])),
    }
