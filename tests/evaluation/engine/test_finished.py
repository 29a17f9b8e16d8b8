"""A look at an evaluation that is done: its folder is listed once, each file is read once, and nothing is run."""

import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ttt3r.evaluation.engine import evaluator
from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.engine.evaluator import Evaluation, evaluate
from ttt3r.evaluation.engine.folder import ResultFolder
from ttt3r.evaluation.engine.prefixes import Judged
from ttt3r.evaluation.measures.base import Measured
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.protocols.sources import ProceduralWorlds, SequenceEntry
from ttt3r.evaluation.results.files import read_folder
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.evaluation.tasks.gains import GainTask
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.update_rules import ConstantRate

SEEN = Counter()
WATCHED: list[str] = []
"""Below this folder every listing and opening of a file is counted, by whatever call it is made."""


def _audit(event, arguments):
    if WATCHED and event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith(WATCHED[0]):
        SEEN[event.removeprefix("os."), str(arguments[0])] += 1


sys.addaudithook(_audit)


@contextmanager
def watching(folder):
    SEEN.clear()
    WATCHED.append(str(folder))
    try:
        yield SEEN
    finally:
        WATCHED.clear()


@pytest.fixture(autouse=True)
def _no_syncs(monkeypatch):
    """Thousands of files are written here, and none has to outlive a power cut."""
    monkeypatch.setattr("ttt3r.files._sync", lambda path: None)
    monkeypatch.setattr("ttt3r.files._sync_folder", lambda path: None)


@dataclass(frozen=True)
class Named(ProceduralWorlds):
    """Sequences that cannot be opened, with names that all begin in the same 80 letters."""

    def find(self, root):
        start = "a_long_name_" * 8
        return tuple(SequenceEntry(f"{start}{number}", "scene") for number in range(self.count))

    def open(self, root, sequence, policy, frames):
        raise AssertionError("nothing is to be run")


def of(count, source=ProceduralWorlds, rules=2):
    protocol = Protocol("test", "worlds", source(count=count), lengths=(4,), tasks=(GainTask(),))
    rates = tuple(Contender(f"constant:rate={rate / 64}", ConstantRate(rate / 64)) for rate in range(1, rules + 1))
    return Evaluation(protocol, Path(), rates, "a network")


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


def write(network, evaluation, out):
    """The results that a run would leave; all rules of a sequence in one pass."""
    known, folder = evaluation.of(network), ResultFolder(out)
    for entry in evaluation.protocol.find(evaluation.root):
        units = known.units(entry)
        rows = {unit: (unit.row(Judged(4, 4, Measured("gain_mean", 0.5))),) for unit in units}
        folder.write({unit: UnitResult(rows[unit], origin=unit.origin) for unit in units}, {})
    folder.begin(evaluation.protocol.hash, known.ground)


def looked_at(network, evaluation, out):
    """What a second `evaluate` counts."""
    frames = Counter()
    with watching(out) as seen:
        found = evaluate(network, evaluation, out, on_frame=lambda sequence, done: frames.update([sequence]))
    assert not frames
    return found, Counter(seen)


@pytest.mark.parametrize(("sequences", "rules"), [(400, 2), (20, 40)])
def test_the_folder_is_listed_once_and_each_file_is_read_once(network, tmp_path, sequences, rules):
    evaluation = of(sequences, rules=rules)
    write(network, evaluation, tmp_path)
    found, seen = looked_at(network, evaluation, tmp_path)
    assert len(found) == sequences * rules
    results = [path for kind, path in seen.elements() if kind == "open" and path.endswith(".json")]
    assert sorted(results) == sorted(str(path) for path in (tmp_path / "units").iterdir())
    listings = [path for kind, path in seen.elements() if kind != "open"]
    assert listings == [str(tmp_path / "units")]
    assert seen.total() <= sequences * rules + 10  # and the lock, and what the newest experiment is


def test_names_that_are_cut_to_the_same_letters_cost_no_more(network, tmp_path):
    evaluation = of(60, Named)
    write(network, evaluation, tmp_path)
    assert len({path.name.split(".")[0] for path in (tmp_path / "units").iterdir()}) == 1
    _, seen = looked_at(network, evaluation, tmp_path)
    assert seen.total() <= 120 + 10


def test_an_older_experiment_beside_is_read_once(network, tmp_path):
    older, newer = of(30, Named), of(30, Named)
    for number, evaluation in enumerate((older, newer)):
        write(CUT3R.random(CUT3RConfig.tiny(), seed=number), evaluation, tmp_path)
    found, seen = looked_at(CUT3R.random(CUT3RConfig.tiny(), seed=1), newer, tmp_path)
    assert len(found) == 60
    assert seen.total() <= 120 + 10


def test_reading_all_results_lists_the_folder_once(network, tmp_path):
    write(network, of(40), tmp_path)
    with watching(tmp_path) as seen:
        assert len(read_folder(tmp_path).units) == 80
    assert [path for kind, path in seen.elements() if kind != "open"] == [str(tmp_path / "units")]
    assert seen.total() <= 80 + 10


def test_a_rule_is_looked_at_once_however_many_sequences_there_are(network, tmp_path, monkeypatch):
    evaluation, asked = of(12), []
    write(network, evaluation, tmp_path)
    fingerprint = evaluator.rule_fingerprint
    monkeypatch.setattr(evaluator, "rule_fingerprint", lambda rule: asked.append(rule) or fingerprint(rule))
    found, _ = looked_at(network, evaluation, tmp_path)
    assert len(found) == 24
    assert asked == [contender.rule for contender in evaluation.contenders]
