"""The unit of work, (protocol, rule, sequence): what it is, and by which key its result is found again."""

import time
from dataclasses import dataclass, replace
from functools import cached_property

from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.engine.prefixes import Judged
from ttt3r.evaluation.engine.sources import SequenceEntry
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.results.canonical import canonical_text, stable_hash
from ttt3r.evaluation.results.rows import Origin, ResultRow, Status
from ttt3r.files import escaped
from ttt3r.update_rules.naming.labels import Control

AGAIN = frozenset({Status.OUT_OF_MEMORY, Status.UNREADABLE, Status.FAILED})
"""Outcomes that depend on the machine, the files or a mistake; a resumed evaluation tries such units once more."""

_LONGEST = 80
"""Bytes of a name within a file name; a file system takes 255 for two of them, the key and the ending."""


@dataclass(frozen=True)
class Unit:
    """What one result depends on.

    Args:
        protocol: how it is judged.
        contender: the rule; of a control, the gate.
        entry: the sequence.
        network: fingerprint of the network.
        control: whether the unit is the constant of the same mean gain as the rule's on this sequence. Its rate is known
            only after the gate's run, so the key names the gate.
        code: fingerprint of this package and the arithmetic.
        data: fingerprint of the sequence's files.
        rule: fingerprint of the rule with its weights and sources.
        root: where the sequence lies; not part of the key, since data may be moved.
    """

    protocol: Protocol
    contender: Contender
    entry: SequenceEntry
    network: str
    control: bool = False
    code: str = ""
    data: str = ""
    rule: str = ""
    root: str = ""

    @cached_property
    def key(self) -> str:
        """SHA-256 of protocol hash, rule and reset policy, network, code, sequence and its files."""
        known = (self.network, self.code, self.entry.name, self.data, self.control)
        return stable_hash((self.protocol.hash, *self._rule, *known))

    @property
    def _rule(self) -> tuple[str, str, str]:
        return self.contender.rule_text, self.rule, canonical_text(self.contender.reset_in(self.protocol))

    @property
    def origin(self) -> Origin:
        """What its result is made from, now."""
        rule = stable_hash(self._rule)
        return Origin(self.data, self.network, self.code, rule, escaped(self.root), time.time())

    @property
    def place(self) -> str:
        """The beginning of its file's name: sequence and rule, as far as a file system takes them."""
        label = f"control-of-{self.contender.label}" if self.control else self.contender.label
        return f"{_plain(self.entry.name)}.{_plain(label)}."

    @property
    def file_name(self) -> str:
        """Readable, and unique by twelve digits of the key."""
        return f"{self.place}{self.key[:12]}"

    @property
    def gate(self) -> str:
        """Label of the gate of which this is the control; empty if it is none."""
        return self.contender.label if self.control else ""

    @property
    def label(self) -> str:
        """Of the rule, in the rows."""
        return Control.EQUAL_GAIN.of(self.contender.label) if self.control else self.contender.label

    def row(self, judged: Judged) -> ResultRow:
        """A number as a row."""
        return ResultRow(
            protocol=self.protocol.name,
            protocol_hash=self.protocol.hash,
            rule=self.label,
            dataset=self.protocol.dataset,
            sequence=escaped(self.entry.name),
            scene=escaped(self.entry.scene),
            length=judged.length,
            frames=judged.frames,
            metric=judged.number.metric,
            value=judged.number.value,
            status=judged.number.status,
            control_of=self.gate,
            note=escaped(judged.number.note),
        )

    def as_control(self) -> "Unit":
        """The unit of its control."""
        return replace(self, control=True)


def _plain(name: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "-_=," else "_" for letter in name)
    return plain.encode()[:_LONGEST].decode("utf-8", "ignore")
