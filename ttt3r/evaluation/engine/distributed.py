"""The same evaluation in several processes, by Lightning: under `torchrun`, under SLURM, or on several devices of one machine.

Each process takes whole sequences and writes whole files; the processes only wait for each other at the end.
"""

import logging
import os
import signal
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lightning import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader, Dataset

from ttt3r.evaluation.engine.evaluator import Evaluation, evaluate_sequence
from ttt3r.evaluation.engine.folder import ResultFolder
from ttt3r.evaluation.engine.sharding import Shard, launched_processes
from ttt3r.evaluation.engine.units import Unit
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.network import CUT3R


@dataclass(frozen=True)
class Processes:
    """Which processes take part.

    Args:
        accelerator: `auto`, `cpu`, `gpu`, ... as Lightning's Trainer takes it.
        devices: processes on each machine.
        nodes: machines.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1

    @classmethod
    def launched(cls, accelerator: str = "auto") -> "Processes":
        """Those that `torchrun` or `srun` has started, evenly over the machines."""
        count = launched_processes()
        # Lightning's environments give the number of all processes, and not how they lie on the machines.
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "0")) or count // int(os.environ.get("SLURM_NNODES", "1"))
        return cls(accelerator, here, count // here)


class EvaluationModule(LightningModule):
    """One prediction step is one sequence: all its rules and lengths, written to files when it is done.

    Args:
        network: moved to the device of each process.
        evaluation: what is to be done.
        out: folder of the results, the same for all processes.
        shard: the share of all these processes together.
    """

    def __init__(self, network: CUT3R, evaluation: Evaluation, out: Path, shard: Shard = Shard()) -> None:
        super().__init__()
        self.network = network
        self._evaluation, self._folder, self._share = evaluation, ResultFolder(out), shard
        self._found: dict[Unit, UnitResult] = {}
        self._lock = ExitStack()
        self._entries = evaluation.protocol.find(evaluation.root)

    def on_predict_start(self) -> None:
        """SIGTERM or SIGHUP ends the process at once, as Ctrl-C does; Lightning would wait for the others amid a step."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        self._evaluation, own = self._evaluation.of(self.network), self._own
        self._lock.enter_context(self._folder.share(self._evaluation.name, f"{own.index}-of-{own.count}"))
        self._folder.begin(self._evaluation.protocol.hash, self._evaluation.ground)

    def on_predict_end(self) -> None:
        """What was found or made here is what counts now."""
        self._folder.make_current(self._found)
        self._lock.close()

    @property
    def _own(self) -> Shard:
        return Shard(self.global_rank, self.trainer.world_size).within(self._share)

    def predict_dataloader(self) -> DataLoader[int]:
        """Places of this process's sequences, as they are: a distributed sampler would pad them with repeated ones."""
        return DataLoader(_Places(self._own.of(range(len(self._entries)))), batch_size=None)

    def predict_step(self, batch: int, batch_idx: int) -> int:
        """Run what is missing of one sequence; the number of its units."""
        found = evaluate_sequence(self.network, self._evaluation, self._entries[batch], self._folder)
        self._found |= found
        return len(found)


class _Places(Dataset[int]):
    def __init__(self, places: tuple[int, ...]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> int:
        return self._places[number]


def evaluate_together(
    network: CUT3R, evaluation: Evaluation, out: Path, processes: Processes, shard: Shard = Shard()
) -> bool:
    """Run what is missing in several processes and wait for all of them; whether this process is the first one.

    The files are the same, bit for bit, as those of one process: a sequence never sees another one.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    several = processes.devices * processes.nodes > 1
    trainer = Trainer(
        accelerator=processes.accelerator,
        devices=processes.devices,
        num_nodes=processes.nodes,
        # The first to finish waits for the last, however long its sequences are.
        strategy=DDPStrategy(timeout=timedelta(days=30)) if several else "auto",
        use_distributed_sampler=False,
        inference_mode=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.predict(EvaluationModule(network, evaluation, out, shard), return_predictions=False)
    trainer.strategy.barrier()
    return trainer.is_global_zero
