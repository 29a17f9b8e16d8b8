"""`ttt3r evaluate` as it is typed: a grid, a kill in the middle, the same command again, the aggregate."""

import csv
import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ttt3r.cli import main
from ttt3r.data import write_demo_sequence
from ttt3r.evaluation.results.files import read_results

EVALUATE = "evaluate folder --root rooms --network tiny-random --size 64 --device cpu"


@pytest.fixture
def rooms(here):
    for number in (1, 2):
        write_demo_sequence(here / f"rooms/room{number}", frames=5, size=(80, 60), seed=number)
    return here / "rooms"


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_rules_sequences_and_lengths_from_one_command(typed, here, rooms):
    line = f"{EVALUATE} --rules cut3r,ttt3r --lengths 3,5 --controls --out out"
    code, said, errors = typed(line)
    assert (code, errors) == (0, "")
    assert "2 of 2 sequences, 2 rules, lengths 3, 5" in said
    assert "2/2" in said
    table = rows(here / "out/rows.csv")
    assert {(r["rule"], r["sequence"], r["length"]) for r in table} == {
        (rule, room, length)
        for rule in ("cut3r", "ttt3r", "control of ttt3r")
        for room in ("room1", "room2")
        for length in ("3", "5")
    }
    assert {row["status"] for row in table if row["metric"] in ("ate", "depth_abs_rel/median", "gain_mean")} == {"ok"}
    before = {path: path.stat().st_mtime_ns for path in (here / "out/units").iterdir()}
    assert typed(line)[0] == 0
    assert before == {path: path.stat().st_mtime_ns for path in (here / "out/units").iterdir()}


def test_a_grid_gives_a_row_for_each_setting(typed, here, rooms):
    line = f"{EVALUATE} --sequences room1 --rules cut3r,constant --lengths 3 --out out"
    assert typed(f"{line} --grid rule.rate=0.1,0.2 --grid reset=2,never")[0] == 0
    assert {row["rule"] for row in rows(here / "out/rows.csv")} == {
        f"{rule}@{reset}" for rule in ("cut3r", "constant:rate=0.1", "constant:rate=0.2") for reset in ("2", "never")
    }


def test_an_experiment_is_saved_and_can_be_given_again(typed, here, rooms):
    line = f"{EVALUATE} --rules ttt3r,my_lab.MyRule --grid rule.scale=0.1,0.2 --lengths 3 --out out"
    assert typed(line)[0] == 0
    (file,) = (here / "out").glob("experiment-*.yaml")
    assert yaml.safe_load(file.read_text())["grid"] == ["rule.scale=0.1,0.2"]
    code, said, errors = typed(f"evaluate --config {file} --out again")
    assert (code, errors) == (0, "")
    first, second = read_results(here / "out"), read_results(here / "again")
    assert [repr(unit.rows) for unit in first] == [repr(unit.rows) for unit in second]
    assert {unit.settings["experiment"] for unit in (*first, *second)} == {file.read_text()}
    assert "my_lab.MyRule:scale=0.1" in {unit.rows[0].rule for unit in first}
    assert "rates" not in said


def test_shares_and_aggregation_of_a_part(typed, here, rooms):
    line = f"{EVALUATE} --rules cut3r --lengths 3 --out out"
    assert typed(f"{line} --shard 1/2")[0] == 0
    code, said, _ = typed("evaluate --aggregate out")
    assert code == 0
    assert {row["sequence"] for row in rows(here / "out/rows.csv")} == {"room2"}
    assert "1/1" in said
    assert typed(f"{line} --shard 0/2")[0] == 0
    assert {row["sequence"] for row in rows(here / "out/rows.csv")} == {"room1", "room2"}


def test_failures_are_named_below_the_table(typed, here, rooms):
    (image, *_) = sorted((rooms / "room2/rgb").iterdir())
    image.write_bytes(b"broken")
    code, said, _ = typed(f"{EVALUATE} --rules cut3r,ttt3r --lengths 3,9 --out out")
    assert code == 0
    text = " ".join(said.split())
    assert re.search(r"unreadable: .*\(room2; all rules\)", text)
    assert re.search(r"too_short: [^:]*5 of 9 frames[^:]*\(room1; all rules\)", text)
    table = rows(here / "out/rows.csv")
    assert {row["status"] for row in table if row["sequence"] == "room2"} == {"unreadable"}
    assert {row["status"] for row in table if row["sequence"] == "room1"} == {"ok", "too_short"}


@pytest.mark.parametrize("wrong", ["--root nowhere", "--shard 2/2", "--sequences 'x*'"])
def test_what_is_refused_writes_nothing(refused, here, rooms, wrong):
    refused(f"{EVALUATE} --rules cut3r {wrong} --out out".replace("--root rooms --root", "--root"))
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("evaluate", "no protocol ''"),
        ("evaluate folder", "takes PROTOCOL and --out"),
        ("evaluate nothing --network tiny-random --out out", "no protocol 'nothing'"),
        (f"{EVALUATE} --out out --grid rule.rate=0.1", "none of the rules"),
        (f"{EVALUATE} --out out --shard 2/2", "numbered 0 to n-1"),
        (f"{EVALUATE} --out out --lengths a", "--lengths takes whole numbers"),
        (f"{EVALUATE} --out out --lengths 1", "at least 2 frames"),
        ("evaluate folder --root nowhere --network tiny-random --out out", "no folder at nowhere"),
        ("evaluate --aggregate nowhere", "no results in nowhere"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(refused, rooms, line, message):
    assert message in refused(line)


def test_an_array_of_jobs_does_the_work_of_one_process(typed, here, rooms, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as in this process: sums over more threads end in other last digits
    line = f"{EVALUATE} --rules cut3r,ttt3r --lengths 3"
    assert typed(f"{line} --out one")[0] == 0
    code, said, _ = typed(f"{line} --out many --jobs.count 2 --jobs.cluster debug")
    assert code == 0
    assert "2 jobs" in said
    one, many = read_results(here / "one"), read_results(here / "many")
    assert [repr(unit.rows) for unit in one] == [repr(unit.rows) for unit in many]


def start(words, folder):
    """The command in a process of its own, so that it can be killed."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    environment.pop("TTT3R_TYPECHECK", None)
    return subprocess.Popen(
        [sys.executable, "-m", "ttt3r", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.shared
def test_three_rules_two_real_sequences_three_lengths_killed_and_resumed(shared, tmp_path):
    """TUM cabinet and 7-Scenes: the run is killed as soon as the first sequence is done, and the same command goes on."""
    words = f"evaluate folder --root {shared / 'data'} --sequences tum/*cabinet,rgbd_7scenes* --lengths 4,8,16"
    words += " --rules cut3r,ttt3r,constant --network tiny-random --size 64 --device cpu --out"
    process = start([*words.split(), "killed"], tmp_path)
    while process.poll() is None and not list((tmp_path / "killed").glob("units/*.json")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = list((tmp_path / "killed/units").glob("*.json"))
    assert process.returncode == -signal.SIGKILL, "it ended before it was killed"
    assert 0 < len(done) < 6
    for out in ("killed", "whole"):
        process = start([*words.split(), out], tmp_path)
        said = process.communicate()[0].decode()
        assert process.returncode == 0, said
    killed, whole = read_results(tmp_path / "killed"), read_results(tmp_path / "whole")
    assert len(killed) == 6
    assert [repr(unit.rows) for unit in killed] == [repr(unit.rows) for unit in whole]
    assert rows(tmp_path / "killed/rows.csv") == rows(tmp_path / "whole/rows.csv")
    assert {row.status.value for unit in whole for row in unit.rows if row.metric == "ate"} == {"ok"}
    assert {row.length for unit in whole for row in unit.rows} == {4, 8, 16}
    text = json.dumps([unit.settings["protocol"] for unit in whole])
    assert "FolderSequences" in text
    report = read_report(tmp_path / "killed")
    assert report["table.csv"] == read_report(tmp_path / "whole")["table.csv"]
    assert len(report["table.csv"]) == 9  # three rules at three lengths
    for mean in report["table.csv"]:
        for form in ("table.md", "table.tex", "report.html"):
            assert mean in report[form], f"{mean} is not in {form}"


def read_report(out):
    """The mean ATE of every rule and length as the sheet has it, rounded as shown; and all numbers of the other forms."""
    assert main(["evaluate", "--aggregate", str(out)]) == 0
    folder = out / "report"
    means = [f"{float(row['ate']):.4f}" for row in rows(folder / "table.csv") if row["set"] == "common"]
    found = {"table.csv": means}
    for name in ("table.md", "table.tex", "report.html"):
        body = (folder / name).read_text().partition("plotly.js")[0]
        found[name] = re.findall(r"(?<![\d.])\d\.\d{4}(?!\d)", body)
    return found


def test_results_are_set_against_the_paper(typed, here):
    write_demo_sequence(here / "tum/rgbd_dataset_freiburg3_sitting_static", frames=16, size=(80, 60), seed=1)
    code, _, errors = typed(
        "evaluate tum/stride3-90 --root tum --network tiny-random --size 64 --device cpu --rules cut3r,ttt3r "
        "--sequences rgbd_dataset_freiburg3_sitting_static --out out"
    )
    assert (code, errors) == (0, "")
    code, said, errors = typed("compare out --against paper --out beside")
    assert (code, errors) == (0, "")
    assert "published numbers are of the official weights" in said
    table = {row["rule"]: row for row in rows(here / "beside/paper.csv") if row["metric"] == "ATE official m"}
    assert float(table["ttt3r"]["paper"]) == 0.028
    ours = {r["rule"]: float(r["value"]) for r in rows(here / "out/rows.csv") if r["metric"] == "official/ate"}
    for rule, row in table.items():
        assert float(row["ours"]) == pytest.approx(ours[rule])
        assert float(row["difference"]) == pytest.approx(ours[rule] - float(row["paper"]))


def test_what_cannot_be_set_against_the_paper_is_named(typed, here, rooms):
    code, _, errors = typed("compare rooms --against paper")
    assert code == 2
    assert "rooms holds no results" in errors
    assert "ttt3r evaluate tum/1000" in errors
    assert typed(f"{EVALUATE} --rules cut3r --lengths 3 --out out")[0] == 0
    code, _, errors = typed("compare out --against paper")
    assert code == 2
    assert "nothing was published under folder" in errors
    assert "tum/1000" in errors


def test_long_and_undecodable_and_odd_names_of_sequences(typed, here):
    names = ["字" * 80, "字" * 79 + "_", os.fsdecode(b"room\xff"), "=1+1", "-x", "@a", "+b", "two  spaces"]
    for number, name in enumerate(names):
        try:
            write_demo_sequence(here / "rooms" / name, frames=3, size=(80, 60), seed=number)
        except OSError:
            pytest.skip("this file system takes no such names")
    line = f"{EVALUATE} --rules constant:rate=0.5 --lengths 3 --out out"
    code, _, errors = typed(line)
    assert (code, errors) == (0, "")
    assert len(list((here / "out/units").glob("*.json"))) == len(names)
    before = {path: path.stat().st_mtime_ns for path in (here / "out/units").iterdir()}
    assert typed(line)[0] == 0
    assert before == {path: path.stat().st_mtime_ns for path in (here / "out/units").iterdir()}
    table = [row for row in rows(here / "out/rows.csv") if row["metric"] == "ate"]
    assert {row["status"] for row in table} == {"ok"}
    assert len({row["value"] for row in table}) == len(names)
    cells = {row["sequence"] for row in table}
    assert cells == {*names[:2], r"room\udcff", "'=1+1", "'-x", "'@a", "'+b", "two  spaces"}
    assert typed("evaluate --aggregate out")[0] == 0
    for path in (here / "out").rglob("*.csv"):
        with path.open() as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                assert not cell.startswith(("=", "+", "@")), path
                assert not cell.startswith("-") or float(cell) <= 0, path


@pytest.fixture
def read_only(monkeypatch):
    """Make a folder one that nothing can be written to, also for root."""

    def protect(folder):
        def guarded(name):
            method = getattr(Path, name)

            def call(self, *arguments, **settings):
                mode = arguments[0] if name == "open" and arguments else settings.get("mode", "r")
                inside = self.absolute().is_relative_to(folder.absolute())
                wanted = (
                    set("wax+") & set(mode) if name == "open" else not (name in ("mkdir", "touch") and self.exists())
                )
                if inside and wanted:
                    raise OSError(errno.EROFS, "Read-only file system", str(self))
                return method(self, *arguments, **settings)

            monkeypatch.setattr(Path, name, call)

        for name in ("open", "mkdir", "unlink", "touch", "rename", "replace", "rmdir"):
            guarded(name)

    return protect


def test_results_on_a_read_only_file_system(typed, here, rooms, read_only):
    assert typed(f"{EVALUATE} --rules cut3r,ttt3r --lengths 3 --out out")[0] == 0
    (here / "out/rows.csv").unlink()
    read_only(here / "out")
    before = {path for path in (here / "out").rglob("*")}
    code, said, errors = typed("evaluate --aggregate out")
    assert (code, errors) == (0, "")
    assert "2/2" in said
    assert "nothing is written to out (Read-only file system)" in " ".join(said.split())
    assert before == {path for path in (here / "out").rglob("*")}
    assert typed("evaluate --aggregate out --out elsewhere")[0] == 0
    assert (here / "elsewhere/report/report.html").is_file()
    read_only(here / "elsewhere")
    code, said, errors = typed("evaluate --aggregate out --out elsewhere")
    assert (code, errors) == (1, "")  # it was asked for, and is not there
    assert "nothing is written to elsewhere" in " ".join(said.split())


WAITING = """
import time
from dataclasses import dataclass
from pathlib import Path
from ttt3r.update_rules import ConstantRate
@dataclass(frozen=True)
class Waiting(ConstantRate):
    def gain(self, state, candidate, evidence, rule_state):
        Path("started").touch()
        while not Path("go").exists():
            time.sleep(0.02)
        return super().gain(state, candidate, evidence, rule_state)
"""


def test_two_processes_do_not_do_the_same_share(typed, refused, here, rooms):
    (here / "waiting.py").write_text(WAITING)
    line = f"{EVALUATE} --rules cut3r,waiting.Waiting --lengths 3 --out out"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "ttt3r", *line.split()]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as other:
        try:
            while not (here / "started").exists() and other.poll() is None:
                time.sleep(0.05)
            assert other.poll() is None, other.communicate()
            assert "another evaluation of the same share is at work in" in refused(line)
            assert typed(f"{EVALUATE} --rules cut3r --lengths 3 --out out")[0] == 0  # another experiment
        finally:
            (here / "go").touch()
        _, errors = other.communicate(timeout=300)
    assert (other.returncode, errors) == (0, "")
    before = {path: path.stat().st_mtime_ns for path in (here / "out/units").iterdir()}
    assert typed(line)[0] == 0  # now it is free, and nothing is left to do
    assert before == {path: path.stat().st_mtime_ns for path in (here / "out/units").iterdir()}
    sys.modules.pop("waiting", None)


ODD = ["gates@8/a,b (1).st", "it's:rate=0.1,ttt3r@8"]


def test_weights_at_odd_paths_go_through_files_of_settings_labels_results_and_reports(typed, here, rooms):
    from ttt3r.update_rules import LearnedToken, RuleLabel

    labels = []
    for number, path in enumerate(ODD):
        (here / path).parent.mkdir(exist_ok=True)
        LearnedToken(channel=48, start=0.5 + number / 10).save(here / path)
        labels.append(str(RuleLabel("learned_token", (("weights", path),))))
    (here / "settings.yaml").write_text(yaml.safe_dump({"rules": f"cut3r,{labels[0]},{labels[1]}@2", "controls": True}))
    line = f"{EVALUATE} --sequences room1 --lengths 3 --out out"
    assert typed(f"{line} --config settings.yaml")[0] == 0
    gains = {row["rule"]: float(row["value"]) for row in rows(here / "out/rows.csv") if row["metric"] == "gain_mean"}
    assert gains[labels[0]] == pytest.approx(0.5, abs=1e-3)
    assert gains[f"{labels[1]}@2"] == pytest.approx(0.6, abs=1e-3)
    (saved,) = (here / "out").glob("experiment-*.yaml")
    before = {path: path.stat().st_mtime_ns for path in (here / "out/units").iterdir()}
    assert typed(f"{line} --config {saved}")[0] == 0
    assert before == {path: path.stat().st_mtime_ns for path in (here / "out/units").iterdir()}
    units = read_results(here / "out")
    assert {unit.rows[0].rule for unit in units} >= {labels[0], f"{labels[1]}@2"}
    assert {RuleLabel.parse(unit.settings["rule"]).make() is not None for unit in units} == {True}
    assert typed("evaluate --aggregate out")[0] == 0
    assert "a,b (1).st" in (here / "out/report/report.html").read_text()


def test_results_of_an_older_release_stay_readable(typed, here, rooms):
    """Labels with `+reset=`, and rules as JSON with the names of classes."""
    line = f"{EVALUATE} --sequences room1 --rules cut3r,ttt3r --lengths 3 --out out"
    assert typed(f"{line} --grid reset=2")[0] == 0
    for path in (here / "out/units").glob("*.json"):
        content = json.loads(path.read_text())
        for row in content["rows"]:
            row["rule"] = row["rule"].replace("@2", "+reset=2")
        content["settings"]["rule"] = '{"class":"TTT3R","gradient":false}'
        path.write_text(json.dumps(content))
    assert typed("evaluate --aggregate out")[0] == 0
    assert {row["rule"] for row in rows(here / "out/rows.csv")} == {"cut3r@2", "ttt3r@2"}
