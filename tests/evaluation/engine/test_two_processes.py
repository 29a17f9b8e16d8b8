"""Two processes (gloo, on the CPU) give the same bits as one, for 3 and 7 sequences, also after one of them was killed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from one_of_several import evaluation, network

from ttt3r.evaluation.engine.evaluator import evaluate
from ttt3r.evaluation.results.files import read_results

TESTS = Path(__file__).parents[2]


def launch(*words):
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent), "OMP_NUM_THREADS": "1"}
    environment.pop("TTT3R_TYPECHECK", None)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*command, str(TESTS / "one_of_several.py"), *words], env=environment, capture_output=True, text=True
    )


def means(units):
    """An aggregate, summed in the order of the files."""
    values: dict[tuple[str, int, str], list[float]] = {}
    for unit in units:
        for row in unit.rows:
            values.setdefault((row.rule, row.length, row.metric), []).append(row.value)
    return {key: float(np.mean(numbers)).hex() for key, numbers in values.items()}


def test_two_processes_give_the_bits_of_one_also_after_a_kill(tmp_path):
    torch.set_num_threads(1)
    died = launch(str(tmp_path / "two"), "DIE")
    assert died.returncode != 0
    part = read_results(tmp_path / "two/7")
    assert 0 < len(part) < 21
    again = launch(str(tmp_path / "two"))
    assert again.returncode == 0, again.stderr
    for count in (7, 3):
        evaluate(network(), evaluation(count), tmp_path / f"one/{count}")
        one, two = read_results(tmp_path / f"one/{count}"), read_results(tmp_path / f"two/{count}")
        assert len(one) == len(two) == 3 * count  # two rules and a control
        assert [repr(unit.rows) for unit in one] == [repr(unit.rows) for unit in two]
        assert means(one) == means(two)
        for a, b in zip(one, two, strict=True):
            with np.load(a.arrays) as first, np.load(b.arrays) as second:
                for name in first:
                    np.testing.assert_array_equal(first[name], second[name])
