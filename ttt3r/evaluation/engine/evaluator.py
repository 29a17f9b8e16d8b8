"""Rules x sequences x lengths: what is missing is run, what is done is kept.

evaluation = Evaluation(find_protocol("folder"), Path("data"), contenders, fingerprint)
evaluate(network, evaluation, "out/tum")          # again after a kill: goes on where it stopped
units = read_results("out/tum")
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.engine.folder import ResultFolder, final
from ttt3r.evaluation.engine.loop import RuleRun
from ttt3r.evaluation.engine.passes import ClipRecord, run_clip
from ttt3r.evaluation.engine.prefixes import judge, stopped
from ttt3r.evaluation.engine.provenance import costs_of, facts_of, findings_of, forget_peak_memory
from ttt3r.evaluation.engine.sharding import Shard
from ttt3r.evaluation.engine.trace import Trace
from ttt3r.evaluation.engine.units import Unit
from ttt3r.evaluation.measures.cost import PASS_COSTS
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.protocols.sources import SequenceEntry
from ttt3r.evaluation.results.canonical import canonical_text, stable_hash
from ttt3r.evaluation.results.fingerprints import (
    code_fingerprint,
    data_fingerprint,
    network_fingerprint,
    sources_fingerprint,
)
from ttt3r.evaluation.results.rows import Origin, UnitResult
from ttt3r.evaluation.results.stops import Stop, stop_of_reading
from ttt3r.reconstructor import RecurrentNetwork, begin
from ttt3r.update_rules.sources import rule_fingerprint

OnFrame = Callable[[str, int], None]
"""Called with the sequence and the number of frames done, for progress bars."""


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
        chunk: frames that go through the network together: faster on a GPU, more memory, equal but for rounding.
        rules: fingerprints of the contenders' rules, in their order; found by `evaluate`.

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
    chunk: int = 1
    rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        labels = [contender.label for contender in self.contenders]
        if not labels:
            raise ValueError("no rules to evaluate; give at least one, e.g. Contender('ttt3r', TTT3R())")
        if twice := [label for label in labels if labels.count(label) > 1]:
            raise ValueError(f"two rules are called {twice[0]!r}; give each its own label")

    def of(self, network: RecurrentNetwork) -> "Evaluation":
        """The same with the fingerprints of a network, of the code and of the rules, which the keys of all results hold.

        A learned rule takes its size from the network, so that its key is that of its weights.
        """
        for contender in self.contenders:
            begin(network, contender.rule, 1)
        code = stable_hash((code_fingerprint(), sources_fingerprint(self.protocol)))
        return replace(self, weights=network_fingerprint(network), code=code, rules=self._rules())

    def _rules(self) -> tuple[str, ...]:
        return tuple(rule_fingerprint(contender.rule) for contender in self.contenders)

    @property
    def name(self) -> str:
        """Of its lock: protocol, rules and network."""
        rules = [(c.label, c.rule_text) for c in self.contenders]
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
            Unit(self.protocol, who, entry, self._network, False, self.code, data, rule, root)
            for who, rule in zip(self.contenders, self.rules or self._rules(), strict=True)
        )

    def facts(self, contender: Contender) -> dict[str, str]:
        """What a result of a rule depends on, as plain text."""
        return {
            "protocol": canonical_text(self.protocol),
            "rule": contender.rule_text,
            "reset": canonical_text(contender.reset_in(self.protocol)),
            "network": self.network,
            "weights": self.weights,
            **({"chunk": str(self.chunk)} if self.chunk > 1 else {}),
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
        network: the one that the evaluation was given, see `Evaluation.of`.
        evaluation: what is to be done.
        entry: the sequence.
        folder: of the results.
        on_frame: called with the sequence and the number of frames done.
    """
    work = _Work(network, evaluation, folder, on_frame)
    found = work.complete({unit: unit.contender for unit in evaluation.units(entry)})
    if evaluation.controls:
        done = [(unit, result) for unit, result in found.items() if final(result)]
        found |= work.complete({unit.as_control(): one for unit, r in done for one in unit.contender.controls_after(r)})
    return found


@dataclass(frozen=True)
class _Work:
    """What is needed to find or make results."""

    network: RecurrentNetwork
    evaluation: Evaluation
    folder: ResultFolder
    on_frame: OnFrame

    def complete(self, wanted: Mapping[Unit, Contender]) -> dict[Unit, UnitResult]:
        """The results of units of one sequence; those that are not there yet are run, all in one pass, and written."""
        found = self.folder.find_all(wanted)
        missing = {unit: contender for unit, contender in wanted.items() if unit not in found}
        made = self._run(missing) if missing else {}
        return {unit: found.get(unit) or made[unit] for unit in wanted}

    def _run(self, missing: Mapping[Unit, Contender]) -> dict[Unit, UnitResult]:
        entry, evaluation, protocol = next(iter(missing)).entry, self.evaluation, self.evaluation.protocol
        try:
            clip = protocol.source.open(evaluation.root, entry.name, protocol.policy, protocol.frames)
        except Exception as error:
            return self.folder.write(_not_opened(evaluation, missing, stop_of_reading(error)), {})
        forget_peak_memory()
        with ExitStack() as resources:
            traces = {unit: Trace(protocol.frames or len(clip.timestamps)) for unit in missing}
            runs = {
                unit: RuleRun(who.rule, who.reset_in(protocol), ClipRecord.of(protocol.tasks, resources, traces[unit]))
                for unit, who in missing.items()
            }
            done = run_clip(
                self.network,
                clip,
                {who.label: runs[unit] for unit, who in missing.items()},
                protocol.frames,
                evaluation.chunk,
                lambda frames, _: self.on_frame(clip.name, frames),
            )
            costs, facts = costs_of(done), facts_of(self.network, done) | findings_of(clip)
            results = {
                unit: UnitResult(
                    tuple(one.row(unit.subject) for one in judge(protocol.lengths, done.available, run)),
                    {**evaluation.facts(missing[unit]), **facts},
                    costs,
                    origin=unit.origin,
                    metrics=(*protocol.metrics, *PASS_COSTS),
                )
                for unit, run in runs.items()
            }
            return self.folder.write(results, {unit: trace.write for unit, trace in traces.items()})


def _not_opened(evaluation: Evaluation, missing: Mapping[Unit, Contender], stop: Stop) -> dict[Unit, UnitResult]:
    """Every row of a sequence that cannot be opened."""
    protocol = evaluation.protocol
    rows = [one for n in protocol.lengths or (0,) for task in protocol.tasks for one in stopped(n, task, 0, stop)]
    return {
        unit: UnitResult(
            tuple(one.row(unit.subject) for one in rows),
            evaluation.facts(contender),
            origin=unit.origin,
            metrics=protocol.metrics,
        )
        for unit, contender in missing.items()
    }
