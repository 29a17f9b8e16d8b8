"""The nouns of an evaluation's results: one row for each number, one unit of work for each (protocol, rule, sequence)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttt3r.evaluation.measures.base import Measured
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.files import escaped

FINDINGS = "findings"
"""The entry of `UnitResult.settings` that says what is not as it should be with the files, a line each; absent where all is."""


@dataclass(frozen=True)
class ResultRow:
    """One number.

    Args:
        protocol: name, e.g. `tum/1000`.
        protocol_hash: of all settings of the protocol; numbers of different hashes are never averaged together.
        rule: label with settings, e.g. `ttt3r` or `constant:rate=0.1`.
        dataset: name of the dataset.
        sequence: name of the sequence within it.
        scene: what the sequence shows; intervals are clustered by it. The sequence itself where nothing else is known.
        length: frames asked for.
        frames: frames judged; fewer where the sequence is shorter or truth was missing.
        metric: name, e.g. `ate`, `rpe_rotation_degrees`, `depth_abs_rel/median`; `UnitResult.metrics` says how it is read.
        value: NaN unless there is a number.
        status: what became of it.
        control_of: the gate whose mean gain this constant has; empty for the rules that were asked for.
        note: one line for people, where the status is not OK.
    """

    protocol: str
    protocol_hash: str
    rule: str
    dataset: str
    sequence: str
    scene: str
    length: int
    frames: int
    metric: str
    value: float
    status: Status = Status.OK
    control_of: str = ""
    note: str = ""


@dataclass(frozen=True)
class Subject:
    """What the numbers of one result are of; the fields as in `ResultRow`."""

    protocol: str
    protocol_hash: str
    rule: str
    dataset: str
    sequence: str
    scene: str
    control_of: str = ""

    def row(self, length: int, frames: int, number: Measured) -> ResultRow:
        """One of its numbers.

        Args:
            length: frames asked for.
            frames: frames judged.
            number: with its name and status.
        """
        what = number.metric, number.value, number.status, self.control_of, escaped(number.note)
        sequence = self.dataset, self.sequence, self.scene
        return ResultRow(self.protocol, self.protocol_hash, self.rule, *sequence, length, frames, *what)


@dataclass(frozen=True)
class Origin:
    """What a result was made from, as fingerprints, empty where not known: by it `evaluation.current` decides what meets.

    Args:
        data: of the files of the sequence.
        network: of its weights and settings.
        code: of this package and the arithmetic.
        rule: of the rule, its sources and weights, and its resets.
        root: the folder in which the sequence was found.
        made: when, seconds since 1970; also when it was last found to be what an evaluation asks for while others lay beside.
    """

    data: str = ""
    network: str = ""
    code: str = ""
    rule: str = ""
    root: str = ""
    made: float = 0.0

    @property
    def ground(self) -> str:
        """Network and code: what all rules and sequences of one table have in common."""
        return f"{self.network} {self.code}"


@dataclass(frozen=True)
class UnitResult:
    """All that one rule gave on one sequence under one protocol; written as one file.

    Args:
        rows: every metric at every length.
        settings: what the result depends on and who made it, as plain text values: network fingerprint, rule settings, reset
            policy, precision, versions of ttt3r and torch, device.
        costs: seconds per frame by part, peak memory in bytes, by name; they are not part of what must repeat.
        arrays: name of the NPZ file beside, or empty. It holds `camera_to_world` and `true_camera_to_world` (frame, 4, 4),
            `gain_mean` and `gain_std` (frame), `points` (point, 3) and `colors` (point, 3, uint8) of a thinned cloud.
        origin: what it was made from.
        metrics: how the numbers of rows and costs are read, as declared by what made them. What is not declared here is read as
            the number of that name of this package's own measures; if there is none, it is shown and no rule wins by it.
    """

    rows: tuple[ResultRow, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    arrays: str = ""
    origin: Origin = Origin()
    metrics: tuple[Metric, ...] = ()

    @property
    def findings(self) -> tuple[str, ...]:
        """What is not as it should be with the files of the sequence."""
        return tuple(self.settings.get(FINDINGS, "").splitlines())
