"""How far `ttt3r.update_rules.ortho.Ortho` lets a step go that runs along a token's drift."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


class DriftTrust(ABC):
    """How far a step along the drift is treated like news: 0 takes it at the drift's rate, 1 at that of news."""

    @abstractmethod
    def weight(self, share: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
        """The weight, from 0 to 1, for a running mean `share` = mean of cos^2(D, d), from 0 to 1."""


@dataclass(frozen=True)
class Fixed(DriftTrust):
    """Never: the two rates stay as they are."""

    def weight(self, share: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
        """0."""
        return torch.zeros_like(share)


@dataclass(frozen=True)
class Match(DriftTrust):
    """As much as the steps really went along the drift; DDD3R's "match" and "linear" are both this."""

    def weight(self, share: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
        """The share itself."""
        return share


@dataclass(frozen=True)
class Threshold(DriftTrust):
    """Wholly above a threshold, else not at all. Only the value 0.5 is known; on which side it lets go is our reading."""

    at: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.at <= 1:
            raise ValueError(f"at must lie in [0, 1] as the shares do, got {self.at}")

    def weight(self, share: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
        """1 where the share is above the threshold."""
        return (share > self.at).to(share.dtype)


@dataclass(frozen=True)
class Steep(DriftTrust):
    """Share^power: 0 trusts always (a damped TTT3R), 1 is `Match`. Reported for powers from 0 to 5, with no one default."""

    power: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.power < float("inf"):
            raise ValueError(f"power must be at least 0 and finite, got {self.power}")

    def weight(self, share: Float[Tensor, "batch state 1"]) -> Float[Tensor, "batch state 1"]:
        """The share to the power."""
        return share**self.power
