"""The unit of work, (protocol, rule, sequence): what it is, and by which key its result is found again."""

from dataclasses import dataclass, replace

from ttt3r.evaluation.canonical import canonical_text, stable_hash
from ttt3r.evaluation.contenders import Contender
from ttt3r.evaluation.prefixes import Judged
from ttt3r.evaluation.protocol import Protocol
from ttt3r.evaluation.rows import ResultRow, Status
from ttt3r.evaluation.sources import SequenceEntry

AGAIN = frozenset({Status.OUT_OF_MEMORY, Status.UNREADABLE, Status.FAILED})
"""Outcomes that depend on the machine, the files or a mistake; a resumed evaluation tries such units once more."""


@dataclass(frozen=True)
class Unit:
    """What one result depends on.

    Args:
        protocol: how it is judged.
        contender: the rule; of a control, the gate.
        entry: the sequence.
        network: fingerprint of the network.
        control: whether the unit is the constant of the same mean gain as the rule's on this sequence. Its rate is known
            only after the gate's run, so the key speaks of the gate.
    """

    protocol: Protocol
    contender: Contender
    entry: SequenceEntry
    network: str
    control: bool = False

    @property
    def key(self) -> str:
        """SHA-256 of protocol hash, rule settings, reset policy, network fingerprint and sequence."""
        reset = canonical_text(self.contender.reset_in(self.protocol))
        rule = canonical_text(self.contender.rule)
        return stable_hash((self.protocol.hash, rule, reset, self.network, self.entry.name, self.control))

    @property
    def file_name(self) -> str:
        """Readable, and unique by twelve digits of the key."""
        label = f"control-of-{self.contender.label}" if self.control else self.contender.label
        return f"{_plain(self.entry.name)}.{_plain(label)}.{self.key[:12]}"

    @property
    def gate(self) -> str:
        """Label of the gate of which this is the control; empty if it is none."""
        return self.contender.label if self.control else ""

    @property
    def label(self) -> str:
        """Of the rule, in the rows."""
        return f"control of {self.contender.label}" if self.control else self.contender.label

    def row(self, judged: Judged) -> ResultRow:
        """A number as a row."""
        return ResultRow(
            protocol=self.protocol.name,
            protocol_hash=self.protocol.hash,
            rule=self.label,
            dataset=self.protocol.dataset,
            sequence=self.entry.name,
            scene=self.entry.scene,
            length=judged.length,
            frames=judged.frames,
            metric=judged.number.metric,
            value=judged.number.value,
            status=judged.number.status,
            control_of=self.gate,
            note=judged.number.note,
        )

    def as_control(self) -> "Unit":
        """The unit of its control."""
        return replace(self, control=True)


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_=," else "_" for letter in name)[:80]
