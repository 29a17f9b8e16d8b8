"""The controls that stand beside rules on worlds: the one list of them.

| Control | Of | Question |
|---|---|---|
| `control of X` | every gate | does it matter when and where it writes, or only how much? |
| `control of X+pose` | every gate | the same, with the pose memory held back as the state is |
| `token mean of X` | every gate | does it matter where it writes? |
| `stride:k=K`, K nearest to 1 / mean gain, at least 2 | every rule that writes slowly | is it more than a lower frame rate? |
| `frozen`, `1/t` | all | is it more than the first frame, or than the plain average? |

No motion, the scene average and others that know nothing need no run of their own; `study` and `forgetting` add them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ttt3r.evaluation.measures.gains import LEAST_SPREAD, equal_gain_constants
from ttt3r.evaluation.worlds.study import WorldStudy
from ttt3r.update_rules import Anneal, ConstantRate, Control, PoseDamped, RuleLabel, StateUpdateRule, TokenMean
from ttt3r.update_rules.rules.frozen import Frozen
from ttt3r.update_rules.rules.stride import Stride

PLAIN_AVERAGE = "1/t"


@dataclass(frozen=True)
class StandingControl:
    """A control.

    Args:
        label: in the tables.
        rule: to run.
        gate: the rule that it is for, and is restarted with; empty if it is for all.
    """

    label: str
    rule: StateUpdateRule
    gate: str = ""


def standing_controls(rules: Mapping[str, StateUpdateRule], study: WorldStudy) -> tuple[StandingControl, ...]:
    """The controls of these rules, as the module lists them. A rule that is asked for itself is not run again.

    Args:
        rules: by label. Of one with resets and without there is one control.
        study: of the rules, from which their mean gains are taken.
    """
    first = {str(rules[name]): name for name in reversed(list(rules))}
    names = sorted(first.values(), key=[*rules].index)
    gains = {name: float(study.scores.gain[name][-1].mean()) for name in names}
    found: list[StandingControl] = []
    for name, constant in equal_gain_constants(
        {name: replace(study.gain_summaries[name][-1], gain_mean=gains[name]) for name in names}
    ).items():
        found += _of_gate(name, rules, constant)
    longest = max(study.scores.lengths)
    found += [_stride(name, gains[name]) for name in names if 0 < gains[name] < 1 - LEAST_SPREAD]
    found = [control for control in found if not isinstance(control.rule, Stride) or control.rule.k < longest]
    if not any(isinstance(rule, Frozen) for rule in rules.values()):
        found.append(StandingControl(Frozen.name, Frozen()))
    found.append(StandingControl(PLAIN_AVERAGE, Anneal(ConstantRate(1.0), horizon=1.0)))
    once = {control.label: control for control in reversed(found) if control.label not in rules}
    return tuple(control for control in found if once.get(control.label) is control)


def control_rules(rules: Mapping[str, StateUpdateRule], study: WorldStudy) -> dict[str, StateUpdateRule]:
    """`standing_controls` by label."""
    return {control.label: control.rule for control in standing_controls(rules, study)}


def _of_gate(name: str, rules: Mapping[str, StateUpdateRule], constant: ConstantRate) -> list[StandingControl]:
    """The constants of equal mean gain of a gate, and the gate without its differences between tokens."""
    rule, equal = rules[name], Control.EQUAL_GAIN.of(name)
    averaged = StandingControl(Control.TOKEN_MEAN.of(name), TokenMean(rule), name)
    if isinstance(rule, PoseDamped):
        return [StandingControl(equal, replace(rule, rule=constant), name), averaged]
    held = with_pose(name)
    more = [] if held in rules else [StandingControl(Control.EQUAL_GAIN.of(held), PoseDamped(constant), name)]
    return [StandingControl(equal, constant, name), *more, averaged]


def with_pose(label: str) -> str:
    """The label of the same rule with its pose memory held back.

    Examples:
        >>> with_pose("ttt3r@8"), with_pose("my gate")
        ('ttt3r+pose@8', 'my gate+pose')
    """
    try:
        return str(replace(RuleLabel.parse(label), pose=""))
    except ValueError:  # of no registered form: a name that somebody gave in Python
        return f"{label}+pose"


def _stride(name: str, gain: float) -> StandingControl:
    """The lower frame rate at which as much is written."""
    rule = Stride(max(2, int(np.rint(1 / gain))))
    try:
        reset = RuleLabel.parse(name).reset
    except ValueError:
        reset = None
    return StandingControl(str(RuleLabel(Stride.name, (("k", str(rule.k)),), reset)), rule, name)
