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
from ttt3r.evaluation.canonical import canonical_text, stable_hash
from ttt3r.evaluation.contenders import Contender
from ttt3r.evaluation.cost import PASS_COSTS
from ttt3r.evaluation.fingerprints import (
    code_fingerprint,
    data_fingerprint,
    network_fingerprint,
    rule_fingerprint,
    sources_fingerprint,
)
from ttt3r.evaluation.gain_task import GAIN_MEAN, GAIN_STD
from ttt3r.evaluation.passes import OnFrame, Stop, run_pass, stop_of_reading
from ttt3r.evaluation.prefixes import judge, stopped
from ttt3r.evaluation.protocol import Protocol
from ttt3r.evaluation.provenance import costs_of, facts_of, forget_peak_memory
from ttt3r.evaluation.result_files import ResultFolder, final
from ttt3r.evaluation.rows import FINDINGS, Origin, UnitResult
from ttt3r.evaluation.sharding import Shard
from ttt3r.evaluation.sources import SequenceEntry
from ttt3r.evaluation.units import Unit
from ttt3r.files import escaped
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
        network: what the network is called in the results, e.g. the SHA-256 of its file.
        controls: whether each gate is followed by the constant of its mean gain on each sequence.
        notes: further plain facts that are saved with every result, e.g. the experiment's settings.
        weights: fingerprint of the network; found by `evaluate`.
        code: fingerprint of package, protocol's sources and arithmetic; found by `evaluate`.

    Raises:
        ValueError: if there is no rule, or two have the same label.
    """

    protocol: Protocol
    root: Path
    contenders: tuple[Contender, ...]
    network: str
    controls: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        labels = [contender.label for contender in self.contenders]
        if not labels:
            raise ValueError("no rules to evaluate; give at least one, e.g. Contender('ttt3r', ConfidenceAware())")
        if twice := [label for label in labels if labels.count(label) > 1]:
            raise ValueError(f"two rules are called {twice[0]!r}; give each its own label")

    def of(self, network: RecurrentNetwork) -> "Evaluation":
        """The same with the fingerprints of a network and of the code, which the keys of all results hold.

        A learned rule takes its size from the network, so that its key is that of its weights.
        """
        for contender in self.contenders:
            begin(network, contender.rule, 1)
        code = stable_hash((code_fingerprint(), sources_fingerprint(self.protocol)))
        return replace(self, weights=network_fingerprint(network), code=code)

    @property
    def name(self) -> str:
        """Of its lock: protocol, rules and network."""
        rules = [(c.label, canonical_text(c.rule)) for c in self.contenders]
        return stable_hash((self.protocol.hash, rules, self.network, self.controls, str(self.root)))[:12]

    @property
    def _network(self) -> str:
        return f"{self.network} {self.weights}".strip()

    @property
    def ground(self) -> str:
        """What all its results have in common, see `Origin.ground`."""
        return Origin(network=self._network, code=self.code).ground

    def units(self, entry: SequenceEntry) -> tuple[Unit, ...]:
        """The units of one sequence with the fingerprints of its files and of the rules; controls are not among them."""
        data = data_fingerprint(entry.places) if entry.places else ""
        root = str(self.root.resolve()) if entry.places else ""
        return tuple(
            Unit(self.protocol, who, entry, self._network, False, self.code, data, rule_fingerprint(who.rule), root)
            for who in self.contenders
        )

    def facts(self, contender: Contender) -> dict[str, str]:
        """What a result of a rule depends on, as plain text."""
        return {
            "protocol": canonical_text(self.protocol),
            "rule": canonical_text(contender.rule),
            "reset": canonical_text(contender.reset_in(self.protocol)),
            "network": self.network,
            "weights": self.weights,
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
    folder, evaluation = ResultFolder(Path(out)), evaluation.of(network)
    with folder.share(evaluation.name, f"{shard.index}-of-{shard.count}"):
        folder.begin(evaluation.protocol.hash, evaluation.ground)
        results = [evaluate_sequence(network, evaluation, entry, folder, on_frame) for entry in entries]
        found = {unit: result for part in results for unit, result in part.items()}
        folder.make_current(found)
    return tuple(found.values())


def evaluate_sequence(
    network: RecurrentNetwork,
    evaluation: Evaluation,
    entry: SequenceEntry,
    folder: ResultFolder,
    on_frame: OnFrame = lambda sequence, frames: None,
) -> dict[Unit, UnitResult]:
    """All units of one sequence: rules that are missing run together in one pass, then their controls in another.

    Args:
        network: the one that the evaluation was told, see `Evaluation.of`.
        evaluation: what is to be done.
        entry: the sequence.
        folder: of the results.
        on_frame: called with the sequence and the number of frames done.
    """
    units = evaluation.units(entry)
    found = _complete(network, evaluation, folder, {unit: unit.contender for unit in units}, on_frame)
    if evaluation.controls:
        rates = {unit: control_rate(result) for unit, result in found.items() if final(result)}
        controls = {
            unit.as_control(): replace(unit.contender, label=unit.as_control().label, rule=ConstantRate(rate))
            for unit, rate in rates.items()
            if rate is not None
        }
        found |= _complete(network, evaluation, folder, controls, on_frame)
    return found


def control_rate(result: UnitResult) -> float | None:
    """The constant with the mean gain of a gate at its largest length; `None` for what is no gate or was not judged."""
    longest = max((row.length for row in result.rows), default=0)
    books = {row.metric: row.value for row in result.rows if row.length == longest}
    mean, spread = books.get(GAIN_MEAN.name, math.nan), books.get(GAIN_STD.name, math.nan)
    return mean if spread > MARGIN and 0 <= mean <= 1 else None


def _complete(
    network: RecurrentNetwork,
    evaluation: Evaluation,
    folder: ResultFolder,
    wanted: Mapping[Unit, Contender],
    on_frame: OnFrame,
) -> dict[Unit, UnitResult]:
    """The results of the units; those that are not there yet are run, all in one pass, and written."""
    found = folder.find_all(wanted)
    missing = {unit: contender for unit, contender in wanted.items() if unit not in found}
    if not missing:
        return found
    made = _run(network, evaluation, folder, missing, on_frame)
    return {unit: found.get(unit) or made[unit] for unit in wanted}


def _run(
    network: RecurrentNetwork,
    evaluation: Evaluation,
    folder: ResultFolder,
    missing: Mapping[Unit, Contender],
    on_frame: OnFrame,
) -> dict[Unit, UnitResult]:
    entry, protocol = next(iter(missing)).entry, evaluation.protocol
    try:
        clip = protocol.source.open(evaluation.root, entry.name, protocol.policy, protocol.frames)
    except Exception as error:
        stop = stop_of_reading(error)
        return folder.write({unit: _not_opened(evaluation, unit, who, stop) for unit, who in missing.items()}, {})
    forget_peak_memory()
    with run_pass(network, protocol, tuple(missing.values()), clip, on_frame) as done:
        costs, facts = costs_of(done), facts_of(network, done) | _findings(clip)
        results = {
            unit: UnitResult(
                tuple(unit.row(judged) for judged in judge(protocol, done, lane)),
                {**evaluation.facts(contender), **facts},
                costs,
                origin=unit.origin,
                metrics=(*protocol.metrics, *PASS_COSTS),
            )
            for unit, contender in missing.items()
            for lane in [done.lanes[contender.label]]
        }
        return folder.write(
            results, {unit: done.lanes[contender.label].trace.write for unit, contender in missing.items()}
        )


def _findings(clip: Clip) -> dict[str, str]:
    lines = dict.fromkeys(escaped(" ".join(str(finding).split())) for finding in clip.findings)
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
    return UnitResult(rows, evaluation.facts(contender), origin=unit.origin, metrics=protocol.metrics)
