"""Measures as torchmetrics: rows survive precision, inference mode, duplicates, and several processes."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.distributed
from torch.multiprocessing.spawn import start_processes

from ttt3r.evaluation.measures.base import Measure, Measurement, Missing, measurement
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.measures.torchmetrics import SequenceMetric

NAMES = tuple(f"sequence-{number}" for number in range(7))


@dataclass(frozen=True)
class Digits(Measure[float]):
    """A third of the number, which float32 cannot hold, and the number of its digits; 0 has no third."""

    @property
    def names(self):
        return ("third", "digits")

    def __call__(self, sample: float) -> Measurement:
        third = sample / 3 if sample else Missing(Status.DEGENERATE, "it is 0")
        return measurement({"third": third, "digits": float(len(f"{sample:g}"))}, frames=int(sample))


def _filled(numbers):
    metric = SequenceMetric(Digits(), NAMES)
    for number in numbers:
        metric.update(NAMES[number], float(number))
    return metric


def test_a_table_of_sequences():
    table = _filled([4, 0, 2]).table()
    assert table.sequences == ("sequence-0", "sequence-2", "sequence-4")
    assert table.missing == ("sequence-1", "sequence-3", "sequence-5", "sequence-6")
    assert table.metrics == ("third", "digits")
    assert table.frames == (0, 2, 4)
    np.testing.assert_array_equal(table.values, [[np.nan, 1], [2 / 3, 1], [4 / 3, 1]])
    assert table.statuses == ((Status.DEGENERATE, Status.OK), (Status.OK,) * 2, (Status.OK,) * 2)
    assert table.mean("third") == (2 / 3 + 4 / 3) / 2
    assert table.count("third") == (2, 7)
    assert table.count("digits") == (3, 7)
    assert table.weighted_mean("third", "digits") == 1
    with pytest.raises(ValueError, match="no metric 'fourth'"):
        table.mean("fourth")


def test_nothing_is_an_empty_table():
    table = SequenceMetric(Digits(), NAMES).table()
    assert (table.sequences, table.missing) == ((), NAMES)
    assert np.isnan(table.mean("third"))
    assert np.isnan(table.weighted_mean("third", "digits"))


def test_a_sequence_counts_once_and_the_last_time_counts():
    metric = _filled([4, 2, 4, 4])
    assert metric.table().mean("third") == 1
    metric.update(NAMES[2], 6.0)
    np.testing.assert_array_equal(metric.table().column("third"), [2, 4 / 3])
    metric.reset()
    assert metric.table().sequences == ()


def test_numbers_that_were_measured_elsewhere_are_taken():
    metric = _filled([4])
    metric.update(NAMES[5], Digits()(5.0))
    assert metric.table().mean("third") == 1.5
    with pytest.raises(ValueError, match="numbers of another measure"):
        metric.update(NAMES[5], measurement({"fourth": 1.0}, 1))
    with pytest.raises(ValueError, match="not among the 7 sequences"):
        metric.update("another", 1.0)
    with pytest.raises(ValueError, match="two sequences are called 'a'"):
        SequenceMetric(Digits(), ("a", "b", "a"))


@pytest.mark.parametrize("change", ["half", "bfloat16", "float"])
def test_precision_does_not_touch_the_rows(change):
    module = torch.nn.Sequential(torch.nn.Linear(2, 2))
    module.add_module("metric", metric := _filled([1]))
    getattr(module, change)()
    metric.update(NAMES[2], 2.0)
    assert metric.table().column("third").tolist() == [1 / 3, 2 / 3]


def test_rows_survive_inference_mode_and_pickling():
    import pickle  # as Lightning does with a module and its metrics where it spawns processes; of our own bytes only

    metric = SequenceMetric(Digits(), NAMES)
    with torch.inference_mode():
        metric.update(NAMES[1], 1.0)
        assert metric.table().mean("third") == 1 / 3
    metric.update(NAMES[2], 2.0)
    again = pickle.loads(pickle.dumps(metric))
    np.testing.assert_array_equal(again.table().values, metric.table().values)


def test_forward_gives_the_row_of_its_sequence_and_keeps_all():
    metric = SequenceMetric(Digits(), NAMES)
    assert metric(NAMES[3], 3.0).tolist() == [[3, 3, 1, 1, 0, 0]]
    assert metric(NAMES[1], 1.0)[0, 0] == 1
    assert metric.table().sequences == ("sequence-1", "sequence-3")


def _work(rank, processes, port_file, count, folder):
    """One process: its share as a padding sampler gives it, and the joined table."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{port_file}", rank=rank, world_size=processes)
    share = range(rank, count, processes)
    padded = [*share, 0] if len(share) < -(-count // processes) and len(share) else share
    metric = _filled(padded)
    np.save(f"{folder}/{rank}.npy", np.column_stack([(table := metric.table()).frames, table.values]))
    np.save(f"{folder}/{rank}-after.npy", torch.cat(metric.rows).numpy() if metric.rows else np.zeros(0))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("count", [1, 3, 7])
def test_two_processes_give_the_rows_of_one(tmp_path, count):
    arguments = (2, tmp_path / "meet", count, str(tmp_path))
    start_processes(_work, arguments, nprocs=2, start_method="fork")
    table = _filled(range(count)).table()
    alone = np.column_stack([table.frames, table.values])
    for rank in range(2):
        np.testing.assert_array_equal(np.load(tmp_path / f"{rank}.npy"), alone)
    # The exchange is undone after each table: a process goes on with its own rows.
    assert len(np.load(tmp_path / "1-after.npy")) < len(alone) * 6


def test_lightning_in_bfloat16(tmp_path):
    lightning = pytest.importorskip("lightning")

    class Evaluation(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.metric = torch.nn.Linear(1, 1), SequenceMetric(Digits(), NAMES)

        def test_step(self, batch):
            assert self.layer.weight.dtype == torch.bfloat16
            assert torch.is_inference_mode_enabled()
            self.metric.update(NAMES[int(batch[0])], float(batch[0]))

        def on_test_epoch_end(self):
            self.log("third", torch.tensor(self.metric.table().mean("third"), dtype=torch.float64))

    trainer = lightning.Trainer(
        accelerator="cpu",
        precision="bf16-true",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.arange(1, 7)), batch_size=None)
    module = Evaluation()
    trainer.test(module, loader, verbose=False)
    assert module.metric.table().missing == ("sequence-0",)
    assert module.metric.table().mean("third") == pytest.approx(3.5 / 3, rel=1e-15)
