"""Weights of a learned rule in a file: safetensors, so that a file of unknown origin can be read without running anything."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ttt3r.files import replacing
from ttt3r.untrusted import parse_json, reading, shown, tensor_forms, whole
from ttt3r.update_rules.naming.former_names import RULES_BY_CLASS

KEY = "ttt3r.rule"
"""Entry of the file's metadata that names rule and sizes."""
FORMAT = 2
"""Format 1, which does not say so, named the rule's class."""
MOST_WIDTH = 16384
"""More than the width of any such network."""
_MOST_FACTS = 4096  # characters


@dataclass(frozen=True)
class SavedGate:
    """What a learned rule is made of.

    Args:
        rule: its name (see `StateUpdateRule.name`); of a class of one's own, that of the class.
        channel, hidden: widths.
        tensors: its weights by name.
    """

    rule: str
    channel: int
    hidden: int
    tensors: Mapping[str, Tensor]

    def write(self, path: Path) -> None:
        """Write the file, replaced as a whole."""
        facts = {"format": FORMAT, "rule": self.rule, "channel": self.channel, "hidden": self.hidden}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        with replacing(path) as partial:
            save_file(tensors, partial, metadata={KEY: json.dumps(facts)})

    @classmethod
    def read(cls, path: Path, rule: str) -> "SavedGate":
        """The file's content.

        Args:
            path: of the file.
            rule: name of the one that it must hold.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it holds something else.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no weights at {path}; train a rule and write them with rule.save({str(path)!r})")
        with reading(path, "a file of learned weights", "rule.save(...) writes such files"):
            with safe_open(path, framework="pt") as file:
                text = (file.metadata() or {}).get(KEY, "")
            facts = parse_json(text[:_MOST_FACTS]) if text else None
            if not isinstance(facts, dict) or not isinstance(facts.get("rule"), str):
                raise ValueError(f"it names no rule, found {shown(facts)}")
            if facts.get("format", 1) not in (1, FORMAT):
                raise ValueError(f"it is of format {shown(facts['format'])}, which a newer release wrote; update ttt3r")
            channel, hidden = (whole(facts.get(name), name, 1, MOST_WIDTH) for name in ("channel", "hidden"))
            if odd := [name for name, form in tensor_forms(path).items() if not form.is_float]:
                raise ValueError(f"{shown(odd[0])} holds no floats")
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        named = facts["rule"]
        if rule not in (named, RULES_BY_CLASS.get(named) if "format" not in facts else named):
            raise ValueError(f"{path} holds a {shown(named)[1:-1]}, not a {rule}; name that rule instead")
        return cls(rule, channel, hidden, tensors)

    def require_fit(self, gate: nn.Module, path: Path) -> None:
        """Compare names and shapes with those of a gate of these sizes, which may be on the device `meta`.

        Args:
            gate: of the rule.
            path: of the file, for the message.

        Raises:
            ValueError: if they differ.
        """
        expected = {f"gate.{name}": tuple(tensor.shape) for name, tensor in gate.state_dict().items()}
        found = {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                raise ValueError(
                    f"{path} does not fit a {self.rule} of channel={self.channel}, hidden={self.hidden}: "
                    f"{shown(name)} is {found.get(name, 'absent')}, expected {expected.get(name, 'none')}; save the rule again"
                )

    def put_into(self, module: nn.Module) -> None:
        """Copy the weights into a rule that they fit."""
        module.load_state_dict(dict(self.tensors))
