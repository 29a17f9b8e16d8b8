import itertools
import math

import numpy as np
import pytest

from ttt3r.evaluation.report.statistics import bootstrap_interval, holm, noise_floor, sign_flip_test


def names(count):
    return [f"scene {index}" for index in range(count)]


def test_the_bootstrap_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(1).normal(0.3, 1, size=40)
    ours = bootstrap_interval(values, names(40))
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.mean == pytest.approx(values.mean())
    assert abs(ours.low - theirs.low) < 0.03 * width
    assert abs(ours.high - theirs.high) < 0.03 * width


def test_the_bootstrap_draws_whole_clusters():
    """Ten copies of each of six values know as much as the six; drawing single values would be too sure."""
    values = np.array([-1.0, 0.5, 2.0, 3.0, -2.5, 1.0])
    six = bootstrap_interval(values, names(6))
    copies = bootstrap_interval(np.repeat(values, 10), [name for name in names(6) for _ in range(10)])
    assert (copies.low, copies.high) == pytest.approx((six.low, six.high))
    assert copies.clusters == 6
    single = bootstrap_interval(np.repeat(values, 10), names(60))
    assert single.high - single.low < 0.5 * (six.high - six.low)


def test_the_bootstrap_enumerates_two_clusters_rightly():
    """Two clusters of unequal size: the draws are AA, AB, BB with 1/4, 1/2, 1/4, and their means are known."""
    interval = bootstrap_interval(np.array([1.0, 1.0, 1.0, 5.0]), ["a", "a", "a", "b"], level=0.4)
    assert (interval.mean, interval.low, interval.high) == (2.0, 2.0, 2.0)
    wide = bootstrap_interval(np.array([1.0, 1.0, 1.0, 5.0]), ["a", "a", "a", "b"])
    assert (wide.low, wide.high) == (1.0, 5.0)


def test_an_interval_covers_as_often_as_it_says():
    generator = np.random.default_rng(3)
    inside = 0
    for trial in range(300):
        interval = bootstrap_interval(generator.normal(size=30), names(30), draws=1000, seed=trial)
        inside += interval.low <= 0 <= interval.high
    assert 0.88 <= inside / 300 <= 0.98  # nominal 0.95; percentile intervals of 30 are slightly narrow


def test_one_scene_has_no_interval_and_no_sequence_no_mean():
    one = bootstrap_interval(np.array([1.0, 3.0]), ["a", "a"])
    assert one.mean == 2
    assert math.isnan(one.low)
    assert math.isnan(bootstrap_interval(np.zeros(0), []).mean)
    with pytest.raises(ValueError, match="2 values and 1 scenes"):
        bootstrap_interval(np.zeros(2), ["a"])


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).normal(size=9)
    assert bootstrap_interval(values, names(9)) == bootstrap_interval(values, names(9))
    assert bootstrap_interval(values, names(9)) != bootstrap_interval(values, names(9), seed=1)


@pytest.mark.parametrize("count", [3, 8, 12])
def test_sign_flips_agree_with_scipy(count):
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(count)
    first, second = generator.normal(0.4, 1, size=count), generator.normal(size=count)
    theirs = stats.permutation_test(
        (first, second),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    ours = sign_flip_test(first - second, names(count))
    assert ours.exact
    assert ours.p == pytest.approx(theirs.pvalue, abs=1e-12)


def test_the_smallest_p_of_eight_sequences_is_that_of_the_binomial():
    test = sign_flip_test(np.array([0.1, 0.5, 0.2, 0.9, 0.3, 0.3, 0.8, 0.05]), names(8))
    assert test.p == test.smallest == 2 / 256
    five = sign_flip_test(np.full(5, 0.3), names(5))
    assert five.p == five.smallest == 0.0625  # five sequences cannot reach 0.05


def test_a_scene_flips_as_one():
    values = np.array([0.2, 0.4, 0.1, -0.3, 0.5, 0.6])
    scenes = ["a", "a", "b", "b", "c", "c"]
    sums = [0.6, -0.2, 1.1]
    means = [
        sum(sign * part for sign, part in zip(signs, sums, strict=True))
        for signs in itertools.product((1, -1), repeat=3)
    ]
    expected = np.mean([abs(mean) >= 1.5 - 1e-9 for mean in means])
    test = sign_flip_test(values, scenes)
    assert test.p == expected
    assert test.clusters == 3


def test_many_scenes_are_drawn_and_agree_with_the_normal_law():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(5).normal(0.25, 1, size=80)
    test = sign_flip_test(values, names(80))
    z = abs(values.sum()) / np.sqrt((values**2).sum())
    assert not test.exact
    assert test.smallest == 1e-5
    assert test.p == pytest.approx(2 * stats.norm.sf(z), rel=0.1)


def test_zeros_cannot_decide():
    assert sign_flip_test(np.zeros(6), names(6)).p == 1
    assert sign_flip_test(np.zeros(0), []).p == 1
    assert sign_flip_test(np.array([0.0, 0.0, 1.0, 2.0]), names(4)).smallest == 0.5


def test_sign_flips_are_right_under_the_null():
    generator = np.random.default_rng(7)
    p = np.array([sign_flip_test(generator.standard_t(3, size=9), names(9)).p for _ in range(400)])
    assert np.mean(p <= 0.05) <= 0.08
    assert 0.4 < np.mean(p <= 0.5) < 0.6


def test_holm_by_hand():
    # Wright 1992, table: 0.01, 0.02, 0.03 -> 0.03, 0.04, 0.04
    assert holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    mixed = holm([0.01, math.nan, 0.02])
    assert mixed[0] == pytest.approx(0.02)
    assert math.isnan(mixed[1])
    assert holm([]) == []


def test_the_noise_floor_pools_within_sequences():
    floor = noise_floor([[1.0, 3.0], [10.0, 10.0, 13.0], [5.0]])
    assert floor.degrees == 3
    assert floor.deviation == pytest.approx(math.sqrt((2.0 + 6.0) / 3))
    assert floor.of_mean_difference(8, 3) == pytest.approx(floor.deviation * math.sqrt(2 / 24))
    assert math.isnan(noise_floor([[1.0], [2.0]]).deviation)
