"""ReCal3R: a reduced learning rate where a token is reliable, a small constant one where it is not."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ttt3r.types import Needs, RuleState
from ttt3r.update_rules.base import Gain, GatedUpdateRule
from ttt3r.update_rules.evidence import Evidence, Keys, normalised_entropy


@dataclass(frozen=True)
class Pressure(RuleState):
    """What `ReCal3R` carries: w, running mean of each token's agreement with the image since the first frame."""

    value: Float[Tensor, "batch state"]


@dataclass(frozen=True)
class ReCal3R(GatedUpdateRule[Pressure]):
    """TTT3R's rate, times surprise, less where it was used much; blended with a safe rate by how reliable a token seems.

        a_s     = sigmoid( mean_{l,h,i} z^{l,h}_{s,i} )                        as in TTT3R, the pose token's key included
        w_s     = decay w_s + (1 - decay) a_s                                  pressure, 0 after a first frame
        rho     = sigmoid( mean_i|E_i - Y_i| / mean_i|E_i| - 0.2 )             surprise of the decoder
        b_s     = a_s rho exp(-w_s)
        pi_s    = 1 - (rank_s(|S_{t-1,s} - S_{0,s}|) + 1) / n                  prior: has hardly left the initial state
        h_s     = rank_s( mean_{l,h} entropy of softmax_i(z) ) / (n - 1)       evidence: looks everywhere
        gamma_s = pi (1 - h) / ( pi (1 - h) + (1 - pi) h )                     posterior
        R_s     = 1 - gamma (1 - 4 gamma (1 - gamma))                          unreliability, 0 to 1
        x_s     = (1 - R_s) b_s + R_s base
        G_s     = clip( (x_s + mean_s(x)) / 2, 0, 1 )

    s is one of n state tokens, i a patch, l and h layers and heads; E are the image tokens that enter the decoder, Y those
    that leave it. The entropies are those of the softmax over patches, without the pose token; ranks count from 0, the
    smallest first, equal values by place. All parts are without unit. Carried: w.

    The published code averages rho over the batch and advances w at frames that may not write; here every sequence has its
    own and such frames change nothing. With a single token h is 0. No gradient flows through the gate.

    Reference: *ReCal3R*, 2026, https://arxiv.org/abs/2607.05356. Written from the equations; the authors' code (MIT file,
    on code under CC BY-NC-SA 4.0) is no part of this package.

    Args:
        base: the safe rate, 0 to 1.
        decay: of the pressure, 0 to 1.

    Raises:
        ValueError: if one of them is outside [0, 1].

    Example:
        >>> ReCal3R()
        ReCal3R(base=0.1, decay=0.95)
    """

    base: float = 0.1
    decay: float = 0.95

    needs: ClassVar[Needs] = Needs.STATE_ATTENTION
    name: ClassVar[str] = "recal3r"
    equation: ClassVar[str] = "S + smooth((1 - R) a rho exp(-w) + 0.1 R) (candidate - S)"
    reference: ClassVar[str] = "ReCal3R, 2026, https://arxiv.org/abs/2607.05356"

    def __post_init__(self) -> None:
        for name, value in (("base", self.base), ("decay", self.decay)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {value}")

    def init(self, initial_state: Float[Tensor, "batch state channel"]) -> Pressure:
        """No pressure."""
        wide = torch.promote_types(initial_state.dtype, torch.float32)
        return Pressure(torch.zeros_like(initial_state[..., 0], dtype=wide))

    def see_first(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Pressure,
    ) -> Pressure:
        """Nothing: a first frame adds no pressure."""
        return rule_state

    @torch.no_grad()
    def gain(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: Pressure,
    ) -> Gain[Pressure]:
        """The blended rate."""
        agreement = torch.sigmoid(evidence.state_attention.mean_logit(Keys.ALL))[..., 0].to(rule_state.value)
        pressure = self.decay * rule_state.value + (1 - self.decay) * agreement
        eager = agreement * _surprise(evidence)[:, None].to(agreement) * torch.exp(-pressure)
        unreliable = self._unreliability(state, evidence).to(agreement)
        rate = (1 - unreliable) * eager + unreliable * self.base
        rate = (0.5 * rate + 0.5 * rate.mean(dim=1, keepdim=True)).clamp(0, 1)
        return Gain(rate[..., None], Pressure(pressure))

    @staticmethod
    def _unreliability(state: Float[Tensor, "batch state channel"], evidence: Evidence) -> Float[Tensor, "batch state"]:
        tokens, patches = state.shape[1], evidence.encoder_tokens.shape[1]
        left = (state.float() - evidence.initial_state.float()).norm(dim=-1)
        entropy = normalised_entropy(evidence.state_attention.entropy(Keys.PATCHES)[..., 0], patches)
        prior = 1 - (_rank(left) + 1) / tokens
        scattered = _rank(entropy) / max(tokens - 1, 1)
        for_it, against = prior * (1 - scattered), (1 - prior) * scattered
        posterior = for_it / (for_it + against + 1e-8)
        return 1 - posterior * (1 - 4 * posterior * (1 - posterior))


def _surprise(evidence: Evidence) -> Float[Tensor, " batch"]:
    """How far the decoder moved the image tokens, as a share of their length, squashed."""
    entered, left = evidence.decoder_first.float(), evidence.decoder_last.float()
    moved, size = (entered - left).norm(dim=-1).mean(dim=-1), entered.norm(dim=-1).mean(dim=-1)
    return torch.sigmoid(moved / (size + 1e-6) - 0.2)


def _rank(values: Float[Tensor, "batch state"]) -> Float[Tensor, "batch state"]:
    """Place of each value in its sequence, from 0, smallest first; equal values keep their order."""
    return values.argsort(dim=-1, stable=True).argsort(dim=-1).to(values.dtype)
