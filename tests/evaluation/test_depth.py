import json

import numpy as np
import pytest

from ttt3r.evaluation.depth import (
    DepthAlignment,
    LeastSquaresScale,
    LeastSquaresScaleShift,
    MedianScale,
    MetricDepth,
    depth_errors,
    resize_depth,
)

MODES = {"metric": MetricDepth(), "median": MedianScale(), "lstsq": LeastSquaresScaleShift()}
MAX_DEPTH = {"bonn": 70.0, "sintel": 70.0, "kitti": None, "default80": 80.0}


def _pair(seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(0.5, 5, size=(3, 6, 8)), random.uniform(0.5, 5, size=(3, 6, 8))


def test_metric_by_hand():
    truth = np.array([[[1.0, 2.0, 4.0, 0.0, -1.0, 80.0, np.nan]]])
    predicted = np.array([[[1.1, 2.6, -1.0, 9.0, 9.0, 9.0, 9.0]]])
    errors = depth_errors(predicted, truth)
    np.testing.assert_allclose(errors.abs_rel, (0.1 + 0.3 + 1.25) / 3)
    np.testing.assert_allclose(errors.delta_125, 1 / 3)
    assert errors.valid_pixels == 3
    assert depth_errors(predicted, truth, max_depth=None).valid_pixels == 4


@pytest.mark.parametrize("alignment", [MedianScale(), LeastSquaresScale(), LeastSquaresScaleShift()])
def test_an_exact_scale_is_undone(alignment):
    _, truth = _pair()
    errors = depth_errors(truth / 3, truth, alignment)
    np.testing.assert_allclose([errors.scale, errors.shift, errors.abs_rel], [3, 0, 0], atol=1e-12)
    assert errors.delta_125 == 1


def test_least_squares_equals_numpy():
    predicted, truth = _pair()
    p, g = predicted.ravel(), truth.ravel()
    line = depth_errors(predicted, truth, LeastSquaresScaleShift())
    expected = np.linalg.lstsq(np.stack([p, np.ones_like(p)], axis=1), g, rcond=None)[0]
    np.testing.assert_allclose([line.scale, line.shift], expected)
    scaled = depth_errors(predicted, truth, LeastSquaresScale())
    np.testing.assert_allclose(scaled.scale, np.linalg.lstsq(p[:, None], g, rcond=None)[0][0])


def test_one_alignment_for_the_whole_sequence():
    _, truth = _pair()
    predicted = truth * np.array([1.0, 1.0, 2.0])[:, None, None]
    errors = depth_errors(predicted, truth, MedianScale())
    frames = [depth_errors(p[None], g[None], MedianScale()).abs_rel for p, g in zip(predicted, truth, strict=True)]
    np.testing.assert_allclose(frames, 0, atol=1e-12)
    assert errors.abs_rel > 0.1


def test_a_user_can_bring_an_alignment():
    class Doubled(DepthAlignment):
        def fit(self, predicted, truth):
            return 2.0, 0.5

    _, truth = _pair()
    assert depth_errors((truth - 0.5) / 2, truth, Doubled()).abs_rel < 1e-12


def test_no_valid_pixel_is_no_number():
    errors = depth_errors(np.ones((1, 2, 2)), np.zeros((1, 2, 2)))
    assert np.isnan(errors.abs_rel)
    assert errors.valid_pixels == 0


def test_a_constant_prediction_gets_the_mean():
    errors = depth_errors(np.ones((1, 1, 2)), np.array([[[1.0, 3.0]]]), LeastSquaresScaleShift())
    assert (errors.scale, errors.shift) == (0, 2)


def test_frames_must_match():
    with pytest.raises((ValueError, TypeError)):  # the type check speaks first where it is on
        depth_errors(np.ones((2, 2, 2)), np.ones((3, 2, 2)))


def test_another_size_is_resized():
    predicted = np.full((1, 5, 7), 2.0, np.float32)
    errors = depth_errors(predicted, np.full((1, 12, 20), 2.5))
    np.testing.assert_allclose(errors.abs_rel, 0.2, rtol=1e-6)


@pytest.mark.shared
def test_recorded_resizing(shared):
    recorded = np.load(shared / "golden_eval/depth/resize_inter_cubic.npz")
    for name in {key.split("/")[0] for key in recorded}:
        out = recorded[f"{name}/out"]
        np.testing.assert_allclose(resize_depth(recorded[f"{name}/in"][None], out.shape)[0], out, rtol=0, atol=1.5e-5)


@pytest.mark.shared
def test_recorded_errors(shared):
    recorded = np.load(shared / "golden_eval/depth/stacks.npz")
    expected = json.loads((shared / "golden_eval/depth/expected.json").read_text())
    checked = 0
    for name in expected.keys() - {"custom_mask", "disp_input"}:  # options we do not have
        for key, values in expected[name]["results"].items():
            dataset, mode = key.split("|")
            if mode not in MODES or "exception" in values:
                continue
            errors = depth_errors(
                *(recorded[f"{name}/pred"], recorded[f"{name}/gt"], MODES[mode]),
                max_depth=MAX_DEPTH[dataset],
                clip=70.0 if dataset == "sintel" else None,
            )
            assert errors.valid_pixels == values["valid_pixels"]
            if errors.valid_pixels == 0:
                continue
            message = f"{name} {key}"
            np.testing.assert_allclose(errors.abs_rel, values["Abs Rel"], rtol=1e-5, atol=1e-7, err_msg=message)
            if (name, mode) != ("exact_scale_f32", "metric"):  # sits on 1.25 exactly
                np.testing.assert_allclose(errors.delta_125, values["δ < 1.25"], rtol=1e-5, err_msg=message)
            if mode == "lstsq":
                np.testing.assert_allclose(
                    [errors.scale, errors.shift], [values["s"], values["t"]], rtol=1e-4, atol=1e-6
                )
            checked += 1
    assert checked == 26
