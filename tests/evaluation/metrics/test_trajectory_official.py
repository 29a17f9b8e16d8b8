import json

import numpy as np
import pytest
import torch

from ttt3r.evaluation.metrics.trajectory.official import (
    OfficialTrajectoryErrors,
    official_trajectory_average,
    official_trajectory_report,
    read_official_folder,
    read_official_text,
)
from ttt3r.geometry import pose_encoding_to_camera


def _cameras(poses):
    return pose_encoding_to_camera(torch.as_tensor(poses, dtype=torch.float64)).numpy()


def _report():
    random = np.random.default_rng(0)
    truth = random.normal(size=(20, 7))
    return official_trajectory_report(_cameras(truth + 0.05 * random.normal(size=truth.shape)), _cameras(truth))


@pytest.mark.shared
def test_recorded_texts(shared):
    recorded = np.load(shared / "golden_eval/pose/trajectories.npz")
    expected = json.loads((shared / "golden_eval/pose/expected.json").read_text())
    checked = exact = 0
    for name, values in expected.items():
        if "metric_txt" not in values or len(recorded[f"{name}/pred"]) != len(recorded[f"{name}/gt"]):
            continue
        found = read_official_text(values["metric_txt"])
        assert [found.ate, found.rpe_translation, found.rpe_rotation_degrees] == values["parsed_from_text"], name
        stamps = recorded[f"{name}/gt_ts"].ravel()
        if len(np.unique(stamps)) < len(stamps) or "collinear" in name:
            continue
        report = official_trajectory_report(_cameras(recorded[f"{name}/pred"]), _cameras(recorded[f"{name}/gt"]))
        ours, theirs = report.text(name).split(), values["metric_txt"].split()
        exact += report.text(name) == values["metric_txt"]
        assert len(ours) == len(theirs)
        for mine, wanted in zip(ours, theirs, strict=True):  # the same words; numbers to their last digit
            if mine != wanted:
                np.testing.assert_allclose(float(mine), float(wanted), rtol=1e-8, atol=1.01e-6, err_msg=name)
        checked += 1
    assert checked >= 10
    assert exact >= 8


@pytest.mark.shared
def test_recorded_averages(shared):
    expected = json.loads((shared / "golden_eval/pose/metric_dir_expected.json").read_text())
    found = read_official_folder(shared / "golden_eval/pose/metric_dir")
    rows = [[name, row.ate, row.rpe_translation, row.rpe_rotation_degrees] for name, row in found.items()]
    assert rows == expected["process_directory"]
    mean = official_trajectory_average(list(found.values()))
    np.testing.assert_allclose(
        [mean.ate, mean.rpe_translation, mean.rpe_rotation_degrees], expected["calculate_averages"], rtol=1e-12
    )


def test_written_and_read_back():
    report = _report()
    assert read_official_text(report.text("a sequence")) == report.errors.rounded() != report.errors


def test_a_nan_takes_the_next_number():
    text = _report().text("s")
    ate, rotation, translation = (f"rmse\t{value:.6f}" for value in _in_file_order(_report().errors))
    assert text.count("rmse") == 3
    without_ate = read_official_text(text.replace(ate, "rmse\tnan"))
    assert without_ate.ate == without_ate.rpe_rotation_degrees == _report().errors.rounded().rpe_rotation_degrees
    assert read_official_text(text.replace(translation, "rmse\tnan")).rpe_translation == 0
    assert read_official_text(text.replace(rotation, "rmse\tnan")).rpe_rotation_degrees > 0


def _in_file_order(errors):
    return errors.ate, errors.rpe_rotation_degrees, errors.rpe_translation


def test_nothing_to_average_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no file"):
        read_official_folder(tmp_path)
    with pytest.raises(ValueError, match="no sequences"):
        official_trajectory_average([])
    assert official_trajectory_average([OfficialTrajectoryErrors(1, 2, 3)]) == OfficialTrajectoryErrors(1, 2, 3)
