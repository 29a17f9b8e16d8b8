import json

import numpy as np
import pytest

from ttt3r.evaluation.metrics.depth.alignment import (
    DepthAlignment,
    L1Scale,
    L1ScaleShift,
    LeastSquaresScale,
    LeastSquaresScaleShift,
    MedianScale,
    MetricDepth,
)
from ttt3r.evaluation.metrics.depth.drift import scale_drift
from ttt3r.evaluation.metrics.depth.errors import depth_errors, pooled_errors, resize_depth
from ttt3r.evaluation.metrics.depth.pixels import DepthPixels

ALIGNMENTS = [
    MetricDepth(),
    MedianScale(),
    LeastSquaresScale(),
    LeastSquaresScaleShift(),
    L1Scale(),
    L1ScaleShift(),
]
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
    np.testing.assert_allclose(errors.sq_rel, (0.01 + 0.36 / 2 + 25 / 4) / 3)
    np.testing.assert_allclose(errors.rmse, np.sqrt((0.01 + 0.36 + 25) / 3))
    logs = np.log([1.1, 1.3, 1e-5 / 4])  # a negative depth counts as 1e-5 m
    np.testing.assert_allclose(errors.log_rmse, np.sqrt((logs**2).mean()))
    np.testing.assert_allclose([errors.delta_125_2, errors.delta_125_3], 2 / 3)
    assert errors.valid_pixels == 3
    assert depth_errors(predicted, truth, max_depth=None).valid_pixels == 4


@pytest.mark.parametrize("alignment", ALIGNMENTS[1:])
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


def _absolute(p, g, scale, shift=0.0):
    return np.abs(scale * p + shift - g).sum()


@pytest.mark.parametrize("seed", range(20))
def test_l1_scale_is_the_best_of_all_corners(seed):
    random = np.random.default_rng(seed)
    p, g = random.normal(2, 1, size=31), random.uniform(0.5, 5, size=31)
    if seed % 2:  # ties, and an even count
        p, g = np.round(p)[:30], np.round(g)[:30]
    scale, _ = L1Scale().fit(p, g)
    best = min(_absolute(p, g, g[i] / p[i]) for i in range(len(p)) if p[i] != 0)
    np.testing.assert_allclose(_absolute(p, g, scale), best, rtol=1e-13)


@pytest.mark.parametrize("seed", range(20))
def test_l1_scale_and_shift_is_the_best_of_all_lines(seed):
    random = np.random.default_rng(seed)
    p, g = random.normal(2, 1, size=25 + seed % 2), random.uniform(0.5, 5, size=25 + seed % 2)
    if seed % 3 == 0:
        p, g = np.round(p), np.round(g)
    scale, shift = L1ScaleShift().fit(p, g)
    lines = []  # one of the best lines goes through two of the pixels, or is level through one
    for i in range(len(p)):
        for j in range(i):
            slope = (g[i] - g[j]) / (p[i] - p[j]) if p[i] != p[j] else 0.0
            lines.append(_absolute(p, g, slope, g[i] - slope * p[i]))
    np.testing.assert_allclose(_absolute(p, g, scale, shift), min(lines), rtol=1e-12)


def test_l1_fits_equal_linear_programming():
    scipy = pytest.importorskip("scipy.optimize")
    predicted, truth = _pair()
    p, g = predicted.ravel(), truth.ravel()
    for alignment, columns in ((L1Scale(), [p]), (L1ScaleShift(), [p, np.ones_like(p)])):
        design, free = np.stack(columns, axis=1), len(columns)
        identity = np.eye(len(p))
        constraints = np.block([[design, -identity], [-design, -identity]])
        cost = np.concatenate([np.zeros(free), np.ones(len(p))])
        bounds = [(None, None)] * free + [(0, None)] * len(p)
        program = scipy.linprog(cost, constraints, np.concatenate([g, -g]), bounds=bounds)
        np.testing.assert_allclose(_absolute(p, g, *alignment.fit(p, g)), program.fun, rtol=1e-9)


def test_l1_ignores_a_few_wrong_truths():
    _, truth = _pair()
    predicted = truth / 2
    truth[0, 0, :5] = 60
    assert L1Scale().fit(predicted.ravel(), truth.ravel())[0] == pytest.approx(2)
    assert L1ScaleShift().fit(predicted.ravel(), truth.ravel()) == pytest.approx((2, 0), abs=1e-12)


def test_no_scale_is_no_number():
    for alignment in (MedianScale(), L1Scale()):
        assert np.isnan(alignment.fit(-np.ones(4), np.ones(4))[0])
        assert np.isnan(alignment.fit(np.array([1.0, np.nan]), np.ones(2))[0])
    assert np.isnan(L1Scale().fit(np.zeros(2), np.ones(2))[0])
    assert np.isnan(L1ScaleShift().fit(np.array([1.0, np.nan, 2]), np.ones(3))).all()
    assert L1ScaleShift().fit(np.ones(3), np.array([1.0, 2, 9])) == (0, 2)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_one_bad_pixel_is_not_hidden(alignment):
    predicted, truth = _pair()
    predicted[0, 0, 0] = np.nan
    assert np.isnan(depth_errors(predicted, truth, alignment).abs_rel)


def test_pooling_equals_one_long_sequence():
    predicted, truth = _pair()
    parts = [depth_errors(predicted[:1], truth[:1]), depth_errors(predicted[1:], truth[1:])]
    pooled, whole = pooled_errors([*parts, depth_errors(predicted, 0 * truth)]), depth_errors(predicted, truth)
    for name in ("abs_rel", "sq_rel", "rmse", "log_rmse", "delta_125", "delta_125_2", "delta_125_3", "valid_pixels"):
        np.testing.assert_allclose(getattr(pooled, name), getattr(whole, name), err_msg=name)
    assert np.isnan(pooled_errors([]).rmse)


def test_scale_drift():
    _, truth = _pair()
    truth = np.concatenate([truth, truth[:1]])
    drift = np.exp(0.02 * np.arange(4))
    found = scale_drift(DepthPixels.of(truth / drift[:, None, None], truth))
    np.testing.assert_allclose(found.scales, drift)
    np.testing.assert_allclose([found.log_slope, found.log_std], [2.0, 0.02 * float(np.std([0, 1, 2, 3]))])
    truth[1] = 0  # a frame without truth has no scale, and the others keep their time
    found = scale_drift(DepthPixels.of(truth / drift[:, None, None], truth))
    assert np.isnan(found.scales).tolist() == [False, True, False, False]
    np.testing.assert_allclose(found.log_slope, 2.0)
    assert np.isnan(scale_drift(DepthPixels.of(truth[:1], truth[:1])).log_slope)


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
            ours = [errors.sq_rel, errors.rmse, errors.log_rmse, errors.delta_125_2, errors.delta_125_3]
            theirs = [values[key] for key in ("Sq Rel", "RMSE", "Log RMSE", "δ < 1.25^2", "δ < 1.25^3")]
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-7, err_msg=message)
            if (name, mode) != ("exact_scale_f32", "metric"):  # sits on 1.25 exactly
                np.testing.assert_allclose(errors.delta_125, values["δ < 1.25"], rtol=1e-5, err_msg=message)
            if mode == "lstsq":
                np.testing.assert_allclose(
                    [errors.scale, errors.shift], [values["s"], values["t"]], rtol=1e-4, atol=1e-6
                )
            checked += 1
    assert checked == 26
