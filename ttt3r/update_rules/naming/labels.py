"""A rule as text and back: the one place that reads and writes labels such as `constant:rate=0.1` and `control of ttt3r@100`.

    label    [control of | token mean of] name{:setting=value}[+pose[=rate]][@reset]
    value    plain text, '...', "...", null, or (label,label,...) for rules within a rule
    +pose    the pose memory is held back as the state is, or by a rate of its own (`PoseDamped` around the rule)
    reset    a number of frames, never, or a policy with its settings: far:distance=2.5, unsure:share=0.5, updates:total=20

Read without running anything: names are looked up in the registry only when a rule is made.
"""

import enum
from dataclasses import dataclass, replace

from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.naming.label_pose import POSES, is_rate, without_pose
from ttt3r.update_rules.naming.label_resets import RESETS, policy_text, without_reset
from ttt3r.update_rules.naming.label_text import is_group, masked, quoted, rules_in, settings_in, unquoted
from ttt3r.update_rules.naming.label_values import Value, changed_settings, made
from ttt3r.update_rules.naming.registry import find_rule, name_of
from ttt3r.update_rules.resets import ResetPolicy
from ttt3r.update_rules.wrappers.pose import PoseDamped
from ttt3r.update_rules.wrappers.token_mean import TokenMean


class Control(enum.Enum):
    """What a rule controls for, by the beginning of its label: nothing, or one question about a gate."""

    NONE = ""
    """A rule that was asked for."""
    EQUAL_GAIN = "control of "
    """The constant of the gate's mean gain: does it matter when and where the gate writes, or only how much?"""
    TOKEN_MEAN = "token mean of "
    """The gate averaged over its tokens: does it matter where it writes?"""

    def of(self, label: str) -> str:
        """The label of this control of a gate, whatever the gate is called.

        Examples:
            >>> Control.EQUAL_GAIN.of("ttt3r@8")
            'control of ttt3r@8'
        """
        return self.value + label

    @classmethod
    def split(cls, label: str) -> "tuple[Control, str]":
        """Which control a label names, and the label of the gate; for all others the label itself.

        Examples:
            >>> Control.split("control of ttt3r@8"), Control.split("ttt3r")
            ((<Control.EQUAL_GAIN: 'control of '>, 'ttt3r@8'), (<Control.NONE: ''>, 'ttt3r'))
        """
        for control in (cls.EQUAL_GAIN, cls.TOKEN_MEAN):
            if label.startswith(control.value):
                return control, label.removeprefix(control.value)
        return cls.NONE, label


@dataclass(frozen=True)
class RuleLabel:
    """What a rule is: its name and the settings that it was given, when its memory is reset, and what it controls for.

    Args:
        name: as `find_rule` takes it.
        settings: those that were given, in their order; values as text, `None`, or the labels of rules.
        reset: a policy of its own; `None` for that of all.
        control: of which kind this is a control.
        pose: how the pose memory is held back (`PoseDamped`): the rate, or "" for the mean gain; `None` if it is not.

    Examples:
        >>> label = RuleLabel.parse("constant:rate=0.1@100")
        >>> label.name, label.settings, label.reset
        ('constant', (('rate', '0.1'),), Every(n=100))
        >>> print(RuleLabel.of(label.make(), label.reset))
        constant:rate=0.1@100
    """

    name: str
    settings: tuple[tuple[str, Value["RuleLabel"]], ...] = ()
    reset: ResetPolicy | None = None
    control: Control = Control.NONE
    pose: str | None = None

    @classmethod
    def parse(cls, text: str) -> "RuleLabel":
        """Read a label; whether there is such a rule is seen by `make`.

        Raises:
            ValueError: for text that is no label; names the cure.
        """
        control, rest = Control.split(text.strip())
        rest, reset = without_reset(rest, masked(rest))
        rest, pose = without_pose(rest.rstrip())
        name, *words = settings_in(rest)
        if "@" in name:
            raise ValueError(
                f"{text!r}: after {RESETS}; settings come before it, and +pose too (ortho:drift=0.5+pose@8)"
            )
        if "+" in name:
            raise ValueError(f"{text!r}: {POSES}")
        if "=" in name:
            raise ValueError(
                f"{text!r} is a setting and no rule; the settings of a rule are joined by colons, as in constant:rate=0.1"
            )
        if not name.strip():
            raise ValueError(f"{text!r} names no rule; write name or name:setting=value, such as constant:rate=0.1")
        settings = tuple(cls._setting(name, word) for word in words)
        return cls(name.strip(), settings, reset, control, pose)._short()

    def _short(self) -> "RuleLabel":
        """The same with `+pose` instead of the long form, `damp_pose:rule=(ttt3r)`, where the short one says it all."""
        given = dict(self.settings)
        inner, rate = given.get("rule"), given.get("rate")
        plain = len(given) == len(self.settings) and given.keys() <= {"rule", "rate"}
        if self.name != PoseDamped.name or self.pose is not None or not plain:
            return self
        if not isinstance(inner, tuple) or len(inner) != 1 or isinstance(rate, tuple) or not is_rate(rate or "1"):
            return self
        if replace(inner[0], settings=()) != RuleLabel(inner[0].name):  # with a part for which +pose leaves no place
            return self
        return replace(inner[0], reset=self.reset, control=self.control, pose=rate or "")

    @classmethod
    def _setting(cls, name: str, word: str) -> "tuple[str, Value[RuleLabel]]":
        setting, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{name} has no setting {word!r}; write {name}:setting=value")
        return setting.strip(), cls.read_value(value)

    @classmethod
    def read_value(cls, text: str) -> "Value[RuleLabel]":
        """What a value means, as it is written after `setting=`.

        Raises:
            ValueError: for quotes or parentheses that are not closed.
        """
        text = text.strip()
        masked(f"={text}")
        return cls.parse_list(text[1:-1]) if is_group(text) else unquoted(text)

    @classmethod
    def parse_list(cls, text: str) -> "tuple[RuleLabel, ...]":
        """The labels of a list, as `--rules` takes it: `cut3r,ttt3r@100,constant:rate=0.1`.

        Raises:
            ValueError: for a part that is no label.
        """
        return tuple(map(cls.parse, rules_in(text)))

    @classmethod
    def of(cls, rule: StateUpdateRule, reset: ResetPolicy | None = None) -> "RuleLabel":
        """The label of a rule: the settings that differ from the defaults. `make` gives an equal rule.

        What text cannot hold (a function, learned weights that lie in no file) is named, and not made again.
        """
        return cls(name_of(type(rule)), changed_settings(rule, cls.of), reset)._short()

    def make(self) -> StateUpdateRule:
        """The rule; its reset policy is not part of it.

        Raises:
            ValueError: for an unknown rule or setting, one that is given twice, or a value that the rule refuses.
            TypeError, ImportError: as `find_rule`.
        """
        if self.control is Control.TOKEN_MEAN:
            return TokenMean(replace(self, control=Control.NONE).make())
        if self.control is Control.EQUAL_GAIN:
            raise ValueError(f"{str(self)!r}: the rate is known after a run of the gate; ask for it with --controls")
        rule = made(find_rule(self.name), self.name, str(self), self.settings, _make)
        return rule if self.pose is None else PoseDamped(rule, float(self.pose) if self.pose else None)

    def with_setting(self, setting: str, value: Value["RuleLabel"]) -> "RuleLabel":
        """The same with one more setting."""
        return replace(self, settings=(*self.settings, (setting, value)))

    def __str__(self) -> str:
        return self._text()

    def _text(self, within: bool = False) -> str:
        words = [self.name]
        for setting, value in self.settings:
            group = isinstance(value, tuple)
            text = f"({','.join(label._text(True) for label in value)})" if group else quoted(value, within)
            words.append(f"{setting}={text}")
        held = "" if self.pose is None else f"+pose={self.pose}" if self.pose else "+pose"
        reset = "" if self.reset is None else f"@{policy_text(self.reset)}"
        return self.control.of(":".join(words)) + held + reset


def _make(label: RuleLabel | str) -> StateUpdateRule:
    return (RuleLabel.parse(label) if isinstance(label, str) else label).make()


def family_of(label: str) -> str:
    """The name of a label's rule, whatever its settings, reset or control; the whole of one that is no label.

    Examples:
        >>> family_of("control of constant:rate=0.3@8"), family_of("no motion")
        ('constant', 'no motion')
    """
    try:
        return RuleLabel.parse(label).name
    except ValueError:
        return label


def label_now(label: str) -> str:
    """A label of a result as it is written now; older releases wrote `ttt3r+reset=50` for `ttt3r@50`.

    Examples:
        >>> label_now("control of ttt3r+reset=50"), label_now("ttt3r@50")
        ('control of ttt3r@50', 'ttt3r@50')
    """
    try:
        return str(RuleLabel.parse(label)) if "+reset=" in label else label
    except ValueError:
        return label
