"""The published depth evaluation against its recorded values, every mode of every case."""

import json

import numpy as np
import pytest
import torch

from ttt3r.evaluation.metrics.depth.errors import matched_pixels, valid_pixels
from ttt3r.evaluation.metrics.depth.official import (
    OfficialLeastSquares,
    OfficialMedian,
    OfficialMetric,
    OfficialScale,
    OfficialScaleShift,
    official_average,
    official_depth_errors,
    official_disparity_errors,
    official_measures,
)

MODES = {
    "metric": OfficialMetric(),
    "scale": OfficialScale(),
    "scale_and_shift": OfficialScaleShift(),
    "lstsq": OfficialLeastSquares(),
    "median": OfficialMedian(),
}
MAX_DEPTH = {"bonn": 70.0, "sintel": 70.0, "kitti": None, "default80": 80.0}
COLUMNS = {
    "Abs Rel": "abs_rel",
    "Sq Rel": "sq_rel",
    "RMSE": "rmse",
    "Log RMSE": "log_rmse",
    "δ < 1.25": "delta_125",
    "δ < 1.25^2": "delta_125_2",
    "δ < 1.25^3": "delta_125_3",
}


def _errors(recorded, name, dataset, mode):
    pixels = matched_pixels(recorded[f"{name}/pred"], recorded[f"{name}/gt"], MAX_DEPTH[dataset])
    p, g = (torch.from_numpy(values) for values in pixels)
    clip = 70.0 if dataset == "sintel" else None
    if name == "disp_input":
        return official_disparity_errors(p, g, MODES[mode], clip)
    if f"{name}/custom_mask" not in recorded:
        return official_depth_errors(p, g, MODES[mode], clip)
    fit = MODES[mode].fit(p, g)  # on all valid pixels; a mask restricts the measures alone
    kept = torch.from_numpy(recorded[f"{name}/custom_mask"][valid_pixels(recorded[f"{name}/gt"], MAX_DEPTH[dataset])])
    return official_measures((fit.scale * p + fit.shift)[kept], g[kept], fit)


@pytest.mark.shared
def test_recorded_errors(shared):
    recorded = np.load(shared / "golden_eval/depth/stacks.npz")
    expected = json.loads((shared / "golden_eval/depth/expected.json").read_text())
    checked = 0
    for name in expected:
        for key, values in expected[name]["results"].items():
            dataset, mode = key.split("|")
            if "exception" in values:
                with pytest.raises(ValueError, match="not finite"):
                    _errors(recorded, name, dataset, mode)
                continue
            errors = _errors(recorded, name, dataset, mode)
            assert errors.valid_pixels == values["valid_pixels"]
            for theirs, ours in COLUMNS.items():
                if (name, mode, theirs) == ("exact_scale_f32", "metric", "δ < 1.25"):
                    continue  # every pixel sits on 1.25 exactly
                np.testing.assert_allclose(
                    getattr(errors, ours), values[theirs], rtol=1e-5, atol=1e-7, err_msg=f"{name} {key} {theirs}"
                )
            if "s" in values and values["valid_pixels"]:
                found, wanted = [errors.scale, errors.shift], [values["s"], values["t"]]
                np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6, err_msg=f"{name} {key}")
            checked += 1
    assert checked == 59


@pytest.mark.shared
def test_recorded_averages(shared):
    recorded = np.load(shared / "golden_eval/depth/stacks.npz")
    expected = json.loads((shared / "golden_eval/depth/sequence_average_expected.json").read_text())
    for mode, values in expected["average"].items():
        sequences = [_errors(recorded, name, expected["dataset"], mode) for name in expected["sequences"]]
        assert [errors.valid_pixels for errors in sequences] == expected["weights"]
        average = official_average(sequences)
        for theirs, ours in COLUMNS.items():
            np.testing.assert_allclose(getattr(average, ours), values[theirs], rtol=1e-5, err_msg=f"{mode} {theirs}")


def test_no_valid_pixel_weighs_nothing():
    none = official_depth_errors(torch.zeros(0), torch.zeros(0))
    some = official_depth_errors(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]), OfficialMetric())
    assert (none.abs_rel, none.valid_pixels) == (0, 0)
    assert official_average([none, some]).abs_rel == some.abs_rel == pytest.approx(1 / 6)
    with pytest.raises(ValueError, match="none of the 1 sequences"):
        official_average([none])


@pytest.mark.parametrize("mode", MODES)
def test_a_fit_works_under_inference_mode(mode):
    random = np.random.default_rng(0)
    p, g = (torch.from_numpy(random.uniform(1, 5, size=100)).to(dtype) for dtype in (torch.float32, torch.float64))
    expected = official_depth_errors(p, g, MODES[mode])
    with torch.inference_mode():
        found = official_depth_errors(p * 1, g * 1, MODES[mode])
    assert found == expected


def test_adam_does_not_arrive():
    p = torch.linspace(1, 5, 1000)
    g = 1.5 * p.double() + 2
    fit = MODES["scale_and_shift"].fit(p, g)
    assert abs(float(fit.shift)) < 0.3
    assert float(fit.scale) > 1.9
