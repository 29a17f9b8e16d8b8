import math
import mmap

import numpy as np
import pytest
import torch

from ttt3r.evaluation.measures import cost
from ttt3r.evaluation.measures.cost import CostMeter, held_bytes, peak_bytes, slope, slowdown


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves by hand, so that no assertion hangs on the machine."""
    now = [0.0]
    monkeypatch.setattr(cost.time, "perf_counter", lambda: now[0])

    def pass_by(seconds):
        now[0] += seconds

    return pass_by


def test_seconds_by_part(clock):
    meter = CostMeter(warm_up=2)
    for index in range(10):
        with meter.part("encode"):
            clock(1.0 if index >= 2 else 100.0)  # the first frames are slow
        for _ in range(2):
            with meter.part("recur"):
                clock(0.5 * index)
        clock(7.0)  # between the parts
        meter.end_frame()
    summary = meter.summary()
    assert summary.frames == 8
    np.testing.assert_allclose(summary.seconds_per_frame["encode"], 1.0)
    np.testing.assert_allclose(summary.seconds_per_frame["recur"], np.median(range(2, 10)))
    np.testing.assert_allclose(summary.total_seconds_per_frame, 1 + np.median(range(2, 10)))
    np.testing.assert_allclose(summary.slowdown, (1 + 8.5) / (1 + 2.5))
    assert summary.as_costs()["seconds_per_frame/encode"] == summary.seconds_per_frame["encode"]


def test_a_part_that_fails_is_booked(clock):
    meter = CostMeter(warm_up=0)

    def fail():
        with meter.part("encode"):
            clock(3.0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    meter.end_frame()
    assert meter.summary().seconds_per_frame == {"encode": 3.0}


def test_growth():
    np.testing.assert_allclose(slope(5 + 3.0 * np.arange(20)), 3)
    assert slope(np.full(5, 2.0)) == 0
    assert math.isnan(slope(np.ones(1)))
    assert slowdown(np.ones(9)) == 1
    assert math.isnan(slowdown(np.ones(3)))


def test_memory_of_the_process_grows_with_what_is_kept():
    if math.isnan(held_bytes(torch.device("cpu"))):
        pytest.skip("this system does not tell the memory of a process")
    kept, meter = [], CostMeter(warm_up=0)
    for _ in range(20):
        kept.append(mmap.mmap(-1, 8 * 2**20))  # from the system, never from what the process has free
        np.frombuffer(kept[-1], np.uint8)[:] = 1
        meter.end_frame()
    assert 0.7 * 8 * 2**20 < meter.summary().bytes_per_frame < 1.3 * 8 * 2**20
    assert peak_bytes(torch.device("cpu")) >= 20 * 8 * 2**20
    assert meter.summary().peak_bytes >= 0.99 * held_bytes(torch.device("cpu"))  # the two counters differ by some pages


def test_nothing_metered_is_no_number():
    summary = CostMeter().summary()
    assert (summary.frames, dict(summary.seconds_per_frame)) == (0, {})
    assert math.isnan(summary.total_seconds_per_frame)


@pytest.mark.gpu
def test_memory_of_a_gpu():
    device = torch.device("cuda")
    meter = CostMeter(device, warm_up=0)
    kept = []
    for _ in range(4):
        with meter.part("allocate"):
            kept.append(torch.ones(1 << 20, device=device))
        meter.end_frame()
    np.testing.assert_allclose(meter.summary().bytes_per_frame, 4 * 2**20, rtol=0.01)
