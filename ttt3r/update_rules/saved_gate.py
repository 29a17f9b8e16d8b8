"""Weights of a learned rule in a file: safetensors, so that a file of unknown origin can be read without running anything."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ttt3r.files import replacing

KEY = "ttt3r.rule"
"""Entry of the file's metadata that names class and sizes."""


@dataclass(frozen=True)
class SavedGate:
    """What a learned rule is made of.

    Args:
        rule: name of the class.
        channel, hidden: widths.
        tensors: its weights by name.
    """

    rule: str
    channel: int
    hidden: int
    tensors: Mapping[str, Tensor]

    def write(self, path: Path) -> None:
        """Write the file, replaced as a whole."""
        facts = {"rule": self.rule, "channel": self.channel, "hidden": self.hidden}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        with replacing(path) as partial:
            save_file(tensors, partial, metadata={KEY: json.dumps(facts)})

    @classmethod
    def read(cls, path: Path, rule: str) -> "SavedGate":
        """The file's content.

        Args:
            path: of the file.
            rule: name of the class that it must hold.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it holds something else.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no weights at {path}; train a rule and write them with rule.save({str(path)!r})")
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})[KEY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            found = cls(str(facts["rule"]), int(facts["channel"]), int(facts["hidden"]), tensors)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} holds no learned rule ({error}); rule.save(...) writes such files") from error
        if found.rule != rule:
            raise ValueError(f"{path} holds a {found.rule}, not a {rule}; name that rule instead")
        return found

    def put_into(self, module: nn.Module) -> None:
        """Copy the weights into a rule of these sizes.

        Raises:
            ValueError: if names or shapes differ.
        """
        try:
            module.load_state_dict(dict(self.tensors))
        except RuntimeError as error:
            raise ValueError(f"the saved weights do not fit a {self.rule} ({error}); save the rule again") from error
