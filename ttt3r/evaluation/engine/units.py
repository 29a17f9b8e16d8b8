"""The unit of work, (protocol, rule, sequence): what it is, and by which key its result is found again."""

import time
from dataclasses import dataclass, replace
from functools import cached_property

from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.protocols.sources import SequenceEntry
from ttt3r.evaluation.results.canonical import canonical_text, stable_hash
from ttt3r.evaluation.results.rows import Origin, Subject
from ttt3r.files import escaped
from ttt3r.update_rules.naming.labels import Control

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

    @property
    def subject(self) -> Subject:
        """What its numbers are of."""
        protocol, sequence, scene = self.protocol, escaped(self.entry.name), escaped(self.entry.scene)
        return Subject(protocol.name, protocol.hash, self.label, protocol.dataset, sequence, scene, self.gate)

    def as_control(self) -> "Unit":
        """The unit of its control."""
        return replace(self, control=True)


def _plain(name: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "-_=," else "_" for letter in name)
    return plain.encode()[:_LONGEST].decode("utf-8", "ignore")
