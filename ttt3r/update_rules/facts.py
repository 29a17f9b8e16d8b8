"""What a rule needs, carries and costs: the rows of `ttt3r rules --verbose`."""

import copy
import inspect
from dataclasses import dataclass, fields, is_dataclass

import torch

import ttt3r.tree as tree
from ttt3r.types import Needs
from ttt3r.update_rules.base import StateUpdateRule, modules, parts
from ttt3r.update_rules.wrappers.base import Wrapper
from ttt3r.update_rules.wrappers.combinations import Combination

FULL_SIZE = 768
"""State tokens, and channels, of the official network."""


@dataclass(frozen=True)
class RuleFacts:
    """One rule in the table "which rule needs what, carries what, costs what".

    Args:
        settings: name and default value of each, as one writes them.
        needs: what the network keeps for it.
        carried: bytes of its rule state for one sequence.
        weights: learned parameters.
        biases: whether it changes the decoder's attention.
    """

    settings: tuple[str, ...]
    needs: Needs
    carried: int
    weights: int
    biases: bool

    @property
    def cost(self) -> str:
        """What a frame costs beyond the network's own work, the most expensive first."""
        found = []
        if Needs.REREAD in self.needs:
            found.append("a further pass of the network")
        if Needs.READOUT in self.needs:
            found.append("heads before the write (no chunks)")
        if self.needs & (Needs.STATE_ATTENTION | Needs.IMAGE_ATTENTION):
            found.append("queries and keys kept, and their reduction")
        if self.biases:
            found.append("a bias on attention")
        if self.weights:
            found.append("a small network")
        return ", ".join(found) or "arithmetic on the state"


def rule_facts(rule: StateUpdateRule, state: int = FULL_SIZE, channel: int = FULL_SIZE) -> RuleFacts:
    """The facts of a rule, its size measured by `init` on a float32 memory of `state` tokens of width `channel`.

    Example:
        >>> from ttt3r.update_rules import TTT3R, Recorded
        >>> rule_facts(Recorded(TTT3R())).carried  # a count, and four float32 for each token
        12296
    """
    trial = copy.deepcopy(rule) if any(modules(rule)) else rule  # a learned rule without a size gets none by this
    carried = tree.named_tensors(trial.init(torch.zeros(1, state, channel)))
    return RuleFacts(
        settings=tuple(f"{name}={value}" for name, value in settings(type(rule)).items()),
        needs=rule.needs,
        carried=sum(tensor.numel() * tensor.element_size() for _, tensor in carried),
        weights=sum(parameter.numel() for module in modules(trial) for parameter in module.parameters()),
        biases=any(_biases(part) for part in parts(rule)),
    )


def settings(rule: type[StateUpdateRule]) -> dict[str, object]:
    """The settings of a rule's class with their defaults: dataclass fields, or the arguments of a module."""
    if is_dataclass(rule):
        return {field.name: field.default for field in fields(rule)}
    arguments = list(inspect.signature(rule.__init__).parameters.values())[1:]
    return {argument.name: argument.default for argument in arguments}


def _biases(rule: StateUpdateRule) -> bool:
    """Whether this rule itself gives a bias, and does not only hand on that of another."""
    return type(rule).attend is not StateUpdateRule.attend and not isinstance(rule, Wrapper | Combination)
