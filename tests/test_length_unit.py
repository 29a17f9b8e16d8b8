"""The unit of length comes from the network, and every file and axis of a run says it."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import ttt3r
from ttt3r.cli import main
from ttt3r.data.sequences.demo import write_demo_sequence
from ttt3r.evaluation.plots import plots
from ttt3r.export import PointSelection, RunRecord, SavedRun
from ttt3r.network import CUT3RConfig
from ttt3r.types import LengthUnit


def test_a_config_says_its_unit_and_older_ones_mean_metres():
    assert ttt3r.load_network("nano").config.unit is LengthUnit.FIRST_VIEW
    assert CUT3RConfig.official_512().unit is LengthUnit.METRES
    for config in (CUT3RConfig.nano(), CUT3RConfig.tiny()):
        assert CUT3RConfig.from_json(config.to_json()) == config
        old = json.loads(config.to_json())
        del old["unit"]
        assert CUT3RConfig.from_json(json.dumps(old)) == replace(config, unit=LengthUnit.METRES)
        with pytest.raises(ValueError, match="furlongs"):
            CUT3RConfig.from_json(json.dumps(old | {"unit": "furlongs"}))


@pytest.mark.parametrize(
    ("network", "words", "axis"), [("nano", "units of the first view", "units of"), ("tiny-random", "metres", "(m)")]
)
def test_every_file_of_a_run_says_the_unit(tmp_path, monkeypatch, network, words, axis):
    drawn, new_figure = [], plots.new_figure
    monkeypatch.setattr(plots, "new_figure", lambda *size: drawn.append(new_figure(*size)) or drawn[-1])
    images = write_demo_sequence(tmp_path / "room", frames=2, size=(64, 48)) / "rgb"
    out = tmp_path / "out"
    command = ["run", str(images), "--network", network, "--device", "cpu", "--min-confidence", "0", "--out", str(out)]
    assert main(command) == 0
    assert f"camera_to_world, {words}, OpenCV" in (out / "trajectory.txt").read_text()
    assert f"comment {words}, OpenCV".encode() in (out / "points.ply").read_bytes()[:200]
    assert json.loads((out / "depth/scale.json").read_text())["unit"] == words
    assert json.loads((out / "run.json").read_text())["unit"] == words
    assert SavedRun.open(out).unit.value == words
    labels = [axes.get_xlabel() for figure in drawn for axes in figure.axes if axes.get_xlabel()]
    assert labels
    assert all(axis in label for label in labels)


def test_the_record_of_an_older_run_means_metres(tmp_path: Path):
    record = RunRecord.start({}, asdict(PointSelection()), "cpu", LengthUnit.FIRST_VIEW)
    record.save(tmp_path)
    assert RunRecord.load(tmp_path).unit is LengthUnit.FIRST_VIEW
    content = json.loads((tmp_path / "run.json").read_text())
    del content["unit"]
    (tmp_path / "run.json").write_text(json.dumps(content))
    assert RunRecord.load(tmp_path).unit is LengthUnit.METRES
