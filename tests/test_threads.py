"""Pieces of work side by side: in order, on a share of the cores each, and none goes on when one has failed."""

import signal
import threading
import time

import pytest
import torch

from ttt3r.threads import Stopped, side_by_side


@pytest.fixture(params=[1, 2, 4])
def cores(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_order_and_threads_are_as_before(cores):
    assert side_by_side(lambda item, _: (time.sleep(0.01 * (3 - item)), item)[1], range(4)) == [0, 1, 2, 3]
    assert side_by_side(lambda item, _: item, ()) == []
    assert torch.get_num_threads() == cores


def test_the_cores_are_dealt_out(cores):
    found = side_by_side(lambda _, check: (torch.get_num_threads(), threading.get_ident()), range(2))
    assert {share for share, _ in found} == {max(1, cores // 2)}
    alone = side_by_side(lambda _, check: (torch.get_num_threads(), threading.get_ident()), range(2), alone=True)
    assert alone == [(cores, threading.get_ident())] * 2


def test_gradients_and_precision_are_those_of_the_caller(cores):
    def modes(_item, _check):
        return torch.is_grad_enabled(), (torch.ones(2, 2) @ torch.ones(2, 2)).dtype

    assert side_by_side(modes, range(2)) == [(True, torch.float32)] * 2
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert side_by_side(modes, range(2)) == [(False, torch.bfloat16)] * 2


def endless(check):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        check()
        time.sleep(0.001)
    raise AssertionError("nobody said that the work is no longer wanted")


def test_the_reason_is_raised_and_what_is_no_longer_wanted_stops():
    torch.set_num_threads(2)
    begun, together = [], threading.Barrier(2, timeout=60)

    def work(item, check):
        begun.append(item)
        if item == 0:
            together.wait()
            endless(check)
        together.wait()
        raise ValueError(f"no room in house {item}")

    try:
        with pytest.raises(ValueError, match="no room in house 1"):
            side_by_side(work, range(5))
    finally:
        torch.set_num_threads(1)
    assert sorted(begun) == [0, 1]


def test_an_interrupt_stops_all():
    torch.set_num_threads(2)
    ended, together = [], threading.Barrier(2, timeout=60)

    def work(item, check):
        together.wait()
        if item == 0:
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)
        try:
            endless(check)
        except Stopped:
            ended.append(item)
            raise

    try:
        with pytest.raises(KeyboardInterrupt):
            side_by_side(work, range(2))
    finally:
        torch.set_num_threads(1)
    assert sorted(ended) == [0, 1]
