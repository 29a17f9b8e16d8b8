"""Reading the recorded runs of published rules, and feeding them to ours: by signals, or through the recorded network."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ttt3r.geometry import pose_encoding_to_camera
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.network.checkpoint import build
from ttt3r.network.official import official_name
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.types import AttentionLayer, Features, Frame, Memory, Outputs, Proposal, Step
from ttt3r.update_rules import Evidence, StateUpdateRule, Update, absorb

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "golden_rules"


@dataclass(frozen=True)
class Recording:
    """A recorded run: its fields, and for each view the image, whether it may write, and whether it ends with a reset."""

    fields: dict[str, Tensor]
    image: list[tuple[str, int]]
    update: list[bool]
    reset: list[bool]

    def __getitem__(self, field: str) -> Tensor:
        return self.fields[field]

    @property
    def views(self) -> range:
        return range(len(self.update))

    @property
    def first(self) -> list[bool]:
        """View 0 and every view after a reset."""
        return [True, *self.reset[:-1]]


def load(rule: str, case: str) -> Recording:
    entry = json.loads((FOLDER / rule / "meta.json").read_text())["cases"][case]
    images = [(name, number) for name, number in entry["image"]]
    return Recording(load_file(FOLDER / rule / f"{case}.safetensors"), images, entry["update"], entry["reset"])


@cache
def network() -> CUT3R:
    official = load_file(FOLDER / "weights.safetensors")
    config = CUT3RConfig.tiny()
    with torch.device("meta"):
        names = list(CUT3R(config).state_dict())
    return build(config, {name: official[official_name(name, config)] for name in names})


@cache
def images() -> dict[str, Tensor]:
    return load_file(FOLDER / "inputs.safetensors")


def frames(recording: Recording) -> list[Frame]:
    """The views as our loop is fed: a reset that was recorded after a view comes before the next one."""
    fed = []
    for view in recording.views:
        name, number = recording.image[view]
        image = (images()[name][number].permute(2, 0, 1)[None].float() / 255 - 0.5) / 0.5
        fed.append(Frame(image, write=recording.update[view], reset=recording.first[view] and view > 0))
    return fed


def evidence(recording: Recording, view: int, age: int) -> Evidence:
    """Evidence with the recorded mean logit, from one layer and one head: queries are the logits, keys are 1."""
    query, key = recording["logit_mean"][view][None, None, :, None], torch.ones(1, 1, 2, 1)
    tokens = torch.zeros(1, 2, recording["candidate"].shape[-1])
    initial = recording["state_init"][None]
    return Evidence(torch.tensor([age]), tokens, tokens, tokens, lambda: initial, (AttentionLayer(query, key),))


See = Callable[[Recording, int, int], Evidence]


def as_published(rule: StateUpdateRule, recording: Recording, see: See = evidence) -> tuple[Tensor, list[Any]]:
    """States and rule states where the rule is driven as the published loop drives its own.

    What the rule carries goes on over views that are not written. A recorded state is the one after the reset of its view.
    """
    initial = recording["state_init"][None]
    state, carried, age = initial, rule.init(initial), 0
    states, rule_states = [], []
    for view in recording.views:
        if recording.first[view]:
            state, carried, age = initial, rule.init(initial), 0
        candidate = recording["candidate"][view][None]
        shown = state, candidate, see(recording, view, age), carried
        update = Update(candidate, rule.see_first(*shown)) if recording.first[view] else rule.update(*shown)
        carried, age = update.rule_state, age + 1
        if recording.update[view]:
            state = update.state
        rule_states.append(carried)
        states.append(initial[0] if recording.reset[view] else state[0])
    return torch.stack(states), rule_states


def as_ours(rule: StateUpdateRule, recording: Recording, see: See = evidence) -> tuple[Tensor, Tensor, list[Any]]:
    """States, gains and rule states from the recorded signals through the loop's own `absorb`; states as recorded."""
    initial = recording["state_init"][None]
    memory = Memory.start(initial, torch.zeros(1, 2, 6), rule.init(initial))
    states, gains, carried = [], [], []
    for view in recording.views:
        if recording.first[view]:
            memory = Memory.start(initial, torch.zeros(1, 2, 6), rule.init(initial))
        tokens = torch.zeros(1, 2, initial.shape[-1])
        candidate = recording["candidate"][view][None]
        proposal = Proposal(candidate, torch.ones(1, 2, 6), Features((), tokens[:, 0], (1, 2)), tokens)
        taken = absorb(
            rule, memory, proposal, see(recording, view, int(memory.age)), torch.tensor([recording.update[view]])
        )
        memory = taken.memory
        carried.append(memory.rule)
        states.append(initial[0] if recording.reset[view] else memory.state[0])
        gains.append(taken.gain[0, :, 0])
    return torch.stack(states), torch.stack(gains), carried


def through_the_network(rule: StateUpdateRule, recording: Recording) -> tuple[list[Step], dict[str, float]]:
    """Run images through the recorded network; largest differences of states, gains and cameras from the recording."""
    steps = list(rollout(Reconstructor(network(), rule), frames(recording), outputs=Outputs.CAMERA))
    return steps, differences(steps, recording)


def differences(steps: list[Step], recording: Recording, until: int | None = None) -> dict[str, float]:
    """Largest absolute differences of states, gains and cameras over the views before `until`."""
    kept = list(recording.views)[:until]
    written = [view for view in kept if not recording.reset[view]]
    pose = recording.fields.get("camera_pose_raw", recording["camera_pose"])
    cameras = torch.cat([camera for step in steps if (camera := step.reconstruction.camera_to_world) is not None])
    states = torch.cat([step.memory.state for step in steps])
    gains = torch.cat([step.gain[..., 0] for step in steps])
    return {
        "state": float((states[written] - recording["state_after"][written]).abs().max()),
        "gain": float((gains[kept] - recording["gain"][kept]).abs().max()),
        "camera": float((cameras[kept] - pose_encoding_to_camera(pose)[kept]).abs().max()),
    }
