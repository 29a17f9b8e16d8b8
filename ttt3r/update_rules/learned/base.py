"""What the learned rules share: when they get their size, where their gain starts, and the small network behind it."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ttt3r.types import STATELESS, RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.learned.saved_gate import SavedGate


@runtime_checkable
class NetworkWidth(Protocol):
    """The one number of a network's settings that a learned rule must know; `ttt3r.CUT3RConfig` has it."""

    @property
    def width(self) -> int:
        """Channels of the memory and of the decoder."""
        ...


class LearnedRule(nn.Module, GatedUpdateRule):
    """A gate that is a small network. It trains with the large one: its gradient flows, its weights are saved with it.

    The gate sees the memory and the frame as they meet in the decoder, both of width `channel`, each token normalised
    without learned weights. Its last layer starts at zero with a bias of logit(start): before training, every learned rule
    is exactly the constant rate `start`, and training starts from there.

    **Size.** A rule made without arguments is sized by the first memory that it meets, in `init`: when a `Reconstructor`
    is made of it, a rollout begins, or `check_rule` tries it. From then on it fits that width only. Make the Reconstructor
    (or use `for_network`) before the optimiser and before loading weights; asking an unsized rule for its parameters is an
    error, so that an optimiser cannot miss them.

    Args:
        channel: width of the memory; found at first use if left out.
        hidden: width of the hidden layer.
        start: the gain before training, between 0 and 1.
        seed: of the hidden layer's first weights. PyTorch's global random numbers are not touched.
        weights: a file written by `save`, from which sizes and weights are taken; the other settings are not asked then.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a width below 1, a start outside (0, 1), or a file that holds no rule of this class.
    """

    def __init__(
        self,
        channel: int | None = None,
        hidden: int = 64,
        start: float = 0.3,
        seed: int = 0,
        weights: str | Path | None = None,
    ) -> None:
        super().__init__()
        saved = None if weights is None else SavedGate.read(Path(weights), self._saved_as())
        if saved is not None:
            channel, hidden = saved.channel, saved.hidden
        if min(hidden, 1 if channel is None else channel) < 1:
            raise ValueError(f"widths must be at least 1, got channel={channel} and hidden={hidden}")
        if not 0 < start < 1:
            raise ValueError(f"start must lie between 0 and 1 (a sigmoid reaches neither), got {start}")
        self.channel, self.hidden, self.start, self.seed, self.weights = channel, hidden, start, seed, weights
        self.register_module("gate", None)
        if saved is not None and weights is not None:
            with torch.device("meta"):  # what the file claims costs nothing until it is known to hold it
                saved.require_fit(self.make_gate(saved.channel), Path(weights))
        if channel is not None:
            self._size(channel)
        if saved is not None:
            saved.put_into(self)

    def save(self, path: str | Path) -> None:
        """Write the weights to a safetensors file, with what is needed to make the rule again: `LearnedToken(weights=path)`.

        Raises:
            ValueError: if the rule has no size yet.
        """
        next(self.parameters())  # refuses a rule without a size
        assert self.channel is not None
        SavedGate(self._saved_as(), self.channel, self.hidden, dict(self.state_dict())).write(Path(path))

    @classmethod
    def for_network(cls, config: NetworkWidth) -> "LearnedRule":
        """The rule with default settings, sized for a network: `LearnedToken.for_network(network.config)`."""
        return cls(channel=config.width)

    @abstractmethod
    def make_gate(self, channel: int) -> nn.Module:
        """The gate's network for a memory of this width: from state and frame tokens to logits."""

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> RuleState:
        """Carries nothing; takes its size from the memory if it has none yet.

        Raises:
            ValueError: if the rule was made for another width.
        """
        channel = initial_state.shape[-1]
        if self.channel is None:
            self._size(channel)
            self.to(initial_state.device, torch.promote_types(initial_state.dtype, torch.float32))
        if self.channel != channel:
            name = type(self).__name__
            raise ValueError(
                f"this {name} was made for a memory of width {self.channel}, the network's has {channel}; make one with "
                f"{name}.for_network(network.config), or give check_rule sizes=Sizes(channel={self.channel})"
            )
        return STATELESS

    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Gain:
        """The sigmoid of the gate's logits; computed in the precision of the gate's weights."""
        weights = next(self.parameters())
        memory, frame = state.to(weights.dtype), evidence.decoder_first.to(weights.dtype)
        logits: Tensor = self.gate(normalised(memory), normalised(frame))
        return Gain(torch.sigmoid(logits).expand(-1, state.shape[1], -1))

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """The weights of the gate.

        Raises:
            ValueError: if the rule has no size yet.
        """
        if self.channel is None:
            name = type(self).__name__
            raise ValueError(
                f"this {name} has no weights yet; put it into a Reconstructor first, or make it with "
                f"{name}.for_network(network.config)"
            )
        return super().parameters(recurse)

    def extra_repr(self) -> str:
        """The settings, for printing."""
        sizes = f"channel={self.channel}, hidden={self.hidden}"
        if self.weights is not None:
            return f"{sizes}, weights={str(self.weights)!r}"
        return f"{sizes}, start={self.start}, seed={self.seed}"

    @classmethod
    def _saved_as(cls) -> str:
        """The rule's name; of a class of one's own, which may inherit one, that of the class."""
        return vars(cls).get("name") or cls.__name__

    def _size(self, channel: int) -> None:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.manual_seed(self.seed)
            self.channel, self.gate = channel, self.make_gate(channel)
        for head in self.gate.modules():
            if isinstance(head, MemoryFrameMLP):
                head.start_at(math.log(self.start / (1 - self.start)))


class MemoryFrameMLP(nn.Module):
    """Logits from a state token and what was seen of the frame: W_o gelu(W_s s + W_x x + b) + b_o.

    That is an MLP over [s; x], with x multiplied once per frame where it is the same for all tokens.
    """

    def __init__(self, channel: int, frame: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.from_memory = nn.Linear(channel, hidden)
        self.from_frame = nn.Linear(frame, hidden, bias=False)
        self.output = nn.Linear(hidden, outputs)

    def forward(
        self, memory: Float[Tensor, "batch state channel"], frame: Float[Tensor, "batch read feature"]
    ) -> Float[Tensor, "batch state output"]:
        """One row of logits for each state token; `frame` is one for all of them, or one for each."""
        return self.output(functional.gelu(self.from_memory(memory) + self.from_frame(frame)))

    def start_at(self, logit: float) -> None:
        """Answer this logit whatever is asked, until trained."""
        nn.init.zeros_(self.output.weight)
        nn.init.constant_(self.output.bias, logit)


def normalised(tokens: Float[Tensor, "batch token channel"]) -> Float[Tensor, "batch token channel"]:
    """Each token with mean 0 and variance 1 over its channels."""
    return functional.layer_norm(tokens, tokens.shape[-1:])
