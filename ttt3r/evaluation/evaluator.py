"""Rules x sequences x lengths: what is missing is run, what is done is kept.

evaluation = Evaluation(find_protocol("folder"), Path("data"), contenders, fingerprint)
evaluate(network, evaluation, "out/tum")          # again after a kill: goes on where it stopped
units = read_results("out/tum")
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ttt3r.data import Clip
from ttt3r.evaluation.canonical import canonical_text
from ttt3r.evaluation.contenders import Contender
from ttt3r.evaluation.passes import OnFrame, Stop, run_pass, stop_of_reading
from ttt3r.evaluation.prefixes import judge, stopped
from ttt3r.evaluation.protocol import Protocol
from ttt3r.evaluation.provenance import costs_of, facts_of, forget_peak_memory
from ttt3r.evaluation.result_files import ResultFolder
from ttt3r.evaluation.rows import FINDINGS, UnitResult
from ttt3r.evaluation.sharding import Shard
from ttt3r.evaluation.sources import SequenceEntry
from ttt3r.evaluation.units import Unit
from ttt3r.reconstructor import RecurrentNetwork, begin
from ttt3r.update_rules.constant import ConstantRate

MARGIN = 1e-6
"""A gate whose gain varies by less is a constant: it is its own control."""


@dataclass(frozen=True)
class Evaluation:
    """What is to be done; the same in every process that takes part.

    Args:
        protocol: how it is judged.
        root: where the sequences lie.
        contenders: the rules.
        network: fingerprint of the network, e.g. the SHA-256 of its file.
        controls: whether each gate is followed by the constant of its mean gain on each sequence.
        notes: further plain facts that are saved with every result, e.g. the experiment's settings.

    Raises:
        ValueError: if there is no rule, or two have the same label.
    """

    protocol: Protocol
    root: Path
    contenders: tuple[Contender, ...]
    network: str
    controls: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        labels = [contender.label for contender in self.contenders]
        if not labels:
            raise ValueError("no rules to evaluate; give at least one, e.g. Contender('ttt3r', ConfidenceAware())")
        if twice := [label for label in labels if labels.count(label) > 1]:
            raise ValueError(f"two rules are called {twice[0]!r}; give each its own label")

    def units(self, entry: SequenceEntry) -> tuple[Unit, ...]:
        """The units of one sequence; controls are not among them."""
        return tuple(Unit(self.protocol, contender, entry, self.network) for contender in self.contenders)

    def facts(self, contender: Contender) -> dict[str, str]:
        """What a result of a rule depends on, as plain text."""
        return {
            "protocol": canonical_text(self.protocol),
            "rule": canonical_text(contender.rule),
            "reset": canonical_text(contender.reset_in(self.protocol)),
            "network": self.network,
            **self.notes,
        }


def evaluate(
    network: RecurrentNetwork,
    evaluation: Evaluation,
    out: str | Path,
    *,
    shard: Shard = Shard(),
    on_frame: OnFrame = lambda sequence, frames: None,
) -> tuple[UnitResult, ...]:
    """Run what is missing of a share of the sequences, and return the results of the whole share.

    Args:
        network: shared by all rules; each frame is encoded once.
        evaluation: what is to be done.
        out: folder of the results; what it holds is not run again.
        shard: the share; by default everything.
        on_frame: called with the sequence and the number of frames done.

    Raises:
        FileNotFoundError: if the root does not exist.
        ValueError: if there is no sequence.
    """
    entries = shard.of(evaluation.protocol.find(evaluation.root))
    results = [evaluate_sequence(network, evaluation, entry, out, on_frame) for entry in entries]
    return tuple(unit for found in results for unit in found)


def evaluate_sequence(
    network: RecurrentNetwork,
    evaluation: Evaluation,
    entry: SequenceEntry,
    out: str | Path,
    on_frame: OnFrame = lambda sequence, frames: None,
) -> tuple[UnitResult, ...]:
    """All units of one sequence: rules that are missing run together in one pass, then their controls in another."""
    for contender in evaluation.contenders:
        begin(network, contender.rule, 1)  # a learned rule takes its size, so that its key is that of its weights
    folder, units = ResultFolder(Path(out)), evaluation.units(entry)
    _complete(network, evaluation, folder, {unit: unit.contender for unit in units}, on_frame)
    found = {unit: folder.find(unit) for unit in units}
    controls: dict[Unit, Contender] = {}
    if evaluation.controls:
        rates = {unit: control_rate(result) for unit, result in found.items() if result is not None}
        controls = {
            unit.as_control(): replace(unit.contender, label=unit.as_control().label, rule=ConstantRate(rate))
            for unit, rate in rates.items()
            if rate is not None
        }
        _complete(network, evaluation, folder, controls, on_frame)
    return tuple(folder.read(unit) for unit in (*units, *controls))


def control_rate(result: UnitResult) -> float | None:
    """The constant with the mean gain of a gate at its largest length; `None` for what is no gate or was not judged."""
    longest = max((row.length for row in result.rows), default=0)
    books = {row.metric: row.value for row in result.rows if row.length == longest}
    mean, spread = books.get("gain_mean", math.nan), books.get("gain_std", math.nan)
    return mean if spread > MARGIN and 0 <= mean <= 1 else None


def _complete(
    network: RecurrentNetwork,
    evaluation: Evaluation,
    folder: ResultFolder,
    wanted: Mapping[Unit, Contender],
    on_frame: OnFrame,
) -> None:
    """Run the units that are not there yet, all in one pass, and write them."""
    missing = {unit: contender for unit, contender in wanted.items() if folder.find(unit) is None}
    if not missing:
        return
    entry, protocol = next(iter(missing)).entry, evaluation.protocol
    try:
        clip = protocol.source.open(evaluation.root, entry.name, protocol.policy, protocol.frames)
    except Exception as error:
        stop = stop_of_reading(error)
        folder.write({unit: _not_opened(evaluation, unit, who, stop) for unit, who in missing.items()}, {})
        return
    forget_peak_memory()
    with run_pass(network, protocol, tuple(missing.values()), clip, on_frame) as done:
        costs, facts = costs_of(done), facts_of(network, done) | _findings(clip)
        results = {
            unit: UnitResult(
                tuple(unit.row(judged) for judged in judge(protocol, done, lane)),
                {**evaluation.facts(contender), **facts},
                costs,
            )
            for unit, contender in missing.items()
            for lane in [done.lanes[contender.label]]
        }
        folder.write(results, {unit: done.lanes[contender.label].trace.write for unit, contender in missing.items()})


def _findings(clip: Clip) -> dict[str, str]:
    lines = dict.fromkeys(" ".join(str(finding).split()) for finding in clip.findings)
    return {FINDINGS: "\n".join(lines)} if lines else {}


def _not_opened(evaluation: Evaluation, unit: Unit, contender: Contender, stop: Stop) -> UnitResult:
    """Every row of a sequence that cannot be opened."""
    protocol = evaluation.protocol
    rows = tuple(
        unit.row(judged)
        for length in protocol.lengths or (0,)
        for task in protocol.tasks
        for judged in stopped(length, task, 0, stop)
    )
    return UnitResult(rows, evaluation.facts(contender))
