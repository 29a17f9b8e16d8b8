"""What a key depends on, and which results may meet: old ones are never shown for new ones, nor averaged with them."""

import io
import json
import os
import shutil
import sys
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from ttt3r.cli.aggregate import aggregate, report
from ttt3r.data import write_demo_sequence
from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.engine.evaluator import Evaluation, evaluate
from ttt3r.evaluation.protocols.table import find_protocol
from ttt3r.evaluation.report.results import collect
from ttt3r.evaluation.results.current import current_of
from ttt3r.evaluation.results.files import read_folder, read_results
from ttt3r.evaluation.results.fingerprints import data_fingerprint
from ttt3r.evaluation.results.rows import Origin
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.update_rules import RULES, LearnedToken, find_rule, sources
from ttt3r.update_rules.sources import rule_fingerprint

PROTOCOL = replace(find_protocol("folder").sized(64), lengths=(3,))


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


@pytest.fixture
def rooms(tmp_path):
    """Two data sets with the same names: A of three rooms, B of two."""
    for name, count in (("A", 3), ("B", 2)):
        for number in range(count):
            write_demo_sequence(tmp_path / name / f"room{number}", frames=3, size=(80, 60), seed=ord(name) + number)
    return tmp_path


def run(network, root, out, *names):
    rules = tuple(Contender(name, RULES[name]()) for name in names or ("cut3r", "ttt3r"))
    return errors(evaluate(network, Evaluation(PROTOCOL, root, rules, "net"), out))


def errors(units):
    return {(r.sequence, r.rule): r.value for unit in units for r in unit.rows if r.metric == "ate"}


def shown(out):
    return errors(read_results(out))


def test_another_root_with_the_same_names_is_other_data_and_the_first_comes_back(network, rooms):
    out = rooms / "out"
    a, b = run(network, rooms / "A", rooms / "a"), run(network, rooms / "B", rooms / "b")
    assert a["room0", "cut3r"] != b["room0", "cut3r"]
    for root, right in (("A", a), ("B", b), ("A", a), ("B", b)):
        assert run(network, rooms / root, out) == right
        assert shown(out) == right  # room2 of A does not stand beside the rooms of B
    assert len(list((out / "units").glob("*.json"))) == len(a) + len(b)
    assert any("older results are not shown: other data" in line for line in read_folder(out).aside)


def test_an_evaluation_of_other_data_that_was_cut_off_shows_no_mixture(network, rooms):
    out = rooms / "out"
    run(network, rooms / "A", out)
    shutil.rmtree(rooms / "B/room1")
    half = run(network, rooms / "B", out)
    assert shown(out) == half


def test_an_image_that_is_replaced_makes_its_sequence_run_again_and_no_other(network, rooms):
    out = rooms / "out"
    first = run(network, rooms / "A", out)
    image = sorted((rooms / "A/room1/rgb").iterdir())[1]
    before = image.read_bytes(), image.stat()
    image.write_bytes(sorted((rooms / "B/room1/rgb").iterdir())[1].read_bytes())
    second = run(network, rooms / "A", out)
    changed = {key for key in first if first[key] != second[key]}
    assert changed == {("room1", "cut3r"), ("room1", "ttt3r")}
    assert shown(out) == second
    image.write_bytes(before[0])
    os.utime(image, ns=(before[1].st_atime_ns, before[1].st_mtime_ns))
    assert run(network, rooms / "A", out) == first
    assert shown(out) == first


def test_data_that_were_moved_are_the_same(network, rooms):
    first = run(network, rooms / "A", rooms / "out")
    (rooms / "A").rename(rooms / "moved")
    before = {path: path.stat().st_mtime_ns for path in (rooms / "out/units").iterdir()}
    assert run(network, rooms / "moved", rooms / "out") == first
    assert before == {path: path.stat().st_mtime_ns for path in (rooms / "out/units").iterdir()}


def test_results_within_a_sequence_are_no_part_of_it(network, rooms):
    for out in (rooms / "A/room0", rooms / "A/room0/out"):
        first = run(network, rooms / "A/room0", out)
        stamps = {path: path.stat().st_mtime_ns for path in (out / "units").iterdir()}
        aggregate(out, Console(file=io.StringIO()))
        assert run(network, rooms / "A/room0", out) == first
        assert stamps == {path: path.stat().st_mtime_ns for path in (out / "units").iterdir()}
        assert data_fingerprint([rooms / "A/room0"]) == data_fingerprint([rooms / "A/room0"])


@pytest.mark.parametrize("rules", [("cut3r", "ttt3r"), ("frozen",)])
def test_another_network_of_the_same_name_is_another_experiment(network, rooms, rules):
    out = rooms / "out"
    first = run(network, rooms / "B", out)
    other = CUT3R.random(CUT3RConfig.tiny(), seed=2)
    second = run(other, rooms / "B", out, *rules)
    assert shown(out) == second
    assert second != first
    assert any("another network" in line for line in read_folder(out).aside)
    assert run(network, rooms / "B", out) == first
    assert shown(out) == first


def test_other_arithmetic_and_another_version_are_other_experiments(network, rooms, monkeypatch):
    def key():
        evaluation = Evaluation(PROTOCOL, rooms, (Contender("a", RULES["ttt3r"]()),), "net").of(network)
        return evaluation.units(PROTOCOL.find(rooms)[0])[0].key

    first = key()
    assert key() == first
    monkeypatch.setattr("ttt3r.evaluation.results.fingerprints.__version__", "99")
    assert key() != first
    monkeypatch.undo()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert key() != first
    finally:
        torch.set_float32_matmul_precision(before)
    assert key() == first


MODULES = {
    "lab_rule.py": "from dataclasses import dataclass\nimport torch\nfrom lab_parts import share\n"
    "from ttt3r.update_rules import ConstantRate\nfrom ttt3r.update_rules.base import Gain, GatedUpdateRule\n"
    "@dataclass(frozen=True)\nclass Lab(GatedUpdateRule):\n    table: str = 'rates.txt'\n"
    "    def gain(self, state, candidate, evidence, rule_state):\n"
    "        return Gain(torch.full_like(state[..., :1], share()))\n",
    "lab_parts/__init__.py": "from lab_parts.inner import share\n",
    "lab_parts/inner.py": "def share():\n    from . import deep\n    return deep.SHARE\n",
    "lab_parts/deep.py": "SHARE = 0.25\n",
    "unrelated.py": "",
    "rates.txt": "1",
}


@pytest.fixture
def lab(tmp_path, monkeypatch):
    for name, text in MODULES.items():
        (tmp_path / "lab" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lab" / name).write_text(text)
    monkeypatch.chdir(tmp_path / "lab")
    monkeypatch.syspath_prepend(tmp_path / "lab")
    yield tmp_path / "lab"
    for name in [name for name in sys.modules if name.startswith("lab_")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", [name for name in MODULES if name != "unrelated.py"])
def test_whatever_a_rule_imports_or_names_is_part_of_it(lab, name):
    rule = find_rule("lab_rule.Lab")()
    first = rule_fingerprint(rule)
    (lab / "unrelated.py").write_text("A = 1\n")
    assert rule_fingerprint(rule) == first
    (lab / name).write_text((lab / name).read_text() + "\n")
    assert rule_fingerprint(rule) != first


def test_a_helper_that_is_edited_leaves_no_old_number(network, rooms, lab):
    def lab_errors():
        for name in [name for name in sys.modules if name.startswith("lab_")]:
            del sys.modules[name]
        rules = (Contender("lab", find_rule("lab_rule.Lab")()), Contender("cut3r", RULES["cut3r"]()))
        return errors(evaluate(network, Evaluation(PROTOCOL, rooms / "B", rules, "net"), rooms / "out"))

    first = lab_errors()
    (lab / "lab_parts/deep.py").write_text("SHARE = 0.75\n")
    second = lab_errors()
    assert {key for key in first if first[key] != second[key]} == {("room0", "lab"), ("room1", "lab")}
    assert shown(rooms / "out") == second
    assert any("lab was another rule then" in line for line in read_folder(rooms / "out").aside)


def test_a_built_in_rule_is_known_by_its_own_source_and_what_it_imports(monkeypatch):
    rules = {name: rule_fingerprint(RULES[name]()) for name in ("brake", "constant")}
    reading = sources._content

    def edited(spec):
        return reading(spec) + (b"#" if spec.name.endswith("update_rules.vectors") else b"")

    monkeypatch.setattr(sources, "_content", edited)
    assert rule_fingerprint(RULES["brake"]()) != rules["brake"]
    assert rule_fingerprint(RULES["constant"]()) == rules["constant"]


def test_learned_weights_are_known_by_what_they_hold(tmp_path):
    path = tmp_path / "gate.safetensors"
    prints = []
    for seed in (0, 1):
        LearnedToken(channel=8, seed=seed).save(path)
        prints.append(rule_fingerprint(LearnedToken(weights=path)))
    assert prints[0] != prints[1]


def test_a_class_that_was_typed_into_an_interpreter_is_known_by_its_code():
    def typed(share):
        space: dict = {"__name__": "typed_here"}
        source = MODULES["lab_rule.py"].replace("from lab_parts import share\n", "").replace("share()", share)
        exec(source, space)
        return rule_fingerprint(space["Lab"]())

    assert typed("0.25") == typed("0.25")
    assert typed("0.25") != typed("0.5")


def test_results_of_the_older_format_are_shown_alone_and_set_aside_by_newer_ones(network, rooms):
    out = rooms / "out"
    first = run(network, rooms / "B", out)
    for path in (out / "units").glob("*.json"):
        content = json.loads(path.read_text())
        del content["origin"]
        path.write_text(json.dumps({**content, "format": 1, "key": content["key"][::-1]}))
        path.rename(path.with_name(path.name[:-17] + content["key"][::-1][:12] + ".json"))
    shutil.rmtree(out / "current")
    assert shown(out) == first
    second = run(network, rooms / "B", out, "ttt3r")
    assert shown(out) == second
    assert sum(int(line.split()[0]) for line in read_folder(out).aside) == 4


def test_reports_of_several_experiments_do_not_die(network, rooms):
    run(network, rooms / "A", rooms / "one")
    b = run(network, rooms / "B", rooms / "two")
    both = [*read_results(rooms / "one"), *read_results(rooms / "two")]
    found = {(row.sequence, row.rule): row.value for row in collect(both).rows if row.metric == "ate"}
    assert found == b


def test_results_without_an_origin_all_stay(network, rooms):
    run(network, rooms / "A", rooms / "one")
    units = [replace(unit, origin=Origin()) for unit in read_results(rooms / "one")]
    assert current_of(units).units == tuple(units)


def test_the_report_names_what_is_left_out(network, rooms):
    run(network, rooms / "A", rooms / "out")
    run(network, rooms / "B", rooms / "out")
    console = Console(record=True, width=200, file=io.StringIO())
    assert report(rooms / "out", console) == 0
    assert "6 older results are not shown" in console.export_text().replace("4 older", "6 older")
    assert "older results are not shown" in (rooms / "out/report/report.html").read_text()
