from dataclasses import astuple

import numpy as np
import pytest

from ttt3r.evaluation.metrics.depth import errors as depth
from ttt3r.evaluation.metrics.depth.alignment import LeastSquaresScaleShift
from ttt3r.evaluation.metrics.depth.errors import (
    depth_errors,
    matched_pixels,
    pixel_errors,
    pooled_errors,
    range_errors,
)
from ttt3r.evaluation.metrics.depth.pixels import DepthPixels, DepthSpool


def _maps(frames=6, dtype=np.float64):
    random = np.random.default_rng(0)
    predicted = random.uniform(0.5, 5, size=(frames, 5, 7)).astype(np.float32)
    truth = random.uniform(-1, 5, size=(frames, 10, 14)).astype(dtype)
    truth[3] = 0  # a frame without truth
    return predicted, truth


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_spool_gives_every_prefix_exactly(tmp_path, dtype):
    predicted, truth = _maps(dtype=dtype)
    with DepthSpool(folder=str(tmp_path)) as spool:
        for p, g in zip(predicted, truth, strict=True):
            spool.add(p, g)
        pixels = spool.pixels()
        assert len(pixels) == 6
        for frames in range(7):
            part = pixels.first(frames)
            naive = matched_pixels(predicted[:frames], truth[:frames])
            for found, expected in zip((part.predicted, part.truth), naive, strict=True):
                np.testing.assert_array_equal(found, expected)
                assert found.dtype == expected.dtype
        whole = pixel_errors(pixels.predicted, pixels.truth)
        assert [len(g) for _, g in pixels.by_frame()] == [int((g > 0).sum()) for g in truth]
    assert whole == depth_errors(predicted, truth)
    assert not list(tmp_path.iterdir())


def test_maps_in_memory_are_the_same():
    predicted, truth = _maps()
    pixels = DepthPixels.of(predicted, truth, max_depth=3.0)
    np.testing.assert_array_equal(pixels.truth, truth[(truth > 0) & (truth < 3)])
    assert pixels.ends[2] == pixels.ends[3]
    assert len(DepthPixels.of(predicted[:0], truth[:0])) == 0
    with pytest.raises((ValueError, TypeError)):
        DepthPixels.of(predicted[:2], truth)


def test_a_limit_is_spread_evenly():
    truth = np.arange(1.0, 1001).reshape(20, 50)
    with DepthSpool(max_depth=None, limit=11) as spool:
        spool.add(truth.astype(np.float32), truth)
        spool.add(truth[:, :0].astype(np.float32).reshape(20, 0), truth[:, :0].reshape(20, 0))
        pixels = spool.pixels()
    assert pixels.ends.tolist() == [11, 11]
    assert np.ptp(np.diff(pixels.truth)) <= 1


def test_nothing_valid_is_an_empty_sequence():
    with DepthSpool() as spool:
        spool.add(np.ones((2, 2), np.float32), np.zeros((2, 2)))
        assert len(spool.pixels().truth) == 0
        assert len(spool.pixels()) == 1
        with pytest.raises(ValueError, match="use one dtype"):
            spool.add(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32))
    with pytest.raises(ValueError, match="open the spool"):
        DepthSpool().add(np.ones((2, 2)), np.ones((2, 2)))


def test_a_long_sequence_is_judged_in_pieces(monkeypatch):
    predicted, truth = matched_pixels(*_maps())
    alignment = LeastSquaresScaleShift()
    whole = pixel_errors(predicted, truth, alignment, clip=3.0)
    monkeypatch.setattr(depth, "_AT_ONCE", 50)
    pieces = pixel_errors(predicted, truth, alignment, clip=3.0)
    np.testing.assert_allclose(astuple(pieces), astuple(whole), rtol=1e-12)
    assert (pieces.scale, pieces.shift) == alignment.fit(predicted.astype(float), truth)
    predicted[0] = np.nan
    assert np.isnan(pixel_errors(predicted, truth).rmse)


def test_errors_by_range():
    predicted, truth = matched_pixels(*_maps())
    alignment = LeastSquaresScaleShift()
    near, far, nowhere = range_errors(predicted, truth, (0, 2, 5, 9), alignment)
    assert (near.valid_pixels, far.valid_pixels) == ((truth < 2).sum(), (truth >= 2).sum())
    assert nowhere.valid_pixels == 0
    assert near.scale == far.scale
    pooled, whole = pooled_errors([near, far]), pixel_errors(predicted, truth, alignment)
    np.testing.assert_allclose([pooled.rmse, pooled.abs_rel], [whole.rmse, whole.abs_rel])
    assert near.abs_rel > 2 * far.abs_rel  # a prediction that knows nothing is the mean depth everywhere
