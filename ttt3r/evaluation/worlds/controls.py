"""The controls that stand beside rules on worlds: the one list of them.

| Control | Of | Question |
|---|---|---|
| `control of X` | every gate | does it matter when and where it writes, or only how much? |
| `control of X+pose` | every gate | the same, with the pose memory held back as the state is |
| `token mean of X` | every gate | does it matter where it writes? |
| `stride:k=K`, K nearest to 1 / mean gain, at least 2 | every rule that writes slowly | is it more than a lower frame rate? |
| `frozen`, `1/t` | all | is it more than the first frame, or than the plain average? |

No motion, the scene average and the other trivial predictors need no run of their own; `study` and `forgetting` add them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.measures.gains import LEAST_SPREAD
from ttt3r.update_rules import Anneal, ConstantRate, Control, PoseDamped, RuleLabel
from ttt3r.update_rules.rules.frozen import Frozen
from ttt3r.update_rules.rules.stride import Stride

PLAIN_AVERAGE = "1/t"
"""Label of the plain average of all candidates."""


def standing_controls(
    asked: Sequence[Contender], gains: Mapping[str, tuple[float, float]], longest: int
) -> tuple[Contender, ...]:
    """The controls of these rules, as the module lists them, each reset as the rule that it is for.

    A rule that is asked for itself is not run again.

    Args:
        asked: the rules. Of one with resets and without there is one control.
        gains: by label, mean gain and its standard deviation over tokens and frames.
        longest: largest length, in frames.
    """
    first = {str(who.rule): who for who in reversed(asked)}
    chosen, labels = [who for who in asked if who is first[str(who.rule)]], {who.label for who in asked}
    found: list[Contender] = []
    for gate in chosen:
        for control in gate.equal_gain(*gains[gate.label]):
            held = _with_pose(gate, control)
            found += [control, *(one for one in held if one.control_of not in labels), gate.token_mean()]
    for who in chosen:
        mean = gains[who.label][0]
        if 0 < mean < 1 - LEAST_SPREAD and (k := max(2, round(1 / mean))) < longest:
            found.append(Contender(_stride_label(who.label, k), Stride(k), who.reset))
    if not any(isinstance(who.rule, Frozen) for who in asked):
        found.append(Contender(Frozen.name, Frozen()))
    found.append(Contender(PLAIN_AVERAGE, Anneal(ConstantRate(1.0), horizon=1.0)))
    once = {control.label: control for control in reversed(found) if control.label not in labels}
    return tuple(one for one in found if once.get(one.label) is one)


def _with_pose(gate: Contender, control: Contender) -> list[Contender]:
    """The constant of equal mean gain with its pose memory held back; none for a gate that does so itself."""
    if isinstance(gate.rule, PoseDamped):
        return []
    held = with_pose(gate.label)
    return [replace(control, label=Control.EQUAL_GAIN.of(held), rule=PoseDamped(control.rule), control_of=held)]


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


def _stride_label(label: str, k: int) -> str:
    """Of the lower frame rate that is for this rule: with its own reset, if it has one."""
    try:
        reset = RuleLabel.parse(label).reset
    except ValueError:
        reset = None
    return str(RuleLabel(Stride.name, (("k", str(k)),), reset))
