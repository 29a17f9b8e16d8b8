"""A rule as it takes part in an evaluation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ttt3r.evaluation.measures.gains import GAIN_MEAN, GAIN_STD, equal_gain_constant
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.naming.labels import Control, RuleLabel
from ttt3r.update_rules.resets import ResetPolicy, as_policy
from ttt3r.update_rules.rules.constant import ConstantRate
from ttt3r.update_rules.wrappers.pose import PoseDamped
from ttt3r.update_rules.wrappers.token_mean import TokenMean

Resets = int | ResetPolicy | Mapping[str, int | ResetPolicy | None] | None
"""When memories restart: one policy for all rules, or one for each by name."""


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

    def control(self, constant: ConstantRate) -> "Contender":
        """The constant of this gate's mean gain: called after it, restarted as it is, its pose memory held back as there."""
        rule = replace(self.rule, rule=constant) if isinstance(self.rule, PoseDamped) else constant
        return replace(self, label=Control.EQUAL_GAIN.of(self.label), rule=rule, control_of=self.label)

    def token_mean(self) -> "Contender":
        """The gate averaged over its tokens: called after it, and restarted as it is."""
        return replace(self, label=Control.TOKEN_MEAN.of(self.label), rule=TokenMean(self.rule))

    def equal_gain(self, mean: float, spread: float) -> tuple["Contender", ...]:
        """The control of a gate of this mean gain; none for a constant, see `equal_gain_constant`."""
        constant = equal_gain_constant(mean, spread)
        return () if constant is None else (self.control(constant),)

    def controls_after(self, result: UnitResult) -> tuple["Contender", ...]:
        """The control of the mean gain that this rule had at its largest length; none where it was not judged there."""
        longest = max((row.length for row in result.rows), default=0)
        gains = {row.metric: row.value for row in result.rows if row.length == longest}
        return self.equal_gain(gains.get(GAIN_MEAN.name, math.nan), gains.get(GAIN_STD.name, math.nan))


def contenders_of(rules: Mapping[str, StateUpdateRule], reset_every: Resets) -> tuple[Contender, ...]:
    """Rules by name, each with its reset policy.

    Raises:
        ValueError: if there is no rule, or a policy is of none of them.
    """
    if not rules:
        raise ValueError("no rules to run; give at least one, e.g. {'ttt3r': TTT3R()}")
    if not isinstance(reset_every, Mapping):
        return tuple(Contender(name, rule, as_policy(reset_every)) for name, rule in rules.items())
    if unknown := set(reset_every) - set(rules):
        raise ValueError(f"reset policies for {sorted(unknown)}, but the rules are {sorted(rules)}")
    return tuple(Contender(name, rule, as_policy(reset_every.get(name))) for name, rule in rules.items())
