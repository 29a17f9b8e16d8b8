"""The memory as a mixture of its last states and the candidate, by how alike they are."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import StateUpdateRule, Update
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.vectors import wide


@dataclass(frozen=True)
class Window(RuleState):
    """The last states, oldest first, and how many of them (from the end) are there yet."""

    states: Float[Tensor, "batch window state channel"]
    count: Int[Tensor, " batch"]


@dataclass(frozen=True)
class SSR(StateUpdateRule[Window]):
    """Each new state is expressed by a window of states, weighted by their affinity to the candidate.

        S_t = sum_j C_j W_j,   C = softmax_j( <vec candidate_t, vec W_j> / (n c tau) ),   W = (S_{t-k} ... S_{t-1}, candidate_t)

    W is the window: the last k states and the candidate itself; vec stacks the n tokens of c channels into one vector, so a
    frame has one affinity C_j per state and no weight per token; tau is the temperature. It carries the window: k times the
    size of the memory. While fewer than k states were seen, those are the window. S_t stays within what it is mixed from.

    Reference: in the spirit of SSR, *Self-expressive Sequence Regularization*, 2026, https://arxiv.org/abs/2603.14765, known
    from its abstract and two reviews: a window (k from 4 to 8 is reported as useful), affinities as un-normalised products
    with a normalisation like the softmax, the state as their linear combination. UNVERIFIED, and ours: the scale
    of the products (raw, normalised tokens would make the softmax pick one state), and that the candidate is one of the
    window (without it nothing new could enter).

    Args:
        window: k, at least 1.
        temperature: tau, above 0; towards 0 the most alike state is taken (mostly the candidate), large values average.

    Raises:
        ValueError: if a setting is outside its range.
    """

    window: int = 4
    temperature: float = 1.0

    name: ClassVar[str] = "ssr"
    equation: ClassVar[str] = "sum_j softmax_j(<candidate, W_j> / n c tau) W_j over the last k states and the candidate"
    reference: ClassVar[str] = "in the spirit of SSR, 2026, https://arxiv.org/abs/2603.14765"

    def __post_init__(self) -> None:
        if not (self.window >= 1 and 0 < self.temperature < float("inf")):
            raise ValueError(f"window must be at least 1 and temperature above 0 and finite, got {self}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> Window:
        """An empty window: the initial state is no candidate's like and never enters it."""
        states = torch.zeros_like(initial_state)[:, None].repeat(1, self.window, 1, 1)
        return Window(states, torch.zeros(len(states), dtype=torch.long, device=states.device))

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Window,
    ) -> Window:
        """Nothing: the initial state never enters the window."""
        return rule_state

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Window,
    ) -> Update[Window]:
        """The mixture; no gradient flows through the affinities."""
        states = torch.cat([rule_state.states[:, 1:], state[:, None]], dim=1)
        count = (rule_state.count + 1).clamp_max(self.window)
        members = wide(torch.cat([states, candidate[:, None].to(state.dtype)], dim=1))
        affinity = torch.einsum("bsc,bksc->bk", wide(candidate), members).detach() / candidate[0].numel()
        place = torch.arange(self.window + 1, device=state.device)
        absent = place < (self.window - count)[:, None]
        weight = torch.softmax((affinity / self.temperature).masked_fill(absent, -torch.inf), dim=1)
        mixed = torch.einsum("bk,bksc->bsc", weight, members)
        return Update(mixed.to(state.dtype), Window(states, count))
