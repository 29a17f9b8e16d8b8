"""Files of results: the same bits come back, a write is whole or not there, any subset can be read."""

import json
import math

import pytest

from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.engine.folder import ResultFolder
from ttt3r.evaluation.engine.prefixes import Judged
from ttt3r.evaluation.engine.units import Unit
from ttt3r.evaluation.measures.base import Measured
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.protocols.sources import SequenceEntry
from ttt3r.evaluation.protocols.table import find_protocol
from ttt3r.evaluation.results.files import read_folder, read_results
from ttt3r.evaluation.results.format import BrokenResult
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.update_rules import ConstantRate

VALUES = (0.1 + 0.2, 1e-300, -0.0, 5e-324, 123456789.123456789, math.inf, -math.inf, math.nan)


def unit(label, rate=0.5):
    return Unit(find_protocol("folder"), Contender(label, ConstantRate(rate)), SequenceEntry("a/b c", "a"), "net")


def result(one, values=VALUES, status=Status.OK):
    rows = tuple(one.row(Judged(5, 4, Measured(f"m{i}", value, status, "ä note"))) for i, value in enumerate(values))
    return UnitResult(rows, {"key": "text"}, {"seconds": 0.25, "unknown": math.nan})


def test_the_same_bits_come_back(tmp_path):
    one = unit("gate")

    def arrays(path):
        path.write_bytes(b"arrays")

    ResultFolder(tmp_path).write({one: result(one)}, {one: arrays})
    (read,) = read_results(tmp_path)
    assert [row.value.hex() for row in read.rows] == [value.hex() for value in VALUES]
    assert repr(read.rows) == repr(result(one).rows)
    assert read.settings == {"key": "text"}
    assert repr(read.costs) == repr({"seconds": 0.25, "unknown": math.nan})
    with open(read.arrays, "rb") as file:
        assert file.read() == b"arrays"
    (path,) = tmp_path.glob("units/*.json")
    json.loads(path.read_text(), parse_constant=pytest.fail)  # plain JSON, without NaN


def test_a_write_again_replaces_and_leaves_nothing_behind(tmp_path):
    one = unit("gate")
    for values in ((1.0,), (2.0,)):
        ResultFolder(tmp_path).write({one: result(one, values)}, {})
    (read,) = read_results(tmp_path)
    assert [row.value for row in read.rows] == [2.0]
    assert len(list((tmp_path / "units").iterdir())) == 1


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    one = unit("gate")
    folder = ResultFolder(tmp_path)
    folder.write({one: result(one, (1.0,))}, {})

    def fail(path):
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        folder.write({one: result(one, (2.0,))}, {one: fail})
    (read,) = read_results(tmp_path)
    assert [row.value for row in read.rows] == [1.0]
    assert len(list((tmp_path / "units").iterdir())) == 1


def test_a_unit_is_done_when_its_whole_pass_is_there(tmp_path):
    one, other, alone = unit("one", 0.1), unit("other", 0.2), unit("alone", 0.3)
    folder = ResultFolder(tmp_path)
    folder.write({one: result(one), other: result(other)}, {})
    folder.write({alone: result(alone)}, {})
    assert all(folder.find(each) is not None for each in (one, other, alone))
    (folder.units / f"{other.file_name}.json").unlink()
    assert folder.find(one) is None
    assert folder.find(alone) is not None
    assert len(read_results(tmp_path)) == 2  # its numbers are good all the same


@pytest.mark.parametrize("status", list(Status))
def test_what_depends_on_machine_or_files_is_tried_again(tmp_path, status):
    one = unit("gate")
    ResultFolder(tmp_path).write({one: result(one, status=status)}, {})
    again = status in (Status.OUT_OF_MEMORY, Status.UNREADABLE, Status.FAILED)
    assert (ResultFolder(tmp_path).find(one) is None) == again
    assert ResultFolder(tmp_path).read(one).rows[0].status is status


def test_only_the_rule_that_failed_is_tried_again(tmp_path):
    one, other = unit("one", 0.1), unit("other", 0.2)
    ResultFolder(tmp_path).write({one: result(one), other: result(other, status=Status.FAILED)}, {})
    assert ResultFolder(tmp_path).find(one) is not None
    assert ResultFolder(tmp_path).find(other) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": 1}'])
def test_what_is_no_result_is_named(tmp_path, text):
    one, other = unit("one", 0.1), unit("other", 0.2)
    folder = ResultFolder(tmp_path)
    folder.write({one: result(one)}, {})
    folder.write({other: result(other)}, {})
    path = folder.units / f"{one.file_name}.json"
    path.write_text(text)
    with pytest.raises(BrokenResult, match="run the evaluation again"):
        read_results(tmp_path)
    reading = read_folder(tmp_path)
    usable, broken = reading.units, reading.broken
    assert len(usable) == len(broken) == 1
    assert path.name in broken[0]


def test_rows_of_another_version_are_named(tmp_path):
    one = unit("one")
    folder = ResultFolder(tmp_path)
    folder.write({one: result(one)}, {})
    path = folder.units / f"{one.file_name}.json"
    path.write_text(path.read_text().replace('"scene"', '"place"'))
    reading = read_folder(tmp_path)
    usable, broken = reading.units, reading.broken
    assert not usable
    assert "rows of this version" in broken[0]
    assert folder.find(one) is None


def test_an_empty_folder_is_no_evaluation(tmp_path):
    with pytest.raises(FileNotFoundError, match="no results in"):
        read_results(tmp_path)
