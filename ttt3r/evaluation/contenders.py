"""A rule as it takes part in an evaluation."""

from dataclasses import dataclass

from ttt3r.evaluation.protocol import Protocol
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.labels import RuleLabel
from ttt3r.update_rules.resets import ResetPolicy


@dataclass(frozen=True)
class Contender:
    """A rule as it takes part: with its label in the tables, and its own reset policy if it has one.

    Args:
        label: unique within an evaluation, e.g. `ttt3r` or `constant:rate=0.1`.
        rule: with settings.
        reset: `None` for the protocol's.
        control_of: label of the gate whose mean gain this constant has; empty for a rule that was asked for.
    """

    label: str
    rule: StateUpdateRule
    reset: ResetPolicy | None = None
    control_of: str = ""

    @property
    def rule_text(self) -> str:
        """The rule with its settings as text, whatever its label."""
        return str(RuleLabel.of(self.rule))

    def reset_in(self, protocol: Protocol) -> ResetPolicy:
        """The policy that counts."""
        return protocol.reset if self.reset is None else self.reset
