"""Reading the recorded runs of the reference implementation."""

import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ttt3r.network import CUT3R
from ttt3r.network.checkpoint import build
from ttt3r.network.official import normalise_names, official_name, read_architecture
from ttt3r.types import Frame

GOLDEN = Path(__file__).resolve().parent.parent.parent / "shared" / "golden"


@cache
def index() -> dict[str, Any]:
    return json.loads((GOLDEN / "config.json").read_text()) if GOLDEN.is_dir() else {"models": {}}


def cases() -> list[tuple[str, str]]:
    """(model, case) of every recorded run through the streaming loop."""
    return [(m, c) for m, model in index()["models"].items() for c, case in model["cases"].items() if "update" in case]


@cache
def network(model: str) -> CUT3R:
    """The recorded network, through our names and the official architecture string."""
    entry = index()["models"][model]
    if "weights" in entry:
        official = load_file(GOLDEN / entry["weights"])
    else:
        spec = importlib.util.spec_from_file_location("proc_weights", GOLDEN / "proc_weights.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        generated = module.generate(str(GOLDEN / entry["weights_recipe"]))
        official = {name: torch.from_numpy(value.copy()) for name, value in generated.items()}
    official = normalise_names(official)
    config = read_architecture(entry["model_string"], {n: tuple(t.shape) for n, t in official.items()})
    with torch.device("meta"):
        names = list(CUT3R(config).state_dict())
    return build(config, {name: official[official_name(name, config)] for name in names})


@dataclass(frozen=True)
class Case:
    rule: str
    frames: list[Frame]
    reset: list[bool]
    recorded: dict[str, Tensor]
    dense: list[int]
    tolerance: float


def case(model: str, name: str) -> Case:
    entry = index()["models"][model]
    record = entry["cases"][name]
    inputs = load_file(GOLDEN / entry["inputs"])
    resets = [False, *record["reset"]]  # recorded after a view; ours: before the next
    frames = []
    for position, source in enumerate(record["source"]):
        image = ray_map = None
        kinds = source[0].split("+")
        for kind, number in zip(kinds, source[1:], strict=True):
            if kind.startswith("images"):
                image = inputs[kind][number].permute(2, 0, 1)[None].float() / 255
                image = (image - 0.5) / 0.5
            else:
                ray_map = inputs[kind][number][None]
        frames.append(Frame(image, ray_map, write=record["update"][position], reset=resets[position]))
    recorded = load_file(GOLDEN / record["file"])
    tolerance = 3e-5 if record["image_encoder_rope"] == "fp32" else 2e-3
    return Case(record["rule"], frames, record["reset"], recorded, record["dense_frames"], tolerance)


def error(ours: Tensor, recorded: Tensor) -> float:
    """Largest difference over the field's largest magnitude."""
    ours = ours.detach()
    return float((ours - recorded).abs().max() / recorded.abs().max())
