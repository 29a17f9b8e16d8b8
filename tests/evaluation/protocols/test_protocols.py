"""A protocol's hash, and the settings that hashes are made of."""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from ttt3r.data import StretchToPatches, write_demo_sequence
from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.engine.units import Unit
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.protocols.sources import FolderSequences, ProceduralWorlds, SequenceEntry
from ttt3r.evaluation.protocols.table import PROTOCOLS, find_protocol
from ttt3r.evaluation.results.canonical import canonical, canonical_text, stable_hash
from ttt3r.update_rules import RULES, ConstantRate, LearnedToken
from ttt3r.update_rules.resets import Every

FOLDER = find_protocol("folder")

CHANGES = {
    "name": "other",
    "dataset": "other",
    "source": FolderSequences(stride=3),
    "sequences": ("a",),
    "lengths": (50, 100),
    "policy": StretchToPatches(512),
    "reset": Every(100),
    "tasks": FOLDER.tasks[:1],
}


def test_every_setting_is_part_of_the_hash():
    assert set(CHANGES) == set(Protocol.__dataclass_fields__)
    hashes = [FOLDER.hash, *(replace(FOLDER, **{name: value}).hash for name, value in CHANGES.items())]
    assert len(set(hashes)) == len(hashes)
    assert FOLDER.sized(512).hash == FOLDER.hash != FOLDER.sized(224).hash
    assert replace(FOLDER, lengths=(100, 50, 50)).hash == replace(FOLDER, lengths=(50, 100)).hash


def test_hashes_are_the_same_in_another_process():
    code = "from ttt3r.evaluation.protocols.table import PROTOCOLS; print(*(p.hash for p in PROTOCOLS.values()))"
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[3])}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert said.stdout.split() == [protocol.hash for protocol in PROTOCOLS.values()]


def test_names_and_hashes_are_unique():
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())
    assert len({protocol.hash for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)


def test_an_unknown_protocol_is_answered_with_those_that_look_alike():
    with pytest.raises(ValueError, match="no protocol 'wolrds'; did you mean worlds"):
        find_protocol("wolrds")


@pytest.mark.parametrize("change", [{"lengths": (1,)}, {"tasks": ()}])
def test_what_cannot_be_judged_is_refused(change):
    with pytest.raises(ValueError, match="at least"):
        replace(FOLDER, **change)


def test_all_rules_can_be_written_down():
    texts = {name: canonical_text(kind()) for name, kind in RULES.items()}
    assert len(set(texts.values())) == len(texts)


def test_the_hash_of_a_learned_rule_is_that_of_its_weights():
    first, second = LearnedToken(channel=8), LearnedToken(channel=8)
    assert stable_hash(first) == stable_hash(second)
    with torch.no_grad():
        next(second.parameters()).add_(1)
    assert stable_hash(first) != stable_hash(second)
    assert stable_hash(first) != stable_hash(LearnedToken(channel=8, start=0.5))


@dataclass(frozen=True)
class Outside:
    """A class that is not the package's."""

    value: float = 1.0


def test_a_class_of_a_user_tells_its_source():
    content = canonical(Outside())
    assert content["class"].endswith("Outside")
    assert len(content["source"]) == 64
    assert canonical(ConstantRate(0.5)) == {"class": "ConstantRate", "rate": 0.5}


def test_what_is_no_setting_is_refused():
    with pytest.raises(TypeError, match="no setting"):
        canonical(object())


def test_the_key_of_a_unit_depends_on_all_that_decides_its_numbers():
    unit = Unit(FOLDER, Contender("a", ConstantRate(0.5)), SequenceEntry("s", "s"), "net")
    others = [
        replace(unit, protocol=FOLDER.sized(64)),
        replace(unit, contender=Contender("a", ConstantRate(0.25))),
        replace(unit, contender=Contender("a", ConstantRate(0.5), Every(5))),
        replace(unit, entry=SequenceEntry("t", "s")),
        replace(unit, network="other"),
        unit.as_control(),
    ]
    assert len({unit.key, *(other.key for other in others)}) == 7
    assert replace(unit, contender=Contender("label", ConstantRate(0.5))).key == unit.key
    assert "/" not in replace(unit, entry=SequenceEntry("scene/seq 1", "scene")).file_name


def test_folders_are_found_below_a_root_and_chosen_by_pattern(tmp_path):
    for name in ("a/one", "a/two", "b"):
        write_demo_sequence(tmp_path / name, frames=2, size=(32, 32))
    assert [entry.name for entry in FOLDER.find(tmp_path)] == ["a/one", "a/two", "b"]
    assert [entry.name for entry in FOLDER.find(tmp_path / "b")] == ["b"]
    chosen = replace(FOLDER, sequences=("a/*", "missing"))
    assert [entry.name for entry in chosen.find(tmp_path)] == ["a/one", "a/two", "missing"]
    with pytest.raises(ValueError, match=r"no sequence in .* fits 'c\*'"):
        replace(FOLDER, sequences=("c*",)).find(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder at"):
        FOLDER.find(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no sequence with ground truth"):
        FOLDER.find(tmp_path / "empty")


def test_a_cap_counts_taken_frames(tmp_path):
    write_demo_sequence(tmp_path / "room", frames=7, size=(32, 32))
    clip = FolderSequences(stride=3, start=1).open(tmp_path, "room", FOLDER.sized(32).policy, 2)
    np_times = (clip.timestamps - clip.timestamps[0]).round(6).tolist()
    assert np_times == [0, 0.3]


def test_a_world_does_not_depend_on_how_many_there_are():
    few, many = ProceduralWorlds(count=2), ProceduralWorlds(count=50)
    a = few.open(Path(), "world-001", FOLDER.policy, 2)
    b = many.open(Path(), "world-001", FOLDER.policy, 2)
    assert a.name == "world-001"
    assert all(torch.equal(x.image, y.image) for x, y in zip(a.source, b.source, strict=True))
