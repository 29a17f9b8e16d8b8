"""MeMix: at every frame a part of the memory is left as it is, whatever the inner rule says."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from ttt3r.types import RuleState
from ttt3r.update_rules.base import StateUpdateRule, Update, require_rule
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.rules.ttt3r import TTT3R
from ttt3r.update_rules.wrappers.base import Wrapper


@dataclass(frozen=True)
class MeMix(Wrapper):
    """The inner rule's step on the part of the memory that agrees least with the image; the rest stays bit for bit.

        G_s = M_{p(s)} G_inner,s                M_p = 1 for the share of chunks with the smallest scores, else 0
        score_p = mean_{s in p} <candidate_s, mean_i(E_i)>

    The n state tokens are cut into chunks p of ceil(n / chunks) tokens; E are the image tokens that enter the decoder. The
    score is a product of token lengths, without unit. Carried: what the inner rule carries, for all tokens.

    Published are 768 chunks for 768 tokens (each token its own), of which 708 are written: the share 708 / 768, rounded to
    whole chunks, does the same for any number of tokens. Equal scores: the first tokens are written. The published code
    masks the first frame of a stream too, and does not take the frame after a reset whole; here the loop takes first frames
    whole with every rule. An option of it by which the pose token only reads the written part is left out.

    Reference: *MeMix*, 2026, https://arxiv.org/abs/2603.15330. Written from the equations; the authors' code
    (CC BY-NC-SA 4.0) is no part of this package.

    Args:
        rule: any rule; published with `FullOverwrite`, `TTT3R` and `TTSA3R`.
        chunks: into how many the memory is cut, at least 1; at most as many as there are tokens.
        share: of the chunks that is written, 0 to 1; 1 is the inner rule.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> MeMix(chunks=8, share=0.625)
        MeMix(rule=TTT3R(gradient=False), chunks=8, share=0.625)
    """

    rule: StateUpdateRule = TTT3R()
    chunks: int = 768
    share: float = 708 / 768

    name: ClassVar[str] = "memix"
    equation: ClassVar[str] = (
        "S + [score among the smallest 92 %] G_inner (candidate - S), score = <candidate, mean image>"
    )
    reference: ClassVar[str] = "MeMix, 2026, https://arxiv.org/abs/2603.15330"

    def __post_init__(self) -> None:
        require_rule(self.rule)
        if self.chunks < 1:
            raise ValueError(f"chunks must be at least 1, got {self.chunks}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must lie in [0, 1], got {self.share}")

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Update:
        """The inner update on the chosen tokens, the old state on the others."""
        inner = self.rule.update(state, candidate, evidence, rule_state)
        chosen = self.chosen(candidate, evidence)
        return replace(
            inner,
            state=torch.where(chosen, inner.state, state),
            gain=None if inner.gain is None else torch.where(chosen, inner.gain, 0.0),
        )

    @torch.no_grad()
    def chosen(
        self, candidate: Float[Tensor, "batch state channel"], evidence: Evidence
    ) -> Bool[Tensor, "batch state 1"]:
        """Which tokens are written: those of the chunks with the smallest scores."""
        scores = self.scores(candidate, evidence)
        count, length = scores.shape[1], self._length(candidate.shape[1])
        rank = scores.argsort(dim=1, stable=True).argsort(dim=1)
        written = (rank < round(self.share * count)).repeat_interleave(length, dim=1)
        return written[:, : candidate.shape[1], None]

    def scores(
        self, candidate: Float[Tensor, "batch state channel"], evidence: Evidence
    ) -> Float[Tensor, "batch chunk"]:
        """Agreement of each chunk's candidates with the mean image token, at least in float32."""
        wide = torch.promote_types(candidate.dtype, torch.float32)
        image = evidence.decoder_first.to(wide).mean(dim=1)
        scores = torch.einsum("bsc,bc->bs", candidate.to(wide), image)
        length = self._length(scores.shape[1])
        missing = -scores.shape[1] % length  # the last chunk may be shorter
        sums = functional.pad(scores, (0, missing)).unflatten(1, (-1, length)).sum(dim=-1)
        sizes = functional.pad(torch.ones_like(scores), (0, missing)).unflatten(1, (-1, length)).sum(dim=-1)
        return sums / sizes

    def _length(self, tokens: int) -> int:
        """Tokens in a chunk."""
        return math.ceil(tokens / self.chunks)
