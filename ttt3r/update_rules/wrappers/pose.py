"""Around any rule: the pose memory is held back as the state is."""

from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ttt3r.types import RuleState
from ttt3r.update_rules.base import Update, effective_gain, require_rule
from ttt3r.update_rules.evidence import Evidence
from ttt3r.update_rules.wrappers.base import Wrapper


@dataclass(frozen=True)
class PoseDamped(Wrapper):
    """The inner rule's state, and a pose memory P that takes a share p of the new one instead of all of it.

        P_t = P_{t-1} + p_t (new P - P_{t-1}),      p_t = mean of G_t over tokens and channels, or `rate`

    Published rules write slowly to the state and overwrite the pose memory. The state then lags behind the pose memory, and
    motion is counted twice. In labels it is written after the rule: `ttt3r+pose`, `ttt3r+pose=0.5`.

    A rule that names no gain is judged by the step that it took (`effective_gain`). A mean outside [0, 1] is clamped, for the
    pose memory alone. What the inner rule says of the pose memory is replaced. A first frame is taken whole, as by the state.

    Args:
        rule: decides about the state.
        rate: share of the new pose memory that is taken in every frame, from 0 to 1; `None` for the mean gain.

    Raises:
        ValueError: if the rate is outside [0, 1].

    Examples:
        >>> from ttt3r.update_rules.rules.ttt3r import TTT3R
        >>> PoseDamped(TTT3R(), rate=0.5)
        PoseDamped(rule=TTT3R(gradient=False), rate=0.5)
    """

    name: ClassVar[str] = "damp_pose"
    rate: float | None = None

    def __post_init__(self) -> None:
        require_rule(self.rule)
        if self.rate is not None and not 0 <= self.rate <= 1:
            raise ValueError(f"the rate of the pose memory must lie in [0, 1], got {self.rate}")

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Those of the inner rule: its gain is not changed."""
        return self.rule.bounds

    def update(
        self,
        state: Float[Tensor, "batch state channel"],
        candidate: Float[Tensor, "batch state channel"],
        evidence: Evidence,
        rule_state: RuleState,
    ) -> Update:
        """The inner update with another gain of the pose memory."""
        inner = self.rule.update(state, candidate, evidence, rule_state)
        if self.rate is not None:
            return replace(inner, pose_gain=self.rate)
        gain = inner.gain if inner.gain is not None else effective_gain(state, inner.state, candidate)
        return replace(inner, pose_gain=gain.mean(dim=(1, 2)).clamp(0, 1))
